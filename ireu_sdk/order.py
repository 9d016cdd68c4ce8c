"""The order for a removal, and its preparation: everything is read and checked before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.core.request_state import RequestStatus
from ireu_governance.core.statement import Plan
from ireu_governance.ledger.request_log import find_request
from ireu_governance.ledger.vault_case import PORTRAITS
from ireu_governance.workspace import Workspace
from ireu_sdk.encoders.base import Encoder, Tap
from ireu_sdk.evaluation.features import make_template
from ireu_sdk.evaluation.probes import ProbeSet, choose_probes
from ireu_sdk.evaluation.statistics import Calibration, calibrate_pairs, calibrate_templates
from ireu_sdk.faces.portraits import Person
from ireu_sdk.faces.presence import refuse_faceless
from ireu_sdk.faces.recognisers import Recogniser
from ireu_sdk.faces.sources import Cast, load_cast
from ireu_sdk.measurement import Original
from ireu_sdk.toolbox import Toolbox, load_toolbox
from ireu_sdk.tracking import registry_uri
from ireu_sdk.unlearning.settings import UnlearningSettings, choose_settings

__all__ = ["Order", "Prepared", "prepare"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """Whom to forget, with what, and how.

    Attributes:
        forget: A folder of photos, or ``testbed:N[,N]``.
        retain: A folder of other people, or ``testbed``.
        encoder: As for `load_encoder`.
        swap: A folder with face swaps of the forget photos.
        panel: A folder of people for the measurements.
        generators: As for `load_toolbox`.
        judge: As for `load_recogniser`.
        case_id: Case id of the one person to forget, such as that of an accepted request; random if not given.
        preset: ``default`` or ``paper``.
        settings: Settings over the preset's, by name.
        device: Where networks run.
        allow_pickle: Whether pickled weights may be read.
        resume: MLflow run to go on with.
        drawing_steps: Denoising steps of the portraits.
        guidance: Guidance scale of the portraits.
        panel_photos: Photos of each person of the panel that are drawn.
    """

    forget: str
    retain: str
    encoder: str
    swap: str | None = None
    panel: str | None = None
    generators: tuple[str, ...] | None = None
    judge: str | None = None
    case_id: str | None = None
    preset: str = "default"
    settings: dict[str, object] = field(default_factory=dict)
    device: str = "cpu"
    allow_pickle: bool = False
    resume: str | None = None
    drawing_steps: int = 12
    guidance: float = 3.0
    panel_photos: int = 1


@dataclass(frozen=True)
class Prepared:
    """An order whose every part was read and checked.

    Attributes:
        toolbox: The networks.
        cast: The people.
        settings: Of the training.
        plan: The tests that will decide.
        original: The original encoder and what it says of everybody.
        probes: The pictures of the measurement.
        face_check: Whether every photo to be forgotten could be checked for a face.
    """

    toolbox: Toolbox
    cast: Cast
    settings: UnlearningSettings
    plan: Plan
    original: Original
    probes: ProbeSet
    face_check: bool


def prepare(workspace: Workspace, order: Order, *, toolbox: Toolbox | None = None) -> Prepared:
    """Read and check everything that an order names; write nothing.

    Args:
        workspace: Whose limits apply.
        order: The order.
        toolbox: Networks that are loaded already.

    Returns:
        The prepared order.

    Raises:
        InputError: Photos, settings or networks cannot be used.
        ConfigError: The disk is too full, or the device is absent.
    """
    _require_device(order.device)
    _refuse_known_case(workspace, order)
    cast = load_cast(forget=order.forget, retain=order.retain, panel=order.panel, swap=order.swap)
    if order.case_id is not None and len(cast.forget) != 1:
        raise InputError(
            f"--case names one case, but {len(cast.forget)} people are to be forgotten.",
            hint="Leave it out: every person gets a random case id.",
        )
    settings = choose_settings(people=len(cast.forget), preset=order.preset, **order.settings)
    tools = toolbox or load_toolbox(
        encoder=order.encoder,
        generators=order.generators,
        judge=order.judge,
        tap=settings.tap,
        allow_pickle=order.allow_pickle,
        device=order.device,
        tracking_uri=registry_uri(workspace.root, workspace.settings.tracking_uri),
    )
    encoder, limits = tools.encoder, workspace.settings
    # Weights, both moments and the saved state, the copy for MLflow, and the evidence.
    weights = sum(p.numel() * 4 for p in encoder.module.parameters())
    evidence = sum(len(photo.data) for person in (*cast.forget, *cast.panel) for photo in person.portraits)
    workspace.require_space(6 * weights + 2 * evidence + 32 * 2**20)

    portraits: Calibration | None = None
    face_check = False
    others = [*cast.retain, *cast.panel]
    if tools.recogniser is not None:
        portraits = _calibrate_recogniser(tools.recogniser, others, limits.false_match_rate)
        face_check = refuse_faceless(cast.forget, tools.recogniser, threshold=portraits.threshold)
    features = _encode_people(encoder, others, settings.tap)
    calibration = calibrate_templates(features.flatten(1).numpy(), _labels(others), target=limits.false_match_rate)
    panel_count = sum(len(person.portraits) for person in cast.panel)
    original = Original(
        encoder=encoder,
        templates=torch.stack(
            [make_template(_encode_people(encoder, [person], settings.tap)) for person in cast.forget]
        ),
        panel_images=[photo.image for person in cast.panel for photo in person.portraits],
        panel_features=features[len(features) - panel_count :],
    )
    plan = Plan(
        tests=tools.plan_tests(
            features=calibration,
            portraits=portraits,
            max_match_rate=limits.max_match_rate,
            min_probes=limits.min_probes,
        ),
        min_retained_similarity=limits.min_retained_similarity,
    )
    probes = choose_probes(cast.forget, cast.panel, panel_photos=order.panel_photos, seed=settings.seed)
    return Prepared(
        toolbox=tools,
        cast=cast,
        settings=settings,
        plan=plan,
        original=original,
        probes=probes,
        face_check=face_check,
    )


def _require_device(device: str) -> None:
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"The device '{device}' is not to be had on this machine.", hint="Use --device cpu."
        ) from error


def _refuse_known_case(workspace: Workspace, order: Order) -> None:
    """Refuse a case id that cannot get photos: one that has some, was erased, or is of a request not accepted.

    The ledger's commitment to a case that had photos already would speak of others.
    """
    if order.case_id is None or order.resume is not None:
        return
    with workspace.open_vault() as vault, workspace.open_ledger() as ledger:
        request, case = find_request(ledger, order.case_id), vault.find(order.case_id)
    if request is not None and request.status is not RequestStatus.ACCEPTED:
        raise InputError(
            f"The request of case {order.case_id} is '{request.status.value}', and only an accepted one is carried"
            " out.",
            hint=f"See: ireu request show {order.case_id}",
            code=ErrorCode.REQUEST_OUT_OF_ORDER,
        )
    if case is None:
        if request is not None:
            raise InputError(
                f"The vault holds nothing of the request of case {order.case_id}.",
                hint="Use the workspace in which the request was recorded.",
                code=ErrorCode.CASE_UNKNOWN,
            )
        return
    if case.erased_at is not None or case.erasing_since is not None:
        raise InputError(
            f"The evidence of case {order.case_id} was erased.",
            hint="Leave --case out: another removal of the person is another case.",
            code=ErrorCode.EVIDENCE_ERASED,
        )
    if request is not None and case.has(PORTRAITS):
        raise InputError(
            f"A removal of case {order.case_id} was begun already, and a case is for one.",
            hint="If its tests did not hold, record the request once more with its first day of receipt (ireu request"
            " add --received DAY), and use that case; ireu request done --under closes the first one with it.",
        )
    if request is None:
        raise InputError(
            f"Case {order.case_id} has evidence in the vault already.",
            hint="Leave --case out: another removal of the person is another case.",
        )


def _calibrate_recogniser(recogniser: Recogniser, people: list[Person], target: float) -> Calibration:
    embeddings = recogniser.embed([photo.image for person in people for photo in person.portraits])
    found = np.linalg.norm(embeddings, axis=1) > 0
    return calibrate_pairs(embeddings[found], _labels(people)[found], target=target)


def _labels(people: list[Person]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([i for i, person in enumerate(people) for _ in person.portraits], dtype=np.int64)


def _encode_people(encoder: Encoder, people: list[Person], tap: Tap) -> torch.Tensor:
    images = [photo.image for person in people for photo in person.portraits]
    return encoder.encode(encoder.preprocess(images), tap=tap)
