"""The table of `watch`: what it shows, and how much of it."""

from __future__ import annotations

from rich.console import Console

from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.types import Level
from defiliq.view.watch_board import LAST_EVENTS, NEAREST, Board, Now, Standing, standings_of
from defiliq.watch.fields import EventKind
from defiliq.watch.memory import Memory, Told
from defiliq.watch.schema import Event

OWNER = "0x" + "ab" * 20


def plain_driver(name: str, spot: int, unit: int) -> Driver:
    return driver_of_feeds(name, spot, unit, [Move(0)])


def now(*standings: Standing, name: str = "aave-v3 Local on local") -> Now:
    return Now(name, 100, 1_753_503_055, 1_234, 2, 3, 0, 0.25, standings)


def near(number: int, distance_pct: float) -> Standing:
    return Standing(f"0x{number:040x}", "approaching", "ETH/USD", "long", 2_400.5, distance_pct)


def broken(number: int) -> Standing:
    return Standing(f"0x{number:040x}", "liquidatable", "ETH/USD", "long", None, None)


def event(kind: EventKind, **facts: object) -> Event:
    return Event("id", kind, {"block_number": 100, "account": OWNER, **facts})


def text_of(board: Board, width: int = 110) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as caught:
        console.print(board)
    return caught.get()


def test_a_market_and_who_is_nearest_come_in_order() -> None:
    board = Board()
    board.show(now(near(1, -1.5), near(2, 0.25), broken(3)))
    text = text_of(board)
    assert "aave-v3 Local on local" in text
    assert "1,234" in text
    assert text.index("liquidatable  ETH/USD") < text.index("+0.250%") < text.index("-1.500%")
    assert "2,400.5" in text


def test_many_that_are_broken_leave_room_for_those_that_are_near() -> None:
    board = Board()
    board.show(now(*[broken(k) for k in range(50)], *[near(100 + k, 1 + k) for k in range(50)]))
    text = text_of(board)
    assert text.count("liquidatable  ETH/USD") == NEAREST // 2
    assert text.count("approaching  ") - text.count("approaching  unread") == NEAREST - NEAREST // 2
    assert f"and {100 - NEAREST} more" in text
    board.show(now(*[broken(k) for k in range(50)]))
    assert text_of(board).count("liquidatable  ETH/USD") == NEAREST


def test_the_last_events_are_on_top_and_oracle_updates_are_not_there() -> None:
    board = Board()
    board.tell(event("liquidatable", debt_usd=5_000.0, net_usd=None))
    board.tell(event("oracle_updated", driver="ETH/USD"))
    board.tell(event("bad_debt", how="uncovered", amount_usd=12.0))
    text = text_of(board)
    assert text.index("uncovered, 12") < text.index("debt 5,000, net unknown")
    assert "oracle_updated" not in text
    for k in range(LAST_EVENTS):
        board.tell(event("gap", first_block=k, last_block=k + 1))
    assert "uncovered" not in text_of(board)


def test_every_kind_of_event_has_words() -> None:
    board = Board()
    told: dict[EventKind, str] = {
        "approaching": "ETH/USD -1.000% away",
        "liquidated": "missed, repaid 10",
        "recovered": "price",
        "parameter_changed": "8000 -> 7800",
        "reorg": "5 blocks",
        "unread": "no price",
    }
    facts: dict[str, object] = {
        "driver": "ETH/USD",
        "distance_pct": -1.0,
        "predicted": "missed",
        "repaid_usd": 10.0,
        "cause": "price",
        "before": "8000",
        "after": "7800",
        "depth": 5,
        "reason": "no price",
    }
    for kind in told:
        board.tell(event(kind, **facts))
    text = text_of(board)
    for words in told.values():
        assert words in text


def test_what_comes_from_outside_does_nothing_to_the_terminal() -> None:
    board = Board()
    board.show(now(name="evil\x1b[2Jname"))
    board.tell(event("unread", reason="\x1b]0;title\x07"))
    board.notice("a\x1b[31mline")
    assert "\x1b" not in text_of(board)


def test_levels_are_those_of_the_block_and_who_is_quiet_again_is_left_out() -> None:
    driver = plain_driver("ETH/USD", 1_000_000, 1_000)
    memory = Memory(
        told={
            "a": Told("approaching", "id", 1, 1, "BTC/USD", "long", 990_000, now="approaching"),
            "b": Told("liquidatable", "id", 1, 1, "ETH/USD", "long", None, now="liquidatable"),
            "c": Told("liquidatable", "id", 1, 1, "ETH/USD", "long", None, now="approaching"),
            "d": Told("approaching", "id", 1, 1, "ETH/USD", "long", 995_000, now=None),
        }
    )
    nearest = {
        "a": Level(0, driver, "short", "price", 1_010_000),
        "b": Level(1, driver, "short", "price", 1_010_000),
        "d": Level(3, driver, "short", "price", 1_010_000),
    }
    assert standings_of(memory, nearest) == [
        Standing("a", "approaching", "ETH/USD", "short", 1010.0, 1.0),
        Standing("b", "liquidatable", "ETH/USD", "long", None, None),
        Standing("c", "approaching", "ETH/USD", "long", None, None),
    ]
