"""An encoder behind an address: what it is asked, and which answers are not taken for features."""

# ruff: noqa: E402  (torch is optional)

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fixtures.pictures import draw_face
from fixtures.servers import Asked, Say, answer, json_answer, serve
from PIL import Image

from ireu_governance.core.errors import EncoderError, ErrorCode, InputError, OutboundError, Refusal
from ireu_governance.service.addresses import parse_networks
from ireu_governance.service.outbound import OutboundPolicy
from ireu_sdk.encoders import http
from ireu_sdk.encoders.base import Tap
from ireu_sdk.encoders.http import DIGEST_HEADER, HttpEncoder, protocol_of
from ireu_sdk.encoders.preparation import Preparation

POLICY = OutboundPolicy(allow=parse_networks(["127.0.0.0/8"]))
FACES = [draw_face(number, 0, size=(40, 48)) for number in range(3)]
CLAIM = "ab" * 32


class Pixels:
    """A preparation that keeps pixels as they are."""

    def __call__(self, images: Sequence[Image.Image]) -> Any:
        return torch.full((len(images), 3, 2, 2), 0.1)


def ask(
    reply: Callable[[dict[str, Any]], bytes] | bytes,
    *,
    photos: Sequence[Any] = FACES,
    tap: Tap = Tap.IMAGE_EMBEDS,
    protocol: http.Protocol = "ireu",
) -> tuple[Any, list[Asked], HttpEncoder]:
    """Ask a server that answers so; return the features, what it was asked, and the encoder."""

    def behave(asked: Asked, say: Say) -> None:
        say(reply if isinstance(reply, bytes) else reply(json.loads(asked.body)))

    pauses: list[float] = []
    with (
        serve(behave) as server,
        HttpEncoder(server.url("/features"), protocol=protocol, policy=POLICY, sleep=pauses.append) as encoder,
    ):
        if protocol == "mlflow":
            encoder.use_preparation(Pixels())  # type: ignore[arg-type]
        return encoder.answer(photos, tap=tap), server.asked, encoder


def mean_colours(document: dict[str, Any], **headers: str) -> bytes:
    """Answer as an honest server does: with the mean colours of each picture."""
    rows = []
    for text in document["instances"]:
        with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
            assert (picture.format, picture.mode) == ("PNG", "RGB")
            rows.append([float(value) for value in picture.resize((1, 1)).getpixel((0, 0))])  # type: ignore[union-attr]
    return json_answer({"features": rows}, **headers)


def test_honest_server_gives_features_of_each_picture_in_order() -> None:
    features, asked, encoder = ask(lambda document: mean_colours(document, **{DIGEST_HEADER: CLAIM}))
    expected = [[float(v) for v in face.convert("RGB").resize((1, 1)).getpixel((0, 0))] for face in FACES]
    assert features.tolist() == expected
    assert features.dtype == torch.float32
    assert encoder.claimed == CLAIM
    (only,) = asked
    assert only.line == "POST /features HTTP/1.1"
    assert json.loads(only.body)["tap"] == "image_embeds"


def test_nothing_of_a_photos_own_file_is_sent() -> None:
    photo = FACES[0].copy()
    photo.info["comment"] = b"taken in Bielefeld"
    exif = photo.getexif()
    exif[0x010E] = "Erika in Bielefeld"
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", exif=exif, comment=b"taken in Bielefeld")
    _, asked, _ = ask(mean_colours, photos=[Image.open(buffer)])
    assert b"Bielefeld" not in b"".join(base64.b64decode(text) for text in json.loads(asked[0].body)["instances"])


def test_many_photos_are_asked_in_parts_and_decoded_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []

    class Late:
        def __init__(self, number: int) -> None:
            self.number = number

        @property
        def image(self) -> Image.Image:
            looked_at.append(self.number)
            return Image.new("RGB", (8, 8), (self.number, 0, 0))

    features, asked, _ = ask(mean_colours, photos=[Late(number) for number in range(70)])
    assert features[:, 0].tolist() == [float(number) for number in range(70)]
    assert [len(json.loads(each.body)["instances"]) for each in asked] == [32, 32, 6]
    assert looked_at == list(range(70))
    monkeypatch.setattr(http, "MAX_REQUEST", 200)
    _, asked, _ = ask(mean_colours, photos=FACES)
    assert len(asked) == 3  # large pictures go one by one


def test_tokens_are_features_too() -> None:
    tokens = torch.randn(3, 5, 4)
    features, asked, _ = ask(json_answer({"features": tokens.tolist()}), tap=Tap.PENULTIMATE)
    assert torch.allclose(features, tokens)
    assert json.loads(asked[0].body)["tap"] == "penultimate"


def test_half_precision_answers_are_taken() -> None:
    rows = torch.randn(3, 8).half()
    features, *_ = ask(json_answer({"features": rows.tolist()}))
    assert torch.equal(features, rows.float())


def test_mlflow_is_asked_with_prepared_pixels_and_for_a_tap_only_if_it_is_another() -> None:
    reply = json_answer({"predictions": [[1.0, 2.0]] * 3})
    features, asked, _ = ask(reply, protocol="mlflow")
    assert features.shape == (3, 2)
    assert asked[0].line.startswith("POST /features/invocations ")
    assert json.loads(asked[0].body) == {"inputs": [[[[0.1, 0.1], [0.1, 0.1]]] * 3] * 3}
    _, asked, _ = ask(reply, protocol="mlflow", tap=Tap.PENULTIMATE)
    assert json.loads(asked[0].body)["params"] == {"tap": "penultimate"}


def test_mlflow_without_a_known_preparation_is_refused() -> None:
    with HttpEncoder("http://127.0.0.1:9/", protocol="mlflow", policy=POLICY) as encoder:
        assert encoder.needs_preparation
        with pytest.raises(InputError, match="how pixels are prepared"):
            encoder.answer(FACES, tap=Tap.IMAGE_EMBEDS)


@pytest.mark.parametrize(
    ("url", "protocol"),
    [("http://h/invocations", "mlflow"), ("https://h/a/invocations/", "mlflow"), ("https://h/features", "ireu")],
)
def test_protocol_is_told_by_the_address(url: str, protocol: str) -> None:
    assert protocol_of(url) == protocol


GOOD = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def with_numbers(text: str) -> bytes:
    return answer(body=text.encode(), Content_Type="application/json")


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (json_answer({"features": GOOD[:2]}), "2 features for 3 pictures"),
        (json_answer({"features": [*GOOD, [7.0, 8.0]]}), "4 features for 3 pictures"),
        (json_answer({"features": [[1.0], [1.0, 2.0], [1.0]]}), "different lengths"),
        (json_answer({"features": [["1.0", "2.0"]] * 3}), "something else than a list of numbers"),
        (json_answer({"features": [[None, 1.0]] * 3}), "something else than a list of numbers"),
        (json_answer({"features": [[True, False]] * 3}), "something else than a list of numbers"),
        (json_answer({"features": [1.0, 2.0, 3.0]}), "something else than a list of numbers"),
        (json_answer({"features": [[[[1.0]]]] * 3}), "something else than a list of numbers"),
        (json_answer({"features": [[], [], []]}), "something else than a list of numbers"),
        (json_answer({"features": [{"a": 1}] * 3}), "something else than a list of numbers"),
        (with_numbers('{"features": [[NaN, 1], [1, 1], [1, 1]]}'), "not finite"),
        (with_numbers('{"features": [[Infinity, 1], [1, 1], [1, 1]]}'), "not finite"),
        (with_numbers('{"features": [[1e300, 1], [1, 1], [1, 1]]}'), "not finite"),
        (with_numbers('{"features": [[1e999, 1], [1, 1], [1, 1]]}'), "not finite"),
        (with_numbers('{"features": [[' + "9" * 5000 + ", 1]]}"), "answers with"),
        (with_numbers("[" * 100_000), "something else than JSON"),
        (with_numbers("{"), "something else than JSON"),
        (with_numbers("\ud800".encode("utf-16", "surrogatepass").decode("latin-1")), "something else than JSON"),
        (json_answer([]), "without a list named 'features'"),
        (json_answer({"features": []}), "without a list named 'features'"),
        (json_answer({"predictions": GOOD}), "without a list named 'features'"),
        (json_answer({"features": "x"}), "without a list named 'features'"),
        (answer(body=b'{"features": [[1]]}', Content_Type="text/html"), "Content-Type"),
        (answer(body=json.dumps({"features": GOOD}).encode()), "Content-Type"),
        (answer("500 Internal Server Error", b"Traceback"), "status 500"),
        (answer("404 Not Found"), "status 404"),
        (json_answer({"features": GOOD}, **{DIGEST_HEADER: "latest"}), "no SHA-256"),
    ],
)
def test_answer_that_is_no_features_is_refused_with_its_reason(reply: bytes, says: str) -> None:
    with pytest.raises(EncoderError, match=says) as caught:
        ask(reply)
    assert caught.value.code is ErrorCode.ENCODER_ANSWER
    assert caught.value.hint
    assert "Traceback" not in caught.value.message


def test_whole_numbers_are_numbers() -> None:
    features, *_ = ask(with_numbers('{"features": [[1, 2], [3, 4], [5, 6]]}'))
    assert features.tolist() == GOOD


def in_turn(*replies: bytes) -> Callable[[Asked, Say], None]:
    left: Iterator[bytes] = iter(replies)
    return lambda asked, say: say(next(left))


def ask_in_turn(*replies: bytes, photos: int = 33) -> tuple[Any, list[float], int]:
    pauses: list[float] = []
    with (
        serve(in_turn(*replies)) as server,
        HttpEncoder(server.url(), protocol="ireu", policy=POLICY, sleep=pauses.append) as encoder,
    ):
        features = encoder.answer([FACES[0]] * photos, tap=Tap.IMAGE_EMBEDS)
        return features, pauses, len(server.asked)


def test_features_of_changing_length_are_refused() -> None:
    with pytest.raises(EncoderError, match="changing length"):
        ask_in_turn(json_answer({"features": [[1.0, 2.0]] * 32}), json_answer({"features": [[1.0, 2.0, 3.0]]}))


def test_encoder_that_is_exchanged_during_the_test_is_noticed_if_it_says_so() -> None:
    first = json_answer({"features": [[1.0]] * 32}, **{DIGEST_HEADER: CLAIM})
    for second in ({DIGEST_HEADER: "cd" * 32}, {}):
        with pytest.raises(EncoderError, match="exchanged during the test"):
            ask_in_turn(first, json_answer({"features": [[1.0]]}, **second))
    features, *_ = ask_in_turn(first, json_answer({"features": [[1.0]]}, **{DIGEST_HEADER: CLAIM}))
    assert features.shape == (33, 1)


def test_busy_server_is_asked_again_and_then_left() -> None:
    good = json_answer({"features": [[1.0]]})
    features, pauses, asked = ask_in_turn(answer("503 Busy"), b"", good, photos=1)
    assert (features.tolist(), pauses, asked) == ([[1.0]], [0.5, 2.0], 3)
    with pytest.raises(EncoderError, match="status 503"):
        ask_in_turn(*[answer("503 Busy")] * 3, photos=1)
    with pytest.raises(OutboundError) as caught:
        ask_in_turn(b"", b"", b"", photos=1)
    assert caught.value.reason is Refusal.BROKEN


def test_refusal_is_not_repeated() -> None:
    with pytest.raises(OutboundError) as caught:
        ask_in_turn(answer("302 Found", Location="http://169.254.169.254/"), json_answer({"features": [[1.0]]}))
    assert caught.value.reason is Refusal.REDIRECT
    with pytest.raises(OutboundError) as other:
        HttpEncoder("http://192.168.0.1/features", protocol="ireu", policy=POLICY)
    assert other.value.reason is Refusal.ADDRESS


def test_test_can_be_stopped_between_two_questions() -> None:
    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    with (
        serve(in_turn()) as server,
        HttpEncoder(server.url(), protocol="ireu", policy=POLICY) as encoder,
        pytest.raises(Stop),
    ):
        encoder.answer(FACES, tap=Tap.IMAGE_EMBEDS, between=stop)
    assert server.asked == []


def test_first_call_notices_a_server_that_is_no_encoder() -> None:
    with (
        serve(lambda asked, say: say(answer(body=b"<html>"))) as server,
        HttpEncoder(server.url(), protocol="ireu", policy=POLICY) as encoder,
        pytest.raises(EncoderError),
    ):
        encoder.call()
    for status, good in (("200 OK", True), ("404 Not Found", False)):
        with (
            serve(lambda asked, say, status=status: say(answer(status))) as server,  # type: ignore[misc]
            HttpEncoder(server.url("/invocations"), protocol="mlflow", policy=POLICY) as encoder,
        ):
            if good:
                encoder.call()
            else:
                with pytest.raises(EncoderError, match="ping"):
                    encoder.call()
            assert server.asked[0].line == "GET /ping HTTP/1.1"


def test_pixels_are_those_of_the_encoders_own_preparation(tmp_path: Any) -> None:
    from fixtures.networks import SIDE, save_clip_tower

    from ireu_sdk.encoders.clip import ClipEncoder

    folder = save_clip_tower(tmp_path / "tower")
    prepared = Preparation.of_folder(folder)(FACES)
    assert prepared.shape == (3, 3, SIDE, SIDE)
    assert torch.equal(prepared, ClipEncoder.load(folder).preprocess(FACES))
    (folder / "config.json").write_text('{"image_size": "large"}')
    with pytest.raises(EncoderError, match="image_size"):
        Preparation.of_folder(folder)
