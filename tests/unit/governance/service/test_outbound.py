"""Servers that somebody else has named: what is not asked, what is not taken, and that an honest one is."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fixtures.servers import Asked, Say, answer, serve
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.errors import ConfigError, ErrorCode, MissingExtraError, OutboundError, Refusal
from ireu_governance.service.addresses import is_listed, kind_of_address, parse_networks, resolve_with_system
from ireu_governance.service.outbound import OutboundPolicy, check_address, open_client
from ireu_governance.service.settings import ServiceSettings

LOOPBACK = parse_networks(["127.0.0.0/8"])


def policy(**changes: object) -> OutboundPolicy:
    return OutboundPolicy(**{"allow": LOOPBACK, "read_timeout_s": 5.0, **changes})  # type: ignore[arg-type]


def refused(url: str, rules: OutboundPolicy | None = None) -> OutboundError:
    with open_client(rules or policy()) as client, pytest.raises(OutboundError) as caught:
        client.get(url)
    assert caught.value.hint
    return caught.value


def honest(asked: Asked, say: Say) -> None:
    say(answer(body=b"yes", Content_Type="text/plain"))


# Addresses


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.16.5.5", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("fc00::1", "private"),
        ("fec0::1", "private"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("169.254.169.254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("100.100.100.200", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("224.0.0.1", "multicast"),
        ("239.1.1.1", "multicast"),
        ("255.255.255.255", "multicast"),
        ("ff02::1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("192.0.2.1", "private"),
        ("198.18.0.1", "private"),
        ("2001:db8::1", "private"),
        # The same addresses, written as others.
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "metadata"),
        ("::127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("2002:7f00:1::", "loopback"),
        ("2002:c0a8:101::1", "private"),
    ],
)
def test_address_that_only_this_machine_can_reach_is_told(text: str, kind: str) -> None:
    assert kind_of_address(ipaddress.ip_address(text)) == kind


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_address_is_told_as_public(text: str) -> None:
    assert kind_of_address(ipaddress.ip_address(text)) is None


@given(st.ip_addresses())
def test_every_address_is_either_global_or_named(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if kind_of_address(address) is None and isinstance(address, ipaddress.IPv4Address):
        assert address.is_global
        assert not address.is_multicast


def test_metadata_is_listed_only_by_itself() -> None:
    metadata = ipaddress.ip_address("169.254.169.254")
    assert not is_listed(metadata, parse_networks(["169.254.0.0/16", "0.0.0.0/0"]))
    assert is_listed(metadata, parse_networks(["169.254.169.254"]))
    assert is_listed(ipaddress.ip_address("::ffff:10.0.0.1"), parse_networks(["10.0.0.0/8"]))


@pytest.mark.parametrize("text", ["10.0.0.1/8", "house", "", "10.0.0.0/33"])
def test_network_that_is_none_is_a_fault_of_the_settings(text: str) -> None:
    with pytest.raises(ConfigError, match="outbound_allow"):
        parse_networks([text])


def test_settings_name_networks_and_ports() -> None:
    settings = ServiceSettings(outbound_allow=["127.0.0.1"], outbound_ports=[443])
    rules = OutboundPolicy.from_settings(settings)
    assert rules.ports == {443}
    assert [str(each) for each in rules.allow] == ["127.0.0.1/32"]
    with open_client(settings) as client, pytest.raises(OutboundError) as caught:
        client.get("http://127.0.0.1:8080/")
    assert caught.value.reason is Refusal.PORT


# What is not asked


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.org/", Refusal.SCHEME),
        ("file:///etc/passwd", Refusal.SCHEME),
        ("gopher://127.0.0.1:6379/_FLUSHALL", Refusal.SCHEME),
        ("//example.org/", Refusal.SCHEME),
        ("", Refusal.SCHEME),
        ("http://user@example.org/", Refusal.USERINFO),
        ("http://user:secret@example.org/", Refusal.USERINFO),
        ("https://127.0.0.1@example.org/", Refusal.USERINFO),
        ("http:///path", Refusal.MALFORMED),
        ("http://example.org:0/", Refusal.MALFORMED),
        ("http://example.org:99999/", Refusal.MALFORMED),
        ("http://[::1/", Refusal.MALFORMED),
        ("http://example.org/#part", Refusal.MALFORMED),
        ("http://example.org\\@127.0.0.1/", Refusal.USERINFO),
        ("http://example.org\\.127.0.0.1/", Refusal.MALFORMED),
        ("http://example.org/a b", Refusal.MALFORMED),
        ("http://example.org/\r\nHost: x", Refusal.MALFORMED),
        ("http://exämple.org/", Refusal.MALFORMED),
        ("http://example.org/" + "a" * 2_000, Refusal.MALFORMED),
        ("http://10.0.0.7/", Refusal.ADDRESS),
        ("http://[::1]/", Refusal.ADDRESS),
        ("http://[::ffff:169.254.169.254]/latest/meta-data", Refusal.ADDRESS),
    ],
)
def test_address_that_could_never_be_asked_is_refused_before_it_is_stored(url: str, reason: Refusal) -> None:
    with pytest.raises(OutboundError) as caught:
        check_address(url, OutboundPolicy())
    assert caught.value.reason is reason
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    ["https://encoder.example/invocations", "http://8.8.8.8:5000/x?version=2", "https://[2606:4700:4700::1111]/"],
)
def test_public_address_may_be_stored_without_being_looked_up(url: str) -> None:
    def resolve(host: str, port: int) -> list[str]:
        ipaddress.ip_address(host)  # an address is no look-up; a name would be one
        return [host]

    assert check_address(url, OutboundPolicy(resolve=resolve)) == url


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "0"])
def test_loopback_in_any_spelling_is_not_asked(host: str) -> None:
    with serve(honest) as server:
        error = refused(f"http://{host}:{server.port}/", policy(allow=()))
        assert error.reason in (Refusal.ADDRESS, Refusal.UNRESOLVED)
        assert error.code in (ErrorCode.OUTBOUND_REFUSED, ErrorCode.NETWORK_UNAVAILABLE)
        assert server.asked == []


@pytest.mark.parametrize(
    "addresses", [["10.1.2.3"], ["169.254.169.254"], ["fe80::1%eth0"], ["192.168.0.1", "::1"], ["224.0.0.9"]]
)
def test_name_of_a_private_address_is_not_asked_and_the_address_is_not_told(addresses: list[str]) -> None:
    error = refused("https://innocent.example/", policy(resolve=lambda host, port: addresses))
    assert error.reason is Refusal.ADDRESS
    assert addresses[0] not in error.message + error.hint


@pytest.mark.parametrize("failure", [socket.gaierror("no"), UnicodeError("no"), None])
def test_name_without_an_address_is_told_apart(failure: Exception | None) -> None:
    def resolve(host: str, port: int) -> list[str]:
        if failure is not None:
            raise failure
        return []

    error = refused("https://nowhere.example/", policy(resolve=resolve))
    assert (error.reason, error.code) == (Refusal.UNRESOLVED, ErrorCode.NETWORK_UNAVAILABLE)


def test_connection_goes_to_the_address_that_was_judged() -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    looked_up = []

    def rebind(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return next(answers)

    with serve(honest) as server, open_client(policy(resolve=rebind)) as client:
        found = client.get(server.url("/a", host="rebinding.example"))
        assert found.content == b"yes"
        assert looked_up == ["rebinding.example"]  # once: nothing asks again between judging and connecting
        assert server.asked[0].headers["host"] == f"rebinding.example:{server.port}"
        with pytest.raises(OutboundError) as caught:  # and the next request is judged anew
            client.get(server.url("/a", host="rebinding.example"))
        assert caught.value.reason is Refusal.ADDRESS
        assert len(server.asked) == 1


def test_permitted_address_is_chosen_beside_a_refused_one() -> None:
    with serve(honest) as server, open_client(policy(resolve=lambda h, p: ["::1", "10.0.0.1", "127.0.0.1"])) as client:
        assert client.get(server.url(host="both.example")).content == b"yes"


def test_next_address_is_tried_when_one_does_not_answer() -> None:
    with serve(honest) as server:
        other = "127.0.0.9"  # nobody listens there
        with open_client(policy(resolve=lambda h, p: [other, "127.0.0.1"])) as client:
            assert client.get(server.url(host="two.example")).content == b"yes"


def test_photos_leave_the_listed_networks_encrypted_only() -> None:
    rules = policy(personal=True, resolve=lambda host, port: ["8.8.8.8"])
    assert refused("http://encoder.example/", rules).reason is Refusal.PLAINTEXT
    with pytest.raises(OutboundError) as caught:
        check_address("http://8.8.8.8/", rules)
    assert caught.value.reason is Refusal.PLAINTEXT
    assert check_address("https://8.8.8.8/", rules)
    with serve(honest) as server, open_client(policy(personal=True)) as client:
        assert client.get(server.url()).content == b"yes"


def test_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(honest) as server, serve(honest) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        with open_client(policy()) as client:
            assert client.get(server.url()).content == b"yes"
        assert (len(server.asked), len(proxy.asked)) == (1, 0)


# What is not taken


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirect_is_not_followed(status: str) -> None:
    with serve(honest) as inside:

        def redirect(asked: Asked, say: Say) -> None:
            say(answer(status, Location=inside.url("/secret")))

        with serve(redirect) as server:
            assert refused(server.url()).reason is Refusal.REDIRECT
        assert inside.asked == []


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "400 Bad", "404 Not Found", "500 Fault"])
def test_other_status_is_handed_on(status: str) -> None:
    with serve(lambda asked, say: say(answer(status))) as server, open_client(policy()) as client:
        assert client.get(server.url()).status_code == int(status[:3])


def test_gigabyte_stops_at_the_limit() -> None:
    sent = []

    def flood(asked: Asked, say: Say) -> None:
        say(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _ in range(1024):
            say(b"x" * 2**20)
            sent.append(2**20)

    with serve(flood) as server:
        error = refused(server.url(), policy(max_bytes=4 * 2**20))
    assert error.reason is Refusal.TOO_LARGE
    assert sum(sent) < 64 * 2**20  # what the socket's buffers took, not the gigabyte


def test_announced_gigabyte_is_not_begun() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n"
    with serve(lambda asked, say: say(head)) as server:
        assert refused(server.url(), policy(max_bytes=1000)).reason is Refusal.TOO_LARGE


def test_chunks_without_end_stop_at_the_limit() -> None:
    def flood(asked: Asked, say: Say) -> None:
        say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(10_000):
            say(b"400\r\n" + b"x" * 1024 + b"\r\n")

    with serve(flood) as server:
        assert refused(server.url(), policy(max_bytes=100_000)).reason is Refusal.TOO_LARGE


def test_answer_of_exactly_the_limit_is_taken() -> None:
    with serve(lambda asked, say: say(answer(body=b"x" * 1000))) as server, open_client(policy(max_bytes=1000)) as c:
        assert len(c.get(server.url()).content) == 1000


def test_compressed_answer_is_not_unpacked() -> None:
    with serve(lambda asked, say: say(answer(body=b"\x1f\x8b", Content_Encoding="gzip"))) as server:
        assert refused(server.url()).reason is Refusal.ENCODED
        assert server.asked[0].headers["accept-encoding"] == "identity"


def test_silent_server_is_left() -> None:
    done = threading.Event()
    with serve(lambda asked, say: done.wait(10) and None) as server:
        error = refused(server.url(), policy(read_timeout_s=0.2))
        done.set()
    assert (error.reason, error.code) == (Refusal.TIMEOUT, ErrorCode.NETWORK_UNAVAILABLE)


@pytest.mark.parametrize("in_head", [True, False])
def test_byte_now_and_then_does_not_hold_the_connection(in_head: bool) -> None:
    def drip(asked: Asked, say: Say) -> None:
        say(b"HTTP/1.1 200 OK\r\n" if in_head else b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(100):
            say(b"X-A: b\r\n" if in_head else b"x")
            time.sleep(0.05)

    with serve(drip) as server:
        error = refused(server.url(), policy(total_timeout_s=0.4, read_timeout_s=5))
    assert error.reason is Refusal.TIMEOUT


@pytest.mark.parametrize(
    "wire",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nxyz", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n"],
)
def test_broken_off_answer_is_not_taken_for_a_whole_one(wire: bytes) -> None:
    with serve(lambda asked, say: say(wire)) as server:
        assert refused(server.url()).reason in (Refusal.BROKEN, Refusal.UNREACHABLE)


def test_closed_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = refused(f"http://127.0.0.1:{port}/")
    assert (error.reason, error.code) == (Refusal.UNREACHABLE, ErrorCode.NETWORK_UNAVAILABLE)


def test_socket_of_this_machine_is_not_asked(tmp_path: Path) -> None:
    with open_client(policy()) as client, pytest.raises((OutboundError, httpx2.HTTPError)):
        client.get(f"http+unix://{tmp_path}/docker.sock")


# TLS


def make_certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return contexts of a server with a certificate for a name, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    file = folder / f"{name}.pem"
    file.write_bytes(
        pem
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    client = ssl.create_default_context(cadata=pem.decode())
    return server, client


def test_certificate_is_checked_against_the_name_though_the_address_is_connected_to(tmp_path: Path) -> None:
    server_side, client_side = make_certificate(tmp_path, "encoder.example")
    rules = policy(resolve=lambda host, port: ["127.0.0.1"])
    with serve(honest, tls=server_side) as server, open_client(rules, ssl_context=client_side) as client:
        assert client.get(f"https://encoder.example:{server.port}/").content == b"yes"
        with pytest.raises(OutboundError) as caught:
            client.get(f"https://other.example:{server.port}/")
        assert caught.value.reason is Refusal.UNREACHABLE
    with serve(honest, tls=server_side) as server:  # and without trust in its certificate
        assert refused(f"https://encoder.example:{server.port}/", rules).reason is Refusal.UNREACHABLE


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MissingExtraError, match="server"):
        open_client(policy())


def test_system_is_asked_for_addresses_once_each() -> None:
    found = resolve_with_system("localhost", 80)
    assert "127.0.0.1" in found
    assert len(found) == len(set(found))
