"""A scripted hour on the real contracts with `defiliq watch` beside it: all that it told, and nothing else.

Everything is held by equality against what the contracts say of the very block, and against the truth that
the script kept: who was liquidated, what governance changed, which sources answered otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from defiliq.pipeline.scoring import score
from defiliq.watch.score import REASONS
from tests.lab import Lab
from tests.lab.bot import Job, Realised, realised
from tests.lab.hour.mining import Mined, Planned, mine
from tests.lab.hour.prices import QUOTED
from tests.lab.hour.truth import Block, Taken
from tests.lab.node import BLOCK_SECONDS
from tests.lab.reserves import BY_SYMBOL
from tests.watch.beside import NATIVE_USD, Beside, Told, hour_beside, replayed

pytestmark = pytest.mark.lab

BLOCKS, SEED = 60, 4
WAD = 10**18
MOST_USD = 2_000_000
"""What the market's pools of tokens can lend at once."""
SMALL_USD = 50
EXPLAINED = {
    "backrun": {"moved too far in one block", "changed in the same block", "new account"},
    "interest": {"interest"},
}


@pytest.fixture(scope="module")
def hour(lab_v36: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    with hour_beside(lab_v36, tmp_path_factory.mktemp("hour"), BLOCKS, SEED) as beside:
        yield beside


def test_every_block_was_followed_and_no_event_is_told_twice(hour: Beside) -> None:
    assert len({event["id"] for event in hour.events}) == len(hour.events)
    numbers = [event["block_number"] for event in hour.events]
    assert numbers == sorted(numbers)
    assert not hour.of("gap", "reorg")
    known = {block.number: block.hash for block in hour.truth.blocks}
    assert all(
        known.get(event["block_number"]) == event["block_hash"]
        for event in hour.events
        if event["block_number"] > hour.truth.first
    )


def test_liquidatable_is_who_the_contract_says_at_every_block(hour: Beside) -> None:
    """Of accounts that the contract has an answer for; what was told of the others stands."""
    for number in hour.numbers:
        told = {owner for owner, status in hour.statuses[number].items() if status == "liquidatable"}
        readable = {owner for owner, data in hour.data[number].items() if data is not None}
        assert told & readable == hour.broken(number), number
        assert told <= set(hour.data[number])


def test_health_is_what_the_contract_says_at_the_block(hour: Beside) -> None:
    for event in hour.of("liquidatable", "approaching", "recovered"):
        data = hour.data[event["block_number"]][event["account"]]
        assert data is not None
        if data.debt_base:
            assert event["health_factor"] == f"{data.factor_wad // WAD}.{data.factor_wad % WAD:018}"
        else:
            assert event["health_factor"] == ""
        assert event["collateral_usd"] == data.collateral_base / 10**8
        assert event["debt_usd"] == data.debt_base / 10**8


def test_levels_are_where_the_contract_turns(hour: Beside) -> None:
    """At the level the contract lets the account be liquidated, one unit this side of it it does not."""
    tried = 0
    for event in hour.of("approaching"):
        if hour.lab.drivers.get(event["driver"]) != event["feed"]:  # CRV has a new source in the end
            continue
        at, safe = int(event["price_raw"]), -1 if event["side"] == "short" else 1
        where = {"block": event["block_number"]}
        for price, is_broken in ((at, True), (at + safe, False)):
            moved = {event["driver"]: price}
            data = hour.lab.account_data(event["account"], drivers=moved, **where)
            assert (data.factor_wad < WAD) == is_broken, event
        tried += 1
    assert tried > 40


def test_accounts_without_a_price_are_told_to_be_unread(hour: Beside) -> None:
    unread: dict[str, str] = {}
    events, seen = iter(hour.of("unread")), 0
    event = next(events, None)
    for number in hour.numbers:
        while event is not None and event["block_number"] <= number:
            unread[event["account"]] = event["reason"]
            event = next(events, None)
        silent = {owner for owner, data in hour.data[number].items() if data is None}
        now = {name for name, reason in unread.items() if reason}
        assert now - {hour.lab.tokens["CRV"]} == silent, number
        assert (hour.lab.tokens["CRV"] in now) == bool(silent)
        seen += len(silent)
    assert seen


def test_every_liquidation_is_told_and_none_else(hour: Beside) -> None:
    told = hour.of("liquidated")
    happened = hour.truth.taken
    assert [(each["block_number"], each["transaction"], each["account"]) for each in told] == [
        (block.number, taken.hash, taken.borrower) for block, taken in happened
    ]
    for event, (_, taken) in zip(told, happened, strict=True):
        assert (event["seize_asset"], event["repay_asset"]) == (taken.collateral, taken.debt)
        made = taken.realised
        if made is not None:
            assert (event["repaid_raw"], event["seized_raw"]) == (str(made.repaid), str(made.received))
            assert (event["gas_used"], event["gas_price_wei"]) == (made.gas_used, str(made.gas_price_wei))


def test_every_liquidation_was_announced_or_says_why_not(hour: Beside) -> None:
    ids = {event["id"]: event for event in hour.events}
    for event, (block, taken) in zip(hour.of("liquidated"), hour.truth.taken, strict=True):
        before = hour.statuses[block.number - 1].get(taken.borrower)
        assert event["predicted"] == (before or "missed")
        if taken.why == "told":
            assert event["predicted"] == "liquidatable"
        if event["predicted"] == "missed":
            _assert_really_missed(hour, event, block, taken)
            continue
        announced = ids[event["announced_id"]]
        assert (announced["account"], announced["event"]) == (taken.borrower, before)
        assert announced["block_number"] == event["announced_block"] < block.number


def _assert_really_missed(hour: Beside, event: Told, block: Block, taken: Taken) -> None:
    assert event["miss_reason"] in EXPLAINED[taken.why]
    data = hour.data[block.number - 1].get(taken.borrower)
    if event["miss_reason"] == "new account":
        assert data is None or data.debt_base == 0
    else:
        assert data is not None
        assert data.factor_wad >= WAD


def test_written_off_debt_is_what_the_pool_burnt(hour: Beside) -> None:
    told = [event for event in hour.of("bad_debt") if event["how"] == "written off"]
    burnt = [(block, taken) for block, taken in hour.truth.taken if taken.deficits]
    assert [(each["block_number"], each["account"]) for each in told] == [
        (block.number, taken.borrower) for block, taken in burnt
    ]
    for event, (block, taken) in zip(told, burnt, strict=True):
        worth = sum(
            amount * hour.lab.price(symbol, block.number) / BY_SYMBOL[symbol].unit
            for symbol, amount in taken.deficits.items()
        )
        assert abs(event["amount_usd"] * 10**8 - worth) <= len(taken.deficits)
    assert burnt


def test_uncovered_debt_is_told_when_it_comes_up(hour: Beside) -> None:
    expected: list[tuple[int, str]] = []
    bad: set[str] = set()
    for number in hour.numbers:
        known = {owner: data for owner, data in hour.data[number].items() if data is not None}
        now = {owner for owner, data in known.items() if data.debt_base > data.collateral_base}
        expected += [(number, owner) for owner in sorted(now - bad)]
        bad = now | (bad - set(known))
    told = [event for event in hour.of("bad_debt") if event["how"] == "uncovered"]
    assert [(event["block_number"], event["account"]) for event in told] == expected


def test_every_change_of_a_parameter_is_told_and_none_else(hour: Beside) -> None:
    told = [
        (event["block_number"], event["parameter"], event["before"], event["after"])
        for event in hour.of("parameter_changed")
    ]
    assert sorted(told) == sorted(
        (block.number, change.parameter, change.before, change.after) for block, change in hour.truth.changes
    )


def test_every_answer_of_a_source_is_told_and_none_else(hour: Beside) -> None:
    """0 is no answer; a source that is asked no more, or newly asked, is told of, too."""
    told = {
        (event["block_number"], event["source"], event["before_raw"], event["after_raw"])
        for event in hour.of("oracle_updated")
    }
    expected = set()
    for block in hour.truth.blocks:
        for name, (before, after) in block.answers.items():
            source = hour.lab.drivers[name]
            expected.add(
                (block.number, source, str(before) if before else None, str(after) if after else None)
            )
        for change in block.changes:
            if change.parameter == "CRV.price_source":
                old, new = (_answer(hour, each, block.number) for each in (change.before, change.after))
                expected |= {
                    (block.number, change.before, old, None),
                    (block.number, change.after, None, new),
                }
    assert told == expected
    assert len(told) == len(hour.of("oracle_updated"))


def _answer(hour: Beside, source: str, block: int) -> str:
    contract = hour.lab.market.aggregators["CRV/USD"]
    raw = hour.lab.rpc("eth_call", {"to": source, "data": contract.data("latestAnswer")}, hex(block))
    return str(int(raw, 16))


def test_economics_are_what_the_bot_would_get_in_the_block(hour: Beside) -> None:
    """Its contract, called on the state after the block at the block's own time, to the wei."""
    tried = 0
    for event in hour.of("liquidatable"):
        if _is_compared(event):
            said = hour.stage.bot.ask(_job(hour, event), block=event["block_number"])
            assert (said.repaid, said.received) == (int(event["repaid_raw"]), int(event["seized_raw"]))
            assert said.proceeds == int(event["exit_out_raw"])
            assert said.premium == int(event["flash_fee_raw"])
            assert said.kept == _kept(event)
            tried += 1
    assert tried > 30


def test_the_bot_realises_the_net_profit_that_was_told(hour: Beside) -> None:
    """An empty block is told of; in its place, at its very second, the bot does what was told.

    Each job in a block of its own, after a last fall of prices: to the wei in tokens, and within 1% in USD
    with the gas that it took. Gas is a measured constant, so that where a job leaves less than $50,
    half of what the gas cost may be wrong.
    """
    lab = hour.lab
    with lab.rewinding():
        for name in ("ETH/USD", "BTC/USD", "LINK/USD"):
            feed = lab.market.aggregators[name]
            lab.chain.send(feed, "setAnswer", lab.chain.call(feed, "latestAnswer") * 90 // 100)
        at, fee_wei = lab.chain.now() + BLOCK_SECONDS, 10**9
        next_fee_wei = fee_wei * 7 // 8  # what an empty block leaves to the next, whose price the event names
        with lab.rewinding():
            number = mine(lab.chain, [], at, fee_wei).number
            mine(lab.chain, [], at + BLOCK_SECONDS, fee_wei)
            told = replayed(hour, number + 1, number + 1, "empty")
        compared = [
            event
            for event in told
            if event["event"] == "liquidatable" and event["block_number"] == number and _is_compared(event)
        ]
        for event in compared:
            assert event["block_timestamp"] == at
            with lab.rewinding():
                job = Planned(hour.stage.bot.transaction(_job(hour, event)), "as told")
                _assert_as_told(lab, event, _made(mine(lab.chain, [job], at, next_fee_wei)))
    assert sum(abs(event["net_usd"]) > SMALL_USD for event in compared) > 12


def _assert_as_told(lab: Lab, event: Told, made: Realised) -> None:
    assert made.kept == _kept(event)
    assert made.gas_price_wei == int(event["gas_price_wei"])
    token = BY_SYMBOL[event["repay_asset"]]
    gained_usd = made.kept * lab.price(token.symbol) / token.unit / 10**8
    gas_usd = made.gas_used * made.gas_price_wei * NATIVE_USD / WAD
    net_usd = gained_usd - gas_usd
    is_small = abs(net_usd) < SMALL_USD
    assert abs(net_usd - event["net_usd"]) <= (gas_usd / 2 if is_small else abs(net_usd) / 100), event


def _made(mined: Mined) -> Realised:
    found = realised(mined.receipts[0])
    assert found is not None
    return found


def _is_compared(event: Told) -> bool:
    """Whether the bot could do it: there is a pool, which does not run dry, and the loan can be had."""
    return (
        event["callable"]
        and event["exit_out_raw"] is not None
        and event["seize_asset"] != event["repay_asset"]
        and event["note"] == ""
        and event["repaid_usd"] < MOST_USD
    )


def _job(hour: Beside, event: Told) -> Job:
    pair = event["seize_asset"], event["repay_asset"]
    cover, loan = int(event["debt_to_cover"]), int(event["repaid_raw"])
    return hour.stage.bot.job(event["account"], *pair, cover, hour.stage.pools[pair].address, loan)


def _kept(event: Told) -> int:
    """Net before gas, in the repaid token."""
    return int(event["exit_out_raw"]) - int(event["repaid_raw"]) - int(event["flash_fee_raw"])


def test_a_replay_tells_the_same(hour: Beside) -> None:
    again = replayed(hour, hour.truth.first + 1, hour.truth.last)
    assert again == list(hour.events)


def test_the_score_counts_what_happened(hour: Beside) -> None:
    found = score([hour.folder / "live" / "events.jsonl"])
    (card,) = found.table.to_dict("records")
    why = [event["predicted"] for event in hour.of("liquidated")]
    assert card["liquidations"] == len(hour.truth.taken)
    assert card["announced_liquidatable"] == why.count("liquidatable")
    assert card["announced_approaching"] == why.count("approaching")
    assert card["missed"] == why.count("missed") == sum(card[f"missed: {reason}"] for reason in REASONS)
    told = hour.of("liquidatable")
    assert card["told_liquidatable"] == len(told)
    assert found.is_complete


def test_the_script_moved_every_driver_that_it_names(hour: Beside) -> None:
    moved = {name for block in hour.truth.blocks for name in block.answers}
    assert {"ETH/USD", "BTC/USD", "LINK/USD", "CRV/USD"} <= moved <= {*QUOTED, "GHO/USD"}
