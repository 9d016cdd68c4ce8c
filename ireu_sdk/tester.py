"""The engine behind re-tests: what the command line and the service's workers measure deployed encoders with.

White box and black box stay apart: `Tester.open` says which files an encoder is made of, as far as they can be seen;
`Tester.measure` says what its features, and portraits made from them, show. What both mean by the plan is decided by
`ireu_governance.jobs.findings`, for the command line and the service alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.errors import EncoderError, ErrorCode, InputError, RunInterruptedError
from ireu_governance.core.statement import BEHAVIOUR, CaseResult, Plan, Removal
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.jobs.tester import EncoderSource, Identified, Measured, TestWatch
from ireu_governance.ledger import Vault
from ireu_governance.service.outbound import OutboundPolicy
from ireu_governance.service.settings import ServiceSettings
from ireu_governance.workspace import Workspace
from ireu_sdk.encoders.http import HttpEncoder
from ireu_sdk.encoders.opened import OpenedEncoder, Reference, open_encoder
from ireu_sdk.encoders.preparation import Preparation
from ireu_sdk.evaluation.probes import choose_probes
from ireu_sdk.evidence import CaseEvidence, PanelEvidence, ToolSources
from ireu_sdk.measurement import Original, measure_encoder
from ireu_sdk.toolbox import Instruments, load_instruments, require_device, software_versions
from ireu_sdk.tracking import registry_uri

__all__ = ["Held", "Tester", "create_tester", "load_held"]

BEHAVIOUR_STEPS = 100
"""Cosines are rounded to hundredths in a digest of behaviour, so that rounding inside a network rarely shows."""


@dataclass(frozen=True)
class Held:
    """What the vault still holds of a removal.

    Attributes:
        cases: The cases that were not erased, by id.
        panel: Photos of other people, and their original features.
        panel_id: Where the panel is.
        erased: Why the other cases cannot be tested; empty if there are none.
    """

    cases: dict[str, CaseEvidence]
    panel: PanelEvidence | None
    panel_id: str
    erased: str


def load_held(vault: Vault, case_ids: Sequence[str]) -> Held:
    """Open what is left of a removal's evidence; photos are decrypted when they are looked at.

    Args:
        vault: The vault; stays open as long as what is returned is used.
        case_ids: Cases of one removal.

    Raises:
        InputError: The vault does not know one of them.
        VerificationError: Something was changed.
    """
    cases: dict[str, CaseEvidence] = {}
    reason = ""
    for case_id in case_ids:
        try:
            cases[case_id] = CaseEvidence.load(vault, case_id)
        except InputError as error:
            if error.code is not ErrorCode.EVIDENCE_ERASED:
                raise
            reason = reason or error.message
    if not cases:
        return Held({}, None, "", reason)
    panel_id = next(iter(cases.values())).panel_id
    try:
        return Held(cases, PanelEvidence.load(vault, panel_id), panel_id, reason)
    except InputError as error:
        if error.code is not ErrorCode.EVIDENCE_ERASED:
            raise
        return Held({}, None, panel_id, error.message)


class Tester:
    """Measures encoders with a workspace's evidence. Used by one thread at a time.

    Args:
        workspace: Whose ledger and vault.
        generators: In place of the removals' own; each must be the very one that the plan names.
        judge: Likewise.
        allow_pickle: Whether pickled weights may be read.
        device: Where networks run.
        policy: Which servers may be asked; the service's settings say if not given.

    Raises:
        ConfigError: The device is not to be had.
    """

    __test__ = False  # no test of pytest's

    def __init__(
        self,
        workspace: Workspace,
        *,
        generators: Sequence[str] | None = None,
        judge: str | None = None,
        allow_pickle: bool = False,
        device: str = "cpu",
        policy: OutboundPolicy | None = None,
    ) -> None:
        require_device(device)
        self._workspace = workspace
        self._generators = generators
        self._judge = judge
        self._allow_pickle = allow_pickle
        self._device = device
        self._policy = policy
        self._opened: OpenedEncoder | None = None
        self._reference: Reference | None = None
        self._instruments: Instruments | None = None
        self._panels: dict[tuple[str, str], Tensor] = {}

    def identify(self, source: EncoderSource) -> Identified:
        """Say what an encoder is made of, as it is now; see `EncoderTester`."""
        return self.open(Reference.of_source(source, root=self._workspace.root)).identified

    def test(
        self,
        source: EncoderSource,
        *,
        removal_seq: int,
        case_ids: Sequence[str],
        plan: Plan,
        watch: TestWatch,
    ) -> Measured:
        """Test an encoder against one recorded removal; see `EncoderTester`."""
        reference = Reference.of_source(source, root=self._workspace.root)
        if self._opened is None or reference != self._reference:
            self.open(reference)
        watch.stage("measure")
        # A queue stores stages as words; the terminal is told which generator draws.
        words = TestWatch(stage=lambda text: watch.stage(text.split(" ", 1)[0]), is_cancelled=watch.is_cancelled)
        with self._workspace.open_vault() as vault:
            held = load_held(vault, case_ids)
            return self.measure(held, removal_seq=removal_seq, case_ids=case_ids, plan=plan, watch=words)

    def open(self, reference: Reference) -> OpenedEncoder:
        """Find an encoder anew and keep it for `measure`.

        Args:
            reference: Where it is.

        Raises:
            EncoderError: It cannot be loaded, or does not answer as an encoder does.
            InputError: It is absent.
            OutboundError: Its server cannot or may not be asked.
        """
        self._let_go()
        policy = self._policy
        if policy is None:
            policy = OutboundPolicy.from_settings(ServiceSettings.load(self._workspace.root))
        self._opened = open_encoder(
            reference,
            policy=policy,
            allow_pickle=self._allow_pickle,
            device=self._device,
            tracking_uri=registry_uri(self._workspace.root, self._workspace.settings.tracking_uri),
        )
        self._reference = reference
        return self._opened

    def measure(
        self, held: Held, *, removal_seq: int, case_ids: Sequence[str], plan: Plan, watch: TestWatch
    ) -> Measured:
        """Test the encoder that was opened last against one removal.

        Args:
            held: The removal's evidence; its vault is open.
            removal_seq: The removal's entry.
            case_ids: Its cases, all or some.
            plan: The tests as they were fixed before the removal.
            watch: Told about progress; asked whether to go on.

        Raises:
            EncoderError: The encoder does not fit, or answers nonsense.
            InputError: The generators or the recogniser are not the planned ones.
            OutboundError: Its server cannot or may not be asked any more.
            RunInterruptedError: The test was cancelled.
        """
        if self._opened is None:
            raise EncoderError("No encoder was opened to be measured.")
        erased = tuple(CaseResult(case_id=c, verdict=RetestVerdict.EVIDENCE_ERASED, scores=()) for c in case_ids)
        if held.panel is None:
            return Measured(cases=erased, scores=(), device=self._device, software=software_versions())
        evidence = list(held.cases.values())
        tools = evidence[0].tools
        instruments = self._require_instruments(tools, plan)
        self._prepare_pixels(self._opened, removal_seq)

        def between() -> None:
            if watch.is_cancelled():
                raise RunInterruptedError("The test was cancelled.", code=ErrorCode.JOB_CANCELLED)

        key = (held.panel_id, tools.tap.value)
        original = Original(
            encoder=None,
            templates=torch.stack([case.template for case in evidence]),
            panel_images=held.panel.photos,
            panel_features=held.panel.features,
        )
        measured = measure_encoder(
            self._opened.encoder,
            original,
            choose_probes(evidence, (), seed=tools.seed),
            plan,
            list(held.cases),
            instruments,
            tap=tools.tap,
            steps=tools.steps,
            guidance=tools.guidance,
            on_stage=watch.stage,
            between=between,
            panel_after=self._panels.get(key),
        )
        if self._opened.identified.artifact is not None:
            # Weights answer the same each time. A server is asked about the panel with every part of the cases.
            self._panels[key] = measured.panel_after
        found = {case.case_id: case for case in measured.cases}
        return Measured(
            cases=tuple(found.get(each.case_id, each) for each in erased),
            scores=measured.scores,
            device=self._device,
            software=software_versions(),
            extractor=measured.extractor,
            behaviour=_behaviour(measured.closeness, held.panel.salt)
            if self._opened.identified.artifact is None
            else None,
        )

    def close(self) -> None:
        """Let go of what was loaded."""
        self._let_go()
        self._instruments = None

    def _let_go(self) -> None:
        if self._opened is not None:
            self._opened.close()
        self._opened = self._reference = None
        self._panels = {}

    def _require_instruments(self, tools: ToolSources, plan: Plan) -> Instruments:
        """Return the plan's own generators and recogniser; another one's thresholds do not apply."""
        if self._instruments is None or not _is_planned(plan, self._instruments):
            chosen = self._generators if self._generators is not None else (tools.generators or ("none",))
            self._instruments = load_instruments(
                generators=chosen,
                judge=self._judge if self._judge is not None else tools.judge,
                tap=tools.tap,
                device=self._device,
            )
        if not _is_planned(plan, self._instruments):
            raise InputError(
                "The generators or the recogniser are not those of the removal's plan, so its thresholds do not apply.",
                hint="Give the same ones with --generator and --judge; 'ireu ledger show' lists their digests.",
            )
        return self._instruments

    def _prepare_pixels(self, opened: OpenedEncoder, removal_seq: int) -> None:
        """For a server that takes pixels: prepare them as the removal's own encoder does."""
        served = opened.encoder
        if not isinstance(served, HttpEncoder) or not served.needs_preparation:
            return
        with self._workspace.open_ledger() as ledger:
            removal = ledger.statement(ledger.entry(removal_seq)).predicate
        run = removal.run.mlflow_run_id if isinstance(removal, Removal) else None
        folder = self._workspace.root / "encoders" / (run or "")
        if run is None or not Path(run).name == run or not (folder / "config.json").is_file():
            raise InputError(
                "The workspace has no encoder of this removal, so it is not known how pixels are prepared for it.",
                hint="Put the removal's encoder back into encoders/, or serve pictures with ireu's own protocol.",
                code=ErrorCode.INPUT_MISSING,
            )
        served.use_preparation(Preparation.of_folder(folder))


def create_tester(workspace: Workspace) -> Tester:
    """Return the engine for a worker; on a GPU where there is one.

    Args:
        workspace: Whose ledger and vault.
    """
    return Tester(workspace, device="cuda" if torch.cuda.is_available() else "cpu")


def _is_planned(plan: Plan, instruments: Instruments) -> bool:
    digests = {generator.name: generator.artifact.digest for generator in instruments.generators}
    judge = instruments.recogniser.digest if instruments.recogniser else None
    return all(
        digests.get(test.generator) == test.generator_digest and test.recogniser_digest == judge
        for test in plan.tests
        if test.generator_digest is not None
    )


def _behaviour(closeness: Tensor, salt: bytes) -> Artifact:
    """Return a digest over what an encoder answered, of use only together with the vault.

    The salt is erased with the evidence; without it, whoever has the photos could confirm a guess.
    """
    levels = (closeness.double() * BEHAVIOUR_STEPS).round().to(torch.int16).numpy().astype("<i2")
    return Artifact.from_files({BEHAVIOUR: hashlib.sha256(b"ireu-behaviour\0" + salt + levels.tobytes()).hexdigest()})
