"""The lab's Comptroller asked in bulk without defiliq, and whole books brought to where accounts break."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from defiliq.book import Book
from defiliq.chain.evm import connect
from defiliq.oracle.drivers import drivers
from defiliq.pipeline.reading import read
from defiliq.pipeline.solving import solve_book
from defiliq.protocols.compound_v2 import CompoundMarket, health
from defiliq.types import Account, Level, Listing
from tests.lab import CompoundV2Lab
from tests.lab.compound_v2 import AccountLiquidity
from tests.protocols.compound_v2.conftest import packed
from tests.stages import Claim, LabStage

BATCH = 200


class World(NamedTuple):
    """What one question pretends: an account, aggregators elsewhere, and the block that all accrue to."""

    owner: str
    drivers: Mapping[str, int]
    number: int | None
    """None: as stored, and nothing accrues."""


def ask_comptroller(lab: CompoundV2Lab, worlds: Sequence[World]) -> list[AccountLiquidity]:
    """getAccountLiquidity in each world at the latest block, after accrueInterest of every market."""
    comptroller, multicall = lab.market.comptroller, lab.chain.multicall
    accruals = [(each.address, False, _data(each, "accrueInterest")) for each in lab.market.markets.values()]
    aggregate, liquidity = multicall.functions["aggregate3"], comptroller.functions["getAccountLiquidity"]
    requests: list[tuple[str, tuple[Any, ...]]] = []
    for world in worlds:
        asked = (comptroller.address, False, _data(comptroller, "getAccountLiquidity", world.owner))
        calls = [asked] if world.number is None else [*accruals, asked]
        request = {"to": multicall.address, "data": aggregate.data([calls])}
        seen = {} if world.number is None else {"number": hex(world.number)}
        requests.append(("eth_call", (request, "latest", lab.moved(world.drivers), seen)))
    answers: list[AccountLiquidity] = []
    for start in range(0, len(requests), BATCH):
        for raw in lab.rpc.batch(requests[start : start + BATCH]):
            _, last = aggregate.answer(raw)[-1]
            answers.append(AccountLiquidity(*liquidity.answer("0x" + last.hex())))
    return answers


def _data(contract: Any, name: str, *arguments: object) -> bytes:
    return bytes.fromhex(contract.data(name, *arguments)[2:])


def said_of(account: Account, market: CompoundMarket) -> AccountLiquidity:
    """Our answer in the Comptroller's three words."""
    margin = health(account, market).margin
    return AccountLiquidity(0, max(0, margin), max(0, -margin))


def listing_of(lab: CompoundV2Lab) -> Listing:
    return Listing("compound-v2", "Local", lab.chain_id, 0, {"comptroller": lab.comptroller})


def in_blocks(market: CompoundMarket, blocks: int) -> CompoundMarket:
    """The market so many blocks after the one that was read."""
    seconds = -(-blocks * market.pace_seconds // market.pace_blocks)
    later = market.at_time(market.block.timestamp + seconds)
    assert tick(later) == market.block.number + blocks
    return later


def tick(market: CompoundMarket) -> int:
    """The block number that the market has accrued to."""
    return market.tick_at(market.timestamp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(LabStage[CompoundV2Lab, CompoundMarket]):
    """Everybody in the lab so many blocks later, with all levels, `never` included."""

    blocks: int

    def said(self, asked: Sequence[tuple[Level, int]]) -> list[AccountLiquidity]:
        """The Comptroller's answers about accounts of levels, with the level's driver at an integer."""
        number = None if self.market.stored else tick(self.market)
        return ask_comptroller(
            self.lab,
            [
                World(self.book.owner(level.account), self.moved(level.driver, at), number)
                for level, at in asked
            ],
        )

    def disagreements(self, claims: Sequence[Claim]) -> list[tuple[Level, int, bool, AccountLiquidity]]:
        """Claims of liquidatable or not that the Comptroller does not share, or to another integer."""
        said = self.said([(level, at) for level, at, _ in claims])
        return [
            (*claim, answer)
            for claim, answer in zip(claims, said, strict=True)
            if (answer.shortfall > 0) != claim[2]
            or answer != said_of(self.account(claim[0]), self.at(claim[0].driver, claim[1]))
        ]


def open_stage(lab: CompoundV2Lab, blocks: int | None, *, uncounted: bool = False) -> Stage:
    """Read the lab, the never-borrowers included, and find every level so many blocks later; None: stored."""
    with connect(lab.url, retries=0) as node:
        book: Book[CompoundMarket] = read(
            node, listing_of(lab), "latest", owners=packed(lab.owners), uncounted=uncounted
        )
    market = book.market.as_stored() if blocks is None else in_blocks(book.market, blocks)
    book = replace(book, market=market)
    found = solve_book(book, drivers(market), include_never=True)
    shapes = {user.owner: user.shape for user in lab.users}
    return Stage(
        lab=lab,
        book=book,
        levels=found.levels,
        unresolved=found.unresolved,
        shapes=shapes,
        blocks=blocks or 0,
    )
