"""Every error that ireu raises on purpose.

::

    IreuError
    ├── InputError              what was given cannot be read as what it should be        exit 2
    ├── ConfigError             the workspace or a setting is missing or wrong            exit 2
    │   └── MissingExtraError   an optional part of the package is not installed          exit 2
    ├── LedgerError             the ledger cannot be used now (locked, absent, full)      exit 2
    │   └── LedgerRefusedError  the ledger contradicts what was published before          exit 1
    ├── QueueError              the queue of jobs cannot be reached or used now           exit 2
    ├── EncoderError            an encoder cannot be loaded or does not fit               exit 2
    ├── OutboundError           another server is not asked, or its answer not taken      exit 2
    ├── ServiceError            a service refuses a request, or cannot answer it now      exit 2
    ├── RunInterruptedError     a removal was stopped and can be resumed                  exit 130
    └── VerificationError       a named check was made and failed                         exit 1
        └── EntryVoidError      an entry was properly recorded, by a key revoked there    exit 1

An error says what happened (`message`), what to do next (`hint`), and carries a stable `code` that
documentation, exit codes and HTTP problems are keyed by. Untrusted bytes may only ever raise `InputError`
(they cannot be read) or `VerificationError` (they were read and found wrong).
"""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "ConfigError",
    "EncoderError",
    "EntryVoidError",
    "ErrorCode",
    "InputError",
    "IreuError",
    "LedgerError",
    "LedgerRefusedError",
    "MissingExtraError",
    "OutboundError",
    "QueueError",
    "Refusal",
    "RunInterruptedError",
    "ServiceError",
    "VerificationError",
]


class ErrorCode(StrEnum):
    """Stable names of the things that can go wrong; `docs/errors.md` explains each."""

    INPUT_MALFORMED = "input-malformed"
    INPUT_TOO_LARGE = "input-too-large"
    INPUT_MISSING = "input-missing"
    INPUT_NOT_A_CERTIFICATE = "input-not-a-certificate"
    INPUT_TOO_NEW = "input-too-new"
    CERTIFICATE_UNKNOWN = "certificate-unknown"
    TIMESTAMP_UNAVAILABLE = "timestamp-unavailable"
    PORTRAITS_EMPTY = "portraits-empty"
    PORTRAIT_UNREADABLE = "portrait-unreadable"
    PORTRAIT_NO_FACE = "portrait-no-face"
    PORTRAITS_SHARED = "portraits-shared"
    PORTRAITS_UNPAIRED = "portraits-unpaired"
    CASE_UNKNOWN = "case-unknown"
    ENTRY_UNKNOWN = "entry-unknown"
    CONFIG_INVALID = "config-invalid"
    WORKSPACE_MISSING = "workspace-missing"
    WORKSPACE_EXISTS = "workspace-exists"
    KEY_UNUSABLE = "key-unusable"
    EXTRA_MISSING = "extra-missing"
    LEDGER_UNAVAILABLE = "ledger-unavailable"
    LEDGER_LOCKED = "ledger-locked"
    LEDGER_ROLLED_BACK = "ledger-rolled-back"
    NETWORK_UNAVAILABLE = "network-unavailable"
    WITNESS_QUORUM_MISSING = "witness-quorum-missing"
    WITNESS_REFUSED = "witness-refused"
    WITNESS_STATE_MISSING = "witness-state-missing"
    MONITOR_STATE_UNUSABLE = "monitor-state-unusable"
    DISK_FULL = "disk-full"
    ENCODER_UNLOADABLE = "encoder-unloadable"
    ENCODER_UNSAFE = "encoder-unsafe"
    ENCODER_ANSWER = "encoder-answer"
    OUTBOUND_REFUSED = "outbound-refused"
    EVIDENCE_ERASED = "evidence-erased"
    REQUEST_OUT_OF_ORDER = "request-out-of-order"
    JOB_UNKNOWN = "job-unknown"
    JOB_UNFINISHED = "job-unfinished"
    JOB_CANCELLED = "job-cancelled"
    QUEUE_UNAVAILABLE = "queue-unavailable"
    INPUT_NOT_A_RECEIPT = "input-not-a-receipt"
    RUN_INTERRUPTED = "run-interrupted"
    RUN_NOT_RESUMABLE = "run-not-resumable"
    CHECK_FAILED = "check-failed"
    ENTRY_VOID = "entry-void"
    SERVICE_UNAVAILABLE = "service-unavailable"
    NOT_AUTHENTICATED = "not-authenticated"
    NOT_ALLOWED = "not-allowed"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    MEDIA_TYPE_UNSUPPORTED = "media-type-unsupported"
    REQUEST_TIMEOUT = "request-timeout"
    RATE_LIMITED = "rate-limited"
    ACCESS_KEY_UNKNOWN = "access-key-unknown"
    IDEMPOTENCY_KEY_REUSED = "idempotency-key-reused"
    IDEMPOTENCY_KEY_BUSY = "idempotency-key-busy"
    DEPLOYMENT_UNKNOWN = "deployment-unknown"
    DEPLOYMENT_EXISTS = "deployment-exists"
    ALERT_UNKNOWN = "alert-unknown"
    WEBHOOK_UNKNOWN = "webhook-unknown"
    HOOK_REFUSED = "hook-refused"
    HOOK_REPLAYED = "hook-replayed"
    INTERNAL_FAULT = "internal-fault"


class IreuError(Exception):
    """Base of all errors that ireu raises on purpose.

    Args:
        message: What happened, in one sentence.
        hint: What to do next, in one sentence; empty when there is nothing to advise.
        code: The stable name of this kind of error; each class has a default.
    """

    default_code: ErrorCode = ErrorCode.INPUT_MALFORMED

    def __init__(self, message: str, *, hint: str = "", code: ErrorCode | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code

    def __reduce__(self) -> tuple[object, ...]:
        # Errors come back from processes that verify; the constructors take more than Python's own way hands over.
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[IreuError], arguments: tuple[object, ...], state: dict[str, object]) -> IreuError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


class InputError(IreuError):
    """Bytes, a file or an argument cannot be read as what it should be."""


class ConfigError(IreuError):
    """The workspace or a setting is missing or wrong."""

    default_code = ErrorCode.CONFIG_INVALID


class MissingExtraError(ConfigError):
    """An optional part of the distribution is needed and not installed.

    Args:
        extra: Name of the extra, such as ``ml``.
        needed_for: What was asked for, as the subject of a sentence.
    """

    default_code = ErrorCode.EXTRA_MISSING

    def __init__(self, extra: str, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs the '{extra}' part of ireu, which is not installed.",
            hint=f"Install it with: pip install 'ireu-sdk[{extra}]'",
        )
        self.extra = extra


class LedgerError(IreuError):
    """The ledger cannot be used now: absent, locked by another process, or on a full disk."""

    default_code = ErrorCode.LEDGER_UNAVAILABLE


class LedgerRefusedError(LedgerError):
    """The ledger contradicts a checkpoint that was published before, so nothing is appended to it."""

    default_code = ErrorCode.LEDGER_ROLLED_BACK


class QueueError(IreuError):
    """The queue of jobs cannot be reached or used now."""

    default_code = ErrorCode.QUEUE_UNAVAILABLE


class EncoderError(IreuError):
    """An encoder cannot be loaded, or does not fit what is asked of it."""

    default_code = ErrorCode.ENCODER_UNLOADABLE


class ServiceError(IreuError):
    """The verification service refuses a request, or cannot answer it now."""

    default_code = ErrorCode.SERVICE_UNAVAILABLE


class Refusal(StrEnum):
    """Why another server was not asked, or its answer not taken."""

    SCHEME = "scheme"
    MALFORMED = "malformed"
    USERINFO = "userinfo"
    PORT = "port"
    UNRESOLVED = "unresolved"
    ADDRESS = "address"
    PLAINTEXT = "plaintext"
    REDIRECT = "redirect"
    ENCODED = "encoded"
    TOO_LARGE = "too-large"
    TIMEOUT = "timeout"
    BROKEN = "broken"
    UNREACHABLE = "unreachable"


class OutboundError(IreuError):
    """Another server is not asked, or what it answers is not taken.

    Args:
        message: What happened; never an address that a name was looked up to.
        reason: Which rule it is about.
        hint: What to do next.
        code: ``outbound-refused``, or ``network-unavailable`` where repeating may help.
    """

    default_code = ErrorCode.OUTBOUND_REFUSED

    def __init__(self, message: str, *, reason: Refusal, hint: str = "", code: ErrorCode | None = None) -> None:
        super().__init__(message, hint=hint, code=code)
        self.reason = reason


class RunInterruptedError(IreuError):
    """A removal was stopped before its end; its state is kept and can be resumed."""

    default_code = ErrorCode.RUN_INTERRUPTED


class VerificationError(IreuError):
    """A named check was made and failed: what was verified does not hold.

    Args:
        message: What was found.
        check: Name of the check, such as ``inclusion``.
        hint: What to do next.
    """

    default_code = ErrorCode.CHECK_FAILED

    def __init__(self, message: str, *, check: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.check = check


class EntryVoidError(VerificationError):
    """An entry of a ledger counts no more: it is whole and in its place, and its record key is revoked there.

    Args:
        seq: Number of the entry.
        key_id: The key that signed it.
        from_size: Entry from which on that key counts for nothing.
    """

    default_code = ErrorCode.ENTRY_VOID

    def __init__(self, seq: int, *, key_id: str, from_size: int) -> None:
        super().__init__(
            f"Entry {seq} counts no more: the key {key_id[:16]}… that signed it is revoked from entry {from_size} on.",
            check="record-signature",
            hint="If what it says is true, record it again with the key that counts now.",
        )
        self.seq = seq
        self.key_id = key_id
        self.from_size = from_size
