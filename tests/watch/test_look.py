"""What is read again where the chain has taken blocks back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import defiliq
from defiliq.watch.look import Looker
from tests.lab import Lab
from tests.lab.chain import DEPLOYER, Tx

pytestmark = pytest.mark.lab


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
