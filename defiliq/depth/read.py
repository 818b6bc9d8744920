"""Pools from a node, at one block. Every answer is bounded and checked: a pool can be anybody's contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from defiliq.chain.calldata import NOWHERE, address_of, calldata, number_rows, signed
from defiliq.chain.multicall import fetch_words_of
from defiliq.chain.node import Call, Node
from defiliq.chain.text import unique_symbols
from defiliq.chain.words import WORD, Words
from defiliq.depth import abi
from defiliq.depth.constant_product import PoolV2
from defiliq.depth.factories import ADDRESS, Factory, factories
from defiliq.depth.naming import base_first, pool_name
from defiliq.depth.tick_math import MAX_TICK, MIN_TICK
from defiliq.depth.uniswap_v3 import WORD_TICKS, PoolV3, pool_v3
from defiliq.depth.venue import Token
from defiliq.errors import CallReverted, InputError, NotAPool, UnsoundPool
from defiliq.types import Block, checksum

MAX_POOLS: Final = 64
MAX_TICKS: Final = 50_000
"""Of one pool; the largest known have some 1,500."""
MAX_DECIMALS: Final = 36
MAX_SPACING: Final = 16_383
"""UniswapV3Factory.enableFeeAmount"""
HEAD: Final = (
    abi.TOKEN0,
    abi.TOKEN1,
    abi.FACTORY,
    abi.SLOT0,
    abi.LIQUIDITY,
    abi.FEE,
    abi.TICK_SPACING,
    abi.GET_RESERVES,
    abi.STABLE,
    abi.GLOBAL_STATE,
)
"""What every address is asked, to learn what it is."""

Answer: TypeAlias = bytes | CallReverted
Pool: TypeAlias = PoolV3 | PoolV2


class _Head(NamedTuple):
    """What one address answered."""

    address: str
    answers: dict[str, Answer]

    def word(self, signature: str, place: int = 0) -> bytes | None:
        """A word of an answer; None where it has none."""
        answer = self.answers[signature]
        if isinstance(answer, CallReverted) or len(answer) < WORD * (place + 1):
            return None
        return answer[WORD * place : WORD * (place + 1)]

    def number(self, signature: str, bits: int, place: int = 0) -> int:
        """An unsigned number of at most so many bits; NotAPool where there is none."""
        word = self.word(signature, place)
        value = None if word is None else int.from_bytes(word, "big")
        if value is None or value >> bits:
            raise NotAPool(self.address, f"it answers {signature} with no number of {bits} bits")
        return value

    def signed(self, signature: str, bits: int, place: int = 0) -> int:
        """A signed number of at most so many bits."""
        word = self.word(signature, place)
        value = None if word is None else signed(word)
        if value is None or not -(1 << bits - 1) <= value < 1 << bits - 1:
            raise NotAPool(self.address, f"it answers {signature} with no number of {bits} bits")
        return value

    def token(self, signature: str) -> str:
        """The address in an answer."""
        word = self.word(signature)
        address = None if word is None else address_of(word)
        if address is None or address == NOWHERE:
            raise NotAPool(self.address, f"it answers {signature} with no token")
        return address


def read_pools(
    node: Node, addresses: Sequence[str], at: Block, *, base: str | None = None
) -> tuple[Pool, ...]:
    """The pools at some addresses at one block, in that order.

    `base` is a symbol or an address; left out, it is the token of each pool that is no dollar.
    """
    if not 0 < len(addresses) <= MAX_POOLS:
        raise InputError(f"{len(addresses)} pools were asked for. Name 1 to {MAX_POOLS}.")
    heads = _fetch_heads(node, [pool_address(address) for address in addresses], at)
    tokens = _read_tokens(node, heads, at)
    makers = _confirmed(node, heads, at)
    return tuple(
        _read_pool(node, head, maker, tokens, at, base) for head, maker in zip(heads, makers, strict=True)
    )


def find_pools(
    node: Node, token_a: str, token_b: str, at: Block, known: Sequence[Factory] | None = None
) -> tuple[str, ...]:
    """The addresses of all pools of two tokens that factories know and that hold liquidity, in range or not.

    `known` are other factories than those that come with defiliq for the node's chain.
    """
    asked = [
        Call(factory.address, data)
        for factory in (factories(at.chain_id) if known is None else known)
        for data in _questions(factory, token_a, token_b)
    ]
    if not asked:
        raise InputError(f"no factory of pools is known on chain {at.chain_id}. Name the pools themselves.")
    found = dict.fromkeys(_address_in(answer) for answer in node.call(asked, at))
    there = [address for address in found if address is not None and address != NOWHERE]
    return tuple(head.address for head in _fetch_heads(node, there, at) if _holds_something(node, head, at))


def pool_address(address: str) -> str:
    """A pool's address as the answers of nodes are spelled here; InputError where it is none."""
    if not ADDRESS.fullmatch(address):
        raise InputError(f"{address[:60]!r} is no address of a pool.")
    return checksum(bytes.fromhex(address[2:]))


def _questions(factory: Factory, token_a: str, token_b: str) -> list[bytes]:
    if factory.kind == "pair":
        return [calldata(abi.GET_PAIR, token_a, token_b)]
    signature = abi.GET_POOL_BY_FEE if factory.kind == "fee" else abi.GET_POOL_BY_SPACING
    return [calldata(signature, token_a, token_b, key) for key in factory.keys]


def _address_in(answer: Answer) -> str | None:
    return None if isinstance(answer, CallReverted) or len(answer) != WORD else address_of(answer)


def _holds_something(node: Node, head: _Head, at: Block) -> bool:
    """Whether a pool has a price and liquidity, which may all be out of range, or a pair reserves."""
    price, liquidity, reserve = (head.word(each) for each in (abi.SLOT0, abi.LIQUIDITY, abi.GET_RESERVES))
    if price is None:
        return reserve is not None and any(reserve)
    if not any(price) or liquidity is None:
        return False
    return any(liquidity) or len(_read_ticks(node, head.address, _spacing(head), at)) > 0


def _fetch_heads(node: Node, addresses: Sequence[str], at: Block) -> list[_Head]:
    calls = [Call(address, calldata(signature)) for address in addresses for signature in HEAD]
    answers = node.call(calls, at) if calls else []
    return [
        _Head(address, dict(zip(HEAD, answers[k * len(HEAD) : (k + 1) * len(HEAD)], strict=True)))
        for k, address in enumerate(addresses)
    ]


def _read_tokens(node: Node, heads: Sequence[_Head], at: Block) -> dict[str, Token]:
    """Every token of the pools, by address."""
    found = sorted({head.token(side) for head in heads for side in (abi.TOKEN0, abi.TOKEN1)})
    asked = [Call(token, calldata(what)) for what in (abi.DECIMALS, abi.SYMBOL) for token in found]
    answers = node.call(asked, at)
    symbols = unique_symbols(answers[len(found) :], found)
    tokens = {}
    for address, symbol, answer in zip(found, symbols, answers, strict=False):
        if isinstance(answer, CallReverted) or len(answer) != WORD:
            raise NotAPool(address, f"the token does not answer {abi.DECIMALS}")
        decimals = int.from_bytes(answer, "big")
        if decimals > MAX_DECIMALS:
            raise NotAPool(address, f"the token has {min(decimals, 10**6)} decimals or more")
        tokens[address] = Token(symbol, decimals, address)
    return tokens


def _read_pool(
    node: Node, head: _Head, maker: Factory | None, tokens: dict[str, Token], at: Block, base: str | None
) -> Pool:
    pair = tokens[head.token(abi.TOKEN0)], tokens[head.token(abi.TOKEN1)]
    if pair[0] == pair[1]:
        raise NotAPool(head.address, "both of its tokens are the same")
    sold, paid = _oriented(pair, base, head.address)
    if head.word(abi.SLOT0) is not None:
        return _read_v3(node, head, maker, (pair, sold, paid), at)
    if head.word(abi.GLOBAL_STATE) is not None:
        raise NotAPool(head.address, "it is a pool of Algebra's, which has other arithmetic")
    if head.word(abi.STABLE) is not None:
        raise NotAPool(head.address, "it is a pair of Solidly's kind, which has other arithmetic")
    if head.word(abi.GET_RESERVES) is None:
        raise NotAPool(head.address, f"it answers neither {abi.SLOT0} nor {abi.GET_RESERVES}")
    return _decode_v2(head, maker, pair, sold, paid)


def _oriented(pair: tuple[Token, Token], base: str | None, address: str) -> tuple[Token, Token]:
    """Base and quote."""
    if base is None:
        return base_first(*pair)
    wanted = base.casefold()
    for sold, paid in (pair, pair[::-1]):
        if wanted in (sold.symbol.casefold(), sold.address.casefold()):
            return sold, paid
    raise InputError(f"pool {address} trades {pair[0].symbol} and {pair[1].symbol}, not {base}.")


def _read_v3(
    node: Node, head: _Head, maker: Factory | None, sides: tuple[tuple[Token, Token], Token, Token], at: Block
) -> PoolV3:
    pair, base, quote = sides
    spacing = _spacing(head)
    fee_pips = head.number(abi.FEE, 24)
    try:
        return pool_v3(
            pool_name("v3 pool" if maker is None else maker.name, base, quote, fee_pips, head.address),
            pair,
            base,
            sqrt_price_x96=head.number(abi.SLOT0, 160),
            tick=head.signed(abi.SLOT0, 24, 1),
            liquidity=head.number(abi.LIQUIDITY, 128),
            fee_pips=fee_pips,
            tick_spacing=spacing,
            ticks=_read_ticks(node, head.address, spacing, at),
            address=head.address,
        )
    except ValueError as error:
        raise UnsoundPool(head.address, str(error)) from None


def _spacing(head: _Head) -> int:
    spacing = head.signed(abi.TICK_SPACING, 24)
    if not 0 < spacing <= MAX_SPACING:
        raise UnsoundPool(head.address, f"its tick spacing is {spacing}")
    return spacing


def _confirmed(node: Node, heads: Sequence[_Head], at: Block) -> list[Factory | None]:
    """The known factory that each address says it is of, where that factory knows the address."""
    claimed = [_claimed(head, at) for head in heads]
    asked = [
        Call(maker.address, _question(maker, head))
        for maker, head in zip(claimed, heads, strict=True)
        if maker is not None
    ]
    answers = iter(node.call(asked, at) if asked else [])
    return [
        maker if maker is not None and _address_in(next(answers)) == head.address else None
        for maker, head in zip(claimed, heads, strict=True)
    ]


def _claimed(head: _Head, at: Block) -> Factory | None:
    """The known factory that an address says it is of, which anyone can say."""
    word = head.word(abi.FACTORY)
    named = None if word is None else address_of(word)
    return next((factory for factory in factories(at.chain_id) if factory.address == named), None)


def _question(factory: Factory, head: _Head) -> bytes:
    """What a factory is asked about the pool that a contract says it is."""
    tokens = head.token(abi.TOKEN0), head.token(abi.TOKEN1)
    if factory.kind == "pair":
        return calldata(abi.GET_PAIR, *tokens)
    if factory.kind == "fee":
        return calldata(abi.GET_POOL_BY_FEE, *tokens, head.number(abi.FEE, 24))
    return calldata(abi.GET_POOL_BY_SPACING, *tokens, head.number(abi.TICK_SPACING, 24))


def _read_ticks(node: Node, pool: str, spacing: int, at: Block) -> dict[int, int]:
    """liquidityNet of every initialized tick: found in the bitmap, of which every possible word is read."""
    numbers = range(MIN_TICK // spacing // WORD_TICKS, MAX_TICK // spacing // WORD_TICKS + 1)
    bitmap = fetch_words_of(node, pool, number_rows(abi.TICK_BITMAP, numbers), at)
    set_ticks = [
        (number * WORD_TICKS + bit) * spacing
        for number, word in zip(numbers, _answered(bitmap, pool, abi.TICK_BITMAP), strict=True)
        for bit in _bits(word)
    ]
    if len(set_ticks) > MAX_TICKS:
        raise UnsoundPool(pool, f"it has {len(set_ticks)} initialized ticks, more than {MAX_TICKS}")
    if not set_ticks:
        return {}
    rows = fetch_words_of(node, pool, number_rows(abi.TICKS, set_ticks), at, words=2)
    nets = {}
    for tick, raw in zip(set_ticks, _answered(rows, pool, abi.TICKS), strict=True):
        gross, net = int.from_bytes(raw[:WORD], "big"), signed(raw[WORD:])
        if not 0 < gross < 1 << 128 or abs(net) > gross:
            raise UnsoundPool(pool, f"tick {tick} has a liquidity of {net} net of {gross}")
        nets[tick] = net
    return nets


def _answered(found: Words, pool: str, signature: str) -> list[bytes]:
    """Every answer's words; NotAPool where one is missing."""
    if not found.ok.all():
        raise NotAPool(pool, f"it does not answer {signature}")
    return [row.tobytes() for row in found.words]


def _bits(word: bytes) -> list[int]:
    """The places of the ones in a word, from the lowest."""
    value, places = int.from_bytes(word, "big"), []
    while value:
        lowest = value & -value
        places.append(lowest.bit_length() - 1)
        value ^= lowest
    return places


def _decode_v2(
    head: _Head, maker: Factory | None, pair: tuple[Token, Token], base: Token, quote: Token
) -> PoolV2:
    reserves = [head.number(abi.GET_RESERVES, 112, place) for place in (0, 1)]
    sold, paid = reserves if base == pair[0] else reversed(reserves)
    fee_pips = 3_000 if maker is None else maker.fee_pips
    called = "pair" if maker is None else maker.name
    name = pool_name(called, base, quote, fee_pips, head.address)
    try:
        return PoolV2(name, base, quote, sold, paid, fee_pips, head.address)
    except ValueError as error:
        raise UnsoundPool(head.address, f"it has {error}") from None
