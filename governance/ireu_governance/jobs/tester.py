"""How an encoder is tested without knowing how: what the service asks for, and what the engine answers.

The service never imports an engine. A worker loads one by name (`ireu_sdk.tester:create_tester`), which gives an
`EncoderTester`. Two things are asked for, and are told apart everywhere:

- *white box* (`EncoderTester.identify`): which files is the encoder made of? The service compares their digests
  with the ledger.
- *black box* (`EncoderTester.test`): what do its features, and the portraits made from them, show of the
  forgotten? The tester measures; the service decides, by the plan that was recorded before the removal.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.errors import InputError, MissingExtraError
from ireu_governance.core.statement import CaseResult, Plan, Score
from ireu_governance.core.validation import describe
from ireu_governance.core.vocabulary import Token

if TYPE_CHECKING:
    from ireu_governance.workspace import Workspace

__all__ = [
    "DEFAULT_TESTER",
    "EncoderSource",
    "EncoderTester",
    "FolderSource",
    "HttpSource",
    "Identified",
    "Measured",
    "MlflowSource",
    "NamedSource",
    "PipelineSource",
    "TestWatch",
    "load_tester",
    "parse_source",
]

DEFAULT_TESTER: Final = "ireu_sdk.tester:create_tester"
"""Where a worker finds the engine: ``module:function``, called with the workspace."""

_Path = Annotated[
    str,
    # Below the workspace: who may ask for a test must not be able to look around on the worker's disk.
    StringConstraints(pattern=r"^[A-Za-z0-9_@][A-Za-z0-9._@+-]{0,99}(/[A-Za-z0-9_@][A-Za-z0-9._@+-]{0,99}){0,9}$"),
]
_Url = Annotated[str, StringConstraints(max_length=500, pattern=r"^https?://[A-Za-z0-9.\[\]:_-]+(/[!-~]*)?$")]


class _Source(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FolderSource(_Source):
    """A folder of weights below the workspace, such as ``encoders/<run>``."""

    kind: Literal["folder"] = "folder"
    path: _Path


class PipelineSource(_Source):
    """A folder with a whole pipeline below the workspace, whose encoder is tested and whose parts are told apart."""

    kind: Literal["pipeline"] = "pipeline"
    path: _Path


class MlflowSource(_Source):
    """A version of a model in the workspace's MLflow registry.

    Attributes:
        model: Its registered name.
        version: A version's number; or
        alias: an alias, looked up anew for each test.
    """

    kind: Literal["mlflow"] = "mlflow"
    model: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]{0,199}$")]
    version: Annotated[int, Field(ge=1, le=2**31)] | None = None
    alias: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] | None = None

    def model_post_init(self, context: object, /) -> None:  # noqa: ARG002 - the signature is pydantic's
        """Refuse both or neither; pydantic reports it as the source's own fault."""
        if (self.version is None) == (self.alias is None):
            raise ValueError("give either a version or an alias")


class HttpSource(_Source):
    """An encoder that is served, of which only answers can be seen.

    Attributes:
        url: Where; who may be asked is up to the worker's settings (`outbound_allow`).
        protocol: ``ireu`` (docs/formats.md) or ``mlflow`` (``/invocations``).
    """

    kind: Literal["http"] = "http"
    url: _Url
    protocol: Literal["ireu", "mlflow"] = "ireu"


class NamedSource(_Source):
    """An encoder by a name that the engine knows: ``testbed``, or ``hf:organisation/name``."""

    kind: Literal["named"] = "named"
    name: Annotated[str, StringConstraints(pattern=r"^(testbed|hf:[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._-]{1,100})$")]


EncoderSource = Annotated[
    FolderSource | PipelineSource | MlflowSource | HttpSource | NamedSource, Field(discriminator="kind")
]
"""Where the encoder is that shall be tested. Never a secret, never a person's name."""

_SOURCE: Final[TypeAdapter[FolderSource | PipelineSource | MlflowSource | HttpSource | NamedSource]] = TypeAdapter(
    EncoderSource
)


def parse_source(value: object) -> FolderSource | PipelineSource | MlflowSource | HttpSource | NamedSource:
    """Read a source from a JSON object; `InputError` if it is none."""
    try:
        return _SOURCE.validate_python(value)
    except ValidationError as error:
        raise InputError(f"The encoder's source is malformed {describe(error)}.") from None


@dataclass(frozen=True)
class Identified:
    """What an encoder is made of.

    Attributes:
        artifact: Its files; None when they cannot be seen (an encoder behind HTTP).
        parts: The parts of a pipeline by name (``base``, ``adapter``, ``encoder``); empty for anything else.
        claimed: The digest that a served encoder states of itself, in hex; nobody has checked it.
        resolved: What a moving name stood for, such as ``models:/face-encoder/7``; None if nothing was looked up.
    """

    artifact: Artifact | None
    parts: Mapping[str, Artifact] = field(default_factory=dict)
    claimed: str | None = None
    resolved: Token | None = None


@dataclass(frozen=True)
class Measured:
    """What the tests of one removal measured.

    Attributes:
        cases: Scores of each case that was asked for, in that order. The verdict is what the tester makes of them
            (``evidence-erased`` when there was nothing left to test with); the service decides again by the plan.
        scores: Scores about everybody else; the retained similarity is one of them.
        device: Where the networks ran.
        software: Versions of what ran.
        extractor: Feature extractor of an FID; None without one.
        behaviour: For an encoder whose files cannot be seen: one artifact with a digest over its rounded answers to
            this removal's probes, by which two tests can be compared. No proof of which weights answered.
    """

    cases: tuple[CaseResult, ...]
    scores: tuple[Score, ...]
    device: Token
    software: Mapping[str, str]
    extractor: Token | None = None
    behaviour: Artifact | None = None


@dataclass(frozen=True)
class TestWatch:
    """How a test says how far it is, and learns that it is no longer wanted.

    Attributes:
        stage: Called with what is being done, by code.
        is_cancelled: Asked between batches; the tester then raises `RunInterruptedError`.
    """

    __test__ = False  # no test of pytest's

    stage: Callable[[str], None] = lambda _: None
    is_cancelled: Callable[[], bool] = lambda: False


class EncoderTester(Protocol):
    """An engine that can load encoders and measure them. Used by one thread at a time.

    It may keep what it loaded between calls with the same source (weights, panels), but has to notice when what a
    name stands for has changed: `identify` is called once at the beginning of every job and starts afresh.
    """

    def identify(self, source: EncoderSource) -> Identified:
        """Say what an encoder is made of, as it is now.

        Args:
            source: Where it is.

        Raises:
            EncoderError: It cannot be found, loaded, or reached.
            InputError: It is refused, for instance because the worker may not ask that address.
        """
        ...

    def test(
        self,
        source: EncoderSource,
        *,
        removal_seq: int,
        case_ids: Sequence[str],
        plan: Plan,
        watch: TestWatch,
    ) -> Measured:
        """Test an encoder against one recorded removal, with the evidence in the vault.

        Args:
            source: Where it is.
            removal_seq: The removal's entry.
            case_ids: Its cases, all or some.
            plan: The tests as they were fixed before the removal.
            watch: Told about progress; asked whether to go on.

        Returns:
            The figures.

        Raises:
            EncoderError: It cannot be loaded or reached, does not fit, or answers nonsense.
            InputError: The generators or the recogniser are not the planned ones.
            RunInterruptedError: The test was cancelled.
        """
        ...

    def close(self) -> None:
        """Let go of what was loaded."""
        ...


def load_tester(workspace: Workspace, name: str = DEFAULT_TESTER) -> EncoderTester:
    """Load the engine.

    Args:
        workspace: Whose evidence it tests with.
        name: ``module:function``.

    Raises:
        MissingExtraError: The engine's libraries are not installed.
    """
    module, _, function = name.partition(":")
    try:
        create = getattr(importlib.import_module(module), function)
    except ImportError as error:
        raise MissingExtraError("ml", "The re-test of encoders") from error
    tester: EncoderTester = create(workspace)
    return tester
