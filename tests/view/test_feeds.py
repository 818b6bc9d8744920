"""Feeds as people see them: exact digits, named arithmetic, and a page that stays readable."""

from __future__ import annotations

import re

import pytest
from rich.tree import Tree

from defiliq.pipeline.feeds import feeds, feeds_by_driver, price_trees
from defiliq.pricing.branch import Branch
from defiliq.pricing.graph import Discount, Fixed, Fraction, Growing, Input, Least, PriceGraph
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.view.feeds import day, ends, exact, lasting, price_tree, print_feeds, print_tree
from tests.builders import NOW, address, graph_market, plain_market, plain_reserve

Capture = pytest.CaptureFixture[str]


def shown_trees(capsys: Capture, at: AaveMarket, *drivers: str) -> list[str]:
    for tree in price_trees(at, drivers):
        print_tree(tree.reserve, tree.source, tree.price, at.block.timestamp)
    return capsys.readouterr().out.splitlines()


def shown_tables(capsys: Capture, at: AaveMarket) -> str:
    print_feeds(feeds(at), feeds_by_driver(at))
    return capsys.readouterr().out


def test_a_price_taken_apart(capsys: Capture) -> None:
    assert shown_trees(capsys, graph_market(), "wstETH/ETH") == [
        "wstETH  3,600  = product / 10^18   Capped wstETH / stETH(ETH) / USD  0x0000…d001",
        "├── ETH/USD  3,000   aggregator 0x0000…d000, 37 s old, heartbeat 3600 s, deviation 50 bps",
        "└── capped ratio  1.200000000000000007  = least",
        "    ├── wstETH/ETH ratio  1.200000000000000007   ratio 0x0000…F001",
        "    └── cap  1.206523528767123287   grows 9.68 % a year, not binding (0.54 % above)",
    ]


def test_a_binding_cap_a_discount_and_a_fixed_price_are_named(capsys: Capture) -> None:
    text = "\n".join(shown_trees(capsys, graph_market()))
    assert "cap  1.088095561643835614   grows 9.12 % a year, BINDING (1.08 % below) until 2026-01-07" in text
    assert "1 - discount  0.981506849315068494   discount 7.50 % a year until 2026-02-22" in text
    assert "GHO  1  0x0000…D007\n└── GHO / USD  1   fixed" in text
    assert "WBTC  59,940  = product * 10^8 / 10^16" in text
    assert "2 d old, STALE, heartbeat 86400 s" in text
    assert "LDO/USD  1.5   unresolved 0x0000…d008" in text


def test_a_divisor_is_marked_and_a_fixed_cap_binds_for_good(capsys: Capture) -> None:
    quantities = (
        Input("A/PEG", "aggregator", address(1), 3_00000000, 8),
        Input("BASE/PEG", "aggregator", address(2), 2_00000000, 8),
        Fraction((0,), (1,), 10**8, 1, "A / BASE"),
        Fixed(1_20000000, "price cap"),
        Least((2, 3), "Capped A / BASE"),
    )
    at = plain_market([plain_reserve(0, "A", 18)], [1_20000000], graph=PriceGraph(quantities, (4,)))
    assert shown_trees(capsys, at) == [
        "A  1.2  = least   Capped A / BASE  0x0000…d000",
        "├── A / BASE  1.5  = quotient * 10^8",
        "│   ├── A/PEG  3   aggregator 0x0000…0001",
        "│   └── ÷ BASE/PEG  2   aggregator 0x0000…0002",
        "└── price cap  1.2   fixed, BINDING (20.00 % below)",
    ]


def numbers(tree: Tree) -> list[str]:
    """The number of every line, in order."""
    found = re.findall(r"  ([\d,]+(?:\.\d+)?)", str(tree.label))[:1]
    return found + [number for child in tree.children for number in numbers(child)]


def values(branch: Branch) -> list[tuple[int, int | None]]:
    return [(branch.value, branch.decimals)] + [pair for part in branch.parts for pair in values(part)]


def test_every_number_in_a_tree_is_the_integer_itself() -> None:
    for tree in price_trees(graph_market()):
        expected = values(tree.price) if tree.price.parts else values(tree.price) * 2
        shown = numbers(price_tree(tree.reserve, tree.source, tree.price, NOW))
        assert len(shown) == len(expected)
        for text, (value, decimals) in zip(shown, expected, strict=True):
            whole, _, part = text.replace(",", "").partition(".")
            assert int(whole + part.ljust(decimals or 0, "0")) == value


def test_the_tables(capsys: Capture) -> None:
    text = shown_tables(capsys, graph_market())
    assert "8 drivers, 1 stale, 1 unresolved" in text
    assert "9 prices, 1 capped now, 1 fixed" in text
    assert re.search(r"ETH/USD +aggregator +3,000 +37 s +3 +WETH, wstETH, weETH +1 h +0.5%", text)
    assert re.search(r"WBTC/BTC +aggregator +0.999 +2 d STALE", text)
    assert re.search(r"wstETH +3,600.0000 +ETH/USD, wstETH/ETH ratio +0.54% above", text)
    assert "CAPPED 1.08% below, until 2026-01-07" in text
    assert "nothing: it is fixed" in text


def many(reserves: int) -> AaveMarket:
    """A market in which one driver moves everything."""
    base = Input("ETH/USD", "aggregator", address(1), 3000_00000000, 8)
    priced = tuple(Fraction((0,), (), 100 + k, 100, f"Capped R{k} / ETH / USD") for k in range(reserves))
    graph = PriceGraph((base, *priced), tuple(range(1, reserves + 1)))
    return plain_market(
        [plain_reserve(k, f"R{k}", 18) for k in range(reserves)], graph.prices(NOW), graph=graph
    )


def test_sixty_reserves_are_one_line_each(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "110")
    lines = [re.sub("\x1b[^m]*m", "", line) for line in shown_tables(capsys, many(60)).splitlines()]
    assert max(map(len, lines)) <= 110
    assert sum(bool(re.match(r"R\d+ ", line)) for line in lines) == 60
    assert any("R0, R1, R2, R3, R4, R5 and 54 more" in line for line in lines)


def test_text_from_a_contract_cannot_command_the_terminal(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = "\x1b[2J[red]A\n/USD"
    monkeypatch.setenv("NO_COLOR", "1")
    quantities = (
        Input(evil, "aggregator", evil, 5, 8),
        Fixed(9, evil, evil),
        Least((0, 1), evil, evil),
    )
    at = plain_market([plain_reserve(0, evil, 18)], [5], graph=PriceGraph(quantities, (2,)))
    lines = shown_trees(capsys, at)
    assert len(lines) == 3
    text = "\n".join(lines) + shown_tables(capsys, at)
    assert "\x1b" not in text
    assert "?[2J[red]A?/USD" in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0, "0 s"), (37, "37 s"), (60, "1 min"), (90, "90 s"), (150, "2 min"), (3600, "1 h")),
        *((86_400, "1 d"), (86_401, "24 h"), (172_800, "2 d"), (5400, "90 min")),
    ],
)
def test_time_spans(seconds: int, words: str) -> None:
    assert lasting(seconds) == words


def test_odd_values() -> None:
    assert exact(Branch(Fixed(5), 5, None)) == "5 (raw)"
    assert exact(Branch(Fixed(5), 5, 0)) == "5"
    assert exact(Branch(Fixed(5), 5, 8)) == "0.00000005"
    assert exact(Branch(Fixed(0), 0, 18)) == "0"
    assert day(10**15) == "unix time 1000000000000000"
    assert ends("nowhere") == "nowhere"


def test_nothing_divides_by_nothing(capsys: Capture) -> None:
    """Caps, wholes and inputs at 0 are shown like any other."""
    quantities = (
        Input("A/USD", "aggregator", address(1), 0, 8),
        Growing(0, NOW, 0, 1),
        Least((0, 1)),
        Discount(0, 0, NOW + 5, 10),
    )
    graph = PriceGraph(quantities, (2, 3))
    at = plain_market([plain_reserve(k, f"R{k}", 18) for k in range(2)], graph.prices(NOW), graph=graph)
    assert len(shown_trees(capsys, at)) == 5
    assert "2 prices" in shown_tables(capsys, at)


def test_an_answer_from_the_future_is_ahead(capsys: Capture) -> None:
    ahead = Input("A/USD", "aggregator", address(1), 7, 8, NOW + 7200, 3600)
    at = plain_market([plain_reserve(0, "A", 18)], [7], graph=PriceGraph((ahead,), (0,)))
    assert "aggregator 0x0000…0001, 2 h ahead, heartbeat 3600 s" in shown_trees(capsys, at)[1]
    print_feeds(feeds(at), feeds_by_driver(at))
    assert "2 h ahead" in capsys.readouterr().out
