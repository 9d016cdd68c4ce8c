"""Small parts of pages: encoders as people name them, times, codes of a later version, pictures that are none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fixtures.portal import RUN, Scene, Visit, open_scene

from ireu_governance.core.errors import ErrorCode, InputError, LedgerError, LedgerRefusedError
from ireu_governance.core.status import REASONS
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.portal import record
from ireu_governance.portal.encoders import describe_source, read_encoder
from ireu_governance.portal.once import do_once, new_number
from ireu_governance.portal.pictures import find_grids
from ireu_governance.portal.places import own_path
from ireu_governance.portal.record import describe_head
from ireu_governance.portal.rendering import day, minute
from ireu_governance.portal.visitors import Visitor
from ireu_governance.portal.wording import (
    REVOCATIONS,
    badge_of,
    problem_words,
    reason_words,
    stamp_of_all,
    summary_words,
)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("models:/face-encoder@production", "mlflow", "MLflow model “face-encoder”, alias “production”"),
        ("models:/face-encoder/7", "mlflow", "MLflow model “face-encoder”, version 7"),
        ("https://encoder.example/v1", "http", "Served at https://encoder.example/v1"),
        ("https://encoder.example/invocations", "http", "Served at https://encoder.example/invocations"),
        ("pipeline:deployed/pipeline", "pipeline", "Pipeline in the folder deployed/pipeline"),
        ("testbed", "named", "Encoder “testbed”"),
        (" encoders/run/ ", "folder", "Folder encoders/run"),
    ],
)
def test_encoder_is_read_as_it_was_meant(text: str, kind: str, words: str) -> None:
    source = read_encoder(text)
    assert source.kind == kind
    assert describe_source(source) == describe_source(source.model_dump(mode="json")) == words


@pytest.mark.parametrize("text", ["", " ", "../x", "/etc", "models:/x", "ftp://x", "http://user@host/", "file:///x"])
def test_what_is_no_encoder_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        read_encoder(text)


def test_served_models_of_mlflow_are_spoken_to_in_their_way() -> None:
    assert read_encoder("https://x.example/invocations").protocol == "mlflow"
    assert read_encoder("https://x.example/").protocol == "ireu"


def test_codes_of_a_later_version_are_shown_as_they_are() -> None:
    assert (badge_of("half-forgotten").word, badge_of("half-forgotten").tone) == ("Half forgotten", "open")


def test_every_reason_and_every_code_of_a_failed_check_has_words() -> None:
    assert tuple(REVOCATIONS) == REASONS
    for code in (*ErrorCode, "job-timed-out", "job-poisoned"):
        assert problem_words(code) != code
    assert (reason_words("reissued"), reason_words("x")) == ("A newer certificate of the same removal was issued", "x")
    for state in ("check-failed", "cancelled", "untested"):
        assert badge_of(state).sentence, state
    assert badge_of("failed").word == "Failed"


@pytest.mark.parametrize("verdict", RetestVerdict)
def test_verdict_of_many_cases_speaks_of_all_of_them(verdict: RetestVerdict) -> None:
    stamp = stamp_of_all(verdict.value)
    assert stamp.word == badge_of(verdict).word
    assert stamp.sentence
    assert "The person" not in stamp.sentence


@pytest.mark.parametrize(
    ("summary", "words"),
    [
        ("holds (retest of 4)", "holds, re-test of removal 4"),
        ("holds (removal of 4)", "holds, test after removal 4"),
        ("ireu, request 0", "method ireu, as planned in entry 0"),
        ("live moved", "live: another encoder was seen"),
        ("3 tests planned", "3 tests planned"),
        ("", ""),
    ],
)
def test_short_texts_of_entries_are_said_in_words(summary: str, words: str) -> None:
    assert summary_words(summary) == words


def test_times_that_are_none_are_shown_as_they_are() -> None:
    assert (day("2026-11-03"), day("2026-11-03T08:15:00Z"), day("soon")) == ("3 Nov 2026", "3 Nov 2026", "soon")
    assert (minute("2026-11-03T08:15:59Z"), minute("soon")) == ("3 Nov 2026, 08:15 UTC", "soon")


@pytest.mark.parametrize("path", ["/", "/cases", "/cases?after=ab&x=%20", "/explore?q=a/b"])
def test_own_paths_are_gone_to(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(40), b"\x89PNG\r\n\x1a\n" + bytes(8) + b"\0\0\0\x01" * 2])
def test_files_that_are_no_pictures_are_not_shown(tmp_path: Path, template: Any, data: bytes) -> None:
    with open_scene(tmp_path / "workspace", template=template) as scene:
        context = scene.context
        (context.workspace.root / "runs" / RUN / "before-after-testbed-a.png").write_bytes(data)
        file = context.record.cases.open(scene.published, today=context.clock().date(), everything=True)
        assert find_grids(context.workspace, file) == []
        with Visit.of(scene, "viewer") as viewer:
            assert viewer.get(f"/cases/{scene.published}").status_code == 200


def test_page_is_shown_though_the_log_cannot_be_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    context = scene.context
    for error, words in (
        (LedgerError("/secret/path is gone."), "It cannot be read now."),
        (LedgerRefusedError("It was rolled back.", code=ErrorCode.LEDGER_ROLLED_BACK), "It was rolled back."),
    ):

        def fail(*_: Any, error: Exception = error) -> None:
            raise error

        context.memory.pop("portal-head", None)
        monkeypatch.setattr(record, "summarise_log", fail)
        assert describe_head(context).trouble == words
        with Visit.of(scene, None) as visit:
            assert words in visit.get("/sign-in").text
        monkeypatch.undo()
        context.memory.pop("portal-head", None)


def test_step_that_may_be_recorded_already_is_not_made_again(scene: Scene) -> None:
    context, visitor, number = scene.context, Visitor.nobody(), new_number()

    def recorded_and_not_published() -> str:
        raise LedgerError("The step was recorded, but the head is not published.")

    with pytest.raises(LedgerError):
        do_once(context, visitor, number, "step", recorded_and_not_published)
    with pytest.raises(Exception, match="still being worked on"):
        do_once(context, visitor, number, "step", lambda: "/never")


def test_step_that_was_refused_can_be_made_after_all(scene: Scene) -> None:
    context, visitor, number = scene.context, Visitor.nobody(), new_number()

    def refused() -> str:
        raise InputError("No.")

    with pytest.raises(InputError):
        do_once(context, visitor, number, "step", refused)
    assert do_once(context, visitor, number, "step", lambda: "/done") == "/done"
    assert do_once(context, visitor, number, "step", lambda: "/again") == "/done"
    with pytest.raises(Exception, match="another request"):
        do_once(context, visitor, number, "another step", lambda: "/x")
    with pytest.raises(InputError, match="no number"):
        do_once(context, visitor, "x", "step", lambda: "/x")


def test_request_is_done_by_a_removal_and_recipients_are_told(tmp_path: Path, template: Any) -> None:
    # A removal under the request's own case, as the engine makes it.
    import builders

    from ireu_governance.core.keys import Role
    from ireu_governance.core.statement import Draft

    with open_scene(tmp_path / "workspace", template=template) as scene, Visit.of(scene, "officer") as officer:
        case_id, workspace = scene.waiting, scene.context.workspace
        assert officer.make_step(case_id, "accept").status_code == 303
        with workspace.open_ledger() as ledger:
            start = ledger.head().size
            drafts = []
            for artifact, kind, values in (
                (builders.BEFORE, "removal-request", builders.make_request((case_id,))),
                (builders.AFTER, "removal", builders.make_removal(start, (case_id,))),
            ):
                del values["recorded_at"]
                drafts.append(Draft(subject=artifact.subjects(), kind=kind, fields=values))
            ledger.append(drafts, workspace.signer(Role.RECORD))
            ledger.publish(workspace.signer(Role.LOG))
        assert f"Entry {start + 1}" in officer.get(f"/cases/{case_id}/steps/done").text
        assert officer.make_step(case_id, "done").status_code == 422  # which removal was not said
        assert officer.make_step(case_id, "done", removal=str(start + 1)).status_code == 303
        assert officer.make_step(case_id, "inform", recipients="2", on="nonsense").status_code == 422
        assert officer.make_step(case_id, "inform", recipients="2").status_code == 303
        text = officer.get(f"/cases/{case_id}").text
        assert "2 were told." in text
        assert "Answered in time" in text
        deployment = f"deployment:{scene.deployment}"
        ordered = officer.make_step(case_id, "retest", encoder=deployment)
        where = ordered.headers["location"].partition("?")[0]
        assert officer.get(f"{where}.json").json()["deployment"] == scene.deployment


def test_every_word_that_pages_explain_is_in_the_glossary_and_every_word_of_it_on_a_page() -> None:
    from ireu_governance.portal.glossary import TERMS
    from ireu_governance.portal.rendering import TEMPLATES

    used = set()
    for path in TEMPLATES.glob("*.html"):
        for call in re.findall(r"(?:meanings|explain)\(([^)*]+)\)", path.read_text(encoding="utf-8")):
            used |= set(re.findall(r'"([^"]+)"', call))
    assert used == set(TERMS)
