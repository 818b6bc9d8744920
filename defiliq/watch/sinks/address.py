"""Which addresses a webhook may lead to: a URL from somebody else must not reach into a private network."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""The addresses of a host, as numbers; OSError or UnicodeError where it has none."""

TRANSLATED: Final = IPv6Network("64:ff9b::/96")
"""IPv6 that leads to the IPv4 address in its last four bytes, by NAT64 (RFC 6052)."""


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host. Whatever spelling of a number the system reads, dotted decimals come out."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def is_public(text: str) -> bool:
    """Whether an address is one that anybody on the internet may have, and leads nowhere else."""
    try:
        address = _meant(ip_address(text))
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and (address.is_site_local or address.sixtofour or address.teredo):
        return False  # the last two carry an IPv4 address to some relay, and nobody uses them any more
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_private)


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in TRANSLATED else address
