"""Which addresses a webhook may lead to: a URL from somebody else must not reach into a private network."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""The addresses of a host, as numbers; OSError or UnicodeError where it has none."""

TRANSLATED: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
"""IPv6 that leads to the IPv4 address in its last four bytes: NAT64 (RFC 6052, RFC 8215) and what RFC 4291
once called compatible."""


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host. Whatever spelling of a number the system reads, dotted decimals come out."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def is_public(text: str) -> bool:
    """Whether an address is one that anybody on the internet may have, and leads nowhere else."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return all(_is_global(each) for each in (address, *_within(address)))


def _is_global(address: Address) -> bool:
    is_site_local = isinstance(address, IPv6Address) and address.is_site_local
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_private
        and not is_site_local
    )


def _within(address: Address) -> list[Address]:
    """IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, IPv4Address):
        return []
    inner: list[Address] = [each for each in (address.ipv4_mapped, address.sixtofour) if each is not None]
    if address.teredo is not None:
        inner += address.teredo
    if any(address in network for network in TRANSLATED):
        inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return inner
