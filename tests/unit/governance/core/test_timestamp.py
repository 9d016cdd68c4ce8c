"""RFC 3161 tokens: what a real authority signs is read and verified, everything else is an error of ireu's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.timestamping import LocalAuthority, moment
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.errors import ErrorCode, InputError, MissingExtraError, VerificationError
from ireu_governance.core.timestamp import (
    MAX_TOKEN_BYTES,
    TsaRoots,
    build_request,
    open_reply,
    stated_time,
    verify_token,
)

MESSAGE = b"what was there"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LocalAuthority:
    return LocalAuthority.make(tmp_path_factory.mktemp("time") / "tsa")


@pytest.fixture(scope="module")
def token(authority: LocalAuthority) -> bytes:
    request = build_request(MESSAGE)
    return open_reply(authority.ask(request.data), request)


def test_token_proves_the_time_and_names_the_authority(authority: LocalAuthority, token: bytes) -> None:
    proven = verify_token(token, MESSAGE, roots=authority.roots)
    assert moment(-120) <= proven.time <= moment(5)
    assert proven.authority == "CN=Test Time"
    assert proven.serial > 0
    assert stated_time(token) == proven.time


def test_openssl_verifies_the_same_token(authority: LocalAuthority, token: bytes, tmp_path: Path) -> None:
    (tmp_path / "message").write_bytes(MESSAGE)
    (tmp_path / "token").write_bytes(token)
    command = ["openssl", "ts", "-verify", "-data", "message", "-in", "token", "-token_in", "-CAfile"]
    done = subprocess.run([*command, str(authority.roots_path)], cwd=tmp_path, capture_output=True, check=False)
    assert b"Verification: OK" in done.stdout, done.stderr


def test_openssl_reads_the_same_request(tmp_path: Path) -> None:
    request = build_request(MESSAGE)
    (tmp_path / "query").write_bytes(request.data)
    done = subprocess.run(
        ["openssl", "ts", "-query", "-in", "query", "-text"], cwd=tmp_path, capture_output=True, check=True
    )
    text = done.stdout.decode()
    assert "Hash Algorithm: sha256" in text
    assert "Certificate required: yes" in text
    assert build_request(MESSAGE).nonce != request.nonce


def test_token_of_other_bytes_is_refused(authority: LocalAuthority, token: bytes) -> None:
    with pytest.raises(VerificationError, match="something else") as caught:
        verify_token(token, MESSAGE + b".", roots=authority.roots)
    assert caught.value.check == "trusted-time"


def test_token_of_another_authority_is_refused(token: bytes, tmp_path: Path) -> None:
    other = LocalAuthority.make(tmp_path / "other")
    with pytest.raises(VerificationError, match="no authority that you trust"):
        verify_token(token, MESSAGE, roots=other.roots)


def test_several_roots_are_tried(authority: LocalAuthority, token: bytes, tmp_path: Path) -> None:
    other = LocalAuthority.make(tmp_path / "other")
    pem = other.roots_path.read_bytes() + authority.roots_path.read_bytes() + authority.roots_path.read_bytes()
    roots = TsaRoots.from_pem(b"some words before\n" + pem)
    assert len(roots.certificates) == 2
    assert verify_token(token, MESSAGE, roots=roots)
    assert [len(each) for each in roots.sets()] == [1, 1], "these two have the same name, and other keys"


def sign_by_hand(authority: LocalAuthority, token: bytes) -> bytes:
    """Sign what a genuine token says with the key of another certificate, as its holder could."""
    marker = bytes.fromhex("060b2a864886f70d0109100104a0")  # id-ct-TSTInfo, and the tag of its content
    at = token.index(marker) + len(marker) + 1
    content = token[at + 2 : at + 2 + token[at + 1]]
    command = ["openssl", "cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-md", "sha256", "-outform", "DER"]
    command += ["-econtent_type", "1.2.840.113549.1.9.16.1.4", "-signer", f"{authority.folder}/tsa.pem"]
    command += ["-inkey", f"{authority.folder}/tsa.key"]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout


def test_certificate_that_is_not_meant_for_time_stamps_cannot_make_them(
    authority: LocalAuthority, token: bytes, tmp_path: Path
) -> None:
    assert verify_token(sign_by_hand(authority, token), MESSAGE, roots=authority.roots), "the tool itself works"
    signing = LocalAuthority.make(tmp_path / "code", name="Code signing", purpose=False)
    with pytest.raises(VerificationError):
        verify_token(sign_by_hand(signing, token), MESSAGE, roots=signing.roots)


def test_answer_to_another_request_is_refused(authority: LocalAuthority) -> None:
    mine, other = build_request(MESSAGE), build_request(MESSAGE)
    with pytest.raises(InputError, match="another request"):
        open_reply(authority.ask(other.data), mine)
    with pytest.raises(VerificationError, match="something else"):
        open_reply(authority.ask(build_request(b"else").data), mine)


def test_refusal_of_the_authority_is_told(authority: LocalAuthority) -> None:
    request = build_request(MESSAGE)
    sha1 = subprocess.run(
        ["openssl", "ts", "-query", "-digest", "11" * 20, "-sha1"], capture_output=True, check=True
    ).stdout
    with pytest.raises(InputError, match="granted no token"):
        open_reply(authority.ask(sha1), request)


def test_digest_that_is_no_sha256_is_refused(authority: LocalAuthority) -> None:
    query = subprocess.run(
        ["openssl", "ts", "-query", "-digest", "11" * 64, "-sha512", "-cert"], capture_output=True, check=True
    ).stdout
    with pytest.raises(VerificationError, match="no SHA-256"):
        open_reply(authority.ask(query), build_request(MESSAGE))


def test_nothing_cannot_be_stamped() -> None:
    with pytest.raises(InputError):
        build_request(b"")


@pytest.mark.parametrize("junk", [b"", b"0", b"\x30\x00", b"\x30\x80", b"x" * 200, b"\x30\x82\xff\xff" + bytes(300)])
def test_junk_is_no_token(authority: LocalAuthority, junk: bytes) -> None:
    for read in (
        lambda: verify_token(junk, MESSAGE, roots=authority.roots),
        lambda: stated_time(junk),
        lambda: open_reply(junk, build_request(MESSAGE)),
    ):
        with pytest.raises(InputError, match="malformed"):
            read()


def test_token_that_is_too_large_is_not_even_read(authority: LocalAuthority) -> None:
    with pytest.raises(InputError) as caught:
        verify_token(bytes(MAX_TOKEN_BYTES + 1), MESSAGE, roots=authority.roots)
    assert caught.value.code is ErrorCode.INPUT_TOO_LARGE


def test_damaged_token_never_proves_another_time(authority: LocalAuthority, token: bytes) -> None:
    # Some bytes of a token (its version numbers, the name of the algorithm) are covered by no signature of the
    # authority; a certificate has them signed by the organisation.
    roots, true = authority.roots, stated_time(token)
    for at in range(len(token)):
        for bit in (0x01, 0x40):
            damaged = token[:at] + bytes([token[at] ^ bit]) + token[at + 1 :]
            try:
                assert verify_token(damaged, MESSAGE, roots=roots).time == true
            except (InputError, VerificationError):
                continue


@given(st.data())
def test_any_edit_is_answered_with_an_error_of_ours(
    authority: LocalAuthority, token: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(token)))
    edited = token[:at] + data.draw(st.binary(max_size=12)) + token[at + data.draw(st.integers(0, 12)) :]
    try:
        verify_token(edited, MESSAGE, roots=authority.roots)
        stated_time(edited)
    except (InputError, VerificationError):
        return
    assert len(edited) == len(token)


@given(st.binary(max_size=400))
def test_any_bytes_are_no_roots(data: bytes) -> None:
    with pytest.raises(InputError):
        TsaRoots.from_pem(data)


def test_too_many_roots_are_refused(authority: LocalAuthority) -> None:
    pem = authority.roots_path.read_bytes()
    with pytest.raises(InputError) as caught:
        TsaRoots.from_pem(pem * 501)
    assert caught.value.code is ErrorCode.INPUT_TOO_LARGE
    with pytest.raises(InputError) as caught:
        TsaRoots.from_pem(pem * 10_000)
    assert caught.value.code is ErrorCode.INPUT_TOO_LARGE


def test_missing_extra_says_which_line_installs_it(
    authority: LocalAuthority, token: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = authority.roots
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    for call in (
        lambda: build_request(MESSAGE),
        lambda: verify_token(token, MESSAGE, roots=roots),
        lambda: stated_time(token),
    ):
        with pytest.raises(MissingExtraError) as caught:
            call()
        assert "ireu-sdk[timestamp]" in caught.value.hint


def test_certificate_that_cannot_be_read_beside_the_signers_is_an_input_error(
    authority: LocalAuthority, token: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No signature covers the certificates that come along, so anybody can add one.
    def refuse(_: bytes) -> None:
        raise ValueError("error parsing asn1 value")

    monkeypatch.setattr("ireu_governance.core.timestamp._leads_to", lambda *_: True)
    monkeypatch.setattr("cryptography.x509.load_der_x509_certificate", refuse)
    with pytest.raises(InputError):
        verify_token(token, MESSAGE, roots=authority.roots)
