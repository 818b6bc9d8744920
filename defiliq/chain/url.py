"""An endpoint's address, and what of it may be shown: keys in URLs never reach a message."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

from defiliq.errors import BadUrl

HIDDEN = "***"
LONGEST_SHOWN = 300
WEB = ("http", "https")
SOCKETS = ("ws", "wss")

# Path segments that only say what is served. Everything else may be a key, however short, and is hidden.
PLAIN_SEGMENT = re.compile(
    r"(v\d{1,2}|api|rpc|rpcs|json-?rpc|http|https|ext|bc|c|evm|eth|ethereum|mainnet|sepolia|holesky|hoodi|"
    r"arbitrum|arb|optimism|op|base|polygon|matic|bsc|bnb|avalanche|avax|gnosis|scroll|linea|zksync|metis|"
    r"sonic|celo|mantle|public|archive|full)?",
    re.IGNORECASE,
)
KEY_IN_HOST = re.compile(r"(?=.*\d)[0-9a-z]{20,}", re.IGNORECASE)
UNPRINTABLE = re.compile(r"[^\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a node is, and how to speak of it."""

    url: str = field(repr=False)
    label: str
    """The URL with everything hidden that may be a secret."""
    secrets: tuple[str, ...] = field(repr=False)
    """What was hidden, longest first."""

    @classmethod
    def of(cls, url: str, schemes: Sequence[str] = WEB) -> Endpoint:
        """The endpoint of a URL with one of the schemes; BadUrl for anything else."""
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname, parts.port
        except ValueError:
            raise BadUrl("it cannot be parsed") from None
        if parts.scheme not in schemes:
            scheme = parts.scheme if host else ""
            known = " or ".join(f"{each}://" for each in schemes)
            raise BadUrl(f"its scheme is {scheme!r}" if scheme else f"it has no {known} in front")
        if not host or UNPRINTABLE.search(url.strip()):
            raise BadUrl("it has no host" if not host else "it holds a character that no URL can hold")
        return cls(url.strip(), _label(parts, host, port), _secrets(parts, host))

    @property
    def scheme(self) -> str:
        """How it is spoken to, in small letters."""
        return urlsplit(self.url).scheme

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        host = urlsplit(self.url).hostname
        try:
            return host == "localhost" or (host is not None and ip_address(host).is_loopback)
        except ValueError:
            return False

    def scrub(self, text: str, longest: int = LONGEST_SHOWN) -> str:
        """Text from outside as one printable line without this endpoint's secrets."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        line = UNPRINTABLE.sub(" ", text).strip()
        return line if len(line) <= longest else line[: longest - 3] + "..."


def _label(parts: SplitResult, host: str, port: int | None) -> str:
    user = f"{HIDDEN}@" if "@" in parts.netloc else ""
    shown = ".".join(HIDDEN if KEY_IN_HOST.fullmatch(name) else name for name in host.split("."))
    where = f"[{shown}]" if ":" in host else shown
    number = "" if port is None else f":{port}"
    path = "/".join(s if PLAIN_SEGMENT.fullmatch(s) else HIDDEN for s in parts.path.split("/"))
    query = f"?{HIDDEN}" if parts.query else ""
    return f"{parts.scheme}://{user}{where}{number}{path}{query}"


def _secrets(parts: SplitResult, host: str) -> tuple[str, ...]:
    hidden = [s for s in parts.path.split("/") if not PLAIN_SEGMENT.fullmatch(s)]
    hidden += [name for name in host.split(".") if KEY_IN_HOST.fullmatch(name)]
    hidden += [part for part in re.split(r"[&;=]", parts.query) if part]
    hidden += [part for part in (parts.username, parts.password, parts.query, parts.fragment) if part]
    hidden += [unquote(part) for part in hidden]
    # A secret of one or two letters would turn every message into stars; nobody's key is that short.
    return tuple(sorted({part for part in hidden if len(part) > 2}, key=lambda part: (-len(part), part)))
