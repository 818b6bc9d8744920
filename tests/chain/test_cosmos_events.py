"""What happened in past blocks, from block_results: only what went through, with its transaction's hash."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from defiliq.chain.cosmos import CosmosNode, connect_cosmos
from defiliq.chain.rpc import Patience
from defiliq.errors import BadResponse, BlockNotFound, HistoryUnavailable, InputError
from tests.chain.cosmos_standin import StandIn, blocks_at, serving_comet, serving_grpc
from tests.chain.rpc_server import Slept
from tests.dydx.matches import event, executed

ONE, TWO, THREE = b"first", b"second", b"third"


@pytest.fixture
def model() -> StandIn:
    chain = StandIn("dydx-mainnet-1", blocks_at(*range(95, 101)), {})
    chain.executed[97] = [
        (ONE, executed(event("transfer", {"a": "b"}), event("match", {"n": "1"}))),
        (TWO, executed(event("match", {"n": "2"}), code=5)),
        (THREE, executed(event("match", {"n": "3", "empty": ""}), event("match", {"n": "4"}))),
    ]
    return chain


@pytest.fixture
def node(model: StandIn) -> Iterator[CosmosNode]:
    patience = Patience(2, sleep_ms=Slept(), jitter_ms=lambda longest: longest)
    with serving_comet(model) as url, connect_cosmos(url, patience=patience) as found:
        yield found


def test_events_of_one_type_with_their_places(node: CosmosNode) -> None:
    found = dict(node.events(range(96, 99), "match"))
    assert sorted(found) == [96, 97, 98]
    assert found[96] == found[98] == []
    said = [(one.transaction, one.index, one.attributes["n"]) for one in found[97]]
    hashes = {raw: sha256(raw).hexdigest().upper() for raw in (ONE, THREE)}
    assert said == [(hashes[ONE], 1, "1"), (hashes[THREE], 3, "3"), (hashes[THREE], 4, "4")]
    assert found[97][1].attributes["empty"] == ""


def test_one_block_alone(node: CosmosNode) -> None:
    ((number, found),) = node.events([97], "transfer")
    assert (number, [one.attributes for one in found]) == (97, [{"a": "b", "msg_index": "0"}])


def test_empty_values_may_be_null(node: CosmosNode, model: StandIn) -> None:
    said = {"type": "match", "attributes": [{"key": "a", "value": None}, {"key": "b"}]}
    model.executed[97] = [(ONE, executed(said))]
    ((_, (found,)),) = node.events([97], "match")
    assert found.attributes == {"a": "", "b": ""}


def test_pruned_results_and_blocks_to_come(node: CosmosNode, model: StandIn) -> None:
    model.lowest_results = 98
    with pytest.raises(HistoryUnavailable, match="could not find results"):
        node.events([97, 98], "match")
    with pytest.raises(BlockNotFound, match="its newest block is 100"):
        node.events([104], "match")


@pytest.mark.parametrize(
    ("spoil", "seen"),
    [
        ({"events": 5}, "not what a CometBFT node says"),
        ({"events": [{"type": "match", "attributes": [{"key": 1, "value": "x"}]}]}, "no texts"),
        ({"events": [{"type": "match", "attributes": [{"key": "a"}, {"key": "a"}]}]}, "come twice"),
        ({"events": [{"type": "match", "attributes": ["a"]}]}, "not what a CometBFT node says"),
    ],
)
def test_answers_that_are_none(node: CosmosNode, model: StandIn, spoil: dict[str, Any], seen: str) -> None:
    model.executed[97] = [(ONE, {**executed(), **spoil})]
    with pytest.raises(BadResponse, match=seen):
        node.events([97], "match")


def test_results_of_another_block_are_refused(node: CosmosNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StandIn, "results", lambda self, height: {"height": str(height + 1)})
    with pytest.raises(BadResponse, match="another block"):
        node.events([97], "match")


def test_results_of_more_transactions_than_there_are(
    node: CosmosNode, model: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {**model.results(97)}
    more["txs_results"] = [*more["txs_results"], executed(event("match", {"n": "5"}))]
    monkeypatch.setattr(StandIn, "results", lambda self, height: more)
    with pytest.raises(BadResponse, match="more transactions than block 97 has"):
        node.events([97], "match")


def test_grpc_cannot_tell(model: StandIn) -> None:
    with serving_grpc(model) as url, connect_cosmos(url) as node, pytest.raises(InputError) as caught:
        node.events([97], "match")
    assert "Use the node's CometBFT endpoint, http://host:port" in str(caught.value)
    assert "\n" not in str(caught.value)
