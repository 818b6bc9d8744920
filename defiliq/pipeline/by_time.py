"""Levels that only time crosses: who breaks soon with every price where it is, and by what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.engine.eta import find_eta
from defiliq.engine.screen import SAFE, screen
from defiliq.errors import NoLaterTime, UnresolvedEta
from defiliq.ladder import IDENTITY, as_table, factor_text, identity, taken_columns, to_usd
from defiliq.pipeline.eta import find_etas
from defiliq.pipeline.judge import liquidatable
from defiliq.pipeline.solving import Counter
from defiliq.pricing.graph import Discount, Fixed, Growing
from defiliq.protocols import PROTOCOLS
from defiliq.types import Account, Market, Taking, Untold

DEFAULT_WITHIN_S: Final = 86_400
_FOLDED: Final = 1e-15
"""What two more roundings of each leg add to its error: the ratio of two prices, and the product with it."""
CAP, DISCOUNT, INTEREST = "growing cap", "discount", "interest"

TIME_COLUMNS: Final = (
    *IDENTITY,
    *("account", "eta_at", "eta_s", "moves", "reserves"),
    *("health_factor", "collateral_usd", "debt_usd", "bonus_usd", "callable", "reason"),
    *("evaluated_at", "base_symbol"),
)


def time_triggers(
    book: Book[Any], horizon_s: int = DEFAULT_WITHIN_S, *, on_progress: Counter | None = None
) -> pd.DataFrame:
    """The accounts that break within so many seconds while no feed answers anew, the nearest first.

    `moves` is what it takes: interest, a growing cap that binds, a discount that ends, or several joined by
    ' + '; `reserves` are the account's whose prices time moves until then. Health, collateral and debt are
    the present ones, the bonus is that at the instant. Who is liquidatable already is not listed.
    `attrs["unresolved"]`, `["unknown"]` as in `eta`; `["unforeseen"]` names what moves accounts besides.
    """
    market = book.market
    rows = np.flatnonzero(may_break(book, horizon_s) & ~liquidatable(book)).tolist()
    found = find_etas(book, horizon_s, rows=rows, on_progress=on_progress)
    breaking = sorted(
        (at.at, i) for i, at in found.found.items() if at.outcome == "time" and at.at is not None
    )
    table = as_table([_row(book, i, at) for at, i in breaking], TIME_COLUMNS)
    table.attrs["unresolved"], table.attrs["unknown"] = found.unresolved, found.unknown
    table.attrs["unforeseen"] = market.unforeseen
    return table


def may_break(book: Book[Any], horizon_s: int) -> NDArray[np.bool_]:
    """(N,) who owes something and is not proved safe for so many seconds; the rest no second breaks.

    Interest moves every leg one way, and so a leg lies between what it is now and what it is at the end. The
    screen of verdicts is asked for the least credit at the lowest price of the span, and the most debit at
    the highest. Where the market is known at its block alone nobody is proved safe.
    """
    market, owes = book.market, book.debtors
    margin = PROTOCOLS[market.protocol].margin
    try:
        later = market.at_time(market.timestamp + max(0, horizon_s))
    except NoLaterTime:
        return owes
    now, then = margin(book), margin(replace(book, market=later))
    if not (np.array_equal(now.first_leg, then.first_leg) and np.array_equal(now.feeds, then.feeds)):
        return owes
    spans = _price_spans(market, later.timestamp)
    kept = np.array([low / high if high else 1.0 for low, high in spans])
    worst = replace(
        now,
        credit=np.maximum(now.credit, then.credit),
        credit_floor=np.minimum(now.credit_floor, then.credit_floor) * kept.take(now.feeds),
        debit=np.maximum(now.debit, then.debit),
        step=np.maximum(now.step, then.step),
        grain=np.maximum(now.grain, then.grain),
        relative_error=max(now.relative_error, then.relative_error) + _FOLDED,
        law_only=now.law_only | then.law_only,
    )
    owes[screen(worst, [high for _, high in spans]) == SAFE] = False
    return owes


def _price_spans(market: Market, last: int) -> list[tuple[int, int]]:
    """(lowest, highest) price of each feed from now on until a second, while nothing moves but time."""
    graph, spans = market.graph, []
    for feed, price in enumerate(market.prices):
        low = high = price
        if graph.feeds and graph.is_timed(graph.feeds[feed]):
            position = graph.feeds[feed]
            span = graph.spans(graph.below(position), market.timestamp, last)[position]
            low, high = min(price, span.low), max(price, span.high)
        spans.append((low, high))
    return spans


def _row(book: Book[Any], i: int, at: int) -> dict[str, object]:
    """One account that breaks at an instant."""
    market, account = book.market, book.account(i)
    protocol = PROTOCOLS[market.protocol]
    health = protocol.health(account, market)
    taken = taken_columns(market, _taking(account, market, at))
    moved = {feed for feed, price in enumerate(market.prices_at(at)) if price != market.prices[feed]}
    legs = [leg for leg in protocol.explain(account, market) if leg.feed in moved]
    return identity(market) | {
        "account": account.owner,
        "eta_at": at,
        "eta_s": at - market.timestamp,
        "moves": " + ".join(_causes(account, market, at)),
        "reserves": ", ".join(dict.fromkeys(market.reserves[leg.reserve].symbol for leg in legs)),
        "health_factor": factor_text(health.factor_wad),
        "collateral_usd": to_usd(health.collateral_base, market),
        "debt_usd": to_usd(health.debt_base, market),
        **{name: taken[name] for name in ("bonus_usd", "callable", "reason")},
        "evaluated_at": market.timestamp,
    }


def _taking(account: Account, market: Market, at: int) -> Taking:
    """What a liquidation takes at an instant; untold where a reserve, if of others, is not known then."""
    try:
        then = market.at_time(at)
    except NoLaterTime as error:
        return Untold(f"{error.symbol} accrues in its own way: the market is not known then")
    taken: Taking = PROTOCOLS[market.protocol].take(account, then)
    return taken


def _causes(account: Account, market: Market, at: int) -> list[str]:
    """What an account needs to break as early as it does: each without which it would break later.

    Interest alone where it breaks as early with every cap and discount frozen at its present value. Else
    whichever of those holds it up when frozen by itself; and interest, where the prices of that instant would
    not break the account as it stands now.
    """
    if not _is_later(account, frozen(market, Growing, Discount), at):
        return [INTEREST]
    kinds: Mapping[str, type[Growing | Discount]] = {CAP: Growing, DISCOUNT: Discount}
    needed = [name for name, kind in kinds.items() if _is_later(account, frozen(market, kind), at)]
    there = market.at_prices(dict(enumerate(market.prices_at(at))))
    is_enough = PROTOCOLS[market.protocol].health(account, there).liquidatable
    return [*([] if is_enough else [INTEREST]), *(needed if needed else kinds)]


def _is_later(account: Account, market: Market, at: int) -> bool:
    """Whether an account breaks after an instant, or not at all until then."""
    rule = PROTOCOLS[market.protocol].rule_over_time(account, market)
    try:
        found = find_eta(rule, market.timestamp, at - market.timestamp)
    except UnresolvedEta:
        return not rule.health(at).liquidatable
    return found.at is None


def frozen(market: Market, *kinds: type[Growing | Discount]) -> Market:
    """The same market in which quantities of some kinds, which time moves, stay where they are now."""
    quantities = tuple(
        Fixed(one.value_at((), market.timestamp), one.label)
        if isinstance(one, Growing | Discount) and isinstance(one, kinds)
        else one
        for one in market.graph.quantities
    )
    return replace(market, graph=replace(market.graph, quantities=quantities))
