"""Principal and index of debts, found in storage whose layout nobody says, and proved by the balance."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from defiliq.protocols.compound_v2 import read_market
from defiliq.protocols.compound_v2.snapshots import Debts, fetch_snapshots, find_slots, mapping_slot
from tests.builders import BLOCK
from tests.protocols.compound_v2.contracts import LISTING, WAD, c_token, fork

RND = random.Random(4)
PEOPLE = 20


def test_where_a_mapping_keeps_an_account() -> None:
    """Solidity's layout of mappings: keccak of the key, then the slot, as two words."""
    owner = RND.randbytes(20)
    assert mapping_slot(owner, 3) == keccak(encode(["address", "uint256"], [owner, 3]))


@pytest.mark.parametrize("slot", [0, 16, 17, 23, 63])
def test_slots_are_found_and_every_debt_is_proved(slot: int) -> None:
    chain = fork("A", "B")
    market = read_market(chain, LISTING, BLOCK)
    index = market.reserves[0].borrow_index_wad
    owners = np.frombuffer(RND.randbytes(20 * PEOPLE), np.uint8).reshape(PEOPLE, 20)
    principals = [RND.randrange(1, 10**24) for _ in range(PEOPLE)]
    at_indices = [RND.randrange(WAD, index) for _ in range(PEOPLE)]
    reserve = np.array([k % 2 for k in range(PEOPLE)], np.intp)
    for k, owner in enumerate(owners):
        where = int.from_bytes(mapping_slot(owner.tobytes(), slot), "big")
        chain.words[c_token(k % 2).lower(), where] = principals[k]
        chain.words[c_token(k % 2).lower(), where + 1] = at_indices[k]
    balances = [p * index // i for p, i in zip(principals, at_indices, strict=True)]
    debts = Debts(reserve, owners, balances)
    assert find_slots(chain, market.reserves, debts, BLOCK) == {0: slot, 1: slot}
    found = fetch_snapshots(chain, market.reserves, debts, BLOCK)
    assert found.proved.all()
    read = [[int.from_bytes(word.tobytes(), "big") for word in row] for row in found.words]
    assert read == [[p, i] for p, i in zip(principals, at_indices, strict=True)]

    # One balance off by one: that account alone is not proved, unless it is among those that find the slot.
    wrong = [*balances]
    wrong[-1] += 1
    later = fetch_snapshots(chain, market.reserves, replace(debts, balances=wrong), BLOCK)
    assert later.proved.tolist() == [True] * (PEOPLE - 1) + [False]
    # The first of a cToken's is off: no slot fits all that are tried, so none of its debts is proved.
    wrong = [balances[0] + 1, *balances[1:]]
    none = fetch_snapshots(chain, market.reserves, replace(debts, balances=wrong), BLOCK)
    assert none.proved.tolist() == [k % 2 == 1 for k in range(PEOPLE)]


def test_a_slot_beyond_those_tried_proves_nothing() -> None:
    chain = fork("A")
    market = read_market(chain, LISTING, BLOCK)
    owners = np.ones((1, 20), np.uint8)
    where = int.from_bytes(mapping_slot(owners[0].tobytes(), 64), "big")
    chain.words[c_token(0).lower(), where] = 10**18
    chain.words[c_token(0).lower(), where + 1] = market.reserves[0].borrow_index_wad
    debts = Debts(np.zeros(1, np.intp), owners, [10**18])
    assert not fetch_snapshots(chain, market.reserves, debts, BLOCK).proved.any()


def test_no_debts() -> None:
    chain = fork("A")
    market = read_market(chain, LISTING, BLOCK)
    none = Debts(np.zeros(0, np.intp), np.zeros((0, 20), np.uint8), [])
    assert fetch_snapshots(chain, market.reserves, none, BLOCK).words.shape == (0, 2, 32)
