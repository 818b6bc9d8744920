"""What `after` says of an account is what the contracts leave of it: every leg, read again from the chain."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from defiliq.chain.evm import connect
from defiliq.protocols.aave_v3 import AaveMarket
from defiliq.protocols.aave_v3.rules_take import FIRST_WHOLE_DEBT_REVISION
from defiliq.protocols.compound_v2 import CompoundMarket
from defiliq.protocols.compound_v3 import CometMarket
from defiliq.protocols.dydx_solo import SoloMarket
from defiliq.types import Account, Liquidation, Listing, Market
from defiliq.units import MAX_UINT256
from tests.aftermath import Done, Scene, drawn, in_one_block, keys, liquidated
from tests.lab import CometLab, CompoundV2Lab, Lab, SoloLab
from tests.lab.chain import Tx
from tests.lab.compound_v2.listing import NATIVE
from tests.lab.dydx_solo.actions import deposit, liquidate, operate, wei
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.node import BLOCK_SECONDS
from tests.protocols.aave_v3.stage import open_position
from tests.protocols.compound_v2.stage import in_blocks, listing_of
from tests.protocols.compound_v3 import stage as comet_stage
from tests.solo_stage import info_of, keys_of
from tests.solo_stage import listing_of as solo_listing
from tests.takings import cover, sole

pytestmark = pytest.mark.lab
WORLDS, ROUNDS = 6, 3
DUSTY: dict[str, tuple[dict[str, int], dict[str, int]]] = {
    "two near": ({"WETH": 9 * 10**17, "WBTC": 5 * 10**6}, {"USDC": 3_900 * 10**6}),
    "two debts": ({"WETH": 28 * 10**17}, {"USDC": 2_610 * 10**6, "GHO": 2_700 * 10**18}),
    "cents": ({"WETH": 4 * 10**13}, {"USDC": 50_000}),
}
"""Supplies and debts around the limits of Aave's dust rule, and dust itself."""


def later(market: Market) -> Market:
    return market.at_time(market.timestamp + BLOCK_SECONDS)


@contextmanager
def aave(lab: Lab, *, in_a_tokens: bool = False) -> Iterator[Scene]:
    listing = Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})
    whales = {user.owner for user in lab.users if user.shape.startswith("whale")}

    def call(account: Account, market: AaveMarket, taken: Liquidation) -> Tx:
        named = (market.reserves[k].asset for k in (sole(taken).reserve, taken.repay_reserve))
        is_paid_so = in_a_tokens or account.owner in whales
        given = (*named, account.owner, cover(taken), is_paid_so)
        return Tx(LIQUIDATOR, lab.market.pool, "liquidationCall", given)

    with connect(lab.url, retries=0) as node:
        yield Scene(lab, node, listing, keys(AaveMarket, lab.owners), call, later)


@contextmanager
def comet(lab: CometLab, name: str) -> Iterator[Scene]:
    listing = comet_stage.listing_of(lab, name)

    def call(account: Account, market: CometMarket, taken: Liquidation) -> Tx:
        return Tx(LIQUIDATOR, lab.markets[name].contract, "absorb", (LIQUIDATOR, [account.owner]))

    with connect(lab.url, retries=0) as node:
        yield Scene(lab, node, listing, keys(CometMarket, lab.owners(name)), call, later)


@contextmanager
def solo(lab: SoloLab) -> Iterator[Scene]:
    def call(account: Account, market: SoloMarket, taken: Liquidation) -> Tx:
        held_by = {leg.reserve for leg in account.legs}
        nothing = next((k for k in range(len(market.reserves)) if k not in held_by), 0)
        held = sole(taken).reserve if taken.seizures else nothing
        owed, taken_of = (market.reserves[k].symbol for k in (taken.repay_reserve, held))
        amount = wei(cover(taken) if taken.seizures else 10**18)
        actions = [deposit(0, owed, amount, LIQUIDATOR), liquidate(0, 1, owed, taken_of, amount)]
        return operate(lab.solo.margin, LIQUIDATOR, (lab.liquidator, info_of(account.owner)), actions)

    with connect(lab.url, retries=0) as node:
        yield Scene(lab, node, solo_listing(lab), keys_of(lab), call, later)


@contextmanager
def compound_v2(lab: CompoundV2Lab) -> Iterator[Scene]:
    names = {address: symbol for symbol, address in lab.markets.items()}

    def call(account: Account, market: CompoundMarket, taken: Liquidation) -> Tx:
        debt, held = market.reserves[taken.repay_reserve], market.reserves[sole(taken).reserve]
        contract = lab.market.markets[names[debt.c_token]]
        if names[debt.c_token] == NATIVE:
            return Tx(LIQUIDATOR, contract, "liquidateBorrow", (account.owner, held.c_token), cover(taken))
        return Tx(LIQUIDATOR, contract, "liquidateBorrow", (account.owner, cover(taken), held.c_token))

    first = tuple(Tx(LIQUIDATOR, each, "accrueInterest", ()) for each in lab.market.markets.values())
    owners = keys(CompoundMarket, lab.owners)
    with connect(lab.url, retries=0) as node:
        yield Scene(lab, node, listing_of(lab), owners, call, lambda market: in_blocks(market, 1), first)


SCENES: dict[str, tuple[str, Callable[[Any], AbstractContextManager[Scene]]]] = {
    "Aave v3.6": ("lab_v36", aave),
    "Aave v3.6, in aTokens": ("lab_v36", partial(aave, in_a_tokens=True)),
    "Aave v3.0": ("lab_v30", aave),
    "Compound v2": ("lab_compound_v2", compound_v2),
    "Comet of USDC": ("lab_compound_v3", partial(comet, name="usdc")),
    "Comet of WETH": ("lab_compound_v3", partial(comet, name="weth")),
    "Solo": ("lab_dydx_solo", solo),
}
AGAIN = {"again", "a third time", "a debt cleared"}
SHOWN = {
    "Aave v3.6": AGAIN | {"fee", "a leg that counts no more", "nothing left"},
    "Aave v3.6, in aTokens": AGAIN | {"fee", "nothing left"},
    "Aave v3.0": AGAIN | {"fee", "a leg that counts no more", "stable rate", "stable rate in part"},
    "Compound v2": {"again", "a third time", "a supply gone", "dust"},
    "Comet of USDC": {"nothing left", "a balance left"},
    "Comet of WETH": {"nothing left", "a balance left"},
    "Solo": AGAIN | {"only the status"},
}
"""What the liquidations of each are examples of, besides what those of all are."""
SHOWN_BY_ALL = {"bad debt", "several collaterals"}


def kinds(done: Done) -> Counter[str]:
    """What a liquidation is an example of."""
    taken, left = done.taken, {leg.reserve: leg for leg in done.expected.legs}
    owed = [leg for leg in done.before.legs if leg.debt or leg.stable is not None]
    repaid = next(leg for leg in owed if leg.reserve == taken.repay_reserve)
    stable_left = left[repaid.reserve].stable if repaid.reserve in left else None
    seen = {
        "all": True,
        "again": done.earlier == 1,
        "a third time": done.earlier > 1,
        "nothing left": not left,
        "a balance left": len(left) == 1 and not any(leg.debt for leg in left.values()),
        "bad debt": taken.bad_debt_base > 0,
        "fee": any(one.protocol_fee for one in taken.seizures),
        "a debt cleared": taken.repaid > 0 and repaid.reserve not in left and len(left) > 0,
        "several collaterals": sum(leg.counted and leg.collateral > 0 for leg in done.before.legs) > 1,
        "a leg that counts no more": any(
            was.counted and was.reserve in left and not left[was.reserve].counted for was in done.before.legs
        ),
        "dust": 0 < taken.repaid_base < done.market.base_unit,
        "a supply gone": any(leg.collateral and leg.reserve not in left for leg in done.before.legs),
        "only the status": taken.repaid == 0,
        "stable rate": repaid.stable is not None,
        "stable rate in part": repaid.stable not in (None, stable_left) and stable_left is not None,
    }
    return Counter(kind for kind, holds in seen.items() if holds)


@pytest.mark.parametrize("name", SCENES)
def test_each_leaves_what_is_said(request: pytest.FixtureRequest, name: str) -> None:
    """In worlds of drawn prices: whoever can be liquidated is, all in one block, then whoever still can."""
    fixture, opened = SCENES[name]
    draw, seen = random.Random(5), Counter[str]()
    with opened(request.getfixturevalue(fixture)) as scene:
        for _ in range(WORLDS):
            with scene.lab.rewinding():
                scene.put(drawn(scene, draw))
                for done in liquidated(scene, ROUNDS):
                    assert done.found == done.expected, (done.before, done.taken)
                    seen += kinds(done)
    print(name, dict(seen))
    assert seen["all"] >= 100
    assert SHOWN[name] | SHOWN_BY_ALL <= set(seen)


@pytest.mark.parametrize("name", [name for name in SCENES if name != "Aave v3.6"])  # its pool runs dry
def test_one_after_another_in_one_block_and_one_market(request: pytest.FixtureRequest, name: str) -> None:
    """Up to four of each account, each of what `after` says of the one before: nothing is read between."""
    fixture, opened = SCENES[name]
    draw, times = random.Random(6), Counter[int]()
    with opened(request.getfixturevalue(fixture)) as scene:
        for _ in range(2):
            with scene.lab.rewinding():
                scene.put(drawn(scene, draw))
                for expected, found, count in in_one_block(scene, 4):
                    assert found == expected
                    times[count] += 1
    print(name, dict(times))
    assert sum(times.values()) >= 30
    assert name.startswith("Comet") or times[4] >= 1


@pytest.mark.parametrize("fixture", ["lab_v36", "lab_v30"])
def test_little_ones(request: pytest.FixtureRequest, fixture: str) -> None:
    """Where all that the close factor allows would leave dust, less is repaid; and cents."""
    lab: Lab = request.getfixturevalue(fixture)
    seen = Counter[str]()
    with lab.rewinding(), aave(lab) as scene:
        owners = [open_position(lab, name, *legs) for name, legs in DUSTY.items()]
        some = replace(scene, owners=keys(AaveMarket, owners))
        spot = scene.spots()["ETH/USD"]
        for percent in range(98, 28, -4):
            with lab.rewinding():
                scene.put({"ETH/USD": spot * percent // 100})
                for done in liquidated(some, ROUNDS):
                    assert done.found == done.expected, (done.before, done.taken)
                    seen += kinds(done)
                    seen["less"] += done.taken.debt_to_cover != MAX_UINT256
    print(fixture, dict(seen))
    assert seen["all"] >= 15
    assert {"dust", "bad debt", "again"} <= set(seen)
    assert (seen["less"] > 0) == (lab.revision >= FIRST_WHOLE_DEBT_REVISION)
