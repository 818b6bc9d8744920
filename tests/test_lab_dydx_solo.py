"""The Solo lab holds what it promises: asked of the contracts, not of the plans."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.lab import SoloLab
from tests.lab.chain import DEPLOYER
from tests.lab.contract import PLACEHOLDER, topic
from tests.lab.dydx_solo.actions import deposit, operate, wei
from tests.lab.dydx_solo.lab import UNLIQUIDATABLE
from tests.lab.dydx_solo.last import HELD, OWED
from tests.lab.dydx_solo.plan import GIANT_PAR, SHAPES
from tests.lab.dydx_solo.population import LENDER, SOLID, TRUSTED
from tests.lab.dydx_solo.solo import artifact
from tests.lab.dydx_solo.specs import (
    BY_SYMBOL,
    EARNINGS_RATE,
    IDS,
    LIMITS,
    LIQUIDATION_SPREAD,
    MARGIN_RATIO,
    MARKETS,
    MIN_BORROWED_VALUE,
    WAD,
)
from tests.lab.packages import node_modules
from tests.solo_stage import World, ask_solo

pytestmark = pytest.mark.lab
LATER_S = (1, 1_234_567)
EIP_170_BYTES = 24_576


@pytest.fixture
def lab(lab_dydx_solo: SoloLab) -> SoloLab:
    return lab_dydx_solo


def only(lab: SoloLab, shape: str) -> tuple[str, int]:
    """The first account of a shape."""
    return lab.of_shape(shape)[0].info


def signatures(abi: tuple[object, ...]) -> dict[str, tuple[object, ...]]:
    """Topic of each event to its name and which of its arguments are indexed."""
    found: dict[str, tuple[object, ...]] = {}
    for item in abi:
        assert isinstance(item, dict)
        if item["type"] == "event":
            types = ",".join(spelled(each) for each in item["inputs"])
            indexed = tuple(each["indexed"] for each in item["inputs"])
            found[topic(f"{item['name']}({types})")] = (item["name"], indexed)
    return found


def spelled(entry: dict[str, object]) -> str:
    """An ABI type, tuples by their parts."""
    parts = entry.get("components")
    return f"({','.join(map(spelled, parts))})" if isinstance(parts, list) else str(entry["type"])


def test_solo_margin_is_dydx_s_own_bytecode(lab: SoloLab) -> None:
    """But for the addresses of the two libraries, one of which is ours."""
    path = node_modules() / "@dydxprotocol/solo/dist/build/published_contracts/SoloMargin.json"
    published: str = json.loads(path.read_bytes())["deployedBytecode"][2:]
    deployed: str = lab.rpc("eth_getCode", lab.solo_margin, "latest")[2:]
    libraries: dict[str, str] = {}
    for place in PLACEHOLDER.finditer(published):
        linked = deployed[slice(*place.span())]
        assert libraries.setdefault(place[0].strip("_"), linked) == linked
        deployed = deployed[: place.start()] + place[0] + deployed[place.end() :]
    assert deployed == published
    assert libraries["OperationImpl"] == lab.solo.operations.address[2:].lower()
    code = {name: lab.rpc("eth_getCode", f"0x{at}", "latest")[2:] for name, at in libraries.items()}
    own = libraries["AdminImpl"]
    assert code["AdminImpl"][2:42] == own, "a library begins with its own address"
    assert code["AdminImpl"][42:] in artifact("AdminImpl").bytecode
    assert max(len(each) for each in code.values()) // 2 < EIP_170_BYTES


def test_our_operations_log_what_dydx_s_do(lab: SoloLab) -> None:
    """Names, types, order and which arguments are indexed, by the ABI of dYdX's Events."""
    published = signatures(artifact("Events").abi)
    assert published
    assert signatures(lab.solo.operations.abi) == published


def test_the_markets_are_as_specified(lab: SoloLab) -> None:
    assert lab.ask("getNumMarkets") == len(MARKETS)
    assert lab.ask("getRiskParams") == (
        (MARGIN_RATIO,), (LIQUIDATION_SPREAD,), (EARNINGS_RATE,), (MIN_BORROWED_VALUE,),
    )  # fmt: skip
    assert lab.ask("getRiskLimits") == LIMITS
    for spec in MARKETS:
        market = IDS[spec.symbol]
        token = lab.solo.tokens[spec.symbol]
        assert lab.ask("getMarketTokenAddress", market) == token.address.lower()
        assert lab.chain.call(token, "symbol") == spec.symbol
        assert lab.chain.call(token, "decimals") == spec.decimals
        assert lab.price(spec.symbol) == spec.price("final")
        assert lab.ask("getMarketMarginPremium", market) == (spec.margin_premium,)
        assert lab.ask("getMarketSpreadPremium", market) == (spec.spread_premium,)
        assert lab.ask("getMarketIsClosing", market) is spec.closes
        borrow, supply, _ = lab.ask("getMarketCachedIndex", market)
        assert borrow > supply > WAD


def test_indices_stand_still_in_all_but_two_markets(lab: SoloLab) -> None:
    now = lab.time()
    ages = {symbol: now - lab.ask("getMarketCachedIndex", market)[2] for symbol, market in IDS.items()}
    assert {symbol for symbol, age in ages.items() if age == 0} == {HELD, OWED}
    assert min(age for age in ages.values() if age) > 20 * 86_400


@pytest.mark.parametrize("seconds", LATER_S)
def test_our_accrual_is_what_dydx_s_getter_foretold(lab: SoloLab, seconds: int) -> None:
    """getMarketCurrentIndex is SoloMargin's own code; what operate stores is ours."""
    at = lab.time() + seconds
    foretold = [lab.ask("getMarketCurrentIndex", market, timestamp=at) for market in IDS.values()]
    touches = [deposit(0, symbol, wei(0), TRUSTED) for symbol in IDS]
    with lab.rewinding():
        before = [lab.ask("getMarketCachedIndex", market) for market in IDS.values()]
        lab.chain.send_all([operate(lab.solo.margin, TRUSTED, [(TRUSTED, 5)], touches)], at)
        stored = [lab.ask("getMarketCachedIndex", market) for market in IDS.values()]
    assert stored == foretold
    assert {then[2] for then in stored} == {at}
    assert sum(was[0] != then[0] for was, then in zip(before, stored, strict=True)) >= 2


def test_the_pars_of_all_accounts_are_the_totals(lab: SoloLab) -> None:
    supplied: Counter[str] = Counter()
    owed: Counter[str] = Counter()
    for account in (*(user.info for user in lab.users), SOLID, LENDER):
        for symbol, par in lab.pars(account).items():
            (supplied if par > 0 else owed)[symbol] += abs(par)
    for symbol, market in IDS.items():
        assert lab.ask("getMarketTotalPar", market) == (owed[symbol], supplied[symbol])


def test_every_shape_is_there_and_most_accounts_have_company(lab: SoloLab) -> None:
    assert {user.shape for user in lab.users} == set(SHAPES)
    names = {user.name for user in lab.users}
    assert len(names) == len(lab.users) >= 300
    owners = Counter(user.owner for user in lab.users)
    assert max(owners.values()) >= 3
    numbers = {user.number for user in lab.users}
    assert {0, 1, 2**200, 2**256 - 1} <= numbers


def test_each_shape_is_what_it_says(lab: SoloLab) -> None:
    pars = {user.name: lab.pars(user.info) for user in lab.users}
    status = {user.name: lab.status(user.info) for user in lab.users}
    for user in lab.users:
        held = {symbol for symbol, par in pars[user.name].items() if par > 0}
        owed = {symbol for symbol, par in pars[user.name].items() if par < 0}
        if user.shape == "emptied":
            assert not held | owed
        elif user.shape in ("supply", "one-wei", "repaid", "giant-lender"):
            assert held
            assert not owed
        elif user.shape in ("sunk", "vapor"):
            assert (held, owed, status[user.name]) == (set(), {"DAI"}, {"sunk": 1, "vapor": 2}[user.shape])
        elif user.shape == "vaporized":
            assert (held, owed, status[user.name]) == (set(), set(), 2)
        else:
            assert held
            assert owed
            assert status[user.name] == (1 if user.shape == "liquidated" else 0)
    for user in lab.of_shape("everywhere"):
        assert set(pars[user.name]) == set(IDS)
    for shape, symbol in (("giant", "SAI"), ("giant-lender", "REP")):
        (giant,) = lab.of_shape(shape)
        assert pars[giant.name][symbol] > GIANT_PAR * 9 // 10
    dust = [abs(par) for user in lab.of_shape("dust") for par in pars[user.name].values() if par < 0]
    assert 0 < max(dust) <= 3


def test_those_made_in_the_last_block_are_at_their_threshold_or_beside_it(lab: SoloLab) -> None:
    now = lab.time()
    for shape, low, high in (
        ("exact", 0, 0),
        ("exact-rich", 1, 3 * 10**30),
        ("exact-short", -3 * 10**30, -1),
        ("exact-owing", -(10**19), -1),
    ):
        users = lab.of_shape(shape)
        assert len(users) >= 2
        for said in ask_solo(lab, [World(user.info, {}, now) for user in users]):
            held, owed = said.adjusted
            assert low <= held - owed - owed * MARGIN_RATIO // WAD <= high
            assert said.liquidatable is (low < 0)
    (said,) = ask_solo(lab, [World(only(lab, "exact"), {}, now + 1)])
    assert said.liquidatable, "one second of interest is too much"


def test_interest_that_is_not_stored_decides_for_some(lab: SoloLab) -> None:
    now = lab.time()
    stored = ask_solo(lab, [World(user.info, {}, None) for user in lab.users])
    accrued = ask_solo(lab, [World(user.info, {}, now) for user in lab.users])
    pairs = zip(stored, accrued, strict=True)
    assert sum(was.liquidatable != then.liquidatable for was, then in pairs) >= 4


def test_healthy_and_liquid_accounts_are_liquidated_all_the_same(lab: SoloLab) -> None:
    found = 0
    for user in lab.of_shape("liquidated"):
        held, owed = lab.values(user.info, accrued=True)
        if held >= owed + owed * MARGIN_RATIO // WAD:
            assert lab.is_liquidatable(user.info)
            with lab.rewinding():
                lab.set_status(user.info, 0)
                assert lab.refusal(user.info).startswith(UNLIQUIDATABLE)
            found += 1
    assert found >= 2


def test_the_logs_name_everybody(lab: SoloLab) -> None:
    """Whoever has or had a balance, and one who deposited nothing; each action but Call is there."""
    published = signatures(artifact("Events").abi)
    two = {"LogTransfer", "LogTrade", "LogLiquidate", "LogVaporize"}
    named: set[tuple[str, int]] = set()
    seen: Counter[str] = Counter()
    for log in lab.rpc("eth_getLogs", {"address": lab.solo_margin, "fromBlock": "0x0", "toBlock": "latest"}):
        kind = published.get(log["topics"][0], ("", ()))[0]
        seen[str(kind)] += 1
        words = [int(log["data"][start : start + 64], 16) for start in range(2, len(log["data"]), 64)]
        if kind in two:
            named |= {(f"0x{log['topics'][k + 1][26:]}", words[k]) for k in (0, 1)}
        elif kind in ("LogDeposit", "LogWithdraw", "LogBuy", "LogSell"):
            named.add((f"0x{log['topics'][1][26:]}", words[0]))
    everybody = [*(user.info for user in lab.users), SOLID, LENDER, (DEPLOYER, 0)]
    assert named == {(owner.lower(), number) for owner, number in everybody}
    assert min(seen[f"Log{name}"] for name in ("Buy", "Sell", "Trade", "Transfer", "Vaporize")) >= 2
    assert seen["LogLiquidate"] >= 10


def test_prices_are_dollars_of_36_decimals_less_the_token_s() -> None:
    assert BY_SYMBOL["USDC"].price("final") == 10**30
    assert BY_SYMBOL["WBTC"].price("final") == 941_163_880_021 * 10**20
