"""The lab's Comets asked in bulk without defiliq, and whole books brought to where accounts break."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from defiliq.book import Book
from defiliq.chain.calldata import packed
from defiliq.chain.evm import connect
from defiliq.oracle.drivers import drivers
from defiliq.pipeline.reading import read
from defiliq.pipeline.solving import solve_book
from defiliq.protocols.compound_v3 import CometMarket
from defiliq.types import Listing
from tests.lab import CometLab
from tests.lab.market import ZERO
from tests.stages import Claim, LabStage

BATCH = 200


class World(NamedTuple):
    """What one question pretends: an account, drivers elsewhere, and the time that interest is accrued to."""

    owner: str
    drivers: Mapping[str, int]
    timestamp: int | None
    """None: isLiquidatable as it is, by stored indices."""


def ask_comet(lab: CometLab, name: str, worlds: Sequence[World]) -> list[bool]:
    """isLiquidatable in each world at the latest block, after accrueAccount."""
    comet, multicall = lab.markets[name].contract, lab.chain.multicall
    aggregate, verdict = multicall.functions["aggregate3"], comet.functions["isLiquidatable"]
    accrual = comet.address, False, bytes.fromhex(comet.data("accrueAccount", ZERO)[2:])
    requests: list[tuple[str, tuple[Any, ...]]] = []
    for world in worlds:
        asked = comet.address, False, bytes.fromhex(comet.data("isLiquidatable", world.owner)[2:])
        calls = [asked] if world.timestamp is None else [accrual, asked]
        seen = {} if world.timestamp is None else {"time": hex(world.timestamp)}
        request = {"to": multicall.address, "data": aggregate.data([calls])}
        requests.append(("eth_call", (request, "latest", lab.moved(world.drivers), seen)))
    answers: list[bool] = []
    for start in range(0, len(requests), BATCH):
        for raw in lab.rpc.batch(requests[start : start + BATCH]):
            _, last = aggregate.answer(raw)[-1]
            answers.append(bool(verdict.answer("0x" + last.hex())))
    return answers


def listing_of(lab: CometLab, name: str) -> Listing:
    return Listing("compound-v3", f"Local {name}", lab.chain_id, 0, {"comet": lab.comets[name]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(LabStage[CometLab, CometMarket]):
    """Everybody in one market at a time, with all levels, `never` included."""

    name: str

    def symbol(self, reserve: int) -> str:
        return self.market.reserves[reserve].symbol

    def disagreements(self, claims: Sequence[Claim]) -> list[tuple[str, str, int, bool]]:
        """(owner, driver, integer, claim) of claims of liquidatable or not that the Comet does not share."""
        timestamp = None if self.market.stored else self.market.timestamp
        worlds = [
            World(self.book.owner(level.account), self.moved(level.driver, at), timestamp)
            for level, at, _ in claims
        ]
        return [
            (world.owner, level.driver.name, at, claim)
            for world, (level, at, claim), said in zip(
                worlds, claims, ask_comet(self.lab, self.name, worlds), strict=True
            )
            if said != claim
        ]


def open_stage(lab: CometLab, name: str, later_s: int | None) -> Stage:
    """Read a market, suppliers included, and find every level so many seconds later; None: as stored."""
    with connect(lab.url, retries=0) as node:
        book: Book[CometMarket] = read(
            node, listing_of(lab, name), "latest", owners=packed(list(lab.owners(name)))
        )
    market = book.market
    market = market.as_stored() if later_s is None else market.at_time(market.block.timestamp + later_s)
    book = replace(book, market=market)
    found = solve_book(book, drivers(market), include_never=True)
    return Stage(lab=lab, name=name, book=book, levels=found.levels, unresolved=found.unresolved)
