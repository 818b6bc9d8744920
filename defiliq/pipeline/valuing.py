"""What liquidations are worth to whoever does them, with the costs of one block read from a node."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from defiliq.chain.evm import EvmNode
from defiliq.chain.node import AnyNode
from defiliq.errors import InputError
from defiliq.mev.costs import Costs, Flash, Native, Rounding
from defiliq.mev.fields import economics
from defiliq.mev.gas import chain_gas, is_estimate, next_base_fee_wei, predicts_base_fee
from defiliq.mev.profit import Profit, profit
from defiliq.pipeline.chains import chain_name
from defiliq.pipeline.cost_terms import CostTerms
from defiliq.pipeline.deals import deals
from defiliq.pipeline.exits import Exits, Found, is_coin
from defiliq.protocols import aave_v3, dydx_solo
from defiliq.protocols.aave_v3.flash import read_flash_loans, rounds_premium_up
from defiliq.types import Account, Block, Head, Liquidation, Listing, Market
from defiliq.watch.judge import Valuer

KEPT_BLOCKS: Final = 4
"""Blocks whose costs are kept: the last ones, and those that a reorganization brings back."""


class BlockCosts:
    """The costs of one market's liquidations at one block, read when they are first needed."""

    def __init__(
        self,
        node: AnyNode | None,
        head: Head | None,
        at: Block,
        terms: CostTerms,
        found: Found,
        spot: Market | None = None,
    ) -> None:
        self._node = node if isinstance(node, EvmNode) else None
        self._head, self._at, self._terms = head, at, terms
        self._spot = None if spot is None else spot.prices
        self._exits = Exits(self._node, at, terms, found, self._spot)
        self._costs: Costs | None = None

    def value(self, account: Account, market: Market, taken: Liquidation) -> Profit:
        """What the liquidation leaves that pays its earner best, of those that the protocol offers.

        The best by net. Where no net is known, or none that is known pays while `taken`'s is not known, it is
        `taken`, which pays best at oracle prices.
        """
        choices = deals(account, market, taken)
        for deal in choices:
            for got in deal.got if deal.fund_gains is None else ():
                is_sold = market.reserves[got.reserve].asset != market.reserves[deal.paid_reserve].asset
                if is_sold and got.usable:
                    self._exits.look_up(market, got.reserve, deal.paid_reserve)
        costs = self.costs(market)
        valued = [profit(taken, market, costs, deal) for deal in choices]
        known = [one for one in valued if one.net_base is not None]
        best = max(known, key=_net, default=valued[0])
        return best if valued[0].is_known or _net(best) > 0 else valued[0]

    def costs(self, market: Market) -> Costs:
        """All that is known of costs so far; exits are those that were looked up."""
        if self._costs is None:
            flash, lacks, remarks = self._flash(market)
            self._costs = Costs(
                gas_price_wei=self._gas_price_wei(),
                native=self._native(market),
                exits=self._exits.known,
                flash=flash,
                gas_units=self._terms.gas_units,
                spot=self._spot,
                no_exit=self._exits.unknown,
                lacks=lacks,
                remarks=(*remarks, *self._remarks(market.protocol), *self._exits.strangers(market)),
                note=self._note(),
            )
        return self._costs

    def _gas_price_wei(self) -> int | None:
        if self._terms.gas_price_wei is not None:
            return self._terms.gas_price_wei
        base_fee = None if self._head is None else next_base_fee_wei(self._head)
        return None if base_fee is None else base_fee + self._terms.priority_wei

    def _native(self, market: Market) -> Native:
        if self._terms.native_usd is not None:
            return replace(native_of(market), price_base=self._terms.native_usd * market.base_unit)
        return native_of(market)

    def _flash(self, market: Any) -> tuple[Flash | None, str, tuple[str, ...]]:
        """The flash loan, why it is not known, and what should be said of it."""
        is_aave, wanted = market.protocol == aave_v3.name, self._terms.flash
        if wanted == "aave" and not is_aave:
            raise InputError(
                f"{market.protocol} lends no flash loans of Aave's. Write --flash none, or basis points."
            )
        if isinstance(wanted, int):
            return Flash(wanted), "", ()
        if wanted == "none" or not is_aave:
            return None, "", ("no flash loan: what is repaid is at hand",)
        if self._node is None:
            return None, "a snapshot has no flash premium: give --flash none, or basis points", ()
        loans = read_flash_loans(self._node, market, self._at)
        rounding: Rounding = "up" if rounds_premium_up(market) else "half up"
        said = ("flash loans are taken to have the liquidity they need",)
        return Flash(loans.premium_bps, rounding, loans.refused), "", said

    def _remarks(self, protocol: str) -> tuple[str, ...]:
        said, by_hand = [], self._terms.gas_price_wei is not None
        if protocol in (aave_v3.name, dydx_solo.name):
            said.append("what is seized is taken to be withdrawable at once")
        chain_id = self._at.chain_id
        if not by_hand and self._head is not None and not predicts_base_fee(chain_id):
            where = chain_name(chain_id)
            said.append(f"gas at the block's own base fee: the next one of {where} is not predicted")
        if self._terms.gas_units is None and is_estimate(protocol):
            said.append(f"the gas of {protocol} was measured on a re-implementation: an estimate")
        return tuple(said)

    def _note(self) -> str:
        chain = chain_gas(self._at.chain_id)
        is_rollup = chain is not None and chain.is_rollup
        return "what the rollup asks for its data on layer 1 is not in" if is_rollup else ""


class Valuing:
    """Block by block what liquidations of one market are worth: a `watch.judge.Judge.valuer`.

    Where pools are is kept; what they hold is read anew at each block, once something is valued there.
    """

    def __init__(self, node: AnyNode | None, listing: Listing, terms: CostTerms) -> None:
        self._node, self._listing, self._terms = node, listing, terms
        self._found = Found()
        self._blocks: OrderedDict[str, BlockCosts] = OrderedDict()

    def __call__(self, head: Head, spot: Market) -> Valuer:
        """The valuer of one block, with the market as it is after it.

        Liquidations at other prices than its may be valued, too: pools move by the ratio of the oracle
        prices then.
        """
        block = self._blocks.get(head.block.hash)
        if block is None:
            block = BlockCosts(self._node, head, head.block, self._terms, self._found, spot)
            self._blocks[head.block.hash] = block
            while len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)

        def value(account: Account, market: Market, taken: Liquidation) -> Mapping[str, object]:
            return economics(block.value(account, market, taken), market)

        return value

    @property
    def unread(self) -> Mapping[str, str]:
        """Pools that were found and could not be read, with the reason: exits go on without them."""
        return self._found.unread


def native_of(market: Market) -> Native:
    """The coin that gas is paid in on a market's chain, as the market prices it, if it does."""
    chain = chain_gas(market.block.chain_id)
    coins = [k for k, one in enumerate(market.reserves) if is_coin(one, market.block.chain_id)]
    return Native("the native coin" if chain is None else chain.native, coins[0] if coins else None)


def gas_usd(wei: int, market: Market) -> float | None:
    """So many wei of the chain's coin in the market's base currency, by its own oracle; None without one."""
    base = native_of(market).worth_base(wei, market)
    return None if base is None else float(base / market.base_unit)


def valuer(
    node: AnyNode | None, listing: Listing, terms: CostTerms | None = None
) -> Callable[[Head, Market], Valuer]:
    """The valuer of each block of a market, for a watch; without a node, by what `terms` say alone."""
    return Valuing(node, listing, CostTerms() if terms is None else terms)


def _net(found: Profit) -> Fraction | int:
    return Fraction(-(2**300)) if found.net_base is None else found.net_base
