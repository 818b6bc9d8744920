"""The seeded subaccounts are what they promise to be."""

from __future__ import annotations

from collections import Counter
from functools import cache

from defiliq.chain.gob import decode_gob_int
from tests.dydx.parameters import contracts, facts
from tests.dydx.population import FIRST_ISOLATED, MOST_POSITIONS, Population, population

COUNT = 2_000


@cache
def made() -> Population:
    return population(COUNT, seed=7)


def test_the_same_seed_gives_the_same_chain_and_another_does_not() -> None:
    again = population(COUNT, seed=7)
    assert again.subaccounts == made().subaccounts
    assert again.perpetuals == made().perpetuals
    assert population(COUNT, seed=8).subaccounts != made().subaccounts


def test_what_is_long_is_short_and_is_the_open_interest() -> None:
    net: Counter[int] = Counter()
    longs: Counter[int] = Counter()
    for subaccount in made().subaccounts:
        for position in subaccount.perpetual_positions:
            size = decode_gob_int(position.quantums)
            assert size != 0
            net[position.perpetual_id] += size
            longs[position.perpetual_id] += max(size, 0)
    assert set(net.values()) == {0}
    for perpetual in made().perpetuals:
        assert decode_gob_int(perpetual.open_interest) == longs[perpetual.params.id] > 0


def test_every_subaccount_is_one_of_its_own_and_keeps_the_chains_rules() -> None:
    isolated = {each.id for each in contracts() if each.is_isolated}
    ids = [(each.id.owner, each.id.number) for each in made().subaccounts]
    assert len(ids) == len(set(ids)) >= COUNT
    owners = Counter(owner for owner, _ in ids)
    assert max(owners.values()) == 3
    for subaccount in made().subaccounts:
        held = [position.perpetual_id for position in subaccount.perpetual_positions]
        assert held == sorted(set(held)), "the chain keeps positions by rising id, each once"
        if isolated & set(held):
            assert len(held) == 1
            assert subaccount.id.number >= FIRST_ISOLATED
        assert subaccount.id.number <= 128_000
        assert len(subaccount.asset_positions) <= 1


def test_there_are_all_kinds() -> None:
    known = {each.id: each for each in contracts()}
    index = {each.params.id: decode_gob_int(each.funding_index) for each in made().perpetuals}
    kinds: Counter[str] = Counter()
    sizes: Counter[int] = Counter()
    for subaccount in made().subaccounts:
        usdc = sum(decode_gob_int(each.quantums) for each in subaccount.asset_positions)
        net, maintenance = usdc, 0
        for position in subaccount.perpetual_positions:
            size = decode_gob_int(position.quantums)
            pending = (decode_gob_int(position.funding_index) - index[position.perpetual_id]) * size
            contract = known[position.perpetual_id]
            net += contract.notional(size) + decode_gob_int(position.quote_balance) + pending // 10**6
            maintenance += contract.maintenance(size)
            kinds["long" if size > 0 else "short"] += 1
            kinds["pays funding"] += pending < 0
            kinds["receives funding"] += pending > 0
            kinds["whale"] += abs(size) > 1 << 64
            kinds["dust"] += abs(size) < contract.step
            kinds["quote balance"] += position.quote_balance != b"\x02"
        sizes[len(subaccount.perpetual_positions)] += 1
        kinds["negative USDC"] += usdc < 0
        kinds["liquidatable"] += maintenance > net
        kinds["bankrupt"] += net < 0
        kinds["within 2% of liquidation"] += bool(maintenance) and abs(net - maintenance) * 50 < maintenance
        kinds["isolated"] += subaccount.id.number >= FIRST_ISOLATED
    assert set(range(MOST_POSITIONS + 1)) <= set(sizes)
    wanted = "long short pays:funding receives:funding whale dust quote:balance negative:USDC liquidatable"
    for kind in [*(word.replace(":", " ") for word in wanted.split()), "bankrupt", "isolated"]:
        assert kinds[kind] >= 5, kind
    assert kinds["within 2% of liquidation"] >= COUNT // 40
    assert kinds["liquidatable"] < COUNT // 4


def test_the_parameters_fit_together() -> None:
    markets = {each["id"]: each for each in facts()["market_prices"]}
    tiers = {each["id"] for each in facts()["liquidity_tiers"]}
    paired = {each["perpetual_id"] for each in facts()["clob_pairs"]}
    assert len(facts()["perpetuals"]) == 35
    for each in facts()["perpetuals"]:
        assert markets[each["market_id"]]["price"] > 0
        assert each["liquidity_tier"] in tiers
        assert each["id"] in paired
    for param in facts()["market_params"]:
        assert markets[param["id"]]["exponent"] == param["exponent"]
