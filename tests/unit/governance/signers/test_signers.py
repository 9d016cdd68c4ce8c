"""Where private keys are: files, the system's keyring, a token; each finds the keys that the key file lists."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import make_key

from ireu_governance.core.errors import ConfigError, ErrorCode, MissingExtraError
from ireu_governance.core.keys import Role
from ireu_governance.keystore import save_private_key
from ireu_governance.signers import KeyLocation, KeyPlace, open_place, parse_location
from ireu_governance.signers.pem_files import FilePlace

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
KEYS = [make_key(f"signer/{number}") for number in range(3)]
PUBLIC = [each.public_key for each in KEYS]


def place(text: str | None, folder: Path = Path(), role: Role = Role.LOG) -> KeyPlace:
    return open_place(text, role=role, folder=folder, origin="log.example/ireu", passphrase=None)


# Locations.


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("file:", KeyLocation("file")),
        ("keyring:", KeyLocation("keyring")),
        ("pkcs11:token=ireu", KeyLocation("pkcs11", token="ireu")),
        (
            "pkcs11:token=a%3Bb;object=log;module=/lib/x.so",
            KeyLocation("pkcs11", token="a;b", object="log", module="/lib/x.so"),
        ),
    ],
)
def test_location_is_read(text: str, location: KeyLocation) -> None:
    assert parse_location(text) == location
    assert location.token == "a;b" or parse_location(str(location)) == location


@pytest.mark.parametrize(
    "text",
    ["", "file", "file:x", "keyring:x", "vault:", "pkcs11:", "pkcs11:object=x", "pkcs11:token=", "pkcs11:token=a;token=b",
     "pkcs11:token=a;slot=1", "pkcs11:token"],
)  # fmt: skip
def test_malformed_location_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_location(text)


@pytest.mark.parametrize("pin", ["pin=1234", "pin-value=1234", "pin-source=file"])
def test_pin_in_a_setting_is_refused_and_not_repeated(pin: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_location(f"pkcs11:token=a;{pin}")
    assert "1234" not in caught.value.message + caught.value.hint
    assert "IREU_PKCS11_PIN" in caught.value.hint


# Files.


def test_file_is_found_by_the_key_that_is_wanted_and_not_by_its_name(tmp_path: Path) -> None:
    save_private_key(tmp_path / "log.pem", KEYS[0], None)
    save_private_key(tmp_path / "log-2.pem", KEYS[1], None)
    files = place(None, tmp_path)
    assert files.find([PUBLIC[1]]).public_key == PUBLIC[1]
    assert files.find([PUBLIC[2], PUBLIC[0]]).public_key == PUBLIC[0]
    with pytest.raises(ConfigError, match="holds no private log key"):
        files.find([PUBLIC[2]])
    with pytest.raises(ConfigError, match="holds no private root key"):
        place(None, tmp_path, Role.ROOT).find(PUBLIC)


def test_new_file_key_is_closed_found_again_put_aside_and_destroyed(tmp_path: Path) -> None:
    files = FilePlace(tmp_path, role=Role.RECORD, passphrase=b"secret")
    made = files.make()
    made.store()
    key_id = made.signer.public_key.key_id
    path = tmp_path / f"record-{key_id[:16]}.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in path.read_bytes()
    assert files.describe(key_id) == str(path)
    assert files.find([made.signer.public_key]).public_key == made.signer.public_key
    files.archive(key_id)
    aside = tmp_path / "history" / path.name
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    assert files.describe(key_id) == str(aside)
    files.archive(key_id)  # again, as after an interruption
    with pytest.raises(ConfigError):
        files.find([made.signer.public_key])
    again = files.make()
    again.store()
    files.destroy(again.signer.public_key.key_id)
    files.destroy(again.signer.public_key.key_id)
    assert [each.name for each in tmp_path.iterdir()] == ["history"]


def test_file_that_cannot_be_opened_is_told_apart_from_one_that_is_absent(tmp_path: Path) -> None:
    save_private_key(tmp_path / "log.pem", KEYS[0], b"secret")
    files = place(None, tmp_path)
    with pytest.raises(ConfigError) as caught:
        files.find(PUBLIC)
    assert "IREU_KEY_PASSPHRASE" in caught.value.hint
    assert "cannot be opened now" in str(files.describe(PUBLIC[0].key_id))
    assert place(None, tmp_path, Role.ROOT).describe(PUBLIC[0].key_id) is None


def test_second_key_is_a_file_that_has_to_be_there(tmp_path: Path) -> None:
    files = FilePlace(tmp_path, role=Role.LOG, passphrase=None)
    made = files.make(post_quantum=True)
    key_id = made.signer.public_key.key_id
    with pytest.raises(ConfigError, match="ML-DSA-44"):
        files.find_second([key_id])
    made.store()
    assert files.find_second([key_id]).public_key.key_id == key_id
    with pytest.raises(ConfigError):
        files.find([PUBLIC[0]])


def test_folder_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = FilePlace(tmp_path, role=Role.LOG, passphrase=None)
    made = files.make()
    made.store()

    def fail(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(ConfigError, match="cannot be written"):
        files.archive(made.signer.public_key.key_id)
    monkeypatch.setattr(Path, "unlink", fail)
    with pytest.raises(ConfigError, match="cannot be written"):
        files.destroy(made.signer.public_key.key_id)


# The system's keyring.


class FakeKeyring:
    priority = 5

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], str] = {}
        self.locked = False

    def _open(self) -> None:
        if self.locked:
            from keyring.errors import KeyringLocked

            raise KeyringLocked("no")

    def get_password(self, service: str, name: str) -> str | None:
        self._open()
        return self.items.get((service, name))

    def set_password(self, service: str, name: str, value: str) -> None:
        self._open()
        self.items[service, name] = value

    def delete_password(self, service: str, name: str) -> None:
        self._open()
        del self.items[service, name]


@pytest.fixture
def system_keyring(monkeypatch: pytest.MonkeyPatch) -> FakeKeyring:
    keyring = pytest.importorskip("keyring")
    fake = FakeKeyring()
    for name in ("get_password", "set_password", "delete_password"):
        monkeypatch.setattr(keyring, name, getattr(fake, name))
    monkeypatch.setattr(keyring, "get_keyring", lambda: fake)
    return fake


def test_keyring_keeps_finds_and_forgets_keys_by_log_and_id(system_keyring: FakeKeyring) -> None:
    ring = place("keyring:")
    made = ring.make()
    public = made.signer.public_key
    assert ring.describe(public.key_id) is None
    made.store()
    assert set(system_keyring.items) == {("ireu:log.example/ireu", public.key_id)}
    assert ring.find([PUBLIC[0], public]).public_key == public
    assert ring.describe(public.key_id) == "keyring item ireu:log.example/ireu"
    ring.archive(public.key_id)
    assert ring.find([public])
    ring.destroy(public.key_id)
    ring.destroy(public.key_id)
    with pytest.raises(ConfigError, match="keyring holds no private log key"):
        ring.find([public])


def test_keyring_item_of_another_key_is_not_taken(system_keyring: FakeKeyring) -> None:
    system_keyring.items["ireu:log.example/ireu", PUBLIC[0].key_id] = KEYS[1].to_pem(None).decode()
    with pytest.raises(ConfigError):
        place("keyring:").find([PUBLIC[0]])


def test_locked_keyring_is_said_without_a_secret(system_keyring: FakeKeyring) -> None:
    ring = place("keyring:")
    made = ring.make()
    made.store()
    system_keyring.locked = True
    for attempt in (
        lambda: ring.find([made.signer.public_key]),
        made.store,
        lambda: ring.destroy(made.signer.public_key.key_id),
    ):
        with pytest.raises(ConfigError, match="KeyringLocked"):
            attempt()


def test_machine_without_a_keyring_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")
    from keyring.backends.fail import Keyring

    monkeypatch.setattr(keyring, "get_keyring", Keyring)
    with pytest.raises(ConfigError) as caught:
        place("keyring:")
    assert caught.value.code is ErrorCode.KEY_UNUSABLE
    assert "signer_log" in caught.value.hint and "IREU_KEY_PASSPHRASE" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "module", "extra"), [("keyring:", "keyring", "keyring"), ("pkcs11:token=x;module=/m", "pkcs11", "hsm")]
)
def test_missing_part_says_what_to_install(monkeypatch: pytest.MonkeyPatch, text: str, module: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError) as caught:
        place(text)
    assert caught.value.extra == extra


# Tokens.


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A token of SoftHSM2 of its own; the library reads its configuration once, when it is first loaded."""
    tool = shutil.which("softhsm2-util")
    if tool is None or not MODULE.is_file():
        pytest.skip("SoftHSM2 is not on this machine (Debian: softhsm2)")
    pytest.importorskip("pkcs11")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    label, pin = f"ireu-{secrets.token_hex(4)}", secrets.token_hex(4)
    command = [tool, "--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", pin]
    subprocess.run(command, check=True, capture_output=True)
    os.environ["IREU_PKCS11_PIN"] = pin
    yield SimpleNamespace(label=label, pin=pin, text=f"pkcs11:token={label};module={MODULE}")
    del os.environ["IREU_PKCS11_PIN"], os.environ["SOFTHSM2_CONF"]


def test_key_is_made_in_the_token_signs_there_and_is_found_again(token: SimpleNamespace) -> None:
    place_ = place(token.text)
    made = place_.make()
    made.store()
    public = made.signer.public_key
    public.verify(made.signer.sign(b"head"), b"head", check="c")
    again = place(token.text).find([PUBLIC[0], public])
    assert again.sign(b"head") == made.signer.sign(b"head"), "Ed25519 is deterministic, so it is the same key"
    assert place_.describe(public.key_id) == f"token {token.label}"
    assert public.key_id in repr(again)
    place_.archive(public.key_id)
    place_.destroy(public.key_id)
    assert place_.describe(public.key_id) is None
    with pytest.raises(ConfigError, match="holds no log key"):
        place_.find([public])


def test_private_half_never_leaves_the_token(token: SimpleNamespace) -> None:
    from pkcs11 import Attribute
    from pkcs11.exceptions import AttributeSensitive

    key: Any = place(token.text).make().signer
    with pytest.raises(AttributeSensitive):
        key._key[Attribute.VALUE]
    assert key._key[Attribute.SENSITIVE] is True
    assert key._key[Attribute.EXTRACTABLE] is False


def test_key_that_another_tool_made_is_found_by_its_label(token: SimpleNamespace) -> None:
    from pkcs11 import Attribute

    maker: Any = place(token.text + ";object=by-hand")
    made = maker.make()
    public = made.signer.public_key
    objects = list(maker._session.get_objects({Attribute.ID: bytes.fromhex(public.key_id)}))
    for each in objects:
        each[Attribute.ID] = b"\x01"
    with pytest.raises(ConfigError):
        place(token.text).find([public])
    assert place(token.text + ";object=by-hand").find([PUBLIC[0], public]).public_key == public


def test_signature_that_does_not_verify_is_not_handed_out(token: SimpleNamespace) -> None:
    from ireu_governance.signers.pkcs11_token import _TokenSigner

    key: Any = place(token.text).make().signer
    exchanged = _TokenSigner(key._key, PUBLIC[0], key._lock, key._mechanism)
    with pytest.raises(ConfigError, match="does not verify"):
        exchanged.sign(b"x")


def test_absent_token_and_absent_module_are_said(token: SimpleNamespace, tmp_path: Path) -> None:
    for text, saying in (
        (f"pkcs11:token=absent;module={MODULE}", "no token 'absent'"),
        (f"pkcs11:token=x;module={tmp_path / 'none.so'}", "cannot be loaded"),
    ):
        with pytest.raises(ConfigError, match=saying):
            place(text)
    with pytest.raises(ConfigError) as caught:
        place("pkcs11:token=x")
    assert "IREU_PKCS11_MODULE" in caught.value.hint


@pytest.mark.parametrize(
    ("error", "saying"),
    [
        ("PinIncorrect", "refuses the PIN"),
        ("PinLocked", "locked"),
        ("DeviceError", "cannot be used"),
        ("MultipleTokensReturned", "several tokens"),
        ("TokenNotRecognised", "cannot be used"),
    ],
)
def test_trouble_with_a_token_is_said_without_the_pin(error: str, saying: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pkcs11 = pytest.importorskip("pkcs11")

    class Library:
        def get_token(self, token_label: str) -> Library:
            if error in {"MultipleTokensReturned", "TokenNotRecognised"}:
                raise getattr(pkcs11.exceptions, error)
            return self

        def open(self, **_: object) -> None:
            raise getattr(pkcs11.exceptions, error)

    monkeypatch.setattr(pkcs11, "lib", lambda _: Library())
    monkeypatch.setenv("IREU_PKCS11_PIN", "4711-4711")
    monkeypatch.setenv("IREU_PKCS11_MODULE", "/lib/x.so")
    with pytest.raises(ConfigError, match=saying) as caught:
        place("pkcs11:token=fake")
    assert "4711" not in caught.value.message + caught.value.hint


def test_pin_is_asked_for_at_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from ireu_governance.signers import pkcs11_token

    monkeypatch.delenv("IREU_PKCS11_PIN", raising=False)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(pkcs11_token.getpass, "getpass", lambda prompt: f"typed after {prompt!r}")
    assert pkcs11_token._ask_pin("ireu") == "typed after \"PIN of the token 'ireu': \""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False))
    with pytest.raises(ConfigError) as caught:
        pkcs11_token._ask_pin("ireu")
    assert "IREU_PKCS11_PIN" in caught.value.hint
