"""Every error and every verdict has its exit code, and only the documented ones are used."""

from __future__ import annotations

import pytest

from ireu_cli.exits import exit_code_of, exit_code_of_verdict
from ireu_governance.core import errors
from ireu_governance.core.verdict import RetestVerdict, Verdict

KINDS = {
    errors.InputError("x"): 2,
    errors.ConfigError("x"): 2,
    errors.MissingExtraError("ml", "x"): 2,
    errors.LedgerError("x"): 2,
    errors.LedgerRefusedError("x"): 1,
    errors.EncoderError("x"): 2,
    errors.ServiceError("x"): 2,
    errors.QueueError("x"): 2,
    errors.OutboundError("x", reason=errors.Refusal.SCHEME): 2,
    errors.RunInterruptedError("x"): 130,
    errors.VerificationError("x", check="y"): 1,
    errors.EntryVoidError(7, key_id="ab" * 32, from_size=5): 1,
}


@pytest.mark.parametrize(("error", "code"), KINDS.items(), ids=lambda each: type(each).__name__)
def test_error_has_its_exit_code(error: errors.IreuError, code: int) -> None:
    assert exit_code_of(error) == code


def test_no_kind_of_error_was_forgotten() -> None:
    def below(kind: type) -> set[type]:
        return {kind}.union(*(below(each) for each in kind.__subclasses__()))

    # Kinds that other modules derive for themselves are what they are derived from.
    public = {kind for kind in below(errors.IreuError) if kind.__module__ == errors.__name__}
    assert {type(error) for error in KINDS} | {errors.IreuError} == public


@pytest.mark.parametrize("verdict", [*RetestVerdict, *Verdict])
def test_only_what_holds_leaves_with_zero(verdict: RetestVerdict | Verdict) -> None:
    code = exit_code_of_verdict(verdict)
    assert (code == 0) == (verdict.value == "holds")
    assert code in (0, 1, 2)


def test_what_is_proven_leaves_with_one_and_what_is_open_with_two() -> None:
    codes = {verdict.value: exit_code_of_verdict(verdict) for verdict in RetestVerdict}
    assert codes == {
        "holds": 0, "resurfaced": 1, "encoder-changed": 1, "utility-lost": 1, "inconclusive": 2, "evidence-erased": 2,
    }  # fmt: skip
