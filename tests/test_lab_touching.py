"""Books carried on by logs alone are those read anew, after every block of what people do."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.evm import EvmNode, connect
from defiliq.protocols import PROTOCOLS
from defiliq.protocols.aave_v3 import AaveMarket
from defiliq.protocols.compound_v2 import CompoundMarket
from defiliq.protocols.compound_v3 import CometMarket
from defiliq.types import Account, Block, Listing
from tests.aftermath import keys
from tests.lab import CometLab, CompoundV2Lab, Lab, SoloLab, acting
from tests.lab.acting import Acting
from tests.lab.chain import Tx
from tests.lab.dydx_solo.actions import operate, wei
from tests.protocols.compound_v2.stage import listing_of
from tests.protocols.compound_v3 import stage as comet_stage
from tests.solo_stage import keys_of
from tests.solo_stage import listing_of as solo_listing

CALL, LIQUID = 8, 1
"""An action of Solo, and a status."""
CALLEE = acting.stranger(99)

pytestmark = pytest.mark.lab
BLOCKS, MOST_AT_ONCE = 48, 4
PEOPLE = 10
UNTOLD = "pay somebody"
"""What Comet's logs do not tell of everybody."""


@dataclass
class Followed:
    """A market that is followed by its logs, and read anew whenever one likes."""

    node: EvmNode
    listing: Listing
    everybody: NDArray[np.uint8]
    actors: Acting
    lab: Any
    falling: tuple[str, ...]
    """Drivers that somebody breaks by."""

    def __post_init__(self) -> None:
        self.book = self.fresh(self.node.block("latest"))

    @property
    def protocol(self) -> Any:
        return PROTOCOLS[self.listing.protocol]

    def fresh(self, at: Block) -> Book[Any]:
        book: Book[Any] = self.protocol.read(self.node, self.listing, self.everybody, at)
        return book

    def step(self, before: Book[Any]) -> Book[Any]:
        """The book after the blocks since the last one, of what was touched alone."""
        at = self.node.block("latest")
        touching = self.protocol.touching(before.market)
        touched = touching.accounts_of(
            self.node.logs(touching.wanted, before.market.block.number + 1, at.number)
        )
        self.everybody = np.unique(np.concatenate([self.everybody, touched]), axis=0)
        updated: Book[Any] = before.updated(self.protocol.read(self.node, self.listing, touched, at))
        return updated


@contextmanager
def aave(lab: Lab) -> Iterator[Followed]:
    listing = Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})
    people = lab.borrowers[:: len(lab.borrowers) // PEOPLE]
    with lab.rewinding(), connect(lab.url, retries=0) as node:
        actors = acting.aave(lab, people)
        yield Followed(node, listing, keys(AaveMarket, lab.owners), actors, lab, ("ETH/USD", "BTC/USD"))


@contextmanager
def compound_v2(lab: CompoundV2Lab) -> Iterator[Followed]:
    people = lab.borrowers[:: len(lab.borrowers) // PEOPLE]
    with lab.rewinding(), connect(lab.url, retries=0) as node:
        actors = acting.compound_v2(lab, people)
        owners = keys(CompoundMarket, lab.owners)
        yield Followed(node, listing_of(lab), owners, actors, lab, tuple(lab.drivers)[:2])


@contextmanager
def comet(lab: CometLab, name: str) -> Iterator[Followed]:
    people = lab.borrowers(name)[:: len(lab.borrowers(name)) // PEOPLE]
    with lab.rewinding(), connect(lab.url, retries=0) as node:
        actors = acting.comet(lab, name, people)
        owners = keys(CometMarket, lab.owners(name))
        listing = comet_stage.listing_of(lab, name)
        yield Followed(node, listing, owners, actors, lab, ("ETH/USD", "BTC/USD"))


@contextmanager
def solo(lab: SoloLab) -> Iterator[Followed]:
    accounts = [user.info for user in lab.users if user.borrowed]
    with lab.rewinding(), connect(lab.url, retries=0) as node:
        actors = acting.solo(lab, accounts[:: len(accounts) // PEOPLE])
        yield Followed(node, solo_listing(lab), keys_of(lab), actors, lab, ("WETH",))


OPENED: dict[str, tuple[str, Callable[[Any], AbstractContextManager[Followed]]]] = {
    "Aave v3.6": ("lab_v36", aave),
    "Aave v3.0": ("lab_v30", aave),
    "Compound v2": ("lab_compound_v2", compound_v2),
    "Comet of USDC": ("lab_compound_v3", partial(comet, name="usdc")),
    "Comet of WETH": ("lab_compound_v3", partial(comet, name="weth")),
    "Solo": ("lab_dydx_solo", solo),
}


def accounts_of(book: Book[Any]) -> dict[str, Account | str]:
    """Everybody by name, and why where there is no account."""
    found: dict[str, Account | str] = {account.owner: account for account in book.accounts()}
    assert len(found) == len(book)
    return {**found, **book.failed}


def act(followed: Followed, draw: random.Random, number: int) -> list[str]:
    """One block: prices fall in some, so that somebody can be liquidated."""
    if number % 8 == 4:
        for name in followed.falling:
            spot = int(followed.lab.rpc("eth_getStorageAt", followed.lab.drivers[name], "0x0", "latest"), 16)
            followed.lab.set_driver(name, spot * draw.choice((88, 95, 106)) // 100)
    liquidations = [kind for kind in ("liquidate", "absorb") if kind in followed.actors.kinds]
    only = liquidations if number % 8 in (5, 6) else []
    if number % 8 in (1, 3):
        only = [kind for kind in ("flag", "eMode") if kind in followed.actors.kinds]
    if number % 8 == 7 or number >= BLOCKS:
        only = [kind for kind in sorted(followed.actors.kinds) if not followed.actors.done[kind]]
    return followed.actors.block(draw, draw.randrange(1, MOST_AT_ONCE + 1), only)


@pytest.mark.parametrize("name", OPENED)
def test_what_logs_touch_is_all_that_changes(request: pytest.FixtureRequest, name: str) -> None:
    """Only Comet leaves something out, and says so: in just the blocks after which the book is another."""
    fixture, opened = OPENED[name]
    draw, seen = random.Random(11), Counter[str]()
    with opened(request.getfixturevalue(fixture)) as followed:
        before = followed.book
        lacks = followed.protocol.unaccounted(followed.node, before)
        for number in range(2 * BLOCKS):
            if number >= BLOCKS and len(followed.actors.done) == len(followed.actors.kinds):
                break
            through = act(followed, draw, number)
            followed.book = followed.step(before)
            fresh = followed.fresh(followed.book.market.block)
            is_same = accounts_of(followed.book) == accounts_of(fresh)
            now = followed.protocol.unaccounted(followed.node, followed.book, before.market.block)
            assert is_same or UNTOLD in through, (number, through)
            assert (now == lacks) == is_same, (number, through, lacks, now)
            assert followed.book.market == fresh.market
            seen["untold"] += not is_same
            seen["untold by totals"] += not is_same and now[0] == lacks[0]
            before = fresh
    print(name, dict(followed.actors.done), dict(seen))
    missing = {kind for kind in followed.actors.kinds if not followed.actors.done[kind]}
    assert not missing
    assert (seen["untold"] > 0) == name.startswith("Comet")


def test_a_debtor_who_pays_another_shows_in_no_total(lab_compound_v3: CometLab) -> None:
    """Neither is named, and what is owed in all stays: only the principals themselves tell."""
    draw = random.Random(3)
    with comet(lab_compound_v3, "usdc") as followed:
        market, found = lab_compound_v3.markets["usdc"], 0
        owing = [followed.book.owner(row) for row in np.flatnonzero(followed.book.debtors).tolist()]
        for _ in range(40):
            one, other = draw.sample(owing, 2)
            before = followed.fresh(followed.node.block("latest"))
            sent = Tx(
                one, market.contract, "transfer", (other, draw.randrange(1, 50) * market.spec.base.unit)
            )
            receipt = followed.actors.chain.mine_all([followed.actors.chain.request(sent)])[0]
            if int(receipt["status"], 16) == 0:
                continue
            book = followed.step(before)
            fresh = followed.fresh(book.market.block)
            missing, otherwise = followed.protocol.unaccounted(followed.node, book, before.market.block)
            assert otherwise == 2 or (otherwise == 1 and missing)  # the other one had less to pay than it got
            assert accounts_of(book) != accounts_of(fresh)
            assert followed.protocol.unaccounted(followed.node, fresh, before.market.block) == (0, 0)
            found += missing == 0
        assert found >= 3


def test_a_call_alone_may_end_a_status(lab_dydx_solo: SoloLab) -> None:
    """Solo's Call moves nothing, but whoever makes one and has enough is Normal again."""
    lab = lab_dydx_solo
    with solo(lab) as followed:
        lab.rpc("anvil_setCode", CALLEE, "0x00")
        healed = 0
        for user in [user for user in lab.users if user.borrowed][:12]:
            lab.set_status(user.info, LIQUID)
            lab.chain.mine()
            before = followed.fresh(followed.node.block("latest"))
            action = (CALL, 0, wei(0), 0, 0, CALLEE, 0, b"")
            sent = operate(lab.solo.margin, user.owner, (user.info,), [action])
            receipt = lab.chain.mine_all([lab.chain.request(sent)])[0]
            book = followed.step(before)
            assert accounts_of(book) == accounts_of(followed.fresh(book.market.block))
            row = book.find(user.name)
            assert row is not None
            assert (book.modes[row] == 0) == (int(receipt["status"], 16) == 1)
            healed += book.modes.item(row) == 0
        assert healed >= 3


@pytest.mark.parametrize("supplied", [0, 400])
def test_who_comes_to_owe_by_paying_is_named_where_something_was_supplied(
    lab_compound_v3: CometLab, supplied: int
) -> None:
    """A supplier who sends more than it has is named; who has collateral alone and sends is not."""
    with comet(lab_compound_v3, "usdc") as followed:
        market = lab_compound_v3.markets["usdc"]
        payer, unit = acting.stranger(50), market.spec.base.unit
        acting.comet(lab_compound_v3, "usdc", [payer])
        held = market.tokens["WETH"]
        brought = [Tx(payer, market.contract, "supply", (held.address, 10 * 10**18))]
        if supplied:
            brought.append(Tx(payer, market.contract, "supply", (market.base.address, supplied * unit)))
        followed.actors.chain.send_all(brought)
        followed.everybody = np.concatenate([followed.everybody, keys(CometMarket, [payer])])
        before = followed.fresh(followed.node.block("latest"))
        followed.actors.chain.send(
            market.contract, "transfer", acting.stranger(51), 1_000 * unit, sender=payer
        )
        book = followed.step(before)
        fresh = followed.fresh(book.market.block)
        row = fresh.find(payer)
        assert row is not None
        assert fresh.debtors[row]
        found = book.find(payer)
        assert found is not None
        assert (book.account(found) == fresh.account(row)) == bool(supplied)
        missing, _ = followed.protocol.unaccounted(followed.node, book, before.market.block)
        assert (missing > 0) != bool(supplied)
