"""The lab's SoloMargin asked in bulk without defiliq, and whole books brought to where accounts break."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.evm import connect
from defiliq.oracle.drivers import drivers
from defiliq.pipeline.reading import read
from defiliq.pipeline.solving import solve_book
from defiliq.protocols.dydx_solo import SoloMarket, rule
from defiliq.types import Account, Level, Listing
from tests.lab import SoloLab
from tests.lab.dydx_solo.actions import Info, deposit, wei
from tests.lab.dydx_solo.specs import MARGIN_RATIO, MARKETS, WAD
from tests.stages import Claim, LabStage

BATCH = 100
LIQUID = 1
VIEWS = ("getAccountValues", "getAdjustedAccountValues", "getAccountStatus")


class World(NamedTuple):
    """What one question pretends: an account, prices elsewhere, and the time that all accrue to."""

    account: Info
    drivers: Mapping[str, int]
    timestamp: int | None
    """None: as stored, and nothing accrues."""


class Said(NamedTuple):
    """What SoloMargin's getters answer."""

    values: tuple[int, int]
    """Held and owed."""
    adjusted: tuple[int, int]
    """The same by margin premiums."""
    status: int

    @property
    def liquidatable(self) -> bool:
        """What an operation makes of it (Storage.isCollateralized, OperationImpl._liquidate)."""
        held, owed = self.adjusted
        return owed > 0 and (self.status == LIQUID or held < owed + owed * MARGIN_RATIO // WAD)


def ask_solo(lab: SoloLab, worlds: Sequence[World]) -> list[Said]:
    """The getters in each world at the latest block, after an operation that accrues every market."""
    aggregate, margin = lab.chain.multicall.functions["aggregate3"], lab.solo.margin
    requests = [("eth_call", _request(lab, world)) for world in worlds]
    found: list[Said] = []
    for start in range(0, len(requests), BATCH):
        for raw in lab.rpc.batch(requests[start : start + BATCH]):
            last = aggregate.answer(raw)[-len(VIEWS) :]
            plain, adjusted, status = (
                margin.functions[view].answer("0x" + answer.hex())
                for view, (_, answer) in zip(VIEWS, last, strict=True)
            )
            found.append(Said(_pair(plain), _pair(adjusted), int(status)))
    return found


def _request(lab: SoloLab, world: World) -> tuple[Any, ...]:
    """Multicall3 has an account of its own, with nothing in it: it deposits nothing into every market."""
    multicall, margin = lab.chain.multicall, lab.solo.margin
    sender = multicall.address
    touches = [deposit(0, spec.symbol, wei(0), sender) for spec in MARKETS]
    calls: list[tuple[str, tuple[object, ...]]] = [(view, (world.account,)) for view in VIEWS]
    if world.timestamp is not None:
        calls.insert(0, ("operate", ([(sender, 0)], touches)))
    packed = [(margin.address, False, bytes.fromhex(margin.data(name, *given)[2:])) for name, given in calls]
    seen = {} if world.timestamp is None else {"time": hex(world.timestamp)}
    request = {"to": sender, "data": multicall.data("aggregate3", packed)}
    return request, "latest", lab.moved(world.drivers), seen


def _pair(answer: Sequence[Sequence[int]]) -> tuple[int, int]:
    (held,), (owed,) = answer
    return held, owed


def said_of(account: Account, market: SoloMarket) -> Said:
    """Our answer in SoloMargin's words."""
    law = rule(account, market)
    health = law.health(market.prices)
    values = health.collateral_base, health.debt_base
    return Said(values, law.adjusted_values(market.prices), account.mode)


def info_of(name: str) -> Info:
    """What the contract calls an account."""
    owner, _, number = name.partition("/")
    return owner, int(number)


def keys_of(lab: SoloLab) -> NDArray[np.uint8]:
    """The whole population's, in order."""
    raw = b"".join(SoloMarket.account_key(user.name) for user in lab.users)
    return np.frombuffer(raw, np.uint8).reshape(-1, SoloMarket.account_bytes)


def listing_of(lab: SoloLab) -> Listing:
    return Listing("dydx-solo", "Local", lab.chain_id, 0, {"solo_margin": lab.solo_margin})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(LabStage[SoloLab, SoloMarket]):
    """Everybody in the lab so many seconds later, with all levels, `never` included."""

    def disagreements(self, claims: Sequence[Claim]) -> list[tuple[Level, int, bool, Said]]:
        """Claims of liquidatable or not that SoloMargin does not share, or to another integer."""
        time = None if self.market.stored else self.market.timestamp
        worlds = [
            World(info_of(self.book.owner(level.account)), self.moved(level.driver, at), time)
            for level, at, _ in claims
        ]
        return [
            (*claim, said)
            for claim, said in zip(claims, ask_solo(self.lab, worlds), strict=True)
            if said.liquidatable != claim[2]
            or said != said_of(self.account(claim[0]), self.at(claim[0].driver, claim[1]))
        ]


def open_book(lab: SoloLab, seconds: int | None) -> Book[SoloMarket]:
    """The lab as read, the never-borrowers included, so many seconds later; None: stored."""
    with connect(lab.url, retries=0) as node:
        book: Book[SoloMarket] = read(node, listing_of(lab), "latest", owners=keys_of(lab))
    market = book.market
    later = market.as_stored() if seconds is None else market.at_time(market.block.timestamp + seconds)
    return replace(book, market=later)


def open_stage(lab: SoloLab, seconds: int | None) -> Stage:
    """The book, and every level."""
    book = open_book(lab, seconds)
    found = solve_book(book, drivers(book.market), include_never=True)
    shapes = {user.name: user.shape for user in lab.users}
    return Stage(lab=lab, book=book, levels=found.levels, unresolved=found.unresolved, shapes=shapes)
