"""Which addresses of a network may be connected to for somebody who only gave a name.

Who may name an encoder or a webhook must not reach, through this machine, what only this machine can reach: its own
services, the house's network, the cloud's metadata. So only public addresses are asked, and those of the own house
that its settings list.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from ireu_governance.core.errors import ConfigError

__all__ = ["Address", "Network", "Resolver", "kind_of_address", "parse_networks", "resolve_with_system"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], list[str]]
"""Host and port in, numeric addresses out; raises `OSError` when there are none."""

METADATA: Final = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google, Oracle, DigitalOcean
        "169.254.170.2",  # AWS, for containers
        "169.254.170.23",  # AWS, for pods
        "168.63.129.16",  # Azure's host, which looks public
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle, classic
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS, for pods
        "fd20:ce::254",  # Google
    )
)
"""Where clouds hand out credentials to whoever asks from inside."""

# Ways to write an IPv4 address as an IPv6 one, each with the position of its last bit.
_NAT64: Final = IPv6Network("64:ff9b::/96")
_SHARED: Final = IPv4Network("100.64.0.0/10")


def kind_of_address(address: Address) -> str | None:
    """Say why an address is none of the public network's.

    Args:
        address: The address; one that only wraps an IPv4 address counts as that.

    Returns:
        What it is, such as ``loopback``; None for a public one.
    """
    address = _unwrap(address)
    if address in METADATA:
        return "metadata"
    if address.is_unspecified:
        return "unspecified"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast or str(address) == "255.255.255.255":
        return "multicast"
    if isinstance(address, IPv6Address) and address.is_site_local:
        return "private"
    if address.is_reserved:
        return "reserved"
    if address.is_private or (isinstance(address, IPv4Address) and address in _SHARED):
        return "private"
    return None if address.is_global else "reserved"


def is_listed(address: Address, allowed: Iterable[Network]) -> bool:
    """Return whether the settings list an address; one of metadata only if it is listed by itself."""
    address = _unwrap(address)
    wide_enough = address.max_prefixlen if address in METADATA else 0
    return any(
        network.version == address.version and network.prefixlen >= wide_enough and address in network
        for network in allowed
    )


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read a list of networks.

    Args:
        texts: Such as ``10.1.0.0/16`` or ``192.168.0.7``.

    Raises:
        ConfigError: One of them is no network.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text))
        except ValueError:
            raise ConfigError(
                f"{text[:100]!a} in the setting 'outbound_allow' is no network.",
                hint="Write networks such as 10.1.0.0/16, with no bit set behind the prefix, or single addresses.",
            ) from None
    return tuple(networks)


def resolve_with_system(host: str, port: int) -> list[str]:
    """Ask the system for a host's addresses, in the order in which they should be tried."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


def _unwrap(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address leads to by itself, or the address."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1):  # the latter: IPv4-compatible, obsolete
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
