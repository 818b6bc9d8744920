"""Whom the logs of a real chain name."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from defiliq.chain.calldata import keccak
from defiliq.chain.node import LogFilter
from defiliq.index import Index, discover
from defiliq.protocols.compound_v3 import abi, discovery, read
from defiliq.types import checksum
from tests.protocols.compound_v3.conftest import Scene

pytestmark = pytest.mark.lab


def search(scene: Scene) -> NDArray[np.uint8]:
    at = scene.latest()
    wanted, owner_of = discovery(scene.node, scene.listing, at)
    with Index(":memory:") as index:
        return discover(scene.node, index, wanted, owner_of, 0, at)


def spelled(owners: NDArray[np.uint8]) -> set[str]:
    return {checksum(owner.tobytes()) for owner in owners}


def named_by(scene: Scene, event: str, topic: int) -> set[str]:
    """Whom a topic of one event names."""
    logs = scene.node.logs(LogFilter((scene.comet,), (keccak(event),)), 0, scene.latest().number)
    return spelled(np.ascontiguousarray(logs.topics[:, topic, 12:]))


def test_everybody_who_was_given_collateral_is_found_and_nobody_else(scene: Scene) -> None:
    owners = search(scene)
    assert spelled(owners) == set(scene.lab.discoverable(scene.name))
    assert len(owners) == len(spelled(owners))


def test_every_borrower_is_found(scene: Scene) -> None:
    book = read(scene.node, scene.listing, search(scene), scene.latest())
    debtors = {book.owner(k) for k in np.flatnonzero(book.debtors).tolist()}
    assert debtors == set(scene.lab.borrowers(scene.name))
    owed = sum(leg.debt for account in book.accounts() for leg in account.legs)
    assert owed == book.market.total_borrow


def test_borrowers_by_transfer_are_found_whom_no_withdrawal_names(scene: Scene) -> None:
    """transferBase opened their debt: its only event is the receiver's."""
    borrowers = set(scene.lab.of_shape(scene.name, "by-transfer"))
    assert borrowers
    assert borrowers <= spelled(search(scene))
    assert not borrowers & named_by(scene, "Withdraw(address,address,uint256)", 1)
    assert not borrowers & named_by(scene, "Transfer(address,address,uint256)", 1)
    assert borrowers <= set(scene.lab.borrowers(scene.name))


def test_those_who_got_collateral_only_by_a_transfer_are_found(scene: Scene) -> None:
    received = set(scene.lab.of_shape(scene.name, "received"))
    assert received
    assert received <= spelled(search(scene))
    assert not received & named_by(scene, abi.SUPPLY_COLLATERAL_EVENT, 2)
    assert received <= named_by(scene, abi.TRANSFER_COLLATERAL_EVENT, 2)
