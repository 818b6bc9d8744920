"""When a Comet's principals need not be asked again, and what it says where they are others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from defiliq.chain.evm import connect
from defiliq.errors import NotAMarket
from defiliq.protocols.compound_v3 import CometMarket, read, touching, unaccounted
from defiliq.types import Block
from tests.aftermath import keys
from tests.lab import CometLab
from tests.protocols.compound_v3.stage import listing_of

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("name", ["usdc", "weth"])
def test_a_whole_book_lacks_nothing_and_half_of_it_half(lab_compound_v3: CometLab, name: str) -> None:
    lab = lab_compound_v3
    with connect(lab.url, retries=0) as node:
        at = node.block("latest")
        owners = keys_of(lab, name)
        book = read(node, listing_of(lab, name), owners, at)
        half = read(node, listing_of(lab, name), owners[::2], at)
        rest = read(node, listing_of(lab, name), owners[1::2], at)
        assert unaccounted(node, book) == (0, 0)
        owed = sum(leg.debt for account in rest.accounts() for leg in account.legs)
        assert unaccounted(node, half) == (owed, 0)
        assert owed > 0


def test_principals_that_are_others_are_counted(lab_compound_v3: CometLab) -> None:
    lab = lab_compound_v3
    with connect(lab.url, retries=0) as node:
        book = read(node, listing_of(lab, "usdc"), keys_of(lab, "usdc"), node.block("latest"))
        turned = replace(book, debt=book.debt.take(book.debt.is_positive().argsort(kind="stable")))
        missing, otherwise = unaccounted(node, turned)
        assert missing == 0
        assert otherwise > 0
        assert unaccounted(node, turned, at_block(book.market.block, 1, 1)) == (0, 0)  # nobody is asked


@pytest.mark.parametrize(
    ("blocks", "seconds", "is_asked"),
    [
        (1, 12, False),  # it accrued before the only block since
        (1, 0, False),
        (2, 12, True),  # a block between might have had the same time as the accrual
        (2, 1, False),  # accrued before the last book's block
    ],
)
def test_only_what_may_have_moved_is_asked(
    lab_compound_v3: CometLab, blocks: int, seconds: int, *, is_asked: bool
) -> None:
    """The accrual is put between the last book's block and this one's, `seconds` before this one."""
    lab = lab_compound_v3
    with connect(lab.url, retries=0) as node:
        book = read(node, listing_of(lab, "usdc"), keys_of(lab, "usdc"), node.block("latest"))
        at = book.market.block
        accrued = replace(book.market, accrued_at=at.timestamp - 5)
        nowhere = replace(accrued, comet="0x" + "ab" * 20)
        since = at_block(at, blocks, seconds)
        if is_asked:
            with pytest.raises(NotAMarket, match="totalsBasic"):
                unaccounted(node, replace(book, market=nowhere), since)
        else:
            assert unaccounted(node, replace(book, market=nowhere), since) == (0, 0)


def test_an_accrual_in_the_block_itself_is_asked_about(lab_compound_v3: CometLab) -> None:
    lab = lab_compound_v3
    with connect(lab.url, retries=0) as node:
        book = read(node, listing_of(lab, "usdc"), keys_of(lab, "usdc"), node.block("latest"))
        at = book.market.block
        nowhere = replace(book.market, accrued_at=at.timestamp, comet="0x" + "ab" * 20)
        for since in (at_block(at, 1, 12), at_block(at, 3, 0)):
            with pytest.raises(NotAMarket, match="totalsBasic"):
                unaccounted(node, replace(book, market=nowhere), since)


def test_whoever_holds_collateral_is_followed(lab_compound_v3: CometLab) -> None:
    lab = lab_compound_v3
    with connect(lab.url, retries=0) as node:
        market = read(node, listing_of(lab, "weth"), keys_of(lab, "weth")[:1], node.block("latest")).market
    told = touching(market)
    assert told.keeps_unindebted
    assert told.wanted.addresses == (market.comet,)


def keys_of(lab: CometLab, name: str) -> NDArray[np.uint8]:
    return keys(CometMarket, lab.owners(name))


def at_block(at: Block, blocks: int, seconds: int) -> Block:
    """So many blocks and seconds before another."""
    return replace(at, number=at.number - blocks, timestamp=at.timestamp - seconds)
