"""What stands in the way of telling what a watch saw."""

from __future__ import annotations

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
            "If it is meant, allow it: --allow-private-webhook."
        )
