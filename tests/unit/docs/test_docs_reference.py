"""The reference pages name what the code has: errors, settings, predicates, checks, findings, formats."""

from __future__ import annotations

import json
import re
from typing import get_args

import pytest
from pages import DOCS, ROOT, read, sections, table_rows
from pydantic import BaseModel

from ireu_cli import exits
from ireu_cli.exits import exit_code_of, exit_code_of_verdict
from ireu_governance.core import errors
from ireu_governance.core.certificate_document import Certificate, CertificateBody
from ireu_governance.core.certificate_verification import CHECKS, OPTIONAL_CHECKS
from ireu_governance.core.certificate_wording import DOES_NOT_CLAIM, DOES_NOT_CLAIM_STAMPED, SAYS, SAYS_OF_HISTORY
from ireu_governance.core.keys import KeyEntry, Role
from ireu_governance.core.statement import (
    CaseReference,
    CaseResult,
    Matches,
    Method,
    Plan,
    PlannedTest,
    Position,
    Predicate,
    Run,
    Score,
    predicate_type,
)
from ireu_governance.core.status import REASONS, StatusEntry, StatusList
from ireu_governance.core.verdict import RetestVerdict, Verdict
from ireu_governance.ledger.findings import FindingKind
from ireu_governance.settings import WorkspaceSettings

ERRORS = sections(read("errors.md"))
PREDICATES = get_args(get_args(Predicate)[0])


def code_spans(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


def subclasses(kind: type[errors.IreuError]) -> list[type[errors.IreuError]]:
    return [kind, *(below for each in kind.__subclasses__() for below in subclasses(each))]


def test_every_error_code_is_explained_and_no_other() -> None:
    assert set(table_rows(ERRORS["Error codes"])) == {code.value for code in errors.ErrorCode}


def test_every_error_code_has_meaning_and_remedy() -> None:
    for code, cells in table_rows(ERRORS["Error codes"]).items():
        assert len(cells) == 4, code
        assert all(cells), code


def test_every_other_code_that_the_command_line_prints_is_explained() -> None:
    code = (ROOT / "cli" / "ireu_cli" / "main.py").read_text(encoding="utf-8")
    printed = set(re.findall(r'print_fault\("([a-z-]+)"', code))
    assert printed
    assert printed <= code_spans(ERRORS["How errors look"])


def test_documented_exit_codes_are_those_of_the_errors() -> None:
    rows = table_rows(ERRORS["Error codes"])
    for kind in subclasses(errors.IreuError):
        if kind is errors.VerificationError:
            error: errors.IreuError = errors.VerificationError("x", check="form")
        elif kind is errors.MissingExtraError:
            error = errors.MissingExtraError("ml", "x")
        elif kind is errors.EntryVoidError:
            error = errors.EntryVoidError(7, key_id="ab" * 32, from_size=5)
        elif kind is errors.OutboundError:
            error = errors.OutboundError("x", reason=errors.Refusal.ADDRESS)
        else:
            error = kind("x")
        assert rows[error.code.value][1] == str(exit_code_of(error)), kind


@pytest.mark.parametrize("verdict", [*Verdict, *RetestVerdict])
def test_documented_exit_codes_are_those_of_the_verdicts(verdict: Verdict | RetestVerdict) -> None:
    assert f"| `{verdict.value}` | {exit_code_of_verdict(verdict)} |" in ERRORS["Exit codes"]


def test_every_exit_code_is_explained() -> None:
    codes = {value for name in exits.__all__ if isinstance(value := getattr(exits, name), int)}
    rows = re.findall(r"^\| (\d+) \|", ERRORS["Exit codes"], re.MULTILINE)
    assert {int(each) for each in rows} == codes


def test_every_finding_of_an_audit_is_explained_and_no_other() -> None:
    assert set(table_rows(ERRORS["What an audit can find"])) == {kind.value for kind in FindingKind}


def test_shown_json_error_is_what_is_printed() -> None:
    shown = json.loads(re.search(r"```json\n(.*?)\n```", read("errors.md"), re.DOTALL)[1])  # type: ignore[index]
    assert set(shown["error"]) == {"code", "message", "hint"}
    assert shown["error"]["code"] in set(errors.ErrorCode)


@pytest.mark.parametrize("name", WorkspaceSettings.model_fields)
def test_every_setting_is_explained_with_variable_and_default(name: str) -> None:
    rows = table_rows(sections(read("configuration.md"))["`ireu.toml`"])
    _, variable, default, meaning = rows[name]
    field = WorkspaceSettings.model_fields[name]
    assert variable == f"`IREU_{name.upper()}`"
    if not field.is_required():
        spelt = str(field.default).lower() if isinstance(field.default, bool) else field.default  # as in TOML
        assert default == ("none" if spelt is None else f"`{spelt}`")
    assert meaning


def test_no_setting_is_explained_that_is_gone() -> None:
    rows = table_rows(sections(read("configuration.md"))["`ireu.toml`"])
    assert set(rows) == set(WorkspaceSettings.model_fields)


def test_every_variable_that_the_code_reads_is_explained() -> None:
    sources = [path for name in ("governance", "cli", "ireu_sdk") for path in (ROOT / name).rglob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    used = set(re.findall(r"\b((?:IREU|MLFLOW)_[A-Z][A-Z_]*[A-Z])\b", code))
    # Switched for the length of a call and put back, so that they are nothing a person would set for ireu.
    used -= {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "MLFLOW_REGISTRY_URI"}
    assert used <= code_spans(read("configuration.md"))
    assert "IREU_WORKSPACE" in code_spans(read("configuration.md"))


@pytest.mark.parametrize("kind", [get_args(each.model_fields["kind"].annotation)[0] for each in PREDICATES])
def test_every_predicate_has_its_section(kind: str) -> None:
    assert f"`{predicate_type(kind)}`" in sections(read("formats.md"))
    assert f"`{kind}`" in read("compliance.md")


def test_no_predicate_is_described_that_does_not_exist() -> None:
    titles = {title for title in sections(read("formats.md")) if title.startswith("`urn:ireu:predicate:")}
    assert len(titles) == len(PREDICATES)


@pytest.mark.parametrize(
    "model",
    [*PREDICATES, Position, CaseReference, Plan, PlannedTest, Method, Run, Score, Matches, CaseResult],
    ids=lambda model: model.__name__,
)
def test_every_member_of_a_statement_is_described(model: type[BaseModel]) -> None:
    names = {field.alias or name for name, field in model.model_fields.items()}
    assert names <= code_spans(read("formats.md"))


@pytest.mark.parametrize(
    "model", [Certificate, CertificateBody, KeyEntry, StatusList, StatusEntry], ids=lambda model: model.__name__
)
def test_every_member_of_other_documents_is_shown(model: type[BaseModel]) -> None:
    page = read("formats.md")
    for name, field in model.model_fields.items():
        assert f'"{field.alias or name}":' in page


def test_every_role_of_a_key_is_described() -> None:
    assert {role.value for role in Role} <= set(table_rows(sections(read("formats.md"))["Keys"]))


def test_every_check_is_explained_in_the_order_in_which_it_is_made() -> None:
    rows = table_rows(sections(read("regulator.md"))["The checks, one by one"])
    assert tuple(rows) == CHECKS


def test_checks_that_can_be_missing_are_named_as_such() -> None:
    sentence = next(line for line in read("regulator.md").splitlines() if "are optional:" in line)
    assert set(OPTIONAL_CHECKS) <= code_spans(sentence)


def test_checks_that_this_version_makes_are_in_the_verification_order() -> None:
    steps = sections(read("formats.md"))["Verify a certificate"]
    listed = re.findall(r"^\d+\. `([a-z-]+)`", steps, re.MULTILINE)
    assert tuple(listed) == CHECKS


def test_sentences_of_a_certificate_are_quoted_word_for_word() -> None:
    quoted = sections(read("regulator.md"))["What a certificate that holds tells you"]
    for sentence in (*SAYS, *DOES_NOT_CLAIM, SAYS_OF_HISTORY, DOES_NOT_CLAIM_STAMPED):
        assert f"- {sentence}\n" in quoted


@pytest.mark.parametrize("verdict", RetestVerdict)
def test_every_verdict_tells_the_compliance_officer_what_to_do(verdict: RetestVerdict) -> None:
    assert verdict.value in table_rows(sections(read("compliance.md"))["Verdicts"])
    assert verdict.value in table_rows(sections(read("engineer.md"))["Re-test what is in use"])


def test_every_attack_names_a_test_that_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", read("threats.md")))
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^\s*def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(named) > 20
    assert named <= there


def test_every_file_named_in_the_manual_exists() -> None:
    prefixes = ("ireu_sdk/", "governance/", "tests/", "docs/", "examples/", "core/")
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]:
        for span in code_spans(page.read_text(encoding="utf-8")):
            if span.startswith(prefixes) and " " not in span and "*" not in span:
                places = (ROOT, ROOT / "governance" / "ireu_governance")
                assert any((place / span).exists() for place in places), f"{page.name}: {span}"


@pytest.mark.parametrize("page", ["formats.md", "cli.md"])
def test_every_reason_of_a_revocation_is_named(page: str) -> None:
    assert set(REASONS) <= code_spans(read(page))
