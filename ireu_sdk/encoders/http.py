"""An encoder that is served: photos or pixels out, features in, and nothing that arrives is believed.

Two protocols (docs/formats.md): ireu's own, which sends pictures and leaves their preparation to the server, and
MLflow's ``/invocations``, which takes prepared pixels.
"""

from __future__ import annotations

import base64
import io
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ireu_governance.core.errors import EncoderError, ErrorCode, InputError, OutboundError
from ireu_governance.service.outbound import OutboundPolicy, check_address, open_client
from ireu_sdk.encoders.base import Tap
from ireu_sdk.encoders.extraction import prefetch
from ireu_sdk.evaluation.probes import Photo, image_of

if TYPE_CHECKING:
    from ireu_sdk.encoders.preparation import Preparation

__all__ = ["DIGEST_HEADER", "HttpEncoder", "Protocol", "protocol_of"]

Protocol = Literal["ireu", "mlflow"]

DIGEST_HEADER: Final = "Ireu-Encoder-Digest"
"""Header in which a server may state the digest over the files that it serves."""

MAX_REQUEST: Final = 8 * 1024 * 1024
"""Bytes of pictures or pixels in one question, as far as one picture fits into that."""

MAX_PHOTOS: Final = 32
MAX_PHOTOS_OF_TOKENS: Final = 8  # a photo's tokens are hundreds of times as long as its pooled feature
ATTEMPTS: Final = 3
PAUSES_S: Final = (0.5, 2.0)
BUSY: Final = frozenset({429, 502, 503, 504})

_HEX32: Final = re.compile("[0-9a-f]{64}")
_FIELD: Final = {"ireu": "features", "mlflow": "predictions"}


def protocol_of(url: str) -> Protocol:
    """Return the protocol that an address is about: MLflow's if it ends as MLflow's do."""
    return "mlflow" if url.rstrip("/").endswith("/invocations") else "ireu"


class HttpEncoder:
    """An encoder behind an address. Use it as a context manager, or close it.

    Args:
        url: Where; for MLflow with or without ``/invocations``.
        protocol: Which way to ask.
        policy: Who may be asked; photos of people are sent.
        sleep: Waits between attempts.
    """

    name = "http"

    def __init__(
        self,
        url: str,
        *,
        protocol: Protocol,
        policy: OutboundPolicy,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        rules = replace(policy, personal=True, read_timeout_s=max(policy.read_timeout_s, 120.0),
                        total_timeout_s=max(policy.total_timeout_s, 180.0))  # fmt: skip
        self._url = check_address(url, rules)
        if protocol == "mlflow" and protocol_of(url) != "mlflow":
            self._url = url.rstrip("/") + "/invocations"
        self._protocol: Protocol = protocol
        self._preparation: Preparation | None = None
        self._claimed: str | None = None
        self._asked = False
        self._sleep = sleep
        self._client = open_client(rules)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    @property
    def claimed(self) -> str | None:
        """Digest over its files that the server states, in hex; nobody has checked it. None if it states none."""
        return self._claimed

    @property
    def needs_preparation(self) -> bool:
        """Whether pixels have to be prepared here, as the removal's encoder wants them."""
        return self._protocol == "mlflow"

    def use_preparation(self, preparation: Preparation) -> None:
        """Prepare pixels in this way from now on."""
        self._preparation = preparation

    def call(self) -> None:
        """Ask once with a drawn picture, so that an absent server is noticed before any work is done.

        With MLflow's protocol nothing can be asked before it is known how pixels are prepared; its ``/ping`` is.

        Raises:
            EncoderError: The server answers, but not as an encoder does.
            OutboundError: It cannot or may not be asked.
        """
        if self.needs_preparation:
            answer = self._send("GET", self._url.removesuffix("/invocations") + "/ping", None)
            if answer.status_code != 200:
                raise _unlike(f"answers its ping with status {answer.status_code}")
            return
        ramp = np.linspace(0, 255, 64, dtype=np.uint8)
        levels = [np.tile(ramp, (64, 1)), np.tile(ramp[:, None], (1, 64)), np.full((64, 64), 128, np.uint8)]
        picture = Image.fromarray(np.stack(levels, axis=2))
        self.answer([picture], tap=Tap.IMAGE_EMBEDS)

    def answer(
        self,
        photos: Sequence[Image.Image | Photo],
        *,
        tap: Tap,
        between: Callable[[], None] = lambda: None,
    ) -> Tensor:
        """Return the server's features of photos.

        Args:
            photos: N photos.
            tap: Which output to ask for.
            between: Called between questions; may raise to stop.

        Returns:
            (N, D) or (N, T, H), float32.

        Raises:
            EncoderError: It answers something else than so many features of one shape.
            OutboundError: It cannot or may not be asked.
        """
        tap = Tap(tap)
        parts: list[Tensor] = []
        for batch in _grouped(prefetch(self._encode, photos), tap):
            between()
            parts.append(self._ask(batch, tap, parts[0].shape[1:] if parts else None))
        return torch.cat(parts)

    def _encode(self, photo: Image.Image | Photo) -> str:
        """Return one photo as JSON: a picture in base64, or its pixels."""
        image = image_of(photo)
        if self._protocol == "ireu":
            buffer = io.BytesIO()
            # Pixels only: nothing of the photo's own file, such as where it was taken, goes out.
            image.convert("RGB").save(buffer, "PNG", compress_level=1)
            return f'"{base64.b64encode(buffer.getvalue()).decode()}"'
        if self._preparation is None:
            raise InputError("It is not known how pixels are prepared for this encoder.")
        # Six digits behind the point are a thousandth of one of the 256 levels that a pixel has.
        return json.dumps(np.round(self._preparation([image])[0].double().numpy(), 6).tolist(), separators=(",", ":"))

    def _ask(self, batch: list[str], tap: Tap, shape: torch.Size | None) -> Tensor:
        joined = ",".join(batch)
        if self._protocol == "ireu":
            body = f'{{"tap":"{tap.value}","instances":[{joined}]}}'
        else:
            # The parameter only where it changes something: other servers than ireu's models do not know it.
            params = "" if tap is Tap.IMAGE_EMBEDS else f',"params":{{"tap":"{tap.value}"}}'
            body = f'{{"inputs":[{joined}]{params}}}'
        answer = self._send("POST", self._url, body.encode())
        if answer.status_code != 200:
            raise _unlike(f"answers with status {answer.status_code}")
        media = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            raise _unlike("answers with something else than JSON, by its Content-Type")
        self._note_claim(answer.headers.get(DIGEST_HEADER))
        features = _read_features(answer.content, _FIELD[self._protocol])
        if len(features) != len(batch):
            raise _unlike(f"answers with {len(features)} features for {len(batch)} pictures")
        if shape is not None and features.shape[1:] != shape:
            raise _unlike("answers with features of changing length")
        return features

    def _note_claim(self, stated: str | None) -> None:
        if stated is not None and not _HEX32.fullmatch(stated):
            raise _unlike(f"states something in {DIGEST_HEADER} that is no SHA-256 in lower-case hex")
        if self._asked and stated != self._claimed:
            raise _unlike("states another digest than before: the encoder was exchanged during the test")
        self._claimed, self._asked = stated, True

    def _send(self, method: str, url: str, body: bytes | None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"} if body is not None else {}
        for pause in (*PAUSES_S, None):
            try:
                answer = self._client.request(method, url, content=body, headers=headers)
            except OutboundError as error:
                if error.code is not ErrorCode.NETWORK_UNAVAILABLE or pause is None:
                    raise
            else:
                if answer.status_code not in BUSY or pause is None:
                    return answer
            self._sleep(pause)
        raise AssertionError  # the last attempt returns or raises


def _grouped(texts: Iterator[str], tap: Tap) -> Iterator[list[str]]:
    most = MAX_PHOTOS if tap in (Tap.IMAGE_EMBEDS, Tap.POOLED) else MAX_PHOTOS_OF_TOKENS
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and (len(batch) == most or size + len(text) > MAX_REQUEST):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def _read_features(body: bytes, name: str) -> Tensor:
    """Read an answer: (N, D) or (N, T, H), numbers only, all of them finite."""

    def refuse(_: str) -> None:
        raise _unlike("answers with numbers that are not finite")

    try:
        document = json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise _unlike("answers with something else than JSON") from None
    rows = document.get(name) if isinstance(document, dict) else None
    if not isinstance(rows, list) or not rows:
        raise _unlike(f"answers without a list named '{name}'")
    try:
        numbers = np.array(rows)
    except (ValueError, OverflowError):
        raise _unlike("answers with features of different lengths") from None
    if numbers.dtype.kind not in "fi" or numbers.ndim not in (2, 3) or numbers.size == 0:
        raise _unlike("answers with something else than a list of numbers for each picture")
    with np.errstate(over="ignore"):
        features = torch.from_numpy(numbers.astype(np.float32))
    if not bool(torch.isfinite(features).all()):
        raise _unlike("answers with numbers that are not finite")
    return features


def _unlike(what: str) -> EncoderError:
    return EncoderError(
        f"The encoder's server {what}.",
        hint="Compare what it serves with 'An encoder behind HTTP' in docs/formats.md.",
        code=ErrorCode.ENCODER_ANSWER,
    )
