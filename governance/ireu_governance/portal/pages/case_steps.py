"""The steps of a case: a page that explains and asks, and what is done when its form comes back.

Also the evidence pack, which anybody may take home who may see the case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import Path, Request
from starlette.responses import Response

from ireu_governance.api.caching import cacheable
from ireu_governance.api.catalogue import status_of
from ireu_governance.api.context import Context, ContextOf
from ireu_governance.core.errors import IreuError
from ireu_governance.core.grounds import EXTENSIONS, GROUNDS, REFUSALS
from ireu_governance.jobs.orders import expect_cases, parse_order, submit_verification
from ireu_governance.ledger.requests import Requests
from ireu_governance.portal.encoders import list_encoders, read_encoder
from ireu_governance.portal.forms import Typed, TypedForm
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
_LISTS: Final[Mapping[str, Mapping[str, str]]] = {"accept": GROUNDS, "refuse": REFUSALS, "extend": EXTENSIONS}
_SIMPLE: Final = ("certificate", "publish", "withdraw")
_SHOWN_AGAIN: Final = ("on", "removal", "recipients", "encoder", "other")
_MAX_TOLD: Final = 2**31
_MAX_PLACE: Final = 500
_OTHER: Final = "Where the other encoder is"


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
    typed: TypedForm,
) -> Response:
    """Do it, and lead to where its result is seen."""
    file = _open(context, visitor, case_id)
    step = find_step(name, file, visitor)
    try:
        work = _prepare(context, file, step, typed)
        if step.is_final:
            typed.confirmed()
        typed.expect_right()
        where = do_once(context, visitor, typed.raw("number"), f"{name} {case_id}", work)
    except IreuError as error:
        if status_of(error) == 500:
            raise
        return _show(request, context, visitor, file, step, error=error, typed=typed)
    return go(where, message=step.message)


def _prepare(context: Context, file: CaseFile, step: Step, typed: Typed) -> Callable[[], str]:
    """Read the fields of a step, and return what does it; what is wrong with them is in `typed` then."""
    case_id = file.case_id
    if step.name == "retest":
        return _prepare_retest(context, file, typed)
    if step.name in _SIMPLE:
        return lambda: _make(context, step, case_id)
    day = typed.day("on", "Day on which it happened")
    if step.name == "done":
        removals = [str(each.entry) for each in file.removals]
        removal = typed.one_of("removal", "Removal that answered it", removals)
        return lambda: _record(context, case_id, lambda desk: desk.done(case_id, removal_seq=int(removal), on=day))
    if step.name == "inform":
        told = typed.number("recipients", "How many recipients were told", least=0, most=_MAX_TOLD, needed=True)
        return lambda: _record(context, case_id, lambda desk: desk.inform(case_id, recipients=told or 0, on=day))
    if step.name == "extend":
        reason = typed.one_of("grounds", "Reason", EXTENSIONS)
        return lambda: _record(context, case_id, lambda desk: desk.extend(case_id, reason=reason, on=day))
    grounds = typed.some_of("grounds", "Grounds", _LISTS[step.name], needed=step.name == "refuse")
    if step.name == "accept":
        return lambda: _record(context, case_id, lambda desk: desk.accept(case_id, grounds=grounds, on=day))
    return lambda: _record(context, case_id, lambda desk: desk.refuse(case_id, grounds=grounds, on=day))


def _make(context: Context, step: Step, case_id: str) -> str:
    if step.name == "certificate":
        context.record.certificates.issue(case_id=case_id)
    elif step.name == "publish":
        context.record.cases.publish(case_id)
    else:
        context.record.cases.withdraw(case_id)
    return f"/cases/{case_id}"


def _record(context: Context, case_id: str, work: Callable[[Requests], object]) -> str:
    with context.record.cases.requests() as requests:
        work(requests)
    return f"/cases/{case_id}"


def _prepare_retest(context: Context, file: CaseFile, typed: Typed) -> Callable[[], str]:
    """Read which encoder is meant; its place is looked at only when the test is ordered."""
    chosen, other = typed.raw("encoder"), typed.text("other", _OTHER, most=_MAX_PLACE)
    number = typed.raw("number")
    if chosen.startswith("deployment:"):
        among = [each.value for each in deployment_choices(context)]
        chosen = typed.one_of("encoder", "Which encoder?", among)
    elif chosen in ("", "other") and not other:
        typed.refuse("other", _OTHER, "No encoder was named. Choose one of the list, or say where it is.")
    elif len(chosen) > _MAX_PLACE:
        typed.refuse("encoder", "Which encoder?", "It is none of the list. Choose one that is.")

    def order() -> str:
        deployment: str | None = None
        if chosen.startswith("deployment:"):
            deployment = chosen.removeprefix("deployment:")
            source = source_of_deployment(context, deployment)
        else:
            source = read_encoder(other if chosen in ("", "other") else chosen).model_dump(mode="json")
        made = parse_order({"cases": [file.case_id], "encoder": source, "deployment": deployment})
        expect_cases(context.reader, made)
        return f"/jobs/{submit_verification(context.queue, made, job_id=number)}"

    return order


def _open(context: Context, visitor: Visitor, case_id: str) -> CaseFile:
    return context.record.cases.open(case_id, today=context.clock().date(), everything=visitor.may_read)


def _show(
    request: Request,
    context: Context,
    visitor: Visitor,
    file: CaseFile,
    step: Step,
    *,
    error: IreuError | None = None,
    typed: Typed | None = None,
) -> Response:
    names: dict[str, Any] = {
        "case": file,
        "step": step,
        "failure": error,
        "given": {name: typed.raw(name) if typed else "" for name in _SHOWN_AGAIN},
        "chosen": typed.all_raw("grounds") if typed else (),
        "latest": file.verifications[-1] if file.verifications else None,
        "grounds": _LISTS.get(step.name, {}),
        "encoders": list_encoders(context.workspace, file) if step.name == "retest" else [],
        "deployments": deployment_choices(context) if step.name == "retest" else [],
        "number": new_number(),
    }
    status = 200 if error is None else status_of(error)
    return show(request, visitor, "case_step.html", names, title=step.label, status=status, has_twin=False)
