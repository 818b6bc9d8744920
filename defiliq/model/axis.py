"""Which ladders may share one price axis, and their rungs on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from defiliq.errors import InputError
from defiliq.ladder import IDENTITY, as_table, joined

MOST_APART_S = 15 * 60
"""Blocks of different chains that are further apart than this show different worlds."""

MOST_TIMES_APART = 1.5
"""Spots of one driver that are further apart at one time are of different things, or in different units."""

LEAST, MOST = 1e-150, 1e150
"""No price lies outside, and no size above: the floats of sums and products would come to an end."""

SOURCE_COLUMNS = (
    *IDENTITY,
    *("evaluated_at", "base_symbol", "driver", "spot_usd", "rungs", "already", "never", "untold", "failed"),
)
_MARKET = ["chain_id", "protocol", "market"]

MarketKey = tuple[str, str, str]
"""(chain id, protocol, market): what a market is called across blocks and versions."""


def rungs_on(ladders: Sequence[pd.DataFrame], driver: str, *, mixed_blocks: bool = False) -> pd.DataFrame:
    """The rows of some ladders that are of one driver, in an order that does not hang on that of the rows.

    `size_usd` is what a rung takes off its holder: a perpetual's notional, else what is seized where the
    driver falls and what is repaid where it rises; NaN where nobody knows. Spelling is compared without case.
    Ladders that cannot share an axis are refused: without the driver, of different money, of different blocks
    of a chain, of blocks or spots too far apart (unless `mixed_blocks`), and those with an account twice.
    """
    filled = [ladder for ladder in ladders if len(ladder)]
    if not filled:
        return pd.concat(ladders).assign(size_usd=math.nan) if ladders else pd.DataFrame()
    table = joined(filled).astype({"chain_id": "str"})
    chosen = table[table["driver"].str.casefold() == driver.strip().casefold()]
    _refuse_without_driver(table, chosen, driver)
    sized = chosen.assign(size_usd=_sizes(chosen))
    _refuse_senseless(sized)
    _refuse_different_money(sized)
    if not mixed_blocks:
        _refuse_mixed_blocks(sized)
        _refuse_other_prices(sized)
    _refuse_twice(sized)
    return sized.sort_values([*IDENTITY, "side", "price_usd", "account"], ignore_index=True)


def sources_of(rungs: pd.DataFrame, failed: Mapping[MarketKey, int]) -> pd.DataFrame:
    """One row per market and block: where it stands, and how many of its rungs are of which kind.

    `failed` counts the accounts that could not be read, which no ladder tells; NA where it was not given.
    """
    rows: list[dict[str, object]] = []
    keys = [*IDENTITY, "evaluated_at", "base_symbol", "driver", "spot_usd"]
    for head, part in rungs.groupby(keys, sort=True) if len(rungs) else ():
        named = dict(zip(keys, head, strict=True))
        counts = part["outcome"].value_counts()
        rows.append(
            named
            | {
                "rungs": int(counts.get("price", 0)),
                "already": int(counts.get("already", 0)),
                "never": int(counts.get("never", 0)),
                "untold": int((part["size_usd"].isna() & (part["outcome"] != "never")).sum()),
                "failed": failed.get(_key(named)),
            }
        )
    return as_table(rows, SOURCE_COLUMNS).astype({"chain_id": "str"})


def spot_of(sources: pd.DataFrame) -> float:
    """The driver's price in the newest block; of several such, in the first by name. NaN without any."""
    if sources.empty:
        return math.nan
    newest = sources[sources["block_timestamp"] == sources["block_timestamp"].max()]
    return float(newest.sort_values([*IDENTITY, "spot_usd"])["spot_usd"].iloc[0])


def market_named(row: Mapping[str, object] | pd.Series) -> str:
    """A market in a sentence."""
    return f"{row['protocol']} {row['market']} on chain {row['chain_id']}"


def _key(row: Mapping[str, object] | pd.Series) -> MarketKey:
    return str(row["chain_id"]), str(row["protocol"]), str(row["market"])


def _sizes(rungs: pd.DataFrame) -> pd.Series:
    taken = rungs["seized_usd"].where(rungs["side"] == "long", rungs["repaid_usd"])
    return rungs["notional_usd"].fillna(taken).where(rungs["outcome"] != "never")


def _refuse_without_driver(table: pd.DataFrame, chosen: pd.DataFrame, driver: str) -> None:
    """Every market of the ladders must have a row of the driver."""
    having = set(chosen[_MARKET].drop_duplicates().itertuples(index=False, name=None))
    for _, part in table.groupby(_MARKET, sort=True):
        row = part.iloc[0]
        if _key(row) not in having:
            known = ", ".join(sorted(part["driver"].unique()))
            raise InputError(
                f"no driver {driver!r} in the ladder of {market_named(row)}. Its drivers: {known}."
            )


def _refuse_different_money(rungs: pd.DataFrame) -> None:
    currencies = rungs.drop_duplicates("base_symbol").sort_values([*_MARKET, "base_symbol"])
    if len(currencies) > 1:
        named = " and ".join(
            f"{market_named(row)} in {row['base_symbol']}" for _, row in currencies.head(2).iterrows()
        )
        raise InputError(f"these ladders count different money: {named}. Give those of one currency.")


def _refuse_mixed_blocks(rungs: pd.DataFrame) -> None:
    """One block per chain, and all of them at about the same time."""
    blocks = rungs.drop_duplicates([*_MARKET, "block_number", "block_hash", "evaluated_at"])
    blocks = blocks.sort_values([*IDENTITY, "evaluated_at"], ignore_index=True)
    for _, part in blocks.groupby("chain_id", sort=True):
        one, others = part.iloc[0], part[part["block_hash"] != part["block_hash"].iloc[0]]
        if len(others):
            raise _mixed(one, others.iloc[0], "are of different blocks of one chain")
    for column, what in (("block_timestamp", "block"), ("evaluated_at", "state")):
        first, last = blocks.iloc[blocks[column].argmin()], blocks.iloc[blocks[column].argmax()]
        if last[column] - first[column] > MOST_APART_S:
            minutes = (last[column] - first[column]) // 60
            raise _mixed(first, last, f"show the {what} of times {minutes} minutes apart")


def _mixed(one: pd.Series, other: pd.Series, seen: str) -> InputError:
    both = " and ".join(f"{market_named(row)} at block {row['block_number']}" for row in (one, other))
    return InputError(f"{both} {seen}. Read them at one time, or ask for mixed blocks (--mixed-blocks).")


def _refuse_other_prices(rungs: pd.DataFrame) -> None:
    """What is called the same must be about the same price at one time."""
    spots = rungs.sort_values(["spot_usd", *_MARKET]).iloc[[0, -1]]
    low, high = spots["spot_usd"].tolist()
    if high > MOST_TIMES_APART * low:
        both = " and ".join(f"{market_named(row)} at {row['spot_usd']:.6g}" for _, row in spots.iterrows())
        raise InputError(f"{rungs['driver'].iloc[0]} is not one price: {both}. Leave one of them out.")


def _refuse_senseless(rungs: pd.DataFrame) -> None:
    """Prices are positive, sizes are not negative, and none of them is beyond what can be reckoned with."""
    prices = rungs["price_usd"].where(rungs["outcome"] == "price", 1.0)
    sizes = rungs["size_usd"].fillna(0.0)
    fine = prices.between(LEAST, MOST) & sizes.between(0, MOST) & rungs["spot_usd"].between(LEAST, MOST)
    fine &= rungs["side"].isin(["long", "short"]) & rungs["outcome"].isin(["price", "already", "never"])
    if not fine.all():
        row = rungs[~fine].sort_values([*_MARKET, "account"]).iloc[0]
        raise InputError(
            f"the rung of {row['account']} in {market_named(row)} makes no sense: {row['side']}, "
            f"{row['outcome']} at {row['price_usd']}, spot {row['spot_usd']}, size {row['size_usd']}."
        )


def _refuse_twice(rungs: pd.DataFrame) -> None:
    twice = rungs[rungs.duplicated([*_MARKET, "account", "side"])]
    if len(twice):
        row = twice.sort_values([*_MARKET, "account", "side"]).iloc[0]
        raise InputError(
            f"{row['account']} of {market_named(row)} is in these ladders twice. Give each market once."
        )
