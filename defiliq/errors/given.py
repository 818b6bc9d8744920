"""What the user gave that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from defiliq.errors.base import DefiliqError


class InputError(DefiliqError):
    """What the user gave cannot be used."""

    exit_code = 2


class UnknownMarket(InputError):
    """No market of that protocol, chain and name."""

    def __init__(self, protocol: str, wanted: str, known: Sequence[str]) -> None:
        self.protocol, self.wanted, self.known = protocol, wanted, tuple(known)
        super().__init__(
            f"no {protocol} market {wanted!r}. Known here: {', '.join(known) or 'none'}. "
            "See `defiliq markets`, or name it with --market-file."
        )


class UnknownDriver(InputError):
    """No driver of that name in this market."""

    def __init__(self, wanted: str, known: Sequence[str]) -> None:
        self.wanted, self.known = wanted, tuple(known)
        close = _close(wanted, known)
        super().__init__(
            f"no driver {wanted!r} in this market. Drivers: {', '.join(known)}. "
            + (
                f"Did you mean {' or '.join(close)}?"
                if close
                else "Feeds that move together are joined by --group NAME=LEAD,FOLLOWER."
            )
        )


def _close(wanted: str, known: Sequence[str]) -> list[str]:
    """The known names that somebody may have meant: of nearly the same asset, or the same without a slash."""
    spelled: dict[str, list[str]] = {}
    for name in known:
        for spelling in (name.partition("/")[0], name.replace("/", "")):
            spelled.setdefault(spelling.casefold(), []).append(name)
    looked_for = wanted.strip().partition("/")[0].casefold()
    fits = [looked_for] if looked_for in spelled else get_close_matches(looked_for, list(spelled))
    return list(dict.fromkeys(name for fit in fits for name in spelled[fit]))[:3]


class SeveralDrivers(UnknownDriver):
    """A name that fits several drivers."""

    def __init__(self, wanted: str, known: Sequence[str]) -> None:
        super().__init__(wanted, known)
        self.args = (f"{wanted!r} hangs on several drivers: {', '.join(known)}. Name one of them.",)


class NoStoredIndices(InputError):
    """Stored indices were asked for, and the protocol's views show accrued ones only."""

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        super().__init__(
            f"{protocol} has no verdict on stored indices: its views accrue interest. Leave out --stored."
        )


class BadUrl(InputError):
    """An RPC URL that is none. The message does not repeat it: it may hold a key."""

    def __init__(self, seen: str) -> None:
        self.seen = seen
        super().__init__(
            f"the RPC URL cannot be used: {seen}. "
            "Give one like https://host/path, or grpc://host:port for a Cosmos chain."
        )


class BadFile(InputError):
    """A file that cannot be read as what it should be."""

    def __init__(self, path: str, seen: str) -> None:
        self.path, self.seen = path, seen
        super().__init__(f"cannot use {path}: {seen}.")


class NoNodeGiven(InputError):
    """No RPC URL by option, environment or config file."""

    def __init__(self, variables: Sequence[str]) -> None:
        self.variables = tuple(variables)
        super().__init__(f"no node given. Use --rpc-url URL, or set {' or '.join(variables)}.")
