"""What people do in a market: real actions, drawn at random, several in one block."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.lab.chain import DEPLOYER, GAS, MAX_UINT256, Chain, Tx
from tests.lab.compound_v2 import CompoundV2Lab
from tests.lab.compound_v2.listing import NATIVE
from tests.lab.compound_v2.market import FAILURE
from tests.lab.compound_v2.population import allocate, approval
from tests.lab.compound_v3 import CometLab
from tests.lab.contract import Contract
from tests.lab.dydx_solo import SoloLab
from tests.lab.dydx_solo.actions import NOTHING, Info, deposit, liquidate, operate, transfer, wei, withdraw
from tests.lab.dydx_solo.specs import BY_SYMBOL as SOLO_MARKETS
from tests.lab.lab import Lab
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.node import RpcError
from tests.lab.population import fund
from tests.lab.reserves import BY_SYMBOL

Kind: TypeAlias = Callable[[random.Random], Tx]
"""Draws one action of a kind; it need not be possible."""
TRIES = 40
"""Draws of one kind until one is possible."""
RICH_WEI = 10**32
STABLE, VARIABLE = 1, 2


@dataclass(frozen=True)
class Acting:
    """A market and what may happen in it."""

    chain: Chain
    kinds: Mapping[str, Kind]
    fails_silently: bool = False
    """Whether a refusal is an answer other than 0 instead of a revert (Compound v2)."""
    done: Counter[str] = field(default_factory=Counter)
    """How many actions of each kind went through."""

    def block(self, draw: random.Random, count: int, only: Sequence[str] = ()) -> list[str]:
        """One block with up to so many actions, of any kind or of some; what went through.

        Each is possible before the block; one before it in the block may still have spoilt it.
        """
        chosen = [
            (kind, tx) for kind, tx in (self._drawn(draw, only) for _ in range(count)) if tx is not None
        ]
        receipts = self.chain.mine_all([self.chain.request(tx) for _, tx in chosen])
        through = [kind for (kind, _), seen in zip(chosen, receipts, strict=True) if self._succeeded(seen)]
        self.done.update(through)
        return through

    def _drawn(self, draw: random.Random, only: Sequence[str]) -> tuple[str, Tx | None]:
        kind = draw.choice(only or sorted(self.kinds))
        for _ in range(TRIES):
            tx = self.kinds[kind](draw)
            if self._is_possible(tx):
                return kind, tx
        return kind, None

    def _is_possible(self, tx: Tx) -> bool:
        data = tx.contract.data(tx.function, *tx.arguments)
        request = {"from": tx.sender, "to": tx.contract.address, "data": data, "value": hex(tx.value)}
        try:
            answer = self.chain.rpc("eth_call", {**request, "gas": hex(GAS)}, "latest")
        except RpcError:
            return False
        is_code = self.fails_silently and tx.contract.functions[tx.function].outputs == ("uint256",)
        return not (is_code and int(answer, 16))

    def _succeeded(self, receipt: Mapping[str, Any]) -> bool:
        failed = self.fails_silently and any(log["topics"][0] == FAILURE for log in receipt["logs"])
        return int(receipt["status"], 16) == 1 and not failed


def stranger(number: int) -> str:
    """An account that nothing has happened to."""
    return str(to_checksum_address(keccak(text=f"defiliq lab stranger {number}")[-20:]))


def amount_of(draw: random.Random, unit: int) -> int:
    """From a thousandth of a token to ten thousand, or all there is."""
    if draw.random() < 0.2:
        return MAX_UINT256
    return draw.randrange(1, 1_000) * unit * int(10 ** draw.randrange(5)) // 1_000


def aave(lab: Lab, people: Sequence[str]) -> Acting:
    """Everything that moves accounts of an Aave market, by some people and whomever they name."""
    for person in people:
        fund(lab.chain, lab.market, person)
    fund(lab.chain, lab.market, LIQUIDATOR)
    pool, market = lab.market.pool, lab.market
    symbols, listed = sorted(BY_SYMBOL), [*BY_SYMBOL]
    reached = [*people, *(stranger(k) for k in range(3))]

    def of_pool(function: str, *given: Callable[[random.Random, str, str], object]) -> Kind:
        def drawn(draw: random.Random) -> Tx:
            who, symbol = draw.choice(people), draw.choice(symbols)
            return Tx(who, pool, function, tuple(each(draw, who, symbol) for each in given))

        return drawn

    def asset(_: random.Random, __: str, symbol: str) -> object:
        return market.tokens[symbol].address

    def amount(draw: random.Random, _: str, symbol: str) -> object:
        return amount_of(draw, BY_SYMBOL[symbol].unit)

    def anybody(draw: random.Random, _: str, __: str) -> object:
        return draw.choice(reached)

    def oneself(_: random.Random, who: str, __: str) -> object:
        return who

    def rate(draw: random.Random, _: str, __: str) -> object:
        return draw.choice((STABLE, VARIABLE)) if market.stable_debt_tokens else VARIABLE

    def zero(_: random.Random, __: str, ___: str) -> object:
        return 0

    def is_no_collateral(_: random.Random, who: str, symbol: str) -> object:
        (bits,) = lab.chain.call(pool, "getUserConfiguration", who)
        return not bits >> 2 * listed.index(symbol) + 1 & 1

    def another_emode(draw: random.Random, who: str, _: str) -> object:
        used = int(lab.chain.call(pool, "getUserEMode", who))
        return draw.choice([mode for mode in range(4) if mode != used])

    def handed(draw: random.Random) -> Tx:
        who, symbol = draw.choice(people), draw.choice(symbols)
        held = lab.chain.call(market.a_tokens[symbol], "balanceOf", who)
        part = draw.choice((held, held // 3, 1))
        return Tx(who, market.a_tokens[symbol], "transfer", (draw.choice(reached), part))

    def delegated(draw: random.Random) -> Tx:
        symbol = draw.choice(symbols)
        given = draw.choice(people), MAX_UINT256 // 2
        return Tx(draw.choice(people), market.debt_tokens[symbol], "approveDelegation", given)

    def liquidated(draw: random.Random) -> Tx:
        ends = tuple(market.tokens[symbol].address for symbol in draw.sample(symbols, 2))
        covered = amount_of(draw, BY_SYMBOL["USDC"].unit)
        given = (*ends, draw.choice(lab.owners), covered, draw.random() < 0.5)
        return Tx(LIQUIDATOR, pool, "liquidationCall", given)

    kinds: dict[str, Kind] = {
        "supply": of_pool("supply", asset, amount, anybody, zero),
        "withdraw": of_pool("withdraw", asset, amount, anybody),
        "borrow": of_pool("borrow", asset, amount, rate, zero, oneself),
        "borrow for another": of_pool("borrow", asset, amount, rate, zero, anybody),
        "repay": of_pool("repay", asset, amount, rate, anybody),
        "repay own": of_pool("repay", asset, amount, rate, oneself),
        "repay with aTokens": of_pool("repayWithATokens", asset, amount, rate),
        "flag": of_pool("setUserUseReserveAsCollateral", asset, is_no_collateral),
        "eMode": of_pool("setUserEMode", another_emode),
        "transfer": handed,
        "delegate": delegated,
        "liquidate": liquidated,
        "treasury": lambda draw: Tx(
            DEPLOYER, pool, "mintToTreasury", ([market.tokens[draw.choice(symbols)].address],)
        ),
    }
    if market.stable_debt_tokens:
        kinds["swap rate"] = of_pool("swapBorrowRateMode", asset, rate)
    return Acting(lab.chain, kinds)


def compound_v2(lab: CompoundV2Lab, people: Sequence[str]) -> Acting:
    """Everything that moves accounts of a Compound v2 market but redeeming, for which Venus' tokens ask their
    Comptroller for a fee that this lab's does not know."""
    market, chain = lab.market, lab.chain
    everybody = [*people, LIQUIDATOR]
    chain.rpc.batch([("anvil_setBalance", (each, hex(RICH_WEI))) for each in everybody])
    owned = [(who, symbol, 10**30) for who in everybody for symbol in market.tokens]
    allocate(chain, market, owned)
    chain.send_in_blocks([approval(market, who, symbol) for who, symbol, _ in owned])
    symbols = sorted(market.markets)
    reached = [*people, *(stranger(k) for k in range(3))]

    def paid(function: str, *more: object, whole: bool = False) -> Kind:
        """An action whose amount goes with it where it is the chain's own coin."""

        def drawn(draw: random.Random) -> Tx:
            symbol, amount = draw.choice(symbols), amount_of(draw, 10 ** draw.choice((6, 8, 18)))
            named = tuple(draw.choice(reached) for _ in more)
            if symbol == NATIVE:
                coins = min(amount, 10**20)
                return Tx(draw.choice(people), market.markets[symbol], function, named, coins)
            bounded = amount if whole else min(amount, 10**24)
            return Tx(draw.choice(people), market.markets[symbol], function, (*named, bounded))

        return drawn

    def drawn_out(function: str) -> Kind:
        def drawn(draw: random.Random) -> Tx:
            who, contract = draw.choice(people), market.markets[draw.choice(symbols)]
            held = int(chain.call(contract, "balanceOf", who))
            part = draw.choice((held, held // 3, amount_of(draw, 10 ** draw.choice((6, 8, 18)))))
            return Tx(who, contract, function, (min(part, 10**30),))

        return drawn

    def handed(draw: random.Random) -> Tx:
        who, contract = draw.choice(people), market.markets[draw.choice(symbols)]
        held = int(chain.call(contract, "balanceOf", who))
        return Tx(who, contract, "transfer", (draw.choice(reached), draw.choice((held, held // 3))))

    def entered(draw: random.Random) -> Tx:
        named = [market.markets[symbol].address for symbol in draw.sample(symbols, 2)]
        return Tx(draw.choice(people), market.comptroller, "enterMarkets", (named,))

    def left(draw: random.Random) -> Tx:
        named = market.markets[draw.choice(symbols)].address
        return Tx(draw.choice(people), market.comptroller, "exitMarket", (named,))

    def liquidated(draw: random.Random) -> Tx:
        debt, held = draw.sample([each for each in symbols if each != NATIVE], 2)
        given = draw.choice(lab.owners), draw.randrange(1, 10**9), market.markets[held].address
        return Tx(LIQUIDATOR, market.markets[debt], "liquidateBorrow", given)

    kinds: dict[str, Kind] = {
        "mint": paid("mint"),
        "borrow": drawn_out("borrow"),
        "repay": paid("repayBorrow", whole=True),
        "repay for another": paid("repayBorrowBehalf", "borrower", whole=True),
        "transfer": handed,
        "enter": entered,
        "leave": left,
        "liquidate": liquidated,
        "accrue": lambda draw: Tx(DEPLOYER, market.markets[draw.choice(symbols)], "accrueInterest", ()),
    }
    return Acting(chain, kinds, fails_silently=True)


def comet(lab: CometLab, name: str, people: Sequence[str]) -> Acting:
    """Everything that moves accounts of a Comet. "pay a debtor" is what its logs do not tell."""
    market, chain = lab.markets[name], lab.chain
    contract, base = market.contract, market.base.address
    units = {base: market.spec.base.unit}
    units |= {market.tokens[each.symbol].address: each.unit for each in market.spec.collaterals}
    tokens: list[Contract] = [market.base, *market.tokens.values()]
    everybody = [*people, LIQUIDATOR]
    chain.rpc.batch([("anvil_setBalance", (each, hex(10**22))) for each in everybody])
    chain.send_in_blocks([Tx(DEPLOYER, one, "mint", (who, 10**29)) for who in everybody for one in tokens])
    allow = (contract.address, MAX_UINT256)
    chain.send_in_blocks([Tx(who, one, "approve", allow) for who in everybody for one in tokens])
    reached, assets = [*people, *(stranger(k) for k in range(3))], sorted(units)

    def of_asset(function: str, *, is_base: bool, named: bool) -> Kind:
        def drawn(draw: random.Random) -> Tx:
            asset = base if is_base else draw.choice(assets)
            amount = amount_of(draw, units[asset])
            given = (draw.choice(reached),) if named else ()
            return Tx(draw.choice(people), contract, function, (*given, asset, amount))

        return drawn

    def handed_on(draw: random.Random) -> Tx:
        asset = draw.choice([each for each in assets if each != base])
        who, amount = draw.choice(people), amount_of(draw, units[asset])
        return Tx(who, contract, "transferAsset", (draw.choice(reached), asset, amount))

    kinds: dict[str, Kind] = {
        "supply": of_asset("supply", is_base=False, named=False),
        "supply to": of_asset("supplyTo", is_base=False, named=True),
        "pay back": of_asset("supply", is_base=True, named=False),
        "withdraw": of_asset("withdraw", is_base=False, named=False),
        "borrow": of_asset("withdraw", is_base=True, named=False),
        "hand on": handed_on,
        "pay somebody": of_asset("transferAsset", is_base=True, named=True),
        "accrue": lambda draw: Tx(DEPLOYER, contract, "accrueAccount", (draw.choice(reached),)),
        "absorb": lambda draw: Tx(
            LIQUIDATOR, contract, "absorb", (LIQUIDATOR, [draw.choice(lab.owners(name))])
        ),
    }
    return Acting(chain, kinds)


def solo(lab: SoloLab, accounts: Sequence[Info]) -> Acting:
    """Everything that moves accounts of Solo Margin but trades with contracts."""
    margin, chain, tokens = lab.solo.margin, lab.chain, lab.solo.tokens
    owners = sorted({owner for owner, _ in accounts} | {LIQUIDATOR})
    chain.rpc.batch([("anvil_setBalance", (each, hex(10**22))) for each in owners])
    chain.through_multicall([(one, "mint", (who, 10**30)) for who in owners for one in tokens.values()])
    allow = (margin.address, MAX_UINT256)
    chain.send_in_blocks([Tx(who, one, "approve", allow) for who in owners for one in tokens.values()])
    symbols, reached = sorted(tokens), [*accounts, *((stranger(k), k) for k in range(3))]

    def amount(draw: random.Random, symbol: str) -> int:
        return min(10**24, amount_of(draw, SOLO_MARKETS[symbol].unit))

    def moved(sign: int) -> Kind:
        def drawn(draw: random.Random) -> Tx:
            who, symbol = draw.choice(accounts), draw.choice(symbols)
            wanted = draw.choice((NOTHING, wei(sign * amount(draw, symbol))))
            make = deposit if sign > 0 else withdraw
            return operate(margin, who[0], (who,), [make(0, symbol, wanted, who[0])])

        return drawn

    def handed(draw: random.Random) -> Tx:
        one, symbol = draw.choice(accounts), draw.choice(symbols)
        other = draw.choice([each for each in reached if each[0] == one[0] and each != one] or [(one[0], 77)])
        wanted = draw.choice((NOTHING, wei(-amount(draw, symbol))))
        return operate(margin, one[0], (one, other), [transfer(0, 1, symbol, wanted)])

    def called(draw: random.Random) -> Tx:
        """Nothing but a call of a contract that answers whatever it is asked: a status may become Normal."""
        one = draw.choice(accounts)
        return operate(margin, one[0], (one,), [deposit(0, draw.choice(symbols), wei(0), one[0])])

    def liquidated(draw: random.Random) -> Tx:
        owed, held = draw.sample(symbols, 2)
        wanted = wei(draw.choice((0, 1, amount(draw, owed))))
        user = draw.choice(lab.users)
        actions = [deposit(0, owed, wanted, LIQUIDATOR), liquidate(0, 1, owed, held, wanted)]
        return operate(margin, LIQUIDATOR, (lab.liquidator, user.info), actions)

    kinds = {
        "deposit": moved(1),
        "withdraw": moved(-1),
        "transfer": handed,
        "touch": called,
        "liquidate": liquidated,
    }
    return Acting(chain, kinds)
