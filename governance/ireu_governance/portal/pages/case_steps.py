"""The steps of a case: a page that explains and asks, and what is done when its form comes back.

Also the evidence pack, which anybody may take home who may see the case.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, Form, Path, Request
from starlette.responses import Response

from ireu_governance.api.caching import cacheable
from ireu_governance.api.catalogue import status_of
from ireu_governance.api.context import Context, ContextOf
from ireu_governance.core.errors import InputError, IreuError
from ireu_governance.core.grounds import EXTENSIONS, GROUNDS, REFUSALS
from ireu_governance.jobs.orders import expect_cases, parse_order, submit_verification
from ireu_governance.portal.encoders import list_encoders, read_encoder
from ireu_governance.portal.once import do_once, new_number
from ireu_governance.portal.page import go, page_router, show
from ireu_governance.portal.pages.cases import CaseId
from ireu_governance.portal.steps import Step, find_step
from ireu_governance.portal.visitors import FormVisitor, Visitor, VisitorOf
from ireu_governance.portal.watching import deployment_choices, source_of_deployment
from ireu_governance.service.case_files import CaseFile

__all__ = ["router"]

router = page_router()

StepName = Annotated[str, Path(pattern=r"^[a-z]{1,20}$")]
Given = TypeVar("Given", int, str)
_CODE: Final = r"^[a-z0-9:-]{1,60}$"


@dataclass(frozen=True)
class StepForm:
    """What the forms of the steps send; each step looks at its own fields.

    Attributes:
        grounds: Legal grounds by code.
        on: The day on which it happened; empty for today.
        removal: Entry of a removal.
        recipients: How many were told.
        encoder: A choice of the list, or ``other``.
        other: Where another encoder is.
        number: Of the form, so that one that is sent twice does its work once.
        confirmed: Whether who sends it knows that it is for ever.
    """

    grounds: tuple[str, ...]
    on: date | None
    removal: int | None
    recipients: int | None
    encoder: str
    other: str
    number: str
    confirmed: bool


def _step_form(
    grounds: Annotated[list[Annotated[str, Form(pattern=_CODE)]] | None, Form(max_length=20)] = None,
    on: Annotated[str, Form(max_length=10)] = "",
    removal: Annotated[int | None, Form(ge=0, le=2**53 - 1)] = None,
    recipients: Annotated[int | None, Form(ge=0, le=2**31)] = None,
    encoder: Annotated[str, Form(max_length=600)] = "",
    other: Annotated[str, Form(max_length=600)] = "",
    number: Annotated[str, Form(max_length=32)] = "",
    confirmed: Annotated[str, Form(max_length=3)] = "",
) -> StepForm:
    try:
        day = date.fromisoformat(on) if on else None
    except ValueError:
        raise InputError("The day is none.", hint="Write it as 2026-11-23.") from None
    return StepForm(tuple(grounds or ()), day, removal, recipients, encoder, other, number, confirmed == "yes")


@router.get("/cases/{case_id}/pack")
def get_pack(request: Request, context: ContextOf, visitor: VisitorOf, case_id: CaseId) -> Response:
    """Return the evidence pack of a case as a file."""
    _open(context, visitor, case_id)  # refuses who may not see it
    data = context.record.packs.pack(case_id, everything=visitor.may_read)
    return cacheable(
        request,
        data,
        media_type="application/zip",
        cache_control="private, no-cache",
        headers={"Content-Disposition": f'attachment; filename="case-{case_id[:8]}.zip"'},
    )


@router.get("/cases/{case_id}/steps/{name}")
def show_step(request: Request, context: ContextOf, visitor: VisitorOf, case_id: CaseId, name: StepName) -> Response:
    """Explain a step, and ask for what it needs."""
    file = _open(context, visitor, case_id)
    return _show(request, context, visitor, file, find_step(name, file, visitor))


@router.post("/cases/{case_id}/steps/{name}")
def make_step(
    request: Request,
    context: ContextOf,
    visitor: FormVisitor,
    case_id: CaseId,
    name: StepName,
    form: Annotated[StepForm, Depends(_step_form)],
) -> Response:
    """Do it, and lead to where its result is seen."""
    file = _open(context, visitor, case_id)
    step = find_step(name, file, visitor)
    try:
        if step.is_final and not form.confirmed:
            raise InputError("It was not confirmed, so that nothing was done.", hint="Tick the box above the button.")
        what = f"{name} {case_id}"
        where = do_once(context, visitor, form.number, what, lambda: _make(context, file, step, form))
    except IreuError as error:
        if status_of(error) == 500:
            raise
        return _show(request, context, visitor, file, step, error=error)
    return go(where, message=step.message)


def _make(context: Context, file: CaseFile, step: Step, form: StepForm) -> str:
    cases, case_id = context.record.cases, file.case_id
    where = f"/cases/{case_id}"
    if step.name == "retest":
        return f"/jobs/{_order_retest(context, case_id, form)}"
    if step.name == "certificate":
        context.record.certificates.issue(case_id=case_id)
    elif step.name == "publish":
        cases.publish(case_id)
    elif step.name == "withdraw":
        cases.withdraw(case_id)
    else:
        with cases.requests() as requests:
            if step.name == "accept":
                requests.accept(case_id, grounds=form.grounds, on=form.on)
            elif step.name == "refuse":
                requests.refuse(case_id, grounds=form.grounds, on=form.on)
            elif step.name == "extend":
                requests.extend(case_id, reason=_given(next(iter(form.grounds), None), "The reason"), on=form.on)
            elif step.name == "done":
                requests.done(case_id, removal_seq=_given(form.removal, "Which removal it was"), on=form.on)
            else:
                requests.inform(case_id, recipients=_given(form.recipients, "How many were told"), on=form.on)
    return where


def _given(value: Given | None, what: str) -> Given:
    if value is None:
        raise InputError(f"{what} was not said.")
    return value


def _order_retest(context: Context, case_id: str, form: StepForm) -> str:
    deployment: str | None = None
    if form.encoder.startswith("deployment:"):
        deployment = form.encoder.removeprefix("deployment:")
        source = source_of_deployment(context, deployment)
    else:
        source = read_encoder(form.other if form.encoder in ("", "other") else form.encoder).model_dump(mode="json")
    order = parse_order({"cases": [case_id], "encoder": source, "deployment": deployment})
    expect_cases(context.reader, order)
    return submit_verification(context.queue, order, job_id=form.number)


def _open(context: Context, visitor: Visitor, case_id: str) -> CaseFile:
    return context.record.cases.open(case_id, today=context.clock().date(), everything=visitor.may_read)


def _show(
    request: Request, context: Context, visitor: Visitor, file: CaseFile, step: Step, *, error: IreuError | None = None
) -> Response:
    names: dict[str, Any] = {
        "case": file,
        "step": step,
        "failure": error,
        "grounds": {"accept": GROUNDS, "refuse": REFUSALS, "extend": EXTENSIONS}.get(step.name, {}),
        "encoders": list_encoders(context.workspace, file) if step.name == "retest" else [],
        "deployments": deployment_choices(context) if step.name == "retest" else [],
        "number": new_number(),
    }
    status = 200 if error is None else status_of(error)
    return show(request, visitor, "case_step.html", names, title=step.label, status=status, has_twin=False)
