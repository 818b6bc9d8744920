"""ALL: every oracle price of a venue in its present proportion, 1.0 where they stand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from defiliq.errors import InputError, UnknownDriver
from defiliq.oracle.drivers import JOINT_UNIT, drivers, find_driver, group_driver, input_drivers
from defiliq.pipeline.feeds import feeds, feeds_by_driver, price_trees
from defiliq.pricing.graph import Input, PriceGraph
from tests.builders import graph_market, market
from tests.dydx.population import population
from tests.dydx.standin import dydx_standin
from tests.protocols.dydx_v4.stage import read_from
from tests.venue import venue


def test_it_comes_last_and_only_where_people_think_in_it() -> None:
    assert [driver.name for driver in drivers(venue())] == ["BTC/USD", "PEPE/USD", "ALL"]
    assert [driver.name for driver in input_drivers(venue())] == ["BTC/USD", "PEPE/USD"]
    for lending in (market(), graph_market()):
        assert drivers(lending) == input_drivers(lending)
        assert "ALL" not in [driver.name for driver in drivers(lending)]


def test_at_one_every_price_is_as_it_stands() -> None:
    book = read_from(dydx_standin(population(5)))
    at = book.market
    joint = drivers(at)[-1]
    assert (joint.name, joint.spot, joint.unit) == ("ALL", JOINT_UNIT, JOINT_UNIT)
    assert joint.feeds == set(range(1, len(at.prices))), "all but USDC, which is fixed"
    assert joint.prices(JOINT_UNIT) == dict(enumerate(at.prices[1:], start=1))
    assert at.at_prices(joint.prices(JOINT_UNIT)).prices == at.prices
    assert at.at_inputs(joint.moved_inputs(JOINT_UNIT)).prices == at.prices


@pytest.mark.parametrize("share", [Fraction(1, 2), Fraction(4, 5), Fraction(3, 2), Fraction(7, 3)])
def test_all_prices_move_in_proportion_rounded_down(share: Fraction) -> None:
    at = venue()
    there = int(share * JOINT_UNIT)
    moved = drivers(at)[-1].prices(there)
    assert moved == {k: at.prices[k] * there // JOINT_UNIT for k in (1, 2)}
    by_inputs = at.at_inputs(drivers(at)[-1].moved_inputs(there))
    assert by_inputs.prices == (at.prices[0], *moved.values())


def test_its_step_is_as_fine_as_any_price_of_nine_digits() -> None:
    at = venue()
    joint = drivers(at)[-1]
    for feed in (1, 2):
        steps = joint.prices(JOINT_UNIT)[feed] - joint.prices(JOINT_UNIT - 1)[feed]
        assert 0 <= steps <= at.prices[feed] // JOINT_UNIT + 1


def test_no_price_falls_to_nothing_within_its_range() -> None:
    at = venue()
    joint = drivers(at)[-1]
    assert min(joint.prices(joint.lowest).values()) >= 1
    assert joint.lowest == 1 or min(joint.prices(joint.lowest - 1).values()) < 1


def test_a_price_of_one_billion_is_the_driver_itself() -> None:
    """Its proportion is 1 then, which needs no step."""
    plain = venue()
    quantities = (plain.graph.quantities[0], Input("BTC/USD", "oracle", "market/0", JOINT_UNIT, 5))
    graph = PriceGraph((*quantities, plain.graph.quantities[2]), (0, 1, 2))
    at = replace(plain, graph=graph, prices=graph.prices(plain.timestamp))
    joint = drivers(at)[-1]
    assert joint.prices(JOINT_UNIT)[1] == JOINT_UNIT
    assert joint.prices(77)[1] == 77


@pytest.mark.parametrize("name", ["ALL", "all", "  All "])
def test_it_is_found_by_its_name(name: str) -> None:
    assert find_driver(venue(), name) == drivers(venue())[-1]


def test_it_does_not_make_other_names_ambiguous() -> None:
    """A symbol, a source or a pair means the market's own driver, though ALL moves it too."""
    own = drivers(venue())[0]
    for name in ("BTC/USD", "BTC-USD", "market/0", "btc-usd/usd", "BTC", "btc"):
        assert find_driver(venue(), name) == own
    with pytest.raises(InputError, match="nothing moves USDC"):
        find_driver(venue(), "USDC")


@pytest.mark.parametrize("pair", ["ALL", "All"])
def test_where_a_pair_is_called_so_it_is_called_otherwise(pair: str) -> None:
    """Two drivers of one name could not be told apart on a ladder."""
    plain = venue()
    graph = replace(
        plain.graph,
        quantities=(
            *plain.graph.quantities[:2],
            Input(pair, "oracle", "market/1", plain.prices[2], 16),
        ),
    )
    at = replace(plain, graph=graph)
    assert [driver.name for driver in drivers(at)] == ["BTC/USD", pair, "ALL*"]
    assert find_driver(at, "ALL*").feeds == {1, 2}
    for name in ("ALL", "PEPE-USD", "market/1"):
        assert find_driver(at, name).feeds == {2}


def test_an_unknown_name_lists_it_too() -> None:
    with pytest.raises(UnknownDriver) as caught:
        find_driver(venue(), "ALLE")
    assert "Drivers: ALL," in str(caught.value)


@pytest.mark.parametrize("name", ["ALL", "all", "BTC/USD"])
def test_a_group_cannot_take_its_name(name: str) -> None:
    with pytest.raises(InputError, match="is a driver already"):
        group_driver(venue(), f"{name}=BTC-USD,PEPE-USD")


def test_a_group_of_perpetuals_keeps_present_proportions() -> None:
    at = venue()
    group = group_driver(at, "MAJORS=BTC-USD,PEPE-USD")
    assert group.prices(at.prices[1]) == {1: at.prices[1], 2: at.prices[2]}
    assert find_driver(at, "majors", (group,)) == group


def test_feeds_tell_of_what_prices_hang_on_and_not_of_it() -> None:
    at = venue()
    assert set(feeds(at)["driver"]) == {"", "BTC/USD", "PEPE/USD"}
    assert feeds_by_driver(at)["driver"].tolist() == ["BTC/USD", "PEPE/USD"]
    assert [tree.reserve for tree in price_trees(at)] == ["USDC", "BTC-USD", "PEPE-USD"]
