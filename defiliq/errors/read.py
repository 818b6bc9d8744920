"""What a node answers that cannot be read as the protocol."""

from __future__ import annotations

from defiliq.errors.base import DefiliqError


class ReadError(DefiliqError):
    """The node answered, but not with what the protocol should say."""


class NotAMarket(ReadError):
    """The address does not hold the contract that the market claims."""

    def __init__(self, address: str, wanted: str, seen: str) -> None:
        self.address, self.wanted, self.seen = address, wanted, seen
        super().__init__(f"{address} is not {wanted}: {seen}. Check the address and the chain.")


class NotAPool(ReadError):
    """The address does not hold a pool of a kind that can be read."""

    def __init__(self, address: str, seen: str) -> None:
        self.address, self.seen = address, seen
        super().__init__(f"{address} is no pool that can be read: {seen}. Check the address and the chain.")


class UnsoundPool(ReadError):
    """A pool whose numbers contradict each other, so that no trade in it can be told."""

    def __init__(self, address: str, seen: str) -> None:
        self.address, self.seen = address, seen
        super().__init__(f"pool {address} contradicts itself: {seen}. Leave it out, or ask another node.")


class DecodeError(ReadError):
    """An answer of the wrong shape."""

    def __init__(self, what: str, seen: str) -> None:
        self.what, self.seen = what, seen
        super().__init__(f"cannot decode {what}: {seen}. Is this contract the version that was expected?")


class UnsupportedRevision(ReadError):
    """An arithmetic version that has not been ported."""

    def __init__(self, protocol: str, revision: int) -> None:
        self.protocol, self.revision = protocol, revision
        folder = protocol.replace("-", "_")
        super().__init__(
            f"{protocol} pool revision {revision} is not supported. "
            f"Port its arithmetic in defiliq/protocols/{folder}/ first."
        )


class UnsupportedFork(ReadError):
    """A fork of a protocol with arithmetic of its own that has not been ported."""

    def __init__(self, address: str, seen: str) -> None:
        self.address, self.seen = address, seen
        super().__init__(f"{address} is a fork with a law of its own: {seen}. It is not supported.")


class UnsupportedReserve(ReadError):
    """A reserve with arithmetic of its own that has not been ported."""

    def __init__(self, symbol: str, asset: str, seen: str) -> None:
        self.symbol, self.asset, self.seen = symbol, asset, seen
        super().__init__(
            f"reserve {symbol} ({asset}) is not supported: {seen}. "
            "No exact verdict on its holders is possible at this block; choose a later --block."
        )


class NoLaterTime(UnsupportedReserve):
    """A reserve that is known at the block alone, because it accrues in a way that has not been ported."""

    def __init__(self, symbol: str, asset: str) -> None:
        super().__init__(symbol, asset, "it accrues interest in its own way")
        self.args = (f"{symbol} ({asset}): {self.seen}. Leave out --at or use a later --block.",)


class MissingPrice(ReadError):
    """A reserve whose oracle gives no positive price."""

    def __init__(self, symbol: str, asset: str, seen: str) -> None:
        self.symbol, self.asset, self.seen = symbol, asset, seen
        super().__init__(
            f"the oracle has no price for {symbol} ({asset}): {seen}. "
            "No verdict is possible at this block; choose another --block."
        )
