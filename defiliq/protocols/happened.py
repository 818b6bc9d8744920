"""Liquidations in the logs of EVM chains: how they are searched, and how a log is read strictly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from defiliq.chain.logs import scan_logs
from defiliq.chain.node import LogFilter, Logs, Node
from defiliq.errors import DecodeError
from defiliq.types import Happening, Market, Worth, checksum

WORD = 32

OnEvents: TypeAlias = Callable[[int, int, Sequence[Happening]], None]
"""Told of every range that was searched: its first and last block, and what happened in it, in order."""


class Log(NamedTuple):
    """One log, whose parts are only read by functions that check them."""

    block: int
    block_hash: str
    transaction: str
    log_index: int
    address: str
    topics: tuple[bytes, ...]
    data: bytes

    def words(self, event: str, count: int) -> list[int]:
        """The words of its data, which must be so many."""
        if len(self.data) != WORD * count:
            raise self.malformed(event, f"{len(self.data)} bytes of data, not {WORD * count}")
        return [int.from_bytes(self.data[k : k + WORD], "big") for k in range(0, len(self.data), WORD)]

    def address_at(self, event: str, topic: int) -> str:
        """The address in an indexed argument; the first is topic 1."""
        return self.as_address(event, int.from_bytes(self.topics[topic], "big"))

    def as_address(self, event: str, word: int) -> str:
        """The address in a word."""
        if word >= 1 << 160:
            raise self.malformed(event, "a word that is no address")
        return checksum(word.to_bytes(20, "big"))

    def malformed(self, event: str, seen: str) -> DecodeError:
        """What to raise for a log that is not what its event promises."""
        return DecodeError(f"{event.partition('(')[0]} in transaction {self.transaction}", seen)


def each_log(logs: Logs) -> Iterator[Log]:
    """The logs one by one. They must have been asked for with their traces."""
    traces = logs.traces
    if traces is None:
        raise ValueError("logs without traces")
    for k, data in enumerate(logs.data):
        yield Log(
            block=int(logs.blocks[k]),
            block_hash=f"0x{traces.block_hashes[k].tobytes().hex()}",
            transaction=f"0x{traces.transactions[k].tobytes().hex()}",
            log_index=int(traces.indices[k]),
            address=checksum(traces.addresses[k].tobytes()),
            topics=tuple(topic.tobytes() for topic in logs.topics[k]),
            data=data,
        )


def search_logs(
    node: Node,
    wanted: LogFilter,
    decode: Callable[[Logs], Sequence[Happening]],
    first: int,
    last: int,
    on_events: OnEvents,
) -> None:
    """Hand over what happened in every range of blocks `first` to `last`, in order, as far as it goes."""

    def decoded(begin: int, end: int, logs: Logs) -> None:
        on_events(begin, end, decode(logs))

    scan_logs(node, wanted, first, last, on_range=decoded)


def places(market: Market) -> Mapping[str, int]:
    """The position of every reserve by its asset."""
    return {reserve.asset: k for k, reserve in enumerate(market.reserves)}


def worth_at(
    event: Happening,
    market: Market,
    place_of: Mapping[str, int],
    seized_worth: Callable[[int, int], int],
    repaid_worth: Callable[[int, int], int],
) -> Worth:
    """What a liquidation was worth, where both functions value base units of the reserve at a position.

    What its own log says of values comes first. The liquidator gains what was seized less what it paid.
    """
    seize, repay = place_of.get(event.seize_asset), place_of.get(event.repay_asset)
    seized, repaid = event.told_seized_base, event.told_repaid_base
    if seized is None and seize is not None:
        seized = seized_worth(seize, event.seized)
    if repaid is None and repay is not None:
        repaid = repaid_worth(repay, event.repaid)
    paid = repaid
    if event.paid is not None:
        paid = None if repay is None else repaid_worth(repay, event.paid)
    return Worth(
        seize_reserve=seize,
        repay_reserve=repay,
        seized=event.seized,
        seized_base=seized,
        repaid_base=repaid,
        bonus_base=None if seized is None or paid is None else seized - paid,
        bad_debt_base=_sum_of(event.written_off, place_of, repaid_worth),
        fee_base=_sum_of(event.fees, place_of, seized_worth),
    )


def _sum_of(
    amounts: Sequence[tuple[str, int]] | None,
    place_of: Mapping[str, int],
    worth: Callable[[int, int], int],
) -> int | None:
    if amounts is None or any(asset not in place_of for asset, _ in amounts):
        return None
    return sum(worth(place_of[asset], amount) for asset, amount in amounts)
