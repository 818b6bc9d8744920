"""Who is read at a block besides those whom logs name, and what is read again once blocks are taken back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import defiliq
from defiliq.book import Book
from defiliq.chain.node import LogFilter
from defiliq.watch.look import MOST_UNREAD, Asked, Looker, asked_of, followed_in
from tests.builders import account, address, market
from tests.lab import Lab
from tests.lab.chain import DEPLOYER, Tx
from tests.watch.blocks import head_at


class Reading:
    """A protocol whose logs name nobody, and that remembers who was asked for."""

    node_kind = "evm"

    def __init__(self) -> None:
        self.asked: list[list[bytes]] = []

    def touching(self, at: Any) -> Any:
        return SimpleNamespace(wanted=LogFilter((), ()), accounts_of=lambda logs: np.empty((0, 20), np.uint8))

    def read(self, node: Any, listing: Any, owners: Any, at: Any) -> Book[Any]:
        self.asked.append([row.tobytes() for row in owners])
        return Book.build(market(), [account(1, WETH=(1, 0), USDC=(0, 100))])

    def search_events(self, *given: Any) -> None:
        """Nothing happened."""

    def event_worth(self, happened: Any, at: Any) -> tuple[()]:
        return ()

    def read_market(self, *given: Any) -> None:
        """No price is missing."""


def test_who_could_not_be_read_is_tried_again_though_no_log_names_it() -> None:
    node = SimpleNamespace(logs=lambda *given: [], block=lambda tag: head_at(121).block)
    looker = Looker(node, SimpleNamespace(protocol="aave-v3", version="3.6"))  # type: ignore[arg-type]
    looker._protocol = reading = Reading()  # type: ignore[assignment]
    before = Book.build(market(), [account(2, WETH=(1, 0))], {address(1): "the pool does not answer"})
    glance = looker.at(head_at(121), 121, asked_of(before), followed_in(before))
    assert reading.asked == [[market().account_key(address(1))]]
    after = before.updated(glance.changed)
    assert not after.failed
    assert after.find(address(1)) is not None


def test_of_many_who_could_not_be_read_all_have_their_turn_however_many_blocks_are_left_out() -> None:
    many = tuple(k.to_bytes(20, "big") for k in range(7 * MOST_UNREAD))
    asked = Asked(market(), (), many)
    tried = [asked.again_at(number) for number in range(7, 7 * 60, 7)]
    assert {len(each) for each in tried} == {MOST_UNREAD}
    assert {key for each in tried for key in each} == set(many)
    assert Asked(market(), (), many[:5]).again_at(7) == many[:5]
    assert Asked(market(), ()).again_at(7) == ()


@pytest.mark.lab
@pytest.mark.parametrize("loses_a_price", [True, False])
def test_who_looks_again_sees_what_was_there(lab_v36: Lab, tmp_path: Path, loses_a_price: bool) -> None:
    """Also where the blocks that are gone had another set of reserves: all accounts are read again then."""
    listing = defiliq.market_from_file(lab_v36.market_file(tmp_path / "market.json"))
    with lab_v36.rewinding(), defiliq.connect(lab_v36.url) as node, defiliq.Index(":memory:") as index:
        looker, chain = Looker(node, listing), lab_v36.chain
        chain.mine()
        head = node.head("latest")
        owners = looker.owners(index, head.block)
        before = looker.whole(head, owners, head.block.number + 1)
        answer = 0 if loses_a_price else lab_v36.price("CRV") + 1
        chain.send_all([Tx(DEPLOYER, lab_v36.market.aggregators["CRV/USD"], "setAnswer", (answer,))])
        gone = looker.whole(node.head("latest"), owners, head.block.number + 1)
        assert bool(gone.missing) == loses_a_price
        again = looker.again(head, frozenset(), gone.changed)
    assert again.is_whole
    assert again.missing == before.missing == {}
    assert again.changed.market == before.changed.market
    assert sorted(row.tobytes() for row in again.changed.owners) == sorted(
        row.tobytes() for row in before.changed.owners
    )
    places = [again.changed.find(before.changed.owner(k)) for k in range(len(before.changed))]
    rows = np.array(places, dtype=np.intp)
    assert [*again.changed.pick(rows).accounts()] == [*before.changed.accounts()]
    assert not again.changed.failed
