"""Exits of a market at one block: pools that were named, or those that known factories have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from defiliq.chain.evm import EvmNode
from defiliq.chain.node import Node
from defiliq.depth.combined import Venue, combined
from defiliq.depth.factories import factories, token_addresses
from defiliq.depth.files import load_pools
from defiliq.depth.read import Pool, find_pools, read_pools
from defiliq.depth.route import route
from defiliq.errors import InputError, NotAPool, UnsoundPool
from defiliq.mev.exits import Exit, Way, ways_of
from defiliq.mev.gas import chain_gas
from defiliq.pipeline.chains import chain_name
from defiliq.pipeline.cost_terms import CostTerms, ExitSpec
from defiliq.pipeline.depths import load_depth, pools_at, pools_of_pair, read_law, together
from defiliq.protocols.compound_v2.market import COIN
from defiliq.types import Block, ChainId, Market, Reserve

NEAR = Fraction(98, 100)
"""The pool of a leg of a route is the one that takes most until its price has fallen to this share of it."""


class Found:
    """Where the pools of each pair are, kept from block to block: finding them takes longer than reading."""

    def __init__(self) -> None:
        self._addresses: dict[frozenset[str], tuple[str, ...]] = {}
        self.unread: dict[str, str] = {}
        """Pools that could not be read, with the reason."""

    def pools(self, node: Node, sold: str, bought: str, at: Block) -> tuple[Pool, ...]:
        """All pools of two tokens that known factories have, with the first one sold."""
        key = frozenset((sold, bought))
        if key not in self._addresses:
            self._addresses[key] = find_pools(node, sold, bought, at)
        wanted = [address for address in self._addresses[key] if address not in self.unread]
        while wanted:
            try:
                return read_pools(node, wanted, at, base=sold)
            except (NotAPool, UnsoundPool) as fault:
                if fault.address not in wanted:
                    raise
                self.unread[fault.address] = str(fault)
                wanted.remove(fault.address)
        return ()


class Exits:
    """The exits of one market at one block, each read when it is first asked for."""

    def __init__(
        self,
        node: Node | None,
        at: Block,
        terms: CostTerms,
        found: Found,
        spot: tuple[int, ...] | None = None,
    ) -> None:
        self._node, self._at, self._terms, self._found, self._spot = node, at, terms, found, spot
        self.known: dict[tuple[int, int], Exit] = {}
        self.unknown: dict[tuple[int, int], str] = {}
        self._pools: dict[tuple[str, str], tuple[Pool, ...]] = {}

    def look_up(self, market: Market, sold: int, bought: int) -> None:
        """Know of one pair of reserves how it is sold, or why not."""
        pair = sold, bought
        if pair in self.known or pair in self.unknown:
            return
        reserves = market.reserves[sold], market.reserves[bought]
        spec = _named(self._terms.exits, *reserves)
        ways = self._by_hand(spec, market, pair) if spec is not None else self._searched(market, pair)
        if isinstance(ways, str):
            self.unknown[pair] = ways
        else:
            self.known[pair] = Exit(ways, reserves[0].decimals, reserves[1].decimals)

    def strangers(self, market: Market) -> tuple[str, ...]:
        """What was given as an exit and names a token that a market does not list."""
        listed = {name for reserve in market.reserves for name in _names(reserve)}
        return tuple(
            f"--exit {spec.sold}/{spec.bought} is of no use here: {name} is not listed"
            for spec in self._terms.exits
            for name in (spec.sold, spec.bought)
            if name.casefold() not in listed
        )

    def _by_hand(self, spec: ExitSpec, market: Market, pair: tuple[int, int]) -> tuple[Way, ...]:
        sold, bought = (market.reserves[k] for k in pair)
        if spec.kind == "impact":
            price = Fraction(*_ratio(market, pair, market.prices if self._spot is None else self._spot))
            return (Way(read_law(spec.what).at(sold.symbol, bought.symbol, price)),)
        if spec.kind == "file" and spec.what.lower().endswith(".csv"):
            if spec.sold.casefold() not in _names(sold):
                raise InputError(f"the curve {spec.what} is of {spec.sold}/{spec.bought}, not the other way.")
            return (Way(load_depth(spec.what)),)
        tokens = tuple(token_of(reserve, market.block.chain_id) for reserve in (sold, bought))
        return _ways(self._named_pools(spec), *tokens)

    def _named_pools(self, spec: ExitSpec) -> Sequence[Pool]:
        if spec.kind == "file":
            return _of_file(spec.what)
        if self._node is None:
            raise InputError(
                f"{spec.kind}:{spec.what} is read from a node, and none is asked here. "
                "Keep the pools with `defiliq depth --save FILE`, and give file:FILE."
            )
        if spec.kind == "pair":
            return pools_of_pair(self._node, spec.what, self._at)
        return pools_at(self._node, spec.what.split("+"), self._at)

    def _searched(self, market: Market, pair: tuple[int, int]) -> tuple[Way, ...] | str:
        """The pools of known factories, and why there is no exit where there are none."""
        symbols = "/".join(market.reserves[k].symbol for k in pair)
        if self._node is None or not self._terms.auto:
            return f"no exit is given for {symbols}: give --exit {symbols}=file:PATH"
        if not factories(self._at.chain_id):
            where = chain_name(self._at.chain_id)
            return f"no factory of pools is known on chain {where}: give --exit {symbols}=pool:0x.."
        sold, bought = (token_of(market.reserves[k], self._at.chain_id) for k in pair)
        direct = self._between(sold, bought)
        ways = [*(Way(pool) for pool in direct)]
        if len(direct) > 1:
            ways.append(Way(combined(direct), len(direct)))
        for middle in _middles(self._at.chain_id):
            if middle not in (sold, bought):
                ways += _over(self._between(sold, middle), self._between(middle, bought))
        return ways_of(ways) if ways else f"no known factory has a pool of {symbols}, nor a way over two"

    def _between(self, sold: str, bought: str) -> tuple[Pool, ...]:
        if (sold, bought) not in self._pools and self._node is not None:
            pools = self._found.pools(self._node, sold, bought, self._at)
            self._pools[sold, bought] = pools
            self._pools[bought, sold] = tuple(pool.turned() for pool in pools)
            if isinstance(self._node, EvmNode):
                self._node.check_block(self._at)
        return self._pools.get((sold, bought), ())


def token_of(reserve: Reserve, chain_id: ChainId) -> str:
    """The token that a reserve's asset is traded as: the chain's own coin is wrapped."""
    if reserve.asset != COIN:
        return reserve.asset
    chain = chain_gas(chain_id)
    return reserve.asset if chain is None or not chain.address else chain.address


def is_coin(reserve: Reserve, chain_id: ChainId) -> bool:
    """Whether a reserve is the chain's own coin, wrapped or not."""
    chain = chain_gas(chain_id)
    if reserve.asset == COIN:
        return True
    if chain is None:
        return False
    if chain.address:
        return reserve.asset.casefold() == chain.address.casefold()
    return reserve.symbol == chain.wrapped


def _over(first: Sequence[Pool], second: Sequence[Pool]) -> list[Way]:
    """Ways over a third token: by the deepest pool of each leg, and by all of them."""
    if not first or not second:
        return []
    legs = [max(pools, key=_takes) for pools in (first, second)]
    ways = [Way(route(*legs), 2)]
    if len(first) + len(second) > 2:
        ways.append(Way(route(combined(first), combined(second)), len(first) + len(second)))
    return ways


def _takes(pool: Pool) -> int:
    return pool.sale_to(pool.price * NEAR).given


def _ways(pools: Sequence[Pool], sold: str, bought: str) -> tuple[Way, ...]:
    """Named pools as ways from one token to another: each that trades both, and all together."""
    ends = {sold, bought}
    direct = [pool for pool in pools if {pool.base.address, pool.quote.address} == ends]
    direct = [pool if pool.base.address == sold else pool.turned() for pool in direct]
    ways = [Way(pool) for pool in direct]
    if len(pools) > 1:
        whole: Venue = together(pools, sold)
        if whole.quote.address != bought:
            raise InputError(f"{whole.name} ends in {whole.quote.symbol}, not in {bought}.")
        ways.append(Way(whole, len(pools)))
    if not ways:
        raise InputError(f"{pools[0].name} does not trade {sold} for {bought}.")
    return ways_of(ways)


@lru_cache(maxsize=64)
def _of_file(path: str) -> tuple[Pool, ...]:
    block, pools = load_pools(path)
    read_at = f"as of block {block.number} of {chain_name(block.chain_id)}"
    return tuple(replace(pool, name=f"{pool.name} {read_at}") for pool in pools)


def _middles(chain_id: ChainId) -> tuple[str, ...]:
    """The tokens over which routes go: the wrapped coin and USDC."""
    chain, tokens = chain_gas(chain_id), token_addresses(chain_id)
    wrapped = "" if chain is None else chain.address
    found = (wrapped, tokens.get("WETH", ""), tokens.get("USDC", ""))
    return tuple(dict.fromkeys(address for address in found if address))


def _named(specs: Sequence[ExitSpec], sold: Reserve, bought: Reserve) -> ExitSpec | None:
    """The exit that was given for a pair, either way round."""
    for one, other in ((sold, bought), (bought, sold)):
        for spec in specs:
            if spec.sold.casefold() in _names(one) and spec.bought.casefold() in _names(other):
                return spec
    return None


def _names(reserve: Reserve) -> tuple[str, str]:
    return reserve.symbol.casefold(), reserve.asset.casefold()


def _ratio(market: Market, pair: tuple[int, int], prices: Sequence[int]) -> tuple[int, int]:
    """The price of one reserve in the other, whole tokens, as numerator and denominator."""
    (one, two) = (prices[market.reserves[k].feed] for k in pair)
    (unit_one, unit_two) = (market.price_unit(market.reserves[k].feed) for k in pair)
    return one * unit_two, two * unit_one
