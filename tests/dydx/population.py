"""Seeded subaccounts on real parameters: longs, shorts, near liquidation, past it, isolated, dust, whales."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

from v4_proto.dydxprotocol.subaccounts.asset_position_pb2 import AssetPosition
from v4_proto.dydxprotocol.subaccounts.perpetual_position_pb2 import PerpetualPosition
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import Subaccount, SubaccountId

from tests.dydx import parameters
from tests.dydx.parameters import Contract
from tests.dydx.wire import encode_address, encode_gob_int

HRP = "dydx"
USDC = 10**6
FIRST_ISOLATED = 128
"""The front end keeps isolated positions in subaccounts from here on; number % 128 is the parent."""
MOST_POSITIONS = 6
WHALE = "PEPE-USD"
"""Where positions exceed 2**64 quantums; its open interest is beyond every cap."""
KINDS = ("trader", "idle", "dust", "isolated", "whale")
WEIGHTS = (880, 50, 30, 35, 5)


@dataclass
class Population:
    """Everything that a stand-in chain holds, as the chain's own messages."""

    subaccounts: list[Any]
    perpetuals: list[Any]
    liquidity_tiers: list[Any] = field(default_factory=parameters.liquidity_tiers)
    market_params: list[Any] = field(default_factory=parameters.market_params)
    market_prices: list[Any] = field(default_factory=parameters.market_prices)
    clob_pairs: list[Any] = field(default_factory=parameters.clob_pairs)
    assets: list[Any] = field(default_factory=parameters.assets)
    liquidations_config: Any = field(default_factory=parameters.liquidations_config)


def owner(number: int, seed: int = 0) -> str:
    """An address of the chain that belongs to nobody."""
    return encode_address(HRP, sha256(f"{seed}/{number}".encode()).digest()[:20])


def population(count: int, seed: int = 1, *, has_whales: bool = True) -> Population:
    """So many traders' subaccounts, and one house that takes the other side of everything.

    Three subaccounts share an owner now and then. Every perpetual's open interest is what its longs sum to,
    which is also what its shorts sum to.
    """
    return _Maker(Random(seed), seed, has_whales=has_whales).make(count)


class _Maker:
    def __init__(self, random: Random, seed: int, *, has_whales: bool) -> None:
        self._random, self._seed = random, seed
        self._weights = [
            0 if kind == "whale" and not has_whales else weight
            for kind, weight in zip(KINDS, WEIGHTS, strict=True)
        ]
        self._contracts = parameters.contracts()
        self._cross = [each for each in self._contracts if not each.is_isolated]
        self._isolated = [each for each in self._contracts if each.is_isolated]
        self._whale = next(each for each in self._contracts if each.ticker == WHALE)
        # A hundredth of the value of a quantum, in millionths of a quote quantum.
        self._percent = {each.id: max(1, each.notional(10**9) // 10**5) for each in self._contracts}
        self._index = {
            each.id: random.randint(-100, 100) * self._percent[each.id] + random.randint(-99, 99)
            for each in self._contracts
        }
        self._net: dict[int, int] = defaultdict(int)
        self._long: dict[int, int] = defaultdict(int)
        self._encoded = {each.id: encode_gob_int(self._index[each.id]) for each in self._contracts}

    def make(self, count: int) -> Population:
        subaccounts = [self._subaccount(k) for k in range(count)]
        subaccounts += self._house()
        perpetuals = [
            parameters.perpetual(each, self._encoded[each["id"]], encode_gob_int(self._long[each["id"]]))
            for each in parameters.facts()["perpetuals"]
        ]
        return Population(subaccounts, perpetuals)

    def _subaccount(self, k: int) -> Any:
        random = self._random
        (kind,) = random.choices(KINDS, self._weights)
        # Every tenth owner has three subaccounts.
        who, number = (k - k % 3, k % 3) if k % 30 < 3 else (k, 0)
        if kind == "isolated":
            number += FIRST_ISOLATED * random.randint(1, 900)
        return self._filled(SubaccountId(owner=owner(who, self._seed), number=number), self._taken(kind))

    def _taken(self, kind: str) -> list[tuple[Contract, int]]:
        """The positions of a subaccount: contract and signed quantums."""
        random = self._random
        if kind == "idle":
            return []
        if kind == "whale":
            return [(self._whale, random.choice((-1, 1)) * random.randint(1 << 64, 1 << 68))]
        if kind == "isolated":
            contract = random.choice(self._isolated)
            return [(contract, self._sized(contract, random.randint(10, 20_000)))]
        chosen = random.sample(self._cross, random.randint(1, MOST_POSITIONS))
        if kind == "dust":
            return [(each, random.choice((-1, 1)) * random.randint(1, each.step)) for each in chosen]
        return [
            (each, self._sized(each, 10 ** random.randint(1, 5) * random.randint(1, 10))) for each in chosen
        ]

    def _sized(self, contract: Contract, dollars: int) -> int:
        """A position of about so many dollars, in whole steps."""
        steps = max(1, contract.quantums(dollars * USDC) // contract.step)
        return self._random.choice((-1, 1)) * steps * contract.step

    def _filled(self, identity: Any, positions: list[tuple[Contract, int]]) -> Any:
        """The subaccount with as much USDC as brings it to the health that chance gives it."""
        random = self._random
        value, maintenance, quoted = 0, 0, 0
        messages = []
        for contract, quantums in sorted(positions, key=lambda pair: pair[0].id):
            self._net[contract.id] += quantums
            self._long[contract.id] += max(quantums, 0)
            value += contract.notional(quantums)
            maintenance += contract.maintenance(quantums)
            quote = random.randint(-100 * USDC, 100 * USDC) if random.random() < 0.2 else 0
            quoted += quote
            messages.append(self._position(contract, quantums, quote))
        wanted = (
            maintenance * self._percent_of_maintenance() // 100
            if positions
            else random.randint(1, 10**6) * USDC
        )
        usdc = wanted - value - quoted + random.randint(-10, 10)
        held = [AssetPosition(asset_id=0, quantums=encode_gob_int(usdc))] if usdc else []
        return Subaccount(
            id=identity,
            asset_positions=held,
            perpetual_positions=messages,
            margin_enabled=True,
        )

    def _percent_of_maintenance(self) -> int:
        """Net collateral in percent of the maintenance margin: under 100 is liquidatable."""
        random = self._random
        draw = random.randint(1, 100)
        if draw == 1:
            return random.randint(-50, 0)
        if draw <= 5:
            return random.randint(20, 99)
        if draw <= 25:
            return random.randint(99, 103)
        return random.randint(103, 2_000)

    def _position(self, contract: Contract, quantums: int, quote: int) -> Any:
        # Funding since the last settlement: mostly small, at most a hundredth of the value, of either sign.
        percent = self._percent[contract.id]
        pending = self._random.randint(-percent, percent) if self._random.random() < 0.7 else 0
        return PerpetualPosition(
            perpetual_id=contract.id,
            quantums=encode_gob_int(quantums),
            funding_index=encode_gob_int(self._index[contract.id] - pending),
            quote_balance=encode_gob_int(quote),
        )

    def _house(self) -> list[Any]:
        """Whoever is on the other side: one subaccount for all cross markets, one for each isolated one."""
        groups = [self._cross, *([each] for each in self._isolated)]
        houses = []
        for k, group in enumerate(groups):
            positions = [(each, -self._net[each.id]) for each in group if self._net[each.id]]
            number = 0 if k == 0 else FIRST_ISOLATED * k
            identity = SubaccountId(owner=owner(-1, self._seed), number=number)
            houses.append(self._filled(identity, positions))
        return houses
