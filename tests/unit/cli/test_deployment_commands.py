"""`ireu deployment` and `ireu alert` as a person types them."""

from __future__ import annotations

import pytest
from fixtures.command import Ireu
from fixtures.records import RecordedRemoval

pytest.importorskip("dbos", reason="the part 'server' is not installed")

from ireu_governance.service.alerts import AlertCause, Alerts
from ireu_governance.service.store import ServiceStore


@pytest.mark.parametrize(
    ("typed", "source"),
    [
        ("encoders/live", {"kind": "folder", "path": "encoders/live"}),
        ("pipeline:pipelines/live/", {"kind": "pipeline", "path": "pipelines/live"}),
        ("models:/face-encoder@live", {"kind": "mlflow", "model": "face-encoder", "alias": "live"}),
        ("models:/face-encoder/7", {"kind": "mlflow", "model": "face-encoder", "version": 7}),
        ("https://encoder.example/x", {"kind": "http", "url": "https://encoder.example/x", "protocol": "ireu"}),
        ("testbed", {"kind": "named", "name": "testbed"}),
    ],
)
def test_what_is_typed_becomes_a_source(
    ireu: Ireu, recorded: RecordedRemoval, typed: str, source: dict[str, object]
) -> None:
    made = ireu("-w", recorded.workspace.root, "deployment", "add", "live", "--encoder", typed, "--json")
    assert made.code == 0, made.err
    assert made.document["encoder"] == source


def test_a_deployment_is_added_checked_paused_and_removed(ireu: Ireu, recorded: RecordedRemoval) -> None:
    w = ("-w", recorded.workspace.root)
    assert "Begin with" in ireu(*w, "deployment", "list").out
    added = ireu(*w, "deployment", "add", "live", "--encoder", "encoders/live", "--case", recorded.case_id)
    assert (added.code, "ireu worker" in added.out) == (0, True)
    assert "not checked yet" in ireu(*w, "deployment", "list").out
    assert ireu(*w, "deployment", "check", "live", "--json").document["cause"] == "manual"
    assert "paused" in ireu(*w, "deployment", "pause", "live").out
    assert "active" in ireu(*w, "deployment", "resume", "live").out
    assert "no more" in ireu(*w, "deployment", "remove", "live").out
    log = ireu(*w, "ledger", "log", "--kind", "deployment").out
    assert ("live added" in log, "live removed" in log) == (True, True)
    missing = ireu(*w, "deployment", "check", "live", "--json")
    assert (missing.code, missing.error["code"]) == (2, "deployment-unknown")
    unknown = ireu(*w, "deployment", "add", "x", "--encoder", "encoders/live", "--case", "0" * 32, "--json")
    assert (unknown.code, unknown.error["code"]) == (2, "case-unknown")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--encoder", "/etc"), "'/etc' is no folder below the workspace"),
        (("--encoder", "pipeline:../x"), "'pipeline:../x' is no folder below the workspace"),
        (("--encoder", "models:/x"), "'models:/x' does not name an encoder"),
        (("--encoder", "hf:x"), "'hf:x' does not name an encoder"),
        (("--encoder", "testbed", "--case", "eba305db"), "'eba305db' is no case id"),
    ],
)
def test_what_names_no_encoder_or_case_is_said_in_words(
    ireu: Ireu, recorded: RecordedRemoval, typed: tuple[str, ...], said: str
) -> None:
    refused = ireu("-w", recorded.workspace.root, "deployment", "add", "live", *typed, "--json")
    assert (refused.code, said in refused.error["message"]) == (2, True)
    assert "encoders/RUN" in refused.error["hint"] or "ireu ledger log" in refused.error["hint"]


def test_folder_that_is_not_there_is_watched_with_a_note(ireu: Ireu, recorded: RecordedRemoval) -> None:
    w = ("-w", recorded.workspace.root, "deployment", "add")
    (recorded.workspace.root / "encoders" / "there").mkdir(parents=True)
    assert ireu(*w, "there", "--encoder", "./encoders/there/").err == ""
    absent = ireu(*w, "absent", "--encoder", "encoders/absent")
    assert (absent.code, "no folder 'encoders/absent' yet" in absent.err) == (0, True)


def test_alerts_are_listed_and_acknowledged(ireu: Ireu, recorded: RecordedRemoval) -> None:
    w = ("-w", recorded.workspace.root)
    assert "No alert stands" in ireu(*w, "alert", "list").out
    with ServiceStore.open(recorded.workspace) as store:
        with store.writing() as connection:
            causes = [AlertCause("resurfaced", "0" * 32, recorded.case_id), AlertCause("utility-lost", removal=1)]
            Alerts(store).raise_all(connection, causes)
        number = Alerts(store).list()[0].id
    listed = ireu(*w, "alert", "list").out
    assert (recorded.case_id in listed, "removal 1" in listed) == (True, True)
    assert "acknowledged" in ireu(*w, "alert", "acknowledge", number).out
    unknown = ireu(*w, "alert", "acknowledge", "0" * 32, "--json")
    assert (unknown.code, unknown.error["code"]) == (2, "alert-unknown")


def test_the_secret_of_a_receiver_is_printed_once(ireu: Ireu, recorded: RecordedRemoval) -> None:
    w = ("-w", recorded.workspace.root)
    assert "Nobody is told" in ireu(*w, "alert", "webhook", "list").out
    made = ireu(*w, "alert", "webhook", "add", "https://alerts.example.org/x")
    assert made.out.startswith("whsec_")
    listed = ireu(*w, "alert", "webhook", "list", "--json").document["webhooks"]
    assert (len(listed), "secret" in listed[0]) == (1, False)
    assert listed[0]["id"] in ireu(*w, "alert", "webhook", "list").out
    assert ireu(*w, "alert", "webhook", "remove", listed[0]["id"]).code == 0
    refused = ireu(*w, "alert", "webhook", "add", "http://10.0.0.1/", "--json")
    assert (refused.code, refused.error["code"]) == (2, "outbound-refused")
