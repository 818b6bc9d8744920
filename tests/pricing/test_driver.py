"""Drivers against brute force: every bound that a stretch gives holds at each of its integers."""

from __future__ import annotations

from fractions import Fraction as Exact

from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.pricing.driver import Driver, Move, driver_of_feeds, driver_of_inputs
from defiliq.pricing.graph import Discount, Fixed, Fraction, Growing, Input, Least, PriceGraph, Quantity
from defiliq.units import HIGHEST_PRICE

NOW = 1_000_000
MANY = settings(max_examples=400, deadline=None)


def an_input(name: str, value: int) -> Input:
    return Input(name, "aggregator", "0x" + "11" * 20, value, 0)


@st.composite
def graphs(draw: st.DrawFn) -> PriceGraph:
    """Two inputs, leaves that time moves, and a few quantities made of what stands before them."""
    small = st.integers(1, 60)
    quantities: list[Quantity] = [
        an_input("X/USD", draw(small)),
        an_input("Y/USD", draw(small)),
        Fixed(draw(small)),
        Growing(draw(small), NOW - draw(small), draw(st.integers(0, 9)), draw(st.integers(1, 9))),
        Discount(40, draw(st.integers(0, 30)), NOW + draw(small), 60),
    ]
    for _ in range(draw(st.integers(1, 5))):
        earlier = st.integers(0, len(quantities) - 1)
        if draw(st.booleans()):
            parts = draw(st.lists(earlier, min_size=1, max_size=3))
            quantities.append(Least(tuple(parts)))
        else:
            over = draw(st.lists(earlier, min_size=0, max_size=2))
            under = draw(st.lists(earlier, min_size=0, max_size=1))
            quantities.append(Fraction(tuple(over), tuple(under), draw(small), draw(st.integers(1, 20))))
    return PriceGraph(tuple(quantities), tuple(range(len(quantities))))


def driver_of(graph: PriceGraph, targets: tuple[int, ...] = (0,)) -> Driver:
    values = graph.values(NOW)
    moves = [Move(k, values[k], values[targets[0]]) for k in targets]
    return driver_of_inputs(graph, "X/USD", values[targets[0]], 1, moves, NOW)


@MANY
@given(graphs(), st.sampled_from([(0,), (1,), (0, 1)]), st.integers(1, 200))
def test_a_driver_moves_feeds_as_the_graph_does(graph: PriceGraph, targets: tuple[int, ...], at: int) -> None:
    driver = driver_of(graph, targets)
    prices = graph.prices(NOW)
    assert tuple(driver.lead(prices, at)) == graph.prices(NOW, driver.moved_inputs(at))
    assert driver.prices(driver.spot) == {feed: prices[feed] for feed in driver.feeds}


@MANY
@given(graphs(), st.sampled_from([(0,), (1,), (0, 1)]), st.integers(1, 120), st.integers(0, 80))
def test_a_stretch_bounds_every_price_on_the_way(
    graph: PriceGraph, targets: tuple[int, ...], first: int, width: int
) -> None:
    driver = driver_of(graph, targets)
    prices = graph.prices(NOW)
    walk = range(first, first + width + 1)
    for start, end in ((walk[0], walk[-1]), (walk[-1], walk[0])):
        stretch = driver.stretch(prices, start, end)
        assert stretch.start == driver.lead(prices, start)
        assert stretch.end == driver.lead(prices, end)
        for at in walk:
            share = Exact(abs(at - start), max(1, width))
            for feed, price in enumerate(driver.lead(prices, at)):
                line = stretch.start[feed] + share * (stretch.end[feed] - stretch.start[feed])
                assert stretch.low[feed] <= price <= stretch.high[feed]
                assert abs(price - line) <= stretch.bend[feed]


@MANY
@given(graphs())
def test_within_its_range_every_moved_feed_has_a_price(graph: PriceGraph) -> None:
    if min(graph.prices(NOW)) == 0:
        return
    driver = driver_of(graph)
    assert driver.lowest <= driver.spot <= driver.highest <= HIGHEST_PRICE
    for at in (driver.lowest, (driver.lowest + driver.spot) // 2, driver.spot + 1, driver.highest):
        if driver.lowest <= at <= driver.highest:
            assert all(1 <= price <= HIGHEST_PRICE for price in driver.prices(at).values())


def test_a_cap_stops_binding_on_the_way_down() -> None:
    """A ratio of 130 under a cap of 120 at a base of 50: nothing moves until the ratio is below the cap."""
    graph = PriceGraph(
        (an_input("R", 130), Fixed(120), Least((0, 1)), an_input("B", 50), Fraction((3, 2), (), 1, 100)),
        (4,),
    )
    driver = driver_of_inputs(graph, "R", 130, 1, [Move(0)], NOW)
    assert [driver.prices(at)[0] for at in (131, 130, 121, 120, 119, 100)] == [60, 60, 60, 60, 59, 50]
    assert driver.stretch((60,), 120, 131).low == [60]
    assert driver.stretch((60,), 120, 131).bend == [0]


def test_two_feeds_may_move_apart() -> None:
    """A price in ETH falls when ETH rises; its own price in dollars does not."""
    graph = PriceGraph(
        (
            an_input("ETH/USD", 50),
            an_input("A/USD", 1000),
            Fraction((1,), (0,), 7, 1),
            Fraction((0,), (), 2, 1),
        ),
        (2, 3),
    )
    driver = driver_of_inputs(graph, "ETH/USD", 50, 1, [Move(0)], NOW)
    stretch = driver.stretch(graph.prices(NOW), 50, 70)
    assert (stretch.start, stretch.end) == ([140, 100], [100, 140])
    assert (stretch.low, stretch.high) == ([100, 100], [140, 140])


def test_time_moves_caps_and_discounts_only() -> None:
    graph = PriceGraph((Growing(100, NOW - 10, 3, 2), Discount(1000, 60, NOW + 30, 60), Fixed(9)), (0, 1, 2))
    assert graph.prices(NOW) == (115, 970, 9)
    assert graph.prices(NOW + 31) == (161, 1000, 9)
    assert [graph.is_timed(k) for k in range(3)] == [True, True, False]


def test_feeds_follow_by_hand_in_proportion() -> None:
    driver = driver_of_feeds("both", 300, 1, [Move(0), Move(1, 2, 3)])
    assert driver.prices(301) == {0: 301, 1: 200}
    assert driver.feeds == {0, 1}
    assert driver.lowest == 2


@MANY
@given(graphs(), st.sets(st.integers(0, 9)), st.integers(1, 200), st.integers(1, 200))
def test_a_driver_of_only_some_feeds_moves_those_the_same(
    graph: PriceGraph, feeds: set[int], start: int, end: int
) -> None:
    whole = driver_of(graph, (0, 1))
    some = whole.only(feeds)
    assert some.feeds == whole.feeds & feeds
    assert len(some.steps) <= len(whole.steps)
    assert (some.name, some.spot) == (whole.name, whole.spot)
    assert (some.lowest, some.highest) == (whole.lowest, whole.highest) or whole.is_cut
    assert some.lowest <= whole.lowest <= whole.spot <= whole.highest <= some.highest
    assert some.prices(start) == {
        feed: price for feed, price in whole.prices(start).items() if feed in some.feeds
    }
    prices = graph.prices(NOW)
    ours, theirs = some.stretch(prices, start, end), whole.stretch(prices, start, end)
    for feed in some.feeds:
        assert [column[feed] for column in ours] == [column[feed] for column in theirs]
    for feed in set(range(len(prices))) - some.feeds:
        assert ours.start[feed] == ours.end[feed] == prices[feed]
