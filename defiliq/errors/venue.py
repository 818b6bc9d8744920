"""What goes wrong at an exchange, or at another provider of market data, or on the way to it."""

from __future__ import annotations

from collections.abc import Sequence

from defiliq.errors.base import DefiliqError
from defiliq.errors.given import InputError


class VenueError(DefiliqError):
    """An exchange, or the way to it, failed. `venue` is its name."""

    def __init__(self, venue: str, message: str) -> None:
        self.venue = venue
        super().__init__(message)


class VenueUnreachable(VenueError):
    """No connection, or no answer in time, after all retries."""

    def __init__(self, venue: str, seen: str) -> None:
        self.seen = seen
        super().__init__(
            venue, f"cannot reach {venue}: {seen}. Try again later, or read what was kept in a file."
        )


class VenueRefused(VenueError):
    """The venue does not serve this place, or this key: HTTP 401, 403, 418 or 451."""

    def __init__(self, venue: str, seen: str) -> None:
        self.seen = seen
        super().__init__(venue, f"{venue} refuses to answer here ({seen}). Read what was kept in a file.")


class VenueRateLimited(VenueError):
    """Too many requests, after all retries."""

    def __init__(self, venue: str, attempts: int) -> None:
        self.attempts = attempts
        super().__init__(venue, f"{venue} still refuses (too many requests) after {attempts} attempts. Wait.")


class BadVenueAnswer(VenueError):
    """An answer of the wrong shape, or one whose numbers make no sense."""

    def __init__(self, venue: str, seen: str) -> None:
        self.seen = seen
        super().__init__(venue, f"{venue} sent an unusable answer: {seen}.")


class NoVenueAnswers(VenueError):
    """None of several exchanges gives anything; `failures` says of each why."""

    def __init__(self, failures: Sequence[VenueError]) -> None:
        self.failures = tuple(failures)
        told = " ".join(str(one)[:1].upper() + str(one)[1:] for one in failures)
        super().__init__(", ".join(one.venue for one in failures), f"no exchange answers. {told}")


class NoSuchContract(VenueError, InputError):
    """The venue lists no contract of that asset."""

    def __init__(self, venue: str, asset: str) -> None:
        self.asset = asset
        super().__init__(venue, f"{venue} lists no futures contract of {asset}.")


class NoKey(VenueError, InputError):
    """A provider wants a key of the user's own, which is not in the environment."""

    def __init__(self, provider: str, variable: str) -> None:
        self.variable = variable
        super().__init__(provider, f"{provider} needs a key of your own. Set {variable}.")


class UnknownTiers(InputError):
    """No margin tiers of that contract are bundled."""

    def __init__(self, venue: str, wanted: str, known: Sequence[str]) -> None:
        self.venue, self.wanted, self.known = venue, wanted, tuple(known)
        shown = ", ".join(known[:8]) or "none"
        more = f" and {len(known) - 8} more" if len(known) > 8 else ""
        super().__init__(
            f"no margin tiers of {wanted} on {venue} are bundled. There are: {shown}{more}. "
            "Give a file of your own (--tiers; docs/cex.md has its form)."
        )
