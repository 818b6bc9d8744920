"""Absorptions that happened: AbsorbCollateral of every asset, and the AbsorbDebt that follows them.

One row per asset that was absorbed, or a single one where there was no collateral. The debt that the
reserves repaid is shared out over the rows by what each asset was worth, the last of them taking the rest, so
the rows of an account add up to the events. Values are the events' own: the Comet writes down what it reckons
with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from defiliq.chain.calldata import keccak
from defiliq.chain.node import LogFilter, Logs, Node
from defiliq.protocols.compound_v3 import abi
from defiliq.protocols.compound_v3.fetch import fetch_root
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.protocols.compound_v3.storefront import BASE
from defiliq.protocols.happened import Log, OnEvents, each_log, places, search_logs, worth_at
from defiliq.types import Block, Happening, Listing, Worth
from defiliq.units import WAD, mul_div_down

BASE_ASSET = "base"
"""How the debt's asset is named before it is known which it is: the events leave it out."""


def search_events(
    node: Node, listing: Listing, at: Block, first: int, last: int, on_events: OnEvents
) -> None:
    """Hand over the absorptions in blocks `first` to `last`."""
    comet, _ = fetch_root(node, listing, at)
    topics = tuple(keccak(event) for event in abi.ABSORB_EVENTS)
    search_logs(node, LogFilter((comet,), topics, traced=True), decode_events, first, last, on_events)


def decode_events(logs: Logs) -> list[Happening]:
    """The absorptions, asset by asset (Comet.absorbInternal: the debt's event comes last)."""
    found: list[Happening] = []
    waiting: list[Happening] = []
    for log in each_log(logs):
        if log.topics[0] == keccak(abi.ABSORB_COLLATERAL_EVENT):
            seized = _absorbed(log)
            if waiting and not _is_same(waiting[0], seized):
                raise log.malformed(abi.ABSORB_COLLATERAL_EVENT, "collateral of two accounts in one go")
            waiting.append(seized)
        else:
            debt = _debt(log)
            if waiting and not _is_same(waiting[0], debt):
                raise log.malformed(abi.ABSORB_DEBT_EVENT, "a debt of another account than its collateral")
            found += _shared(waiting, debt) if waiting else [debt]
            waiting = []
    if waiting:
        raise log.malformed(abi.ABSORB_COLLATERAL_EVENT, "collateral that no debt follows")
    return found


def _absorbed(log: Log) -> Happening:
    event = abi.ABSORB_COLLATERAL_EVENT
    seized, value = log.words(event, 2)
    asset = log.address_at(event, 3)
    return replace(_blank(log, event), seize_asset=asset, seized=seized, told_seized_base=value)


def _debt(log: Log) -> Happening:
    event = abi.ABSORB_DEBT_EVENT
    repaid, value = log.words(event, 2)
    return replace(_blank(log, event), repaid=repaid, told_repaid_base=value)


def _blank(log: Log, event: str) -> Happening:
    """What both events say. The liquidator pays nothing: the debt is repaid from the reserves."""
    return Happening(
        block=log.block,
        block_hash=log.block_hash,
        transaction=log.transaction,
        log_index=log.log_index,
        kind="absorption",
        account=log.address_at(event, 2),
        liquidator=log.address_at(event, 1),
        seize_asset="",
        seized=0,
        repay_asset=BASE_ASSET,
        repaid=0,
        told_seized_base=0,
        told_repaid_base=0,
    )


def _is_same(one: Happening, other: Happening) -> bool:
    return (one.transaction, one.account) == (other.transaction, other.account)


def _shared(seized: Sequence[Happening], debt: Happening) -> list[Happening]:
    """The absorbed assets, each with its share of the debt."""
    values = [told(event.told_seized_base) for event in seized]
    amounts = shares(debt.repaid, values)
    worths = shares(told(debt.told_repaid_base), values)
    return [
        replace(event, repaid=amount, told_repaid_base=worth)
        for event, amount, worth in zip(seized, amounts, worths, strict=True)
    ]


def told(value: int | None) -> int:
    """A value that the events of a Comet always say."""
    if value is None:
        raise ValueError("an absorption without a value")
    return value


def shares(whole: int, weights: Sequence[int]) -> list[int]:
    """A whole in parts as large as weights; what rounding leaves goes to the last, and all where none is."""
    total = sum(weights)
    parts = [mul_div_down(whole, weight, total) if total else 0 for weight in weights]
    parts[-1] += whole - sum(parts)
    return parts


def event_worth(events: Sequence[Happening], market: CometMarket) -> list[Worth]:
    """What absorptions of one block were worth.

    `absorb` pays its caller nothing: who buys the collateral gains, later. Bad debt is what the reserves
    repaid beyond what they credited for the collateral (liquidationFactor), in the account's last row.
    """
    place_of = {**places(market), BASE_ASSET: BASE}

    def worth(reserve: int, amount: int) -> int:
        return mul_div_down(amount, market.price_of(reserve), market.reserves[reserve].unit)

    found = []
    for _, rows in groupby(events, key=lambda event: (event.transaction, event.account)):
        account = list(rows)
        bad_debt = _not_covered(account, market, place_of)
        *earlier, last = [worth_at(event, market, place_of, worth, worth) for event in account]
        none = None if bad_debt is None else 0
        found += [replace(one, bonus_base=0, bad_debt_base=none) for one in earlier]
        found.append(replace(last, bonus_base=0, bad_debt_base=bad_debt))
    return found


def _not_covered(
    account: Sequence[Happening], market: CometMarket, place_of: Mapping[str, int]
) -> int | None:
    """What of an account's debt its collateral was not credited; None where a factor is not known."""
    credited = 0
    for event in account:
        if event.seize_asset not in place_of and event.seize_asset:
            return None
        if event.seize_asset:
            factor_wad = market.reserves[place_of[event.seize_asset]].liquidation_factor_wad
            credited += mul_div_down(told(event.told_seized_base), factor_wad, WAD)
    return max(0, sum(told(event.told_repaid_base) for event in account) - credited)
