"""A person's request, carried out on a real encoder, and their evidence erased when it is no longer needed."""

# ruff: noqa: E402  (torch is optional)

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from fixtures.cases import TEXT, CaseDesk
from fixtures.command import Ireu, snapshot
from fixtures.removals import LABEL, SmallRemoval, write_cast

from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.statement import CaseResult, RequestEvent, Verification
from ireu_governance.core.verdict import RetestVerdict, Verdict
from ireu_governance.ledger.audit import audit
from ireu_governance.ledger.request_log import read_request
from ireu_governance.ledger.revocation import read_withdrawals
from ireu_governance.workspace import Workspace
from ireu_sdk.order import Order, prepare
from ireu_sdk.removal import RemovalResult, unlearn
from ireu_sdk.testbed.paths import WEIGHTS

pytestmark = [pytest.mark.ml, pytest.mark.slow]


@dataclass(frozen=True)
class Answered:
    """A request that `ireu unlearn` carried out."""

    desk: CaseDesk
    case_id: str
    order: Order
    photos: Path
    result: RemovalResult


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Answered:
    folder = tmp_path_factory.mktemp("requests")
    photos = write_cast(folder / "photos")
    desk = CaseDesk.open(folder / "workspace")
    case_id = desk.receive()
    order = Order(
        encoder=str(WEIGHTS / "image_encoder"),
        case_id=case_id,
        # As in `fixtures.removals`: few steps, after which the tests hold.
        settings={
            "steps": 20,
            "batch_size": 2,
            "retain_ratio": 3,
            "lr": 2e-4,
            "warmup": 5,
            "alpha": -1.5,
            "blends": 20,
        },
        **{name: str(photos / name) for name in ("forget", "retain", "panel", "swap")},
    )
    before = snapshot(desk.workspace.root)
    with pytest.raises(InputError) as caught:
        unlearn(desk.workspace, order)
    assert caught.value.code is ErrorCode.REQUEST_OUT_OF_ORDER
    assert snapshot(desk.workspace.root) == before
    with desk.requests() as requests:
        requests.accept(case_id, grounds=["gdpr:17-1-b"])
    return Answered(desk, case_id, order, photos, unlearn(desk.workspace, order))


def test_removal_answers_the_accepted_request_by_itself(answered: Answered) -> None:
    assert answered.result.verdict is RetestVerdict.HOLDS
    assert answered.result.case_ids == answered.result.answered == (answered.case_id,)
    with answered.desk.stores() as (ledger, vault):
        kinds = [entry.kind for entry in ledger.entries()]
        state = read_request(ledger, answered.case_id)
        case = vault.find(answered.case_id)
        assert vault.get(answered.case_id, "request").payload["text"] == TEXT
    assert kinds[:6] == [
        "request-event", "request-event", "removal-request", "removal", "verification", "request-event",
    ]  # fmt: skip
    assert (state.status, state.removal_seq) == ("done", answered.result.removal_seq)
    assert case is not None
    assert [part.name for part in case.parts] == ["portraits", "request"]


def test_certificate_tells_the_requests_history_and_holds(answered: Answered) -> None:
    assert answered.result.certificate is not None
    data = answered.result.certificate.read_bytes()
    assert verify_certificate(data, key_file=answered.desk.workspace.key_file()).verdict is Verdict.HOLDS


def test_case_is_carried_out_again_by_the_same_evidence(answered: Answered, tmp_path: Path) -> None:
    import shutil

    workspace = Workspace(shutil.copytree(answered.desk.workspace.root, tmp_path / "workspace"))
    order = replace(answered.order, settings={**answered.order.settings, "alpha": -1.6})
    with workspace.open_vault() as vault:
        before = vault.cases()
    again = unlearn(workspace, order)
    assert (again.verdict, again.answered) == (RetestVerdict.HOLDS, ())
    with workspace.open_vault() as vault, workspace.open_ledger() as ledger:
        assert vault.cases() == before, "the evidence is kept once"
        state = read_request(ledger, answered.case_id)
        first, second = (
            ledger.statement(ledger.entry(each.removal_seq)).predicate for each in (answered.result, again)
        )
        (withdrawn,) = read_withdrawals(ledger)
    assert (state.status, state.removal_seq) == ("done", answered.result.removal_seq), "the clock and answer stay"
    assert (second.cases, second.encoder_before) == (first.cases, first.encoder_before)
    assert again.artifact.digest != answered.result.artifact.digest
    assert (withdrawn.status, (withdrawn.seq,)) == ("superseded", again.superseded)
    assert again.certificate is not None
    assert verify_certificate(again.certificate.read_bytes(), key_file=workspace.key_file()).verdict is Verdict.HOLDS
    found = audit(workspace.ledger_path, key_file=workspace.key_file(), checkpoint_path=workspace.checkpoint_path)
    assert found.findings == ()


def test_case_is_not_carried_out_again_with_other_photos(answered: Answered) -> None:
    before = snapshot(answered.desk.workspace.root)
    with pytest.raises(InputError, match="differs from it in: --retain, --seed"):
        prepare(
            answered.desk.workspace,
            replace(
                answered.order, settings={**answered.order.settings, "seed": 1}, retain=str(answered.photos / "swap")
            ),
        )
    assert snapshot(answered.desk.workspace.root) == before


def test_case_id_of_a_panel_is_refused(answered: Answered) -> None:
    with answered.desk.workspace.open_vault() as vault:
        panel_id = next(case.case_id for case in vault.cases() if case.has("panel"))
    with pytest.raises(InputError, match="already"):
        prepare(answered.desk.workspace, replace(answered.order, case_id=panel_id))


def test_request_of_another_workspaces_vault_is_refused(answered: Answered, tmp_path: Path) -> None:
    desk = CaseDesk.open(tmp_path / "workspace")
    case_id = desk.receive()
    with desk.requests() as requests:
        requests.accept(case_id)
    with desk.workspace.open_vault() as vault:
        vault.discard([case_id])
    with pytest.raises(InputError) as caught:
        prepare(desk.workspace, replace(answered.order, case_id=case_id))
    assert caught.value.code is ErrorCode.CASE_UNKNOWN


def test_ledger_that_refuses_the_removal_keeps_who_asked_and_no_photos(
    answered: Answered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ireu_governance.core.errors import LedgerError
    from ireu_governance.ledger.append import Ledger

    desk = CaseDesk.open(tmp_path / "workspace")
    case_id = desk.receive()
    with desk.requests() as requests:
        requests.accept(case_id)

    def refuse(*_: object, **__: object) -> None:
        raise LedgerError("locked")

    monkeypatch.setattr(Ledger, "append", refuse)
    with pytest.raises(LedgerError):
        unlearn(desk.workspace, replace(answered.order, case_id=case_id))
    with desk.workspace.open_vault() as vault:
        (case,) = vault.cases()
        assert [part.name for part in case.parts] == ["request"]
        assert vault.get(case_id, "request").payload["text"] == TEXT


def test_after_the_erasure_nothing_can_be_tested_and_all_proofs_hold(
    answered: Answered, ireu: Ireu, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(answered.desk.workspace.root, tmp_path / "workspace")
    workspace = Workspace(tmp_path / "workspace")
    assert answered.result.certificate is not None
    certificate = workspace.root / "certificates" / answered.result.certificate.name
    options = ("-w", workspace.root, "verify", "--encoder", workspace.root / "encoders" / answered.result.run_id)
    held = ireu(*options, "--case", answered.case_id, "--json")
    assert (held.code, held.document["verdict"]) == (0, "holds")
    done = ireu("-w", workspace.root, "evidence", "erase", answered.case_id, "--json")
    assert done.code == 0, done.err
    (lot,) = done.document["erased"]
    assert len(lot["case_ids"]) == 2  # the person, and the panel that only they were tested with
    for selection in (("--case", answered.case_id), ("--all",)):
        gone = ireu(*options, *selection, "--json")
        assert (gone.code, gone.document["verdict"]) == (2, "evidence-erased")
        assert gone.document["retests"][0]["verification_entry"] is None
    assert "was erased at" in ireu(*options, "--case", answered.case_id).out
    assert ireu("certificate", "verify", certificate, "--key", workspace.key_file_path).code == 0
    found = audit(workspace.ledger_path, key_file=workspace.key_file(), checkpoint_path=workspace.checkpoint_path)
    assert found.findings == ()
    needles = [LABEL.encode(), TEXT.encode()[:20]]
    needles += [path.read_bytes()[40:140] for path in (answered.photos / "forget").rglob("*") if path.is_file()]
    for path in workspace.root.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(needle in content for needle in needles), path
    with pytest.raises(InputError) as caught:
        prepare(workspace, answered.order)
    assert caught.value.code is ErrorCode.EVIDENCE_ERASED


def test_erased_panel_ends_the_tests_of_its_cases_too(answered: Answered, ireu: Ireu, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(answered.desk.workspace.root, tmp_path / "workspace")
    root = tmp_path / "workspace"
    with Workspace(root).open_vault() as vault:
        panel_id = next(case.case_id for case in vault.cases() if case.has("panel"))
    assert ireu("-w", root, "evidence", "erase", panel_id).code == 0
    gone = ireu("-w", root, "verify", "--encoder", root / "encoders" / answered.result.run_id, "--json")
    assert (gone.code, gone.document["verdict"]) == (2, "evidence-erased")


def test_cases_of_a_removal_that_were_not_erased_are_tested_on(
    drawn_removal: SmallRemoval, ireu: Ireu, tmp_path: Path
) -> None:
    removal = drawn_removal.copy(tmp_path / "workspace")
    first, second = removal.document["case_ids"]
    assert ireu("-w", removal.workspace, "evidence", "erase", first).code == 0
    options = ("-w", removal.workspace, "verify", "--encoder", removal.document["encoder"])
    assert ireu(*options, "--case", first, "--json").document["verdict"] == "evidence-erased"
    done = ireu(*options, "--case", second, "--json")
    (found,) = done.document["retests"]
    verdicts = {case["case_id"]: case["verdict"] for case in found["cases"]}
    assert verdicts[first] == "evidence-erased"
    assert verdicts[second] != "evidence-erased"
    assert {case["case_id"]: bool(case["scores"]) for case in found["cases"]} == {first: False, second: True}
    with Workspace(removal.workspace).open_ledger() as ledger:
        recorded = ledger.statement(ledger.entry(found["verification_entry"])).predicate
    assert isinstance(recorded, Verification)
    assert CaseResult(case_id=first, verdict=RetestVerdict.EVIDENCE_ERASED, scores=()) in recorded.cases


def test_stopped_run_of_an_erased_case_cannot_be_resumed(answered: Answered, tmp_path: Path) -> None:
    from ireu_governance.core.errors import ConfigError, RunInterruptedError
    from ireu_sdk.progress import Silent
    from ireu_sdk.unlearning.train import StepLog

    class Stop(Silent):
        def step(self, log: StepLog, steps: int) -> None:
            raise KeyboardInterrupt

    desk = CaseDesk.open(tmp_path / "workspace")
    order = replace(answered.order, case_id=secrets.token_hex(16))
    with pytest.raises(RunInterruptedError):
        unlearn(desk.workspace, order, observer=Stop())
    (run,) = (path.name for path in (desk.workspace.root / "runs").iterdir())
    with desk.eraser() as eraser:
        (lot,) = eraser.erase([order.case_id or ""], reason="gdpr:17-1-a")
    assert f"runs/{run}/run.json (salt and digest)" in lot.traces.removed
    with pytest.raises(ConfigError, match="destroyed with the evidence") as caught:
        unlearn(desk.workspace, replace(order, resume=run))
    assert caught.value.code is ErrorCode.RUN_NOT_RESUMABLE
    with desk.workspace.open_ledger() as ledger:
        assert not any(isinstance(ledger.statement(entry).predicate, RequestEvent) for entry in ledger.entries())
