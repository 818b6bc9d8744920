"""What stands in the way of telling what a watch saw."""

from __future__ import annotations

from defiliq.errors.base import DefiliqError
from defiliq.errors.given import BadFile, InputError


class JournalFull(BadFile):
    """The disk took nothing more, so that a change was not made; the same change can be made again later."""


class JournalInUse(BadFile):
    """Another live process watches into the same file."""


class SinkFull(BadFile):
    """A file of events took nothing more; what it did not take is delivered later."""


class PrivateAddress(InputError):
    """A webhook leads to an address that is not public, and nobody allowed that."""

    def __init__(self, label: str, address: str) -> None:
        self.label, self.address = label, address
        super().__init__(
            f"the webhook {label} leads to {address}, which is not a public address. "
            "If that is meant, allow it: --allow-private."
        )


class WebhookFailed(DefiliqError):
    """A webhook did not take some events."""

    def __init__(
        self,
        label: str,
        seen: str,
        *,
        wait_s: int | None = None,
        is_slow: bool = False,
        is_gone: bool = False,
    ) -> None:
        self.label, self.seen = label, seen
        self.wait_s = wait_s
        """How long it asked to be left alone, in seconds; None where it did not say."""
        self.is_slow = is_slow
        """Whether trying again soon makes no sense: somebody has to change something."""
        self.is_gone = is_gone
        """Whether it wants no more events, ever."""
        super().__init__(f"the webhook {label} takes no events: {seen}.")
