"""Which case a removal is for: whether it may be carried out, and what the vault has of it already.

A case has one body of evidence. Its first removal puts that into the vault; a further one, with other settings of
the training, is judged by the same and uses it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.request_state import RequestStatus
from ireu_governance.ledger.request_log import find_request
from ireu_governance.ledger.vault_case import PORTRAITS
from ireu_governance.workspace import Workspace
from ireu_sdk.evidence import CaseEvidence, PanelEvidence, StoredPhoto, ToolSources, salted_digest

if TYPE_CHECKING:
    from torch import Tensor

    from ireu_sdk.faces.portraits import Person, Portrait
    from ireu_sdk.faces.sources import Cast

__all__ = ["KeptEvidence", "find_kept", "refuse_case"]

_SAME_TEMPLATE = 0.9999  # cosine; another encoder's is below, another machine's rounding above


@dataclass(frozen=True)
class KeptEvidence:
    """What the vault has of a case from an earlier removal.

    Attributes:
        commitment: The ledger's commitment to it.
        retain_digest: Salted digest of the photos in the retain loss.
    """

    commitment: str
    retain_digest: str


def refuse_case(workspace: Workspace, case_id: str) -> None:
    """Refuse a case that no removal can be for: one that was erased, or is of a request that was not accepted.

    Args:
        workspace: Where it is recorded.
        case_id: The case.

    Raises:
        InputError: It cannot be carried out.
    """
    with workspace.open_vault() as vault, workspace.open_ledger() as ledger:
        request, case = find_request(ledger, case_id), vault.find(case_id)
    answered = request is not None and request.status in (RequestStatus.DONE, RequestStatus.INFORMED)
    again = answered and case is not None and case.has(PORTRAITS)
    if request is not None and request.status is not RequestStatus.ACCEPTED and not again:
        raise InputError(
            f"The request of case {case_id} is '{request.status.value}', and only an accepted one is carried out.",
            hint=f"See: ireu request show {case_id}",
            code=ErrorCode.REQUEST_OUT_OF_ORDER,
        )
    if case is None:
        if request is not None:
            raise InputError(
                f"The vault holds nothing of the request of case {case_id}.",
                hint="Use the workspace in which the request was recorded.",
                code=ErrorCode.CASE_UNKNOWN,
            )
        return
    if case.erased_at is not None or case.erasing_since is not None:
        raise InputError(
            f"The evidence of case {case_id} was erased.",
            hint="Leave --case out: another removal of the person is another case.",
            code=ErrorCode.EVIDENCE_ERASED,
        )
    if request is None and not case.has(PORTRAITS):
        raise InputError(
            f"Case {case_id} has other evidence in the vault already.",
            hint="Leave --case out to get a random case id.",
        )


def find_kept(
    workspace: Workspace, case_id: str, cast: Cast, *, template: Tensor, tools: ToolSources
) -> KeptEvidence | None:
    """Return what the vault has of a case from an earlier removal, if that is what this one would put in.

    Args:
        workspace: Whose vault.
        case_id: The case.
        cast: Everybody who takes part; one person is to be forgotten.
        template: (D,), unit-length mean feature of the person under the original encoder.
        tools: What the removal uses.

    Returns:
        The evidence; None if the case has none.

    Raises:
        InputError: The case has evidence, and it is other: the commitment to it would not speak of this removal.
    """
    with workspace.open_vault() as vault:
        case = vault.find(case_id)
        if case is None or not case.has(PORTRAITS):
            return None
        kept = CaseEvidence.load(vault, case_id)
        panel = PanelEvidence.load(vault, kept.panel_id)
        same_photos = _uses(kept) == _uses(cast.forget[0])
        same = {
            "--forget or --swap": same_photos,
            "--panel": _digests(panel.photos) == _digests(each for person in cast.panel for each in person.portraits),
            "--retain": panel.retain_digest == salted_digest(cast.retain, panel.salt),
            "--tap": tools.tap == kept.tools.tap,
            # Of other photos, or at another tap, the feature is another in any case.
            "--encoder": not same_photos or tools.tap != kept.tools.tap or _is_same(kept.template, template),
            "--generator": tools.generators == kept.tools.generators,
            "--judge": tools.judge == kept.tools.judge,
            "--seed": tools.seed == kept.tools.seed,
            "how portraits are drawn": (tools.steps, tools.guidance) == (kept.tools.steps, kept.tools.guidance),
        }
        commitment = vault.get(case_id, PORTRAITS).commitment
    if not all(same.values()):
        others = ", ".join(name for name, is_same in same.items() if not is_same)
        raise InputError(
            f"Case {case_id} has the evidence of an earlier removal, and this one differs from it in: {others}.",
            hint="Give for these what the earlier one was given; the settings of the training may be others. A removal"
            " with other photos or from another encoder is another case: for a request, record it once more with its"
            " first day of receipt (ireu request add --received DAY), and carry that case out; ireu request done"
            " --under closes the first one with it.",
        )
    return KeptEvidence(commitment=commitment, retain_digest=panel.retain_digest)


def _uses(whose: CaseEvidence | Person) -> tuple[list[str], list[str]]:
    """Return digests of the photos in training, which have swaps, and of those held out, both sorted."""
    photos = whose.portraits
    return _digests(photos[n] for n in whose.trained), _digests(photos[n] for n in whose.unseen)


def _digests(photos: Iterable[Portrait | StoredPhoto]) -> list[str]:
    return sorted(hashlib.sha256(photo.data).hexdigest() for photo in photos)


def _is_same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and float(torch.dot(one, other)) > _SAME_TEMPLATE
