"""What a page shows: the verdict first, every figure with what belongs to it, nothing unseen, nothing made up."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any, get_args

import builders
import pytest
from fixtures.rendered import HOSTILE, case, frozen, holding, inconclusive, make, requested, result, resurfaced

from ireu_governance.core.case_predicates import RequestEvent
from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.certificate_document import DOES_NOT_CLAIM, SAYS
from ireu_governance.core.certificate_trust import CertificateReport
from ireu_governance.core.certificate_verification import CHECKS
from ireu_governance.core.certificate_wording import wording
from ireu_governance.core.errors import InputError
from ireu_governance.core.status import CertificateStatus
from ireu_governance.core.verdict import Check, Outcome, Report, RetestVerdict, Verdict
from ireu_governance.reports import words
from ireu_governance.reports.description import MAX_FILES, describe_certificate
from ireu_governance.reports.figures import count, decimal, moment, percent, plain_number, visible
from ireu_governance.reports.scores import MAX_ROWS
from ireu_governance.reports.view import CertificateView, ContentView


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for each in value.values() for text in strings(each)]
    if isinstance(value, list | tuple):
        return [text for each in value for text in strings(each)]
    return []


def content_of(view: CertificateView) -> ContentView:
    assert view.content is not None
    return view.content


def facts(view: CertificateView) -> dict[str, str]:
    content = content_of(view)
    groups = (content.who, content.encoder, content.method, content.ledger, content.keys)
    return {fact.label: fact.value for group in groups for fact in group}


# The verdict


def test_verdict_is_that_of_the_report_with_the_reasons_against_it() -> None:
    assert describe_certificate(holding().data, holding().report).stamp == words.VERDICTS[Verdict.HOLDS]
    bad = describe_certificate(resurfaced().data, resurfaced().report)
    assert bad.stamp.word == "Does not hold"
    assert any("resurfaced" in reason for reason in bad.reasons)
    open_ = describe_certificate(inconclusive().data, inconclusive().report)
    assert open_.stamp.word == "Not decided"
    assert any("inconclusive" in reason for reason in open_.reasons)
    assert describe_certificate(holding().data, holding().report).reasons == ()


def test_unverified_certificate_says_so_and_shows_no_check() -> None:
    view = describe_certificate(holding().data, None)
    assert view.stamp is words.NOT_VERIFIED
    assert (view.checks, view.tally, view.standing) == ((), "", ())


def test_every_check_is_shown_with_outcome_and_reason() -> None:
    view = describe_certificate(frozen().data, frozen().report)
    assert [row.name for row in view.checks] == [each.name for each in frozen().report.checks]
    assert all(row.reason and row.outcome.sign and row.outcome.word for row in view.checks)
    assert f"{sum(row.outcome.word == 'passed' for row in view.checks)} checks passed" in view.tally


def test_damaged_certificate_is_described_by_its_checks_alone() -> None:
    data = holding().data[:-20]
    view = describe_certificate(data, verify_certificate(data, key_file=holding().key_file))
    assert (view.stamp.word, view.content) == ("Does not hold", None)
    assert view.unreadable
    assert view.unreadable not in view.reasons  # said once
    with pytest.raises(InputError):
        describe_certificate(data, None)


def test_certificate_whose_parts_are_of_the_wrong_kind_is_not_shown() -> None:
    removal = builders.Removal()
    parts = removal.logged()
    data = removal.certificate(request=parts["removal"].to_object())
    view = describe_certificate(data, verify_certificate(data, key_file=removal.log.keys.key_file))
    assert view.content is None
    assert "does not hold a request, a removal and a verification" in view.unreadable


def test_time_and_status_that_a_report_is_about_are_shown() -> None:
    report = CertificateReport(
        checks=holding().report.checks,
        at="2026-12-01T00:00:00Z",
        status=CertificateStatus.SUPERSEDED,
        proven_time="2026-11-20T12:00:05Z",
    )
    shown = {fact.label: fact.value for fact in describe_certificate(holding().data, report).standing}
    assert shown["Verified as of"] == "1 December 2026, 00:00:00 UTC"
    assert shown["Status"].startswith("superseded")
    assert "at the latest" in shown["Proven to exist since"]
    assert describe_certificate(holding().data, Report(checks=())).standing == ()


# What the certificate says


def test_claims_and_their_limits_are_quoted() -> None:
    content = content_of(describe_certificate(frozen().data, frozen().report))
    assert (content.says, content.does_not_claim) == (SAYS, DOES_NOT_CLAIM)


def test_digests_places_and_keys_are_those_of_the_record() -> None:
    shown = facts(describe_certificate(holding().data, holding().report))
    assert shown["Before the removal"] == builders.BEFORE.digest
    assert shown["After the removal"] == builders.AFTER.digest
    assert shown["SHA-256 of that key file's content"] == holding().key_file.digest
    assert shown["Log"] == builders.ORIGIN
    assert shown["Contact"] == "not recorded"
    assert shown["Valid until"] == "no end recorded"
    files = {row.name: row.change for row in content_of(describe_certificate(holding().data, None)).files}
    assert files == {"config.json": "unchanged", "model.safetensors": "changed"}


def test_files_that_came_or_went_are_named_as_such() -> None:
    from ireu_governance.core.artifact import Artifact

    other = Artifact.from_files({"config.json": "11" * 32, "new.safetensors": "33" * 32})
    made = make(after=other, tested=other)
    rows = {row.name: row for row in content_of(describe_certificate(made.data, made.report)).files}
    assert (rows["new.safetensors"].change, rows["new.safetensors"].before) == ("new", "none")
    assert (rows["model.safetensors"].change, rows["model.safetensors"].after) == ("gone", "none")


def test_files_beyond_what_anybody_reads_are_left_out_changed_ones_last() -> None:
    from ireu_governance.core.artifact import Artifact

    names = [f"part-{number:04}" for number in range(MAX_FILES + 5)]
    before = Artifact.from_files(dict.fromkeys(names, "11" * 32))
    after = Artifact.from_files({**dict.fromkeys(names, "11" * 32), names[-1]: "22" * 32})
    made = make(before=before, after=after, tested=after, removal={"encoder_before": {"sha256": before.digest}})
    content = content_of(describe_certificate(made.data, made.report))
    assert content.files[0].name == names[-1]
    assert len(content.files) == MAX_FILES
    assert any("5 files" in note for note in content.notes)


def test_no_figure_stands_without_n_direction_and_unit() -> None:
    content = content_of(describe_certificate(frozen().data, frozen().report))
    tables = [*content.others, *(table for each in content.cases for table in each.tables)]
    rows = [row for table in tables for row in table.rows]
    assert len(rows) > 20
    assert all(row.n and row.direction and row.unit and row.value for row in rows)
    for row in rows:
        present = {bool(cell) for cell in (row.recognised, row.bounds, row.threshold, row.false_match)}
        assert len(present) == 1  # all of them, or none


def test_tests_that_decide_come_first_and_are_told_from_those_that_do_not() -> None:
    content = content_of(describe_certificate(frozen().data, frozen().report))
    first, *others = content.cases[0].tables
    assert first.decides
    assert {row.name.rpartition("/")[2] for row in first.rows} == {"feature-match", "portrait-match"}
    assert not any(table.decides for table in others)
    assert [row.name for row in content.others[0].rows] == ["retained-similarity"]


def test_summary_names_counts_bound_and_limit() -> None:
    text = " ".join(content_of(describe_certificate(frozen().data, frozen().report)).summary)
    assert "Demo Portraits recorded on 23 November 2026" in text
    assert "in new portraits by testbed:a, 0 of 12" in text
    assert "no true rate is above 26.5" in text
    assert "10\N{NO-BREAK SPACE}%" in text


def test_summary_of_a_person_who_is_recognised_says_so() -> None:
    text = " ".join(content_of(describe_certificate(resurfaced().data, resurfaced().report)).summary)
    assert "40 of 64" in text
    assert "a true rate is above 49.5" in text


def test_results_of_several_cases_are_summed_and_each_shown() -> None:
    ids = tuple(f"{number:032x}" for number in range(3))
    content = content_of(describe_certificate(make(case_ids=ids).data, None))
    assert [each.case_id for each in content.cases] == list(ids)
    assert "0 of 192" in " ".join(content.summary)
    assert "3 people" in content.summary[0]


def test_erased_evidence_and_absent_scores_are_shown_as_what_they_are() -> None:
    made = make(verification={**result("evidence-erased"), "scores": ()})
    content = content_of(describe_certificate(made.data, made.report))
    assert content.cases[0].verdict.word == "Evidence erased"
    assert (content.cases[0].tables, content.others, len(content.summary)) == ((), (), 1)


def test_figures_that_are_undefined_or_of_unknown_name_are_shown_by_code() -> None:
    odd = {"name": "x/psnr", "value": None, "better": "higher", "unit": "dB", "n": 0}
    unknown = {"name": "x/own-idea", "value": 0.5, "better": "reference", "unit": "fid:inception", "n": 3}
    made = make(
        verification={**result("holds", builders.make_score()), "scores": (builders.make_retained(), odd, unknown)}
    )
    rows = [row for table in content_of(describe_certificate(made.data, made.report)).others for row in table.rows]
    assert [(row.label, row.value, row.unit) for row in rows[1:]] == [
        ("Agreement pixel by pixel (PSNR)", "undefined", "decibels"),
        ("x/own-idea", "0.500", "distance, by inception"),
    ]


def test_scores_beyond_what_anybody_reads_are_left_out_and_that_is_said() -> None:
    scores = tuple(builders.make_score(name) for name in ("portrait-match", *(f"g{n}/x" for n in range(MAX_ROWS // 4))))
    ids = tuple(f"{number:032x}" for number in range(5))
    cases = tuple(case("holds", *scores, case_id=each) for each in ids)
    made = make(case_ids=ids, verification={"cases": cases})
    content = content_of(describe_certificate(made.data, made.report))
    assert [bool(each.tables) for each in content.cases] == [True, True, True, False, False]
    assert "2 cases are left out" in content.notes[0]


def test_unsafe_weights_and_unknown_methods_are_named() -> None:
    method = {**builders.make_removal(0)["method"], "name": "other", "lr": 1e-9}  # type: ignore[dict-item]
    run = {**builders.make_removal(0)["run"], "pickle_allowed": True, "software": {}}  # type: ignore[dict-item]
    shown = facts(describe_certificate(make(removal={"method": method, "run": run}).data, None))
    assert shown["Method"] == "other"
    assert shown["Learning rate"] == "1.00·10⁻⁹"
    assert "pickled" in shown["Unsafe weights"]
    assert shown["Software"] == "not recorded"


def test_key_file_inside_that_is_broken_is_named_as_such() -> None:
    made = make(body={"key_file": {"x": 1}})
    assert "cannot be read" in facts(describe_certificate(made.data, made.report))["Key file"]


# What only some certificates have


def test_history_end_and_status_address_are_shown_where_there_are_any() -> None:
    content = content_of(describe_certificate(requested().data, None))
    received, refused, done, informed = content.history
    assert (received.event, received.due) == ("Request received", "1 December 2026, 23:59:59 UTC")
    assert "legal claims (gdpr:17-3-e); gdpr:unknown" in refused.details
    assert (done.details, informed.details) == ("by the removal in entry 7", "1 recipient told")
    shown = {fact.label: fact.value for fact in content.who}
    assert shown["Valid until"] == "20 November 2027, 12:00:00 UTC"
    assert content.link == "https://example.org/status.json"


def test_history_that_holds_something_else_is_not_shown() -> None:
    says, does_not_claim = wording(history=True, stamped=False)
    removal = builders.Removal()
    entry = removal.logged()["removal"].to_object()
    data = removal.certificate(history=[entry], says=says, does_not_claim=does_not_claim)
    with pytest.raises(InputError, match="no step of a request"):
        describe_certificate(data, None)


@pytest.mark.parametrize("address", ["https://[x", "https://", "http://?x"])
def test_address_that_leads_nowhere_is_no_link(address: str) -> None:
    from types import SimpleNamespace

    from ireu_governance.reports.extensions import status_link

    assert status_link(SimpleNamespace(status_url=address)) is None  # type: ignore[arg-type]
    assert status_link(SimpleNamespace(status_url="https://example.org/x")) == "https://example.org/x"  # type: ignore[arg-type]


# Foreign text


@pytest.mark.parametrize("name", HOSTILE)
def test_characters_that_nobody_would_see_are_spelt_out(name: str) -> None:
    made = make(organisation=name)
    view = describe_certificate(made.data, made.report)
    assert content_of(view).organisation == visible(name)
    for text in strings(asdict(view)):
        assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\x1b") & set(text)
    assert visible("a\u202eb") == "a[U+202E]b"


# Plain words


def test_everything_that_has_a_code_has_plain_words() -> None:
    assert set(CHECKS) | {"rendering"} == set(words.CHECKS)
    assert set(words.VERDICTS) == set(Verdict)
    assert set(words.OUTCOMES) == set(Outcome)
    assert set(words.RETESTS) == set(RetestVerdict)
    assert set(words.STATUSES) == set(CertificateStatus)
    assert set(words.EVENTS) == set(get_args(RequestEvent.model_fields["event"].annotation))


def test_every_score_of_the_manual_has_plain_words_and_no_other() -> None:
    from pathlib import Path

    page = (Path(__file__).resolve().parents[4] / "docs" / "method.md").read_text(encoding="utf-8")
    tables = page.split("### About each case")[1].split("### While training")[0]
    named = re.findall(r"^\| `(?:GENERATOR/|features/)?([a-z-]+)` \|", tables, re.MULTILINE)
    assert set(named) == set(words.SCORES)


def test_signs_differ_so_that_no_outcome_is_told_by_colour_alone() -> None:
    for stamps in (words.VERDICTS, words.OUTCOMES):
        assert len({(each.sign, each.word) for each in stamps.values()}) == len({each.tone for each in stamps.values()})


def test_check_of_a_later_version_keeps_its_code() -> None:
    report = Report(checks=(Check(name="moon-phase", outcome=Outcome.PASSED, reason="Full."),))
    assert describe_certificate(holding().data, report).checks[0].label == "moon-phase"


# Figures


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.08, "0.080"), (-0.3494, "−0.349"), (0.0, "0.000"), (-0.0, "0.000"), (1e-5, "1.00·10⁻⁵"), (-2.5e7, "−2.50·10⁷")],
)
def test_decimals_are_short_and_have_a_true_minus(value: float, text: str) -> None:
    assert decimal(value) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(0.0, "0"), (1.0, "100"), (0.26464, "26.5"), (0.001, "0.1"), (1e-6, "0.0001"), (0.5, "50")]
)
def test_rates_are_percent_without_powers_of_ten(rate: float, text: str) -> None:
    assert percent(rate) == f"{text}\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize(
    ("value", "text"), [(-2.0, "−2"), (200, "200"), (0.0002, "0.0002"), (1e-9, "1.00·10⁻⁹"), (12345, "12,345")]
)
def test_settings_are_shown_as_they_were_given(value: float, text: str) -> None:
    assert plain_number(value) == text


def test_times_and_counts_are_spelt_for_people() -> None:
    assert moment("2026-11-03T06:07:08Z") == "3 November 2026, 06:07:08 UTC"
    assert moment("yesterday") == "yesterday"
    assert (count(1, "case", "cases"), count(1234, "case", "cases")) == ("1 case", "1,234 cases")
