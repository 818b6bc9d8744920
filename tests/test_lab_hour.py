"""The scripted hour is what it says: its bot pays back, its truth is the chain's, its seed decides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, LabError
from tests.lab.bot import REALISED
from tests.lab.hour import Hour, Stage, Truth, broken, set_stage, survey
from tests.lab.liquidation import DEFICIT_CREATED, LIQUIDATION_CALL
from tests.lab.node import RpcError

pytestmark = pytest.mark.lab

BLOCKS, SEED = 60, 4


@pytest.fixture
def stage(lab_v36: Lab) -> Iterator[Stage]:
    """The lab with pools, bot and accounts; undone afterwards."""
    with lab_v36.rewinding():
        yield set_stage(lab_v36, SEED, count=5)


@pytest.fixture(scope="module")
def played(lab_v36: Lab) -> Iterator[tuple[Lab, Truth]]:
    """A short hour, and the chain that it left."""
    with lab_v36.rewinding():
        yield lab_v36, Hour(set_stage(lab_v36, SEED), BLOCKS, SEED).play()


def _break(lab: Lab, owner: str) -> None:
    """Bring ETH to where a holder's health factor is 0.98."""
    feed, factor = lab.market.aggregators["ETH/USD"], lab.account_data(owner).factor_wad
    lab.chain.send(feed, "setAnswer", lab.price("WETH") * 98 * 10**16 // factor)


def test_the_bot_keeps_what_is_left_after_the_loan(stage: Stage) -> None:
    lab, bot, owner = stage.lab, stage.bot, stage.accounts[0]
    _break(lab, owner)
    pool, token = stage.pools["WETH", "USDC"].address, lab.market.tokens["USDC"]
    amount = lab.chain.call(lab.market.debt_tokens["USDC"], "balanceOf", owner) // 3
    before = lab.chain.call(token, "balanceOf", bot.contract.address)
    at = lab.chain.now() + 12
    job = bot.job(owner, "WETH", "USDC", amount, pool, loan=amount)
    expected = bot.ask(job, timestamp=at)
    done = bot.liquidate(job)
    assert lab.chain.now() == at
    assert (done.repaid, done.received, done.proceeds) == (amount, expected.received, expected.proceeds)
    assert done.kept == expected.kept == done.proceeds - done.repaid - done.premium
    assert done.premium == -(-amount * 5 // 10_000)
    assert lab.chain.call(token, "balanceOf", bot.contract.address) - before == done.kept > 0
    assert done.gas_used > 300_000
    assert done.gas_price_wei > 0


def test_own_funds_cost_no_premium_and_collateral_may_stay(stage: Stage) -> None:
    lab, bot, owner = stage.lab, stage.bot, stage.accounts[0]
    _break(lab, owner)
    pool = stage.pools["WETH", "USDC"].address
    loaned, own = (bot.ask(bot.job(owner, "WETH", "USDC", 10**9, pool, loan)) for loan in (10**9, 0))
    assert own.premium == 0
    assert own.kept == loaned.kept + loaned.premium
    kept = bot.liquidate(bot.job(owner, "WETH", "USDC", 10**9, ""))
    assert (kept.proceeds, kept.kept) == (0, -(10**9))
    assert lab.chain.call(lab.market.tokens["WETH"], "balanceOf", bot.contract.address) >= kept.received > 0


def test_a_healthy_account_is_refused_with_the_reason(stage: Stage) -> None:
    bot, owner = stage.bot, stage.accounts[0]
    pool = stage.pools["WETH", "USDC"].address
    with pytest.raises(RpcError):
        bot.ask(bot.job(owner, "WETH", "USDC", 10**9, pool))
    with pytest.raises(LabError, match="0x930bb771"):  # HealthFactorNotBelowThreshold()
        bot.liquidate(bot.job(owner, "WETH", "USDC", 10**9, pool))


def test_the_seed_decides_all_of_it(lab_v36: Lab) -> None:
    def hour() -> list[tuple[list[str], dict[str, tuple[int, int]]]]:
        with lab_v36.rewinding():
            truth = Hour(set_stage(lab_v36, SEED), 12, SEED).play()
        return [([each.what for each in block.sent], block.answers) for block in truth.blocks]

    assert hour() == hour()


def test_the_truth_is_every_liquidation_of_the_chain(played: tuple[Lab, Truth]) -> None:
    lab, truth = played
    asked = {"fromBlock": hex(truth.first + 1), "toBlock": hex(truth.last)}

    def hashes(topic: str) -> list[str]:
        return [log["transactionHash"] for log in lab.rpc("eth_getLogs", {**asked, "topics": [topic]})]

    assert hashes(LIQUIDATION_CALL) == [each.hash for _, each in truth.taken]
    assert hashes(REALISED) == [each.hash for _, each in truth.taken if each.realised is not None]
    assert set(hashes(DEFICIT_CREATED)) == {each.hash for _, each in truth.taken if each.deficits}
    assert [block.number for block in truth.blocks] == list(range(truth.first + 1, truth.last + 1))


def test_why_a_liquidation_came_about_is_what_the_contract_said_before(played: tuple[Lab, Truth]) -> None:
    lab, truth = played
    for block, taken in truth.taken:
        before = survey(lab, [taken.borrower], block=block.number - 1)
        assert (taken.why == "told") == (broken(before) == [taken.borrower])
        by_time = survey(lab, [taken.borrower], block=block.number - 1, timestamp=block.timestamp)
        assert (taken.why == "backrun") == (not broken(by_time))


def test_everything_that_an_hour_is_for_happens(played: tuple[Lab, Truth]) -> None:
    _, truth = played
    taken = [each for _, each in truth.taken]
    assert {each.why for each in taken} == {"told", "backrun", "interest"}
    assert {each.flash for each in taken} == {True, False}
    assert any(each.realised is None for each in taken)
    assert any(each.deficits for each in taken)
    assert len(truth.changes) == 11
    sent = {each.what.split()[0] for block in truth.blocks for each in block.sent if each.is_mined}
    assert {"borrow", "repay", "supply", "withdraw", "transfer", "eMode", "arbitrage"} <= sent
    assert sent & {"use", "do"}
    assert any(not each.is_mined for block in truth.blocks for each in block.sent)
    assert any(after == 0 for block in truth.blocks for _, after in block.answers.values())


def test_the_truth_is_kept_line_by_line(played: tuple[Lab, Truth], tmp_path: Path) -> None:
    _, truth = played
    truth.write(tmp_path / "truth.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert [line["number"] for line in lines] == [block.number for block in truth.blocks]
    assert sum(len(line["taken"]) for line in lines) == len(truth.taken)
