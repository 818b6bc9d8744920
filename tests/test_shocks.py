"""How moves are written, which integers they mean, and the markets they lead to."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.errors import InputError, UnknownDriver
from defiliq.oracle.drivers import drivers
from defiliq.pipeline.presets import preset, presets
from defiliq.pipeline.shocks import Moved, Shock, moved_market, parse_shock, read_shocks, resolve_shocks
from defiliq.protocols.aave_v3.market import AaveMarket
from tests.builders import graph_market, market

ETHER = 3000_00000000


def optional(text: str) -> Shock:
    shock = parse_shock(text)
    return Shock(shock.name, shock.amount, shock.is_relative, shock.text, is_optional=True)


def moves(at: AaveMarket, *texts: str, groups: tuple[str, ...] = ()) -> dict[str, int]:
    """Name to the integer that it goes to."""
    found, missing = resolve_shocks(at, read_shocks(texts), groups)
    assert not missing
    return {moved.name: moved.after for moved in found}


def there(at: AaveMarket, *texts: str, groups: tuple[str, ...] = ()) -> AaveMarket:
    found, _ = resolve_shocks(at, read_shocks(texts), groups)
    moved = moved_market(at, found)
    assert isinstance(moved, AaveMarket)
    return moved


@pytest.mark.parametrize(
    ("text", "name", "amount", "is_relative"),
    [
        ("ETH/USD=-20%", "ETH/USD", Fraction(4, 5), True),
        ("ETH/USD=+0.1%", "ETH/USD", Fraction(1001, 1000), True),
        (" wstETH/ETH ratio = -2.85 % ", "wstETH/ETH ratio", Fraction(9715, 10000), True),
        ("ETH/USD=2400", "ETH/USD", Fraction(2400), False),
        ("USDC/USD=0.877", "USDC/USD", Fraction(877, 1000), False),
        ("odd=name=-1%", "odd=name", Fraction(99, 100), True),
        ("cap:wstETH=-2.85%", "cap:wstETH", Fraction(9715, 10000), True),
        ("ETH/USD=-99.99999999999999999999%", "ETH/USD", Fraction(1, 10**22), True),
    ],
)
def test_moves_are_read_exactly(text: str, name: str, amount: Fraction, is_relative: bool) -> None:
    assert parse_shock(text) == Shock(name, amount, is_relative, text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "=", "ETH/USD", "ETH/USD=", "=-20%", "cap:=-1%", "ETH/USD=-", "ETH/USD=%", "ETH/USD=--5%"),
        *("ETH/USD=1e3", "ETH/USD=nan", "ETH/USD=inf%", "ETH/USD=-2,5%", "ETH/USD=0x10", "ETH/USD=٢%"),
        *("ETH/USD=-.5%", "ETH/USD=5.", "ETH/USD=-20", "ETH/USD=1_000", f"ETH/USD={'9' * 61}"),
    ],
)
def test_what_is_no_move_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match=r"cannot read the move .* Write DRIVER=-20%") as refused:
        parse_shock(text)
    assert "\n" not in str(refused.value)


def test_a_percentage_needs_its_sign() -> None:
    with pytest.raises(InputError, match=r"Write \+ or - before a percentage"):
        parse_shock("ETH/USD=20%")


@pytest.mark.parametrize("text", ["ETH/USD=-100%", "ETH/USD=-100.0001%", "cap:wstETH=-250%"])
def test_a_fall_of_all_or_more_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"leaves no price\. A driver falls by less than 100%"):
        parse_shock(text)


@given(st.integers(0, 10**6), st.sampled_from("+-"))
def test_the_integer_is_the_exact_product_rounded_down(millionths: int, sign: str) -> None:
    percent = f"{millionths // 10**4}.{millionths % 10**4:04d}"
    if sign == "-" and millionths >= 10**6:
        return
    at = graph_market({"ETH/USD": 3000_12345679})
    (after,) = moves(at, f"ETH/USD={sign}{percent}%").values()
    signed = millionths if sign == "+" else -millionths
    assert after == 3000_12345679 * (10**6 + signed) // 10**6


def test_values_are_in_units_of_the_driver() -> None:
    at = graph_market()
    assert moves(at, "ETH/USD=2400.5", "wstETH/ETH=1.1") == {
        "ETH/USD": 2400_50000000,
        "wstETH/ETH ratio": 11 * 10**17,
    }
    assert moves(at, "ETH/USD=2400.123456789") == {"ETH/USD": 2400_12345678}


def test_drivers_are_found_as_people_name_them() -> None:
    at = graph_market()
    assert moves(at, "weth=-10%") == moves(at, "eth/usd=-10%") == {"ETH/USD": 2700_00000000}


def test_a_pattern_moves_every_driver_that_fits() -> None:
    assert set(moves(graph_market(), "*/ETH ratio=-5%")) == {"wstETH/ETH ratio", "weETH/ETH ratio"}
    assert len(moves(graph_market(), "*=-1%")) == len(drivers(graph_market()))
    with pytest.raises(UnknownDriver, match=r"no driver '\*/XYZ' in this market. Drivers: ETH/USD"):
        moves(graph_market(), "*/XYZ=-5%")


def test_an_unknown_driver_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownDriver, match=r"no driver 'SOL/USD' in this market\. Drivers: "):
        moves(graph_market(), "SOL/USD=-5%")
    with pytest.raises(InputError, match="nothing moves GHO"):
        moves(graph_market(), "GHO=-5%")


def test_an_optional_driver_may_be_missing() -> None:
    shocks = [
        optional("SOL/USD=-5%"),
        optional("cap:SOL=-1%"),
        optional("*/SOL=-1%"),
        parse_shock("WETH=-5%"),
    ]
    found, missing = resolve_shocks(graph_market(), shocks)
    assert [moved.name for moved in found] == ["ETH/USD"]
    assert list(missing) == shocks[:3]


@pytest.mark.parametrize("again", ["ETH/USD=-5%", "weth=2000", "eth*=-1%"])
def test_the_same_driver_twice_is_refused(again: str) -> None:
    with pytest.raises(InputError, match=r"ETH/USD is moved twice, again by .*\. Move it once"):
        moves(graph_market(), "ETH/USD=-5%", again)


def test_a_driver_below_one_is_refused() -> None:
    for text in ("ETH/USD=-99.9999999999%", "ETH/USD=0", "ETH/USD=0.000000001"):
        with pytest.raises(InputError, match="puts ETH/USD below 1 of its integers"):
            moves(graph_market(), text)
    with pytest.raises(InputError, match="puts the cap below 1"):
        moves(graph_market(), "cap:wstETH=0")


@pytest.mark.parametrize(
    ("texts", "feed", "price"),
    [
        (("wstETH/ETH=0.0000000001",), "wstETH", "30"),
        (("wstETH/ETH=0.000000000000000001",), "wstETH", "0"),
        (("ETH/USD=0.00000001", "wstETH/ETH=-50%"), "wstETH", "0"),
        (("LDO/USD=" + "9" * 40,), "LDO", "9" * 40 + "0" * 8),
    ],
)
def test_a_price_that_is_none_is_refused_by_name(texts: tuple[str, ...], feed: str, price: str) -> None:
    if price == "30":
        assert there(graph_market(), *texts).price_of(1) == 30
        return
    with pytest.raises(InputError, match=f"put the price of {feed} at {price}, which is no price"):
        there(graph_market(), *texts)


def test_joint_moves_multiply_where_prices_hang_on_both() -> None:
    at = graph_market()
    both = there(at, "ETH/USD=-20%", "wstETH/ETH=-5%")
    ratio = 1_200000000000000007 * 95 // 100
    assert both.price_of(1) == 2400_00000000 * ratio // 10**18
    assert both.price_of(0) == 2400_00000000
    assert both.price_of(4) == at.price_of(4)


def test_a_cap_that_stops_binding_lets_the_price_follow() -> None:
    at = graph_market()
    capped = at.price_of(2)
    assert there(at, "weETH/ETH=-0.5%").price_of(2) == capped
    assert there(at, "weETH/ETH=-5%").price_of(2) == ETHER * (11 * 10**17 * 95 // 100) // 10**18 < capped
    assert there(at, "USDC/USD=1.10").price_of(3) == 1_04000000


def test_a_cap_is_moved_by_what_it_limits() -> None:
    at = graph_market()
    low = 1_200000000000000007 * 9715 // 10000
    assert moves(at, "cap:wstETH=-2.85%") == {"cap:wstETH/ETH ratio": low}
    assert there(at, "cap:wstETH=-2.85%").price_of(1) == ETHER * low // 10**18
    assert moves(at, "cap:USDC=0.99") == {"cap:USDC/USD": 99000000}
    named = "cap:wstETH/ETH ratio=-2.85%"
    assert moves(at, named) == moves(at, "cap:wstETH=-2.85%")


def test_two_caps_and_a_driver_move_together() -> None:
    texts = ("cap:wstETH=1.1", "cap:weETH=1.05", "cap:USDC=0.9", "ETH/USD=2000")
    for order in (texts, texts[::-1]):
        moved = there(graph_market(), *order)
        assert moved.prices[:4] == (2000_00000000, 2200_00000000, 2100_00000000, 90000000)


def test_feeds_of_an_unresolved_market_move_alone_or_as_groups() -> None:
    at = market()
    assert there(at, "WETH=-10%").prices == (2700_00000000, *at.prices[1:])
    grouped = there(at, "ETHER=-10%", groups=("ETHER=WETH,wstETH",))
    assert grouped.prices == (2700_00000000, 3240_00000000, *at.prices[2:])


def test_a_group_moves_feeds_whatever_they_hang_on() -> None:
    moved = there(graph_market(), "ETHER=-10%", "USDC/USD=0.9", groups=("ETHER=WETH,weETH",))
    assert moved.prices[0] == 2700_00000000
    assert moved.prices[1] == graph_market().prices[1]
    assert moved.prices[2] == graph_market().prices[2] * 9 // 10
    assert moved.prices[3] == 90000000


def test_a_group_and_a_driver_of_the_same_feed_are_refused() -> None:
    with pytest.raises(InputError, match=r"ETHER and ETH/USD both move WETH\. Leave it out of one"):
        moves(graph_market(), "ETHER=-10%", "ETH/USD=-5%", groups=("ETHER=WETH,weETH",))


def test_a_group_and_the_cap_of_one_of_its_feeds_are_refused() -> None:
    groups = ("ETHER=WETH,weETH",)
    with pytest.raises(InputError, match=r"ETHER and cap:weETH/ETH ratio both move weETH\. Leave it out"):
        moves(graph_market(), "ETHER=-10%", "cap:weETH=-5%", groups=groups)
    assert len(moves(graph_market(), "ETHER=-10%", "cap:wstETH=-5%", groups=groups)) == 2


def test_part_of_a_way_is_rounded_down_and_ends_where_it_should() -> None:
    (driver,) = (driver for driver in drivers(graph_market()) if driver.name == "ETH/USD")
    moved = Moved("ETH/USD", driver, 10, 3, 8)
    assert [moved.part_way(step, 4).after for step in range(5)] == [10, 8, 6, 4, 3]
    assert moved.part_way(0, 7).after == 10


def test_presets_are_whole_and_can_be_read() -> None:
    assert [each.name for each in presets()] == ["steth-2022", "usdc-2023", "eth-43", "capo-2026"]
    for each in presets():
        assert all(parse_shock(move) for move in each.moves)
        assert each.moves
        assert each.description.endswith(".")
        assert each.title
        assert each.date
        assert all(source.startswith("https://") for source in each.sources)
        assert each.sources
        assert json.dumps(each.description).isascii()


def test_every_preset_moves_the_market_as_it_says() -> None:
    at = graph_market()

    def prices(name: str) -> dict[str, int]:
        found, _ = resolve_shocks(at, preset(name).shocks)
        moved = moved_market(at, found)
        pairs = zip(at.feeds, at.prices, moved.prices, strict=True)
        return {feed.name: after for feed, before, after in pairs if after != before}

    assert prices("eth-43") == {
        "WETH": 1710_00000000,
        "wstETH": 2052_00000000,
        "weETH": at.price_of(2) * 57 // 100,
        "WBTC": 36000_00000000 * 999 // 1000,
    }
    assert prices("usdc-2023") == {"USDC": 87700000}
    assert prices("capo-2026") == {"wstETH": 3497_40000000}
    assert set(prices("steth-2022")) == {"WETH", "wstETH", "weETH"}
    assert prices("steth-2022")["wstETH"] == 2280_00000000 * (1_200000000000000007 * 92 // 100) // 10**18


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"no preset 'ftx'. Known: steth-2022, usdc-2023, eth-43, capo-2026"):
        preset("ftx")
    assert preset(" ETH-43").name == "eth-43"
