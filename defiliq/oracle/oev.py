"""Who captures what an update of a feed is worth (OEV, oracle extractable value): lists, and contracts asked.

An SVR feed (Chainlink's Smart Value Recapture) gives its update to whoever bids most for the place behind it,
so a liquidation that it makes possible costs most of its bonus. Moonwell's wrappers hold an update back for
some rounds unless somebody pays for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal, NamedTuple, TypeAlias

from defiliq.chain.node import Call, Node
from defiliq.chain.probe import number_call, probe
from defiliq.chain.text import clean_text, text_of
from defiliq.oracle.contracts import MAX_ADDRESS
from defiliq.types import Block, ChainId, checksum

CaptureKind: TypeAlias = Literal["svr", "svr possible", "oev wrapper", "none known"]

DUAL: Final = "DualAggregator"
"""How typeAndVersion() of the aggregator behind an SVR proxy starts (smartcontractkit/chainlink-evm)."""
HOLDS_BACK: Final = "maxRoundDelay()"
"""What Moonwell's ChainlinkFeedOEVWrapper and ChainlinkOEVWrapper answer, and aggregators do not."""
HOLDS_BACK_COMPOSITE: Final = "cachedCompositePrice()"
"""The same of ChainlinkCompositeOEVWrapper."""
MAX_TYPE: Final = 64


class Capture(NamedTuple):
    """Whether OEV of one feed is captured, and who says so."""

    kind: CaptureKind
    """`svr possible`: the aggregator has an SVR proxy beside a plain one; it does not say which one this is.
    `none known` where nothing says that it is: no proof that it is not."""
    source: str = ""


NONE_KNOWN: Final = Capture("none known")


@lru_cache(maxsize=64)
def listed_captures(chain_id: ChainId) -> Mapping[str, Capture]:
    """The SVR proxies of a chain that are known by name, by EIP-55 address."""
    table = json.loads(files("defiliq.oracle").joinpath("svr.json").read_text(encoding="utf-8"))
    rows = table["feeds"].get(str(chain_id), {})
    return {address: Capture("svr", f"{table['source']}: {name}") for address, name in rows.items()}


def ask_captures(node: Node, sources: Iterable[str], at: Block) -> dict[str, Capture]:
    """What some price contracts say of themselves, by address; those of which nothing follows are left out.

    Two calls of many questions each: marks of OEV wrappers and `aggregator()`, then the type of those.
    """
    asked = list(dict.fromkeys(sources))
    marks = (HOLDS_BACK, HOLDS_BACK_COMPOSITE, "aggregator()")
    calls = [number_call(address, mark) for mark in marks for address in asked]
    answers = probe(node, calls, at, is_known=False) if calls else []
    found: dict[str, Capture] = {}
    behind: dict[str, str] = {}
    for k, address in enumerate(asked):
        delay, composite, aggregator = (answers[k + row * len(asked)] for row in range(len(marks)))
        for mark, answer in ((HOLDS_BACK, delay), (HOLDS_BACK_COMPOSITE, composite)):
            if answer is not None:
                found[address] = Capture("oev wrapper", f"it answers {mark}")
        if aggregator is not None and 0 < aggregator[0] <= MAX_ADDRESS:
            behind[address] = checksum(aggregator[0].to_bytes(20, "big"))
    for address, named in _types(node, behind, at).items():
        if address not in found and named.startswith(DUAL):
            found[address] = Capture("svr possible", f"its aggregator is a {named}")
    return found


def _types(node: Node, behind: Mapping[str, str], at: Block) -> dict[str, str]:
    """What the aggregators behind some proxies call themselves, by proxy."""
    calls = [Call(to, number_call(to, "typeAndVersion()").data) for to in behind.values()]
    answers = node.call(calls, at) if calls else []
    return {
        address: clean_text(text_of(answer), "", MAX_TYPE)
        for address, answer in zip(behind, answers, strict=True)
        if isinstance(answer, bytes)
    }
