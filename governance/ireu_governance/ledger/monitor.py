"""Following a log from the outside: what it says now must continue what it said before, entry by entry.

A monitor keeps one small file: the last head that it believed, and the hashes that let it extend that head by itself.
Each time it looks, it verifies the new checkpoint, fetches every new entry, verifies who signed it and what it
follows, and adds it to its own tree, which must then have the signed root. The file moves on only when all of this is
done and nothing is wrong: a monitor that had moved on before would not see the same lie a second time.

What was verified before is not read again, unless everything is asked for: the head shows that the log still signs for
it, and only reading it shows that the log still serves it.

A log can hide nothing from a monitor in this way except by showing others another log. Against that helps a policy
with witnesses, or to compare heads with somebody else (`ireu_governance.core.fork`).
"""

from __future__ import annotations

from pathlib import Path

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.policy import Policy
from ireu_governance.ledger.log_source import LogSource
from ireu_governance.ledger.monitor_report import Alarm, AlarmKind, MonitorReport
from ireu_governance.ledger.monitor_state import MonitorState, load_state, save_state
from ireu_governance.ledger.monitor_visit import MAX_ALARMS, StopVisitError, Visit

__all__ = ["MAX_ALARMS", "Alarm", "AlarmKind", "MonitorReport", "follow", "look"]


def follow(
    source: LogSource,
    state_file: Path,
    *,
    key_file: KeyFile | None = None,
    policy: Policy | None = None,
    everything: bool = False,
) -> MonitorReport:
    """Look at a log once and remember its head if, and only if, everything about it is in order.

    Args:
        source: Where the log is.
        state_file: What is remembered; made the first time, readable for its owner only.
        key_file: The log's keys, from somewhere that is trusted. Without them those are taken that were used the
            last time; and the first time those that lie beside the log, which proves only that the log does not
            change from then on. In each case later versions beside the log are followed if the root keys of each
            signed the next: keys that were changed as they should be are no reason for an alarm.
        policy: The witnesses that must have cosigned.
        everything: Read and verify again what was verified before, and compare it with what is remembered.

    Returns:
        What was found.

    Raises:
        ConfigError: The file is of another log, or cannot be read or written.
        InputError: There is no log, or no key file for it.
        LedgerError: The log does not answer; nothing is known then.
    """
    before, data = load_state(state_file)
    keys = key_file or (before.key_file if before else source.key_file())
    if keys is None:
        raise InputError(
            f"There are no keys beside the log at {source.where}.",
            hint="Name the key file that the organisation gave out: --key keys.json.",
            code=ErrorCode.INPUT_MISSING,
        )
    if before is not None and before.origin != keys.origin:
        raise ConfigError(
            f"{state_file} remembers the log {before.origin!a}, the keys are of {keys.origin!a}.",
            hint="Keep a file for each log.",
            code=ErrorCode.MONITOR_STATE_UNUSABLE,
        )
    report, after = look(
        source, before, key_file=keys, policy=policy, is_given=key_file is not None, everything=everything
    )
    if after is not None and after != before:
        save_state(state_file, after, expected=data)
        report = report.model_copy(update={"advanced": True})
    return report


def look(
    source: LogSource,
    before: MonitorState | None,
    *,
    key_file: KeyFile,
    policy: Policy | None = None,
    is_given: bool = True,
    everything: bool = False,
) -> tuple[MonitorReport, MonitorState | None]:
    """Look at a log once; writes nothing.

    Args:
        source: Where the log is.
        before: What was believed before; None the first time.
        key_file: The log's keys; newer ones that lie beside the log are followed if these accept them.
        policy: The witnesses that must have cosigned.
        is_given: Whether the keys are from somewhere that is trusted, and not from the log itself. A version that is
            missing between them and those beside the log is then no lie: they count alone.
        everything: Read and verify again what was verified before.

    Returns:
        What was found, and what may be believed from now on; None when something is wrong.

    Raises:
        InputError: There is no log.
        LedgerError: The log does not answer.
    """
    visit = Visit(source, before, key_file, is_given, everything)
    try:
        visit.follow_keys()
        visit.open_checkpoint(policy)
        visit.compare_heads()
        visit.walk()
    except StopVisitError:
        pass
    return visit.report(), visit.after()
