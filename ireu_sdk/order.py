"""The order for a removal, and its preparation: everything is read and checked before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from ireu_governance.core.errors import InputError
from ireu_governance.core.statement import Plan
from ireu_governance.workspace import Workspace
from ireu_sdk.cases import KeptEvidence, find_kept, refuse_case
from ireu_sdk.encoders.base import Encoder, Tap
from ireu_sdk.evaluation.features import make_template
from ireu_sdk.evaluation.probes import ProbeSet, choose_probes
from ireu_sdk.evaluation.statistics import Calibration, calibrate_pairs, calibrate_templates
from ireu_sdk.evidence import ToolSources
from ireu_sdk.faces.portraits import Person
from ireu_sdk.faces.presence import refuse_faceless
from ireu_sdk.faces.recognisers import Recogniser
from ireu_sdk.faces.sources import Cast, load_cast
from ireu_sdk.measurement import Original
from ireu_sdk.toolbox import Toolbox, load_toolbox, require_device
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
        sources: What the evidence says of the networks, for re-tests.
        kept: What the vault has of the case from an earlier removal; None if nothing.
    """

    toolbox: Toolbox
    cast: Cast
    settings: UnlearningSettings
    plan: Plan
    original: Original
    probes: ProbeSet
    face_check: bool
    sources: ToolSources
    kept: KeptEvidence | None = None


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
    require_device(order.device)
    if order.case_id is not None and order.resume is None:
        refuse_case(workspace, order.case_id)
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
    sources = ToolSources(
        encoder=tools.encoder_source,
        judge=tools.judge_source,
        generators=tuple(generator.source for generator in tools.generators),
        tap=settings.tap,
        steps=order.drawing_steps,
        guidance=order.guidance,
        seed=settings.seed,
    )
    kept = None
    if order.case_id is not None and order.resume is None:
        kept = find_kept(workspace, order.case_id, cast, template=original.templates[0], tools=sources)
    return Prepared(
        toolbox=tools,
        cast=cast,
        settings=settings,
        plan=plan,
        original=original,
        probes=probes,
        face_check=face_check,
        sources=sources,
        kept=kept,
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
