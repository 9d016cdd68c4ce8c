"""Asking servers that somebody else has named: encoders behind HTTP, receivers of alerts.

Whoever may register an address could otherwise make this machine ask services that only it can reach, or be kept
busy for ever. A client of `open_client` keeps these rules by itself, whatever is asked with it:

- ``http`` and ``https`` only, no user in the address, and only listed ports if the settings list any;
- the host is looked up once for a connection, and the connection goes to the very address that was judged, so that
  a name which changes its mind between the two leads nowhere else;
- only public addresses, and those that the setting `outbound_allow` lists;
- what is about people is sent unencrypted to listed networks only;
- redirects are not followed, proxies of the environment are not used;
- an answer has a limit of bytes and of time, in whole and between two packets, and is taken uncompressed only.

Each refusal is an `OutboundError` with its own `Refusal`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Protocol, Self
from urllib.parse import urlsplit

from ireu_governance.core.errors import ErrorCode, MissingExtraError, OutboundError, Refusal
from ireu_governance.service.addresses import (
    Network,
    Resolver,
    is_listed,
    kind_of_address,
    parse_networks,
    resolve_with_system,
)

if TYPE_CHECKING:
    import ssl

    import httpx2

__all__ = ["DEFAULT_MAX_BYTES", "OutboundPolicy", "check_address", "open_client"]

DEFAULT_MAX_BYTES: Final = 64 * 1024 * 1024
"""Features of one batch are a few MiB even as JSON; receipts of a webhook are a few bytes."""

MAX_URL: Final = 2_000
MAX_TRIED: Final = 4
"""Addresses of one host that are tried, one after the other."""


class OutboundSettings(Protocol):
    """What is read from the service's settings."""

    @property
    def outbound_allow(self) -> list[str]:
        """Networks of the own house that may be asked."""

    @property
    def outbound_ports(self) -> list[int] | None:
        """Ports that may be asked; all if None."""


@dataclass(frozen=True, kw_only=True)
class OutboundPolicy:
    """Who may be asked, and for how long and how much.

    Attributes:
        allow: Networks that may be asked although they are not public.
        ports: Ports that may be asked; all if None.
        connect_timeout_s: How long one connection may take to be made.
        read_timeout_s: How long the server may stay silent.
        total_timeout_s: How long a request may take in all, from the look-up to the last byte.
        max_bytes: Longest body of an answer.
        personal: Whether what is sent is about people: it then leaves the listed networks by https only.
        resolve: Looks hosts up.
    """

    allow: tuple[Network, ...] = ()
    ports: frozenset[int] | None = None
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 20.0
    total_timeout_s: float = 60.0
    max_bytes: int = DEFAULT_MAX_BYTES
    personal: bool = False
    resolve: Resolver = field(default=resolve_with_system, repr=False)

    @classmethod
    def from_settings(cls, settings: OutboundSettings) -> Self:
        """Return the policy of a service.

        Args:
            settings: Its settings.

        Raises:
            ConfigError: A network in `outbound_allow` is none.
        """
        ports = frozenset(settings.outbound_ports) if settings.outbound_ports is not None else None
        return cls(allow=parse_networks(settings.outbound_allow), ports=ports)

    def choose_addresses(self, host: str, port: int, *, encrypted: bool = True) -> list[str]:
        """Look a host up and return the addresses that may be connected to.

        Args:
            host: A name or an address.
            port: Where to.
            encrypted: Whether the connection will be.

        Raises:
            OutboundError: It has no address, or none that may be asked.
        """
        try:
            found = self.resolve(host, port)
            addresses = [ip_address(text.partition("%")[0]) for text in found]
        except (OSError, UnicodeError, ValueError):
            addresses = []
        if not addresses:
            raise OutboundError(
                f"The host {host[:100]!a} has no address.",
                reason=Refusal.UNRESOLVED,
                hint="Check how it is written, and whether this machine can look it up.",
                code=ErrorCode.NETWORK_UNAVAILABLE,
            )
        kinds = [(address, kind_of_address(address)) for address in addresses]
        usable = [str(a) for a, kind in kinds if kind is None or is_listed(a, self.allow)]
        if not usable:
            # Which address it is stays untold: who asks from outside must not learn the house's network from errors.
            raise OutboundError(
                f"The host {host[:100]!a} has a {kinds[0][1]} address, which is not asked.",
                reason=Refusal.ADDRESS,
                hint="If it is your own, list its network under [service] in ireu.toml: outbound_allow ="
                ' ["127.0.0.1/32"].',
            )
        if self.personal and not encrypted:
            usable = [text for text in usable if is_listed(ip_address(text), self.allow)]
            if not usable:
                raise OutboundError(
                    "Photos are not sent to another network without encryption.",
                    reason=Refusal.PLAINTEXT,
                    hint="Use https, or list the network under [service] in ireu.toml if it is your own:"
                    " outbound_allow.",
                )
        return usable[:MAX_TRIED]

    def check_port(self, port: int) -> None:
        """Refuse a port that is not listed; `OutboundError`."""
        if self.ports is not None and port not in self.ports:
            raise OutboundError(
                f"Port {port} is not asked.",
                reason=Refusal.PORT,
                hint="The setting 'outbound_ports' lists the ports that are.",
            )


def check_address(url: str, policy: OutboundPolicy) -> str:
    """Refuse an address that could never be asked, before it is stored; nothing is looked up.

    Args:
        url: What somebody has given.
        policy: Who may be asked.

    Returns:
        The address as given.

    Raises:
        OutboundError: It is no web address, has a user, a fragment, or a port or a literal address that is refused.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _malformed(url) from None
    if parts.scheme not in ("http", "https"):
        raise OutboundError(
            f"{url[:100]!a} is no web address.", reason=Refusal.SCHEME, hint="Give one that begins with https://."
        )
    if "@" in parts.netloc:
        raise OutboundError(
            "An address with a user or a password in it is not asked.",
            reason=Refusal.USERINFO,
            hint="Leave them out; whoever lists addresses would see them.",
        )
    if not host or port == 0 or len(url) > MAX_URL or "#" in url or "\\" in url or not url.isascii():
        raise _malformed(url)
    if any(sign <= " " or sign == "\x7f" for sign in url):
        raise _malformed(url)
    actual = port if port is not None else {"http": 80, "https": 443}[parts.scheme]
    policy.check_port(actual)
    try:
        ip_address(host)
    except ValueError:
        return url
    policy.choose_addresses(host, actual, encrypted=parts.scheme == "https")
    return url


def open_client(
    policy: OutboundPolicy | OutboundSettings, *, ssl_context: ssl.SSLContext | None = None
) -> httpx2.Client:
    """Return a client that keeps the rules.

    All its errors but those about the request itself are `OutboundError`. Connections are not kept: every request
    looks its host up and has it judged again.

    Args:
        policy: Who may be asked, or the settings that say so.
        ssl_context: Which authorities are trusted; the system's if not given.

    Raises:
        ConfigError: The settings are wrong.
        MissingExtraError: The libraries are not installed.
    """
    try:
        import httpx2

        from ireu_governance.service.outbound_transport import GuardedTransport
    except ModuleNotFoundError:
        raise MissingExtraError("server", "Asking another server") from None
    rules = policy if isinstance(policy, OutboundPolicy) else OutboundPolicy.from_settings(policy)
    return httpx2.Client(
        transport=GuardedTransport(rules, ssl_context=ssl_context),
        follow_redirects=False,
        trust_env=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "ireu"},
        timeout=httpx2.Timeout(rules.read_timeout_s, connect=rules.connect_timeout_s),
    )


def _malformed(url: str) -> OutboundError:
    return OutboundError(
        f"{url[:100]!a} is no web address that can be asked.",
        reason=Refusal.MALFORMED,
        hint="Use one such as https://encoder.example/invocations.",
    )
