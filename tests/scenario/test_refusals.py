"""What cannot be used is refused with a next step, and the workspace is, byte for byte, as it was before."""

# ruff: noqa: E402  (torch is optional)

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from fixtures.command import Ireu, Outcome, run_process, snapshot
from fixtures.networks import save_clip_tower
from fixtures.pictures import draw_face, encode
from fixtures.removals import write_drawn_cast
from PIL import Image

from ireu_governance.core.errors import ConfigError, ErrorCode
from ireu_governance.workspace import Workspace
from ireu_sdk.order import Order
from ireu_sdk.progress import Silent
from ireu_sdk.removal import unlearn
from ireu_sdk.testbed import gallery_person

pytestmark = [pytest.mark.ml, pytest.mark.slow]


class Desk:
    """A workspace, an encoder, and photos that would do; each test spoils something."""

    def __init__(self, folder: Path, ireu: Ireu) -> None:
        self.folder = folder
        self.workspace = Workspace.create(folder / "workspace", organisation="X")
        self.root = self.workspace.root
        self.encoder = folder / "encoder"
        self.photos = folder / "photos"
        write_drawn_cast(self.photos)
        self._ireu = ireu

    def unlearn(self, *more: str | Path, without: str = "", **changes: str | Path) -> Outcome:
        sources = {"encoder": self.encoder, **{name: self.photos / name for name in ("forget", "retain", "swap")}}
        sources |= changes
        options = [word for name, value in sources.items() if name != without for word in (f"--{name}", str(value))]
        return self._ireu("-w", self.root, "unlearn", *options, "--steps", "2", *more)

    def refuses(self, code: ErrorCode | str, *more: str | Path, **changes: str | Path) -> str:
        """Expect a refusal that is told in words and as JSON, and that leaves everything as it was."""
        before = snapshot(self.root)
        told = self.unlearn(*more, **changes)
        as_json = self.unlearn(*more, "--json", **changes)
        assert (told.code, told.out, as_json.code, as_json.out) == (2, "", 2, ""), told.err + as_json.err
        error = as_json.error
        assert error["code"] == str(code)
        assert error["message"]
        assert error["hint"]
        assert error["message"] in told.err
        assert error["hint"] in told.err
        assert snapshot(self.root) == before
        return error["message"]


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip_tower(tmp_path_factory.mktemp("tower") / "encoder")


@pytest.fixture
def desk(tmp_path: Path, ireu: Ireu, tower: Path) -> Desk:
    shutil.copytree(tower, tmp_path / "encoder")
    return Desk(tmp_path, ireu)


def test_desk_is_in_order_when_nothing_is_spoilt(desk: Desk) -> None:
    before = snapshot(desk.root)
    done = desk.unlearn("--dry-run", "--json")
    assert (done.code, done.err) == (0, "")
    assert snapshot(desk.root) == before


# Photos


def test_empty_forget_folder(desk: Desk) -> None:
    (desk.folder / "empty").mkdir()
    desk.refuses(ErrorCode.PORTRAITS_EMPTY, forget=desk.folder / "empty")


def test_empty_retain_folder(desk: Desk) -> None:
    (desk.folder / "empty").mkdir()
    desk.refuses(ErrorCode.PORTRAITS_EMPTY, retain=desk.folder / "empty")


@pytest.mark.parametrize("name", ["forget", "retain", "swap", "panel"])
def test_folder_that_is_not_there(desk: Desk, name: str) -> None:
    assert "nowhere" in desk.refuses(ErrorCode.INPUT_MISSING, **{name: desk.folder / "nowhere"})


SPOILT: dict[str, tuple[Callable[[], bytes], ErrorCode]] = {
    "text": (lambda: b"Dear Sir or Madam, please forget me.\n" * 9, ErrorCode.PORTRAIT_UNREADABLE),
    "truncated": (lambda: encode(draw_face(0, 9), "JPEG")[:-900], ErrorCode.PORTRAIT_UNREADABLE),
    "blank": (lambda: encode(Image.new("RGB", (128, 128), (200, 200, 200)), "PNG"), ErrorCode.PORTRAIT_NO_FACE),
    "tiny": (lambda: encode(draw_face(0, 9).resize((16, 16)), "PNG"), ErrorCode.PORTRAIT_UNREADABLE),
}


@pytest.mark.parametrize("kind", SPOILT)
@pytest.mark.parametrize("place", ["forget/9.png", "retain/someone-3/9.png", "swap/0_as_z.png"])
def test_a_png_that_is_text_truncated_blank_or_tiny_is_refused_wherever_it_lies(
    desk: Desk, kind: str, place: str
) -> None:
    make, code = SPOILT[kind]
    (desk.photos / place).write_bytes(make())
    assert Path(place).name in desk.refuses(code)


def test_photo_of_somebody_else_among_those_to_forget(desk: Desk) -> None:
    forget, swap, retain = (desk.folder / "gallery" / name for name in ("forget", "swap", "retain"))
    forget.mkdir(parents=True)
    swap.mkdir()
    person, other = gallery_person(0), gallery_person(20)
    for number in range(3):
        (forget / f"{number}.webp").write_bytes(person.portraits[number].data)
    (forget / "stranger.webp").write_bytes(other.portraits[0].data)
    person.pairs[0].swapped.save(swap / "0_as_x.png")
    for number in range(5, 10):
        own = retain / str(number)
        own.mkdir(parents=True)
        for photo in range(3):
            (own / f"{photo}.webp").write_bytes(gallery_person(number).portraits[photo].data)
    sources = {"forget": forget, "swap": swap, "retain": retain}
    assert "'stranger'" in desk.refuses(ErrorCode.PORTRAIT_NO_FACE, "--judge", "testbed", **sources)
    (forget / "stranger.webp").unlink()
    assert desk.unlearn("--judge", "testbed", "--dry-run", "--json", **sources).document["face_check"]


@pytest.mark.parametrize("name", ["someone-3/renamed.tiff", "someone-3/0.bmp", "someone-8/x.png"])
def test_photo_to_forget_that_is_also_to_be_kept(desk: Desk, name: str) -> None:
    Image.open(desk.photos / "forget" / "4.png").save(desk.photos / "retain" / name)
    desk.refuses(ErrorCode.PORTRAITS_SHARED)


def test_no_swaps(desk: Desk) -> None:
    before = snapshot(desk.root)
    done = desk.unlearn("--json", without="swap")
    assert (done.code, done.error["code"]) == (2, "portraits-unpaired")
    assert "--swap" in done.error["hint"]
    assert snapshot(desk.root) == before


def test_swaps_that_match_no_photo(desk: Desk) -> None:
    for file in (desk.photos / "swap").iterdir():
        file.rename(file.with_name(f"x{file.name}"))
    desk.refuses(ErrorCode.PORTRAITS_UNPAIRED)


# Encoders, devices, ids


def test_encoder_that_is_not_there(desk: Desk) -> None:
    desk.refuses(ErrorCode.INPUT_MISSING, encoder=desk.folder / "nowhere")


def test_encoder_with_a_pickle(desk: Desk) -> None:
    (desk.encoder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert "pytorch_model.bin" in desk.refuses(ErrorCode.ENCODER_UNSAFE)


def test_encoder_that_is_damaged(desk: Desk) -> None:
    file = desk.encoder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    before = snapshot(desk.root)
    assert desk.unlearn("--json").error["code"] == "encoder-unloadable"
    assert snapshot(desk.root) == before


def test_encoder_with_a_link_in_its_folder(desk: Desk) -> None:
    (desk.encoder / "weights").symlink_to("/etc/passwd")
    desk.refuses(ErrorCode.INPUT_MALFORMED)


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "tpu", "cpu:", "../x"])
def test_device_that_is_not_there(desk: Desk, device: str) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is one")
    assert device in desk.refuses(ErrorCode.CONFIG_INVALID, "--device", device)


@pytest.mark.parametrize("case", ["Erika Mustermann", "A" * 32, "ab", "0" * 33, "../../" + "0" * 26])
def test_case_id_that_could_name_somebody(desk: Desk, case: str) -> None:
    desk.refuses(ErrorCode.CONFIG_INVALID, "--case", case)


@pytest.mark.parametrize(
    ("option", "value"), [("--k", "1.5"), ("--lr", "0"), ("--steps", "0"), ("--batch-size", "0"), ("--alpha", "nan")]
)
def test_setting_out_of_range(desk: Desk, option: str, value: str) -> None:
    desk.refuses(ErrorCode.INPUT_MALFORMED, option, value)


def test_run_that_is_not_there(desk: Desk) -> None:
    before = snapshot(desk.root)
    done = desk.unlearn("--resume", "0" * 32, "--json")
    assert (done.code, done.error["code"]) == (2, "run-not-resumable")
    assert snapshot(desk.root) == before


# Workspace


def test_no_workspace(ireu: Ireu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = ireu("unlearn", "--encoder", "testbed", "--forget", "testbed:0", "--retain", "testbed", "--json")
    assert (done.code, done.error["code"]) == (2, "workspace-missing")
    assert list(tmp_path.iterdir()) == []


def test_broken_settings(desk: Desk) -> None:
    (desk.root / "ireu.toml").write_text("organisation = \n")
    desk.refuses(ErrorCode.CONFIG_INVALID)


@pytest.mark.parametrize("key", ["record.pem", "log.pem"])
def test_lost_key_is_found_before_anything_is_written(desk: Desk, key: str) -> None:
    (desk.root / "keys" / key).unlink()
    before = snapshot(desk.root)
    done = desk.unlearn("--json")
    assert (done.code, done.error["code"]) == (2, "key-unusable")
    assert snapshot(desk.root) == before


def test_mlflow_server_that_does_not_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    before = snapshot(desk.root)
    done = desk.unlearn("--json")
    assert (done.code, done.out) == (2, "")
    assert "127.0.0.1:9" in done.error["message"]
    assert "MLFLOW_TRACKING_URI" in done.error["hint"]
    assert {k: v for k, v in snapshot(desk.root).items() if k != "mlflow.lock"} == before


def test_ledger_that_another_process_holds(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Workspace.open_ledger.__kwdefaults__, "timeout_s", 0.3)
    code = (
        "import sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('BEGIN IMMEDIATE')\n"
        "print('held', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [os.sys.executable, "-c", code, str(desk.workspace.ledger_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        done = desk.unlearn("--json")
        holder.stdin.close()
        holder.wait(30)
    assert (done.code, done.error["code"]) == (2, "ledger-locked")
    assert not (desk.root / "mlflow.db").exists()
    assert list((desk.root / "runs").iterdir()) == []
    with desk.workspace.open_ledger() as ledger, desk.workspace.open_vault() as vault:
        assert ledger.head().size == 0
        assert vault.cases() == []
    with sqlite3.connect(desk.root / "vault" / "vault.db") as connection:
        assert connection.execute("SELECT count(*) FROM blobs").fetchone() == (0,)


def test_ledger_that_was_rolled_back_is_not_continued(desk: Desk) -> None:
    assert desk._ireu("-w", desk.root, "ledger", "checkpoint").code == 0
    older = desk.folder / "older.db"
    with sqlite3.connect(desk.workspace.ledger_path) as source, sqlite3.connect(older) as target:
        source.backup(target)
    assert desk.unlearn("--json").code in (0, 1, 2)
    with desk.workspace.open_ledger() as ledger:
        assert ledger.head().size == 3
    for suffix in ("", "-wal", "-shm"):
        Path(f"{desk.workspace.ledger_path}{suffix}").unlink(missing_ok=True)
    shutil.copy(older, desk.workspace.ledger_path)
    with desk.workspace.open_vault() as vault:
        evidence = vault.cases()
    done = desk.unlearn("--json")
    assert (done.code, done.error["code"]) == (1, "ledger-rolled-back")
    with desk.workspace.open_vault() as vault:
        assert vault.cases() == evidence


# The disk


def test_too_little_disk(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 2**20, 2**20))
    assert "1 MiB are free" in desk.refuses(ErrorCode.DISK_FULL)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 48 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)  # MLflow keeps its database open


def fill(disk: Path, *, leave: int = 0) -> Path:
    """Fill a disk but for some bytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError:
            pass
        file.truncate(max(0, file.tell() - leave))
    return filler


class FillAt(Silent):
    """Fills the disk when a stage begins."""

    def __init__(self, disk: Path, stage_: str, *, leave: int) -> None:
        self.disk, self.at, self.leave = disk, stage_, leave

    def stage(self, name: str) -> None:
        if name == self.at:
            fill(self.disk, leave=self.leave)


@pytest.mark.parametrize("leave", [0, 40_000])
@pytest.mark.parametrize("stage", ["localise", "train"])
def test_disk_that_runs_full_leaves_no_half_encoder_and_the_run_can_go_on(
    small_disk: Path, tmp_path: Path, tower: Path, stage: str, leave: int
) -> None:
    write_drawn_cast(tmp_path / "photos")
    workspace = Workspace.create(small_disk / "workspace", organisation="X")
    order = Order(
        encoder=str(tower),
        settings={"steps": 2, "blends": 0},
        **{name: str(tmp_path / "photos" / name) for name in ("forget", "retain", "swap")},
    )
    with pytest.raises(ConfigError) as caught:
        unlearn(workspace, order, observer=FillAt(small_disk, stage, leave=leave))
    assert caught.value.code is ErrorCode.DISK_FULL
    assert list((workspace.root / "encoders").iterdir()) == []
    (small_disk / "filler").unlink()
    (run,) = (workspace.root / "runs").iterdir()
    done = unlearn(workspace, Order(**{**order.__dict__, "resume": run.name}))
    assert done.removal_seq == 1
    assert [path.name for path in (workspace.root / "encoders").iterdir()] == [run.name]


def test_workspace_on_a_full_disk_is_not_half_made(small_disk: Path, ireu: Ireu) -> None:
    fill(small_disk, leave=20_000)
    done = ireu("init", small_disk / "workspace", "--json")
    assert (done.code, done.out) == (2, "")
    assert done.error["message"]
    assert not (small_disk / "workspace").exists()


# As a user meets it


def test_refusal_in_a_terminal_has_no_trace_and_says_what_to_do(desk: Desk) -> None:
    (desk.photos / "forget" / "letter.png").write_text("no photo")
    before = snapshot(desk.root)
    sources = [word for name in ("forget", "retain", "swap") for word in (f"--{name}", desk.photos / name)]
    done = run_process("-w", desk.root, "unlearn", "--encoder", desk.encoder, *sources)
    assert (done.code, done.out) == (2, "")
    lines = done.err.splitlines()
    assert lines[-2] == "Error: The file 'letter.png' is not a picture, whatever its name says."
    assert lines[-1].strip().startswith("Give photos as")
    assert snapshot(desk.root) == before
