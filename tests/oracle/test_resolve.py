"""The graph as a whole: sharing, order, what can't be resolved, warnings, and contracts that mean harm."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.oracle import compose
from defiliq.oracle.adapters import KINDS, MARKS
from defiliq.oracle.heartbeats import Promise
from defiliq.oracle.survey import MAX_CONTRACTS, MAX_DEPTH
from defiliq.pricing.graph import Fixed, Input, PriceGraph
from tests.builders import NOW, address
from tests.oracle.contracts import USD, A, Answer, B, C, Chain, D, E, F, P, Q, resolved

ETHER = 2500_00000000


def named(graph: PriceGraph, name: str) -> Input:
    """The one input of that name."""
    (found,) = [quantity for _, quantity in graph.inputs if quantity.name == name]
    return found


def adapter(chain: Chain, at: str, base: str, ratio: int, answer: int, **changes: Answer) -> str:
    """An uncapped ratio adapter over a base feed."""
    plain: dict[str, Answer] = {"BASE_TO_USD_AGGREGATOR": base, "RATIO_PROVIDER": P, "RATIO_DECIMALS": 18}
    chain.put(at, getRatio=ratio, decimals=8, latestAnswer=answer, **plain)
    return chain.put(at, **changes)


def cap(chain: Chain, at: str, base: str, most: int, answer: int, **changes: Answer) -> str:
    """A stable price cap over a base feed."""
    chain.put(at, ASSET_TO_USD_AGGREGATOR=base, getPriceCap=most, decimals=8, latestAnswer=answer)
    return chain.put(at, **changes)


def test_a_feed_under_two_sources_is_one_input() -> None:
    chain = Chain()
    chain.aggregator(A, ETHER, "ETH / USD")
    adapter(chain, B, A, 12 * 10**17, 3000_00000000, description="wstETH / stETH(ETH) / USD")
    adapter(chain, C, A, 12 * 10**17, 3000_00000000, description="wstETH / ETH / USD")
    graph = resolved(chain, A, B, C)
    assert [quantity.name for _, quantity in graph.inputs] == ["ETH/USD", "wstETH/ETH ratio"]
    assert graph.prices(NOW) == (ETHER, 3000_00000000, 3000_00000000)
    assert graph.warnings == ()


def test_two_contracts_that_quote_one_pair_stay_two_inputs() -> None:
    chain = Chain()
    chain.aggregator(A, ETHER, "ETH / USD")
    chain.aggregator(B, ETHER + 1, "ETH / USD")
    graph = resolved(chain, A, B)
    assert [(quantity.name, quantity.source) for _, quantity in graph.inputs] == [
        ("ETH/USD", A),
        ("ETH/USD", B),
    ]


def test_an_adapter_that_answers_otherwise_is_an_input_of_its_own() -> None:
    chain = Chain()
    chain.aggregator(A, ETHER, "ETH / USD")
    adapter(chain, B, A, 12 * 10**17, 3000_00000001, description="wstETH / ETH / USD")
    graph = resolved(chain, A, B, names=["WETH", "wstETH"])
    own = named(graph, "wstETH/USD")
    assert (own.kind, own.source, own.value) == ("unresolved", B, 3000_00000001)
    assert graph.prices(NOW) == (ETHER, 3000_00000001)
    assert len(graph.quantities) == 2
    (warning,) = graph.warnings
    assert "looks like a base price times a ratio" in warning
    assert "answers 300000000001 where that would answer 300000000000" in warning


def test_a_cap_that_can_not_be_read_is_not_guessed() -> None:
    chain = Chain()
    chain.aggregator(A, 99_990_000, "USDC / USD")
    chain.put(
        B, ASSET_TO_USD_AGGREGATOR=A, decimals=8, latestAnswer=99_990_000, description="Capped USDC/USD"
    )
    graph = resolved(chain, B, names=["USDC"])
    assert [(q.name, q.kind, q.source) for _, q in graph.inputs] == [("USDC/USD", "unresolved", B)]
    assert "looks like PriceCapAdapterStable, but it does not answer getPriceCap" in graph.warnings[0]


def test_a_price_beyond_all_range_is_its_own() -> None:
    chain = Chain()
    chain.aggregator(A, 2**200, "X / USD")
    graph = resolved(chain, A)
    assert [(q.name, q.kind, q.value) for _, q in graph.inputs] == [("A/USD", "unresolved", 2**200)]
    assert graph.warnings == (f"A/USD: {A} answers {2**200}",)


def test_what_is_built_on_an_adapter_that_answers_otherwise_still_follows_it() -> None:
    chain = Chain()
    chain.aggregator(A, 1_00020000, "USDT / USD")
    cap(chain, B, A, 1_00010000, 1_00030000, description="Capped USDT/USD")
    adapter(chain, C, B, 12 * 10**17, 1_20036000, description="sUSDe / USDe / USD")
    graph = resolved(chain, C)
    inner = named(graph, "Capped USDT/USD")
    assert (inner.kind, inner.value) == ("unresolved", 1_00030000)
    assert graph.prices(NOW) == (1_20036000,)
    assert named(graph, "sUSDe/USDe ratio").kind == "ratio"
    assert len(graph.warnings) == 1


def test_the_fallback_oracle_answers_where_the_source_has_no_price() -> None:
    chain = Chain()
    chain.aggregator(A, 0, "X / USD")
    quote = replace(USD, fallback=Q)
    graph = resolved(chain, A, "0x" + "0" * 40, prices=[77, 88], quote=quote, names=["X", "Y"])
    assert [(q.name, q.kind, q.source, q.value) for _, q in graph.inputs] == [
        ("X/USD", "unresolved", Q, 77),
        ("Y/USD", "unresolved", Q, 88),
    ]
    assert len(graph.warnings) == 2


def test_the_oracle_that_answers_otherwise_than_the_source_is_believed() -> None:
    chain = Chain()
    chain.aggregator(A, 5, "X / USD")
    graph = resolved(chain, A, prices=[6])
    assert graph.prices(NOW) == (6,)
    assert named(graph, "A/USD").source == A
    assert "answers 5, the oracle 6" in graph.warnings[0]


def test_the_base_currency_is_fixed() -> None:
    quote = compose.Quote(10**18, "WETH", frozenset({0}))
    graph = resolved(Chain(), A, prices=[10**18], quote=quote)
    assert graph.quantities == (Fixed(10**18, "WETH, the base currency"),)


def test_unresolved_feeds_move_alone() -> None:
    chain = Chain()
    chain.aggregator(A, 5, "AAVE / USD")
    chain.put(B, latestAnswer=6, decimals=8)
    graph = resolved(chain, A, B, names=["stkAAVE", "AAVE"])
    assert [quantity.name for _, quantity in graph.inputs] == ["AAVE/USD", f"AAVE/USD[{B[:10]}]"]


def test_a_feed_without_a_description_is_named_after_what_it_prices() -> None:
    chain = Chain()
    chain.aggregator(A, 5)
    chain.aggregator(B, 1_00000000)
    cap(chain, C, B, 2_00000000, 1_00000000)
    graph = resolved(chain, A, C, names=["CRV", "DAI"])
    assert [(q.name, q.kind) for _, q in graph.inputs] == [("CRV/USD", "aggregator"), (B[:10], "aggregator")]


def test_stale_answers_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("defiliq.oracle.resolve.promises", lambda chain_id: {A: Promise(3600, 50)})
    chain = Chain()
    chain.aggregator(A, ETHER, "ETH / USD", age=3601)
    chain.aggregator(B, ETHER, "BTC / USD", age=10**6)
    graph = resolved(chain, A, B)
    assert (named(graph, "ETH/USD").heartbeat_s, named(graph, "ETH/USD").deviation_bps) == (3600, 50)
    assert named(graph, "BTC/USD").heartbeat_s is None
    assert graph.warnings == (
        f"ETH / USD ({A[:10]}..) is stale: its answer is 3601 s old, its heartbeat 3600 s",
    )
    chain.aggregator(A, ETHER, "ETH / USD", age=3600)
    assert resolved(chain, A).warnings == ()


def test_odd_decimals_are_said() -> None:
    chain = Chain()
    chain.aggregator(A, ETHER, "X / USD", decimals=18)
    assert resolved(chain, A).warnings == (
        f"A/USD: its source X / USD ({A[:10]}..) has 18 decimals, the market's unit is 100000000",
    )
    chain.aggregator(B, 10**8, "BTC / USD", decimals=18)
    chain.aggregator(C, 10**8, "WBTC / BTC", decimals=8)
    adapted: dict[str, Answer] = {"PEG_TO_BASE": B, "ASSET_TO_PEG": C, "DECIMALS": 8, "DENOMINATOR": 10**16}
    chain.put(D, decimals=8, description="wBTC", latestAnswer=10**8, **adapted)
    graph = resolved(chain, D)
    assert graph.prices(NOW) == (10**8,)
    (warning,) = graph.warnings
    assert f"DENOMINATOR {10**16}, but the present decimals of its feeds say {10**26}" in warning


@pytest.mark.parametrize("answer", [0, -1, -(2**255)])
def test_a_part_without_a_price_makes_the_answer_zero(answer: int) -> None:
    chain = Chain()
    chain.aggregator(A, answer, "ETH / USD")
    adapter(chain, B, A, 12 * 10**17, 0)
    graph = resolved(chain, B, prices=[5], names=["X"], quote=replace(USD, fallback=Q))
    assert named(graph, "X/USD").source == Q
    assert graph.prices(NOW) == (5,)


def test_sixty_sources_take_a_handful_of_calls() -> None:
    chain = Chain()
    sources = []
    for k in range(60):
        base, source = address(0x10000 + k), address(0x20000 + k)
        chain.aggregator(base, ETHER + k, f"X{k} / USD")
        adapter(chain, source, base, 10**18, ETHER + k, description=f"Capped Y{k} / X{k} / USD")
        sources.append(source)
    graph = resolved(chain, *sources)
    assert len(graph.inputs) == 61, "one ratio of one provider"
    assert graph.warnings == ()
    assert chain.asked <= 16, "and a node that takes overrides needs fewer"


def test_one_that_burns_gas_does_not_silence_the_others() -> None:
    chain = Chain()
    chain.put(D, latestAnswer=7, decimals=8)
    chain.burners.add(D.lower())
    chain.aggregator(A, ETHER, "ETH / USD")
    adapter(chain, B, A, 12 * 10**17, 3000_00000000, description="wstETH / ETH / USD")
    cap(chain, C, E, 2_00000000, 1_00000000)
    chain.aggregator(E, 1_00000000, "DAI / USD")
    graph = resolved(chain, D, A, B, C)
    assert {quantity.name: quantity.kind for _, quantity in graph.inputs} == {
        "A/USD": "unresolved",
        "ETH/USD": "aggregator",
        "wstETH/ETH ratio": "ratio",
        "DAI/USD": "aggregator",
    }
    assert graph.prices(NOW) == (7, ETHER, 3000_00000000, 1_00000000)


def test_cycles_are_inputs() -> None:
    chain = Chain()
    cap(chain, A, B, 10**9, 10**8, description="A")
    cap(chain, B, A, 10**9, 10**8, description="B")
    cap(chain, C, C, 10**9, 10**8, description="C")
    graph = resolved(chain, A, B, C)
    assert graph.prices(NOW) == (10**8,) * 3
    assert all(quantity.kind == "unresolved" for _, quantity in graph.inputs)
    assert len(graph.warnings) >= 2


def test_chains_deeper_than_any_real_one_end_in_an_input() -> None:
    chain = Chain()
    depth = MAX_DEPTH + 5
    places = [address(0x30000 + k) for k in range(depth)]
    for above, below in pairwise(places):
        cap(chain, above, below, 10**9, 10**8)
    chain.aggregator(places[-1], 10**8, "X / USD")
    graph = resolved(chain, places[0])
    assert graph.prices(NOW) == (10**8,)
    assert [quantity.kind for _, quantity in graph.inputs] == ["unresolved"]
    assert any("deeper" in warning for warning in graph.warnings)


@pytest.mark.parametrize(
    "changes",
    [
        {"RATIO_DECIMALS": 255},
        {"RATIO_DECIMALS": 2**256 - 1},
        {"RATIO_DECIMALS": b""},
        {"getRatio": 2**255 - 1},
        {"getRatio": -5},
        {"getRatio": b"\x01"},
        {"BASE_TO_USD_AGGREGATOR": 0},
        {"BASE_TO_USD_AGGREGATOR": 2**255},
        {"BASE_TO_USD_AGGREGATOR": E},
        {"RATIO_PROVIDER": 2**200},
        {"decimals": 2**200},
        {"getSnapshotRatio": 1, "getMaxRatioGrowthPerSecondScaled": 2**256 - 1, "getSnapshotTimestamp": 1},
        {"getSnapshotRatio": 1, "getMaxRatioGrowthPerSecondScaled": 1, "getSnapshotTimestamp": NOW + 1},
        {
            "getSnapshotRatio": 1,
            "getMaxRatioGrowthPerSecondScaled": 1,
            "getSnapshotTimestamp": 1,
            "SCALING_FACTOR": 0,
        },
    ],
)
def test_answers_that_no_adapter_gives(changes: dict[str, Answer]) -> None:
    chain = Chain()
    chain.aggregator(A, ETHER, "ETH / USD")
    adapter(chain, B, A, 12 * 10**17, 3000_00000000, **changes)
    graph = resolved(chain, B, names=["X"])
    assert graph.prices(NOW) == (3000_00000000,)
    if changes != {"decimals": 2**200}:
        assert named(graph, "X/USD").kind == "unresolved"
        assert len(graph.warnings) >= 1
    assert all("\n" not in warning and len(warning) < 400 for warning in graph.warnings)


@pytest.mark.parametrize(
    "text",
    [
        b"\xff" * 96,
        b"",
        b"\x20",
        (32).to_bytes(32, "big") + (2**255).to_bytes(32, "big"),
        "\x1b[31m<b>|\n=" * 40,
    ],
)
def test_descriptions_that_are_none(text: Any) -> None:
    chain = Chain()
    chain.aggregator(A, ETHER)
    chain.put(A, description=text)
    (quantity,) = resolved(chain, A, names=["X"]).quantities
    assert isinstance(quantity, Input)
    assert quantity.kind == "aggregator"
    assert quantity.name.isprintable()
    assert 0 < len(quantity.name) <= 64
    assert not set(quantity.name) & set("<>|=\n\x1b")


FURTHER = (
    "latestRoundData",
    "description",
    "decimals",
    *(ask.name for kind in KINDS for ask in kind.asks if ask.power is None),
)
"""What else contracts are asked."""
words = st.one_of(
    st.integers(0, 2**256 - 1),
    st.integers(0, 100),
    st.sampled_from([A, B, C, D, E, F]),
    st.binary(max_size=70),
)


@given(
    st.dictionaries(
        st.sampled_from([A, B, C, D, E]),
        st.dictionaries(
            st.sampled_from((*MARKS, *FURTHER)),
            words,
        ),
    ),
    st.lists(st.integers(1, 2**128 - 1), min_size=5, max_size=5),
)
@settings(max_examples=150, deadline=None)
def test_whatever_contracts_answer_the_prices_are_the_oracles(
    contracts: dict[str, dict[str, Answer]], prices: list[int]
) -> None:
    chain = Chain()
    for at, getters in contracts.items():
        chain.put(at, **getters)
    for k, at in enumerate((A, B, C)):
        chain.put(at, latestAnswer=prices[k])
    graph = resolved(chain, A, B, C, D, E, prices=prices)
    assert graph.prices(NOW) == tuple(prices)
    assert all("\n" not in warning for warning in graph.warnings)


def test_constants_that_the_evm_can_not_multiply_are_no_adapters() -> None:
    chain = Chain()
    base, ratio, scale = 2**127, 10**30, 10**52
    chain.aggregator(A, base, "X / ETH", decimals=18)
    answer = ratio * scale // (10**4 * base)
    chain.put(
        B, BASE_TO_PEG=A, PRICE_RATIO=ratio, MULTIPLIER=scale, DECIMALS=18, decimals=18, latestAnswer=answer
    )
    graph = resolved(chain, B)
    assert [quantity.kind for quantity in graph.quantities if isinstance(quantity, Input)] == ["unresolved"]
    assert any("multiply beyond" in warning for warning in graph.warnings)


def test_more_sources_than_are_asked_keep_the_oracles_prices() -> None:
    chain = Chain()
    sources = [
        chain.aggregator(address(0x10000 + k), 100 + k, f"X{k} / USD") for k in range(MAX_CONTRACTS + 2)
    ]
    graph = resolved(chain, *sources)
    assert graph.prices(NOW) == tuple(100 + k for k in range(MAX_CONTRACTS + 2))
    assert [quantity.kind for _, quantity in graph.inputs[-3:]] == ["aggregator", "unresolved", "unresolved"]
    assert "is one too many to ask" in graph.warnings[0]


def test_an_answer_from_the_future_is_said() -> None:
    chain = Chain()
    chain.aggregator(A, ETHER, "ETH / USD", age=-90)
    assert resolved(chain, A).warnings == (
        f"ETH / USD ({A[:10]}..) says that it answered 90 s after this block",
    )
