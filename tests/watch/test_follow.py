"""The loop over blocks: what it does when the chain moves under it, and when a read fails in the middle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from defiliq.book import Book
from defiliq.errors import (
    BlockNotFound,
    DecodeError,
    HistoryUnavailable,
    InputError,
    JournalFull,
    NodeTimeout,
)
from defiliq.pipeline.judging import judge_of
from defiliq.types import Block, Head
from defiliq.watch import chronicle, follow
from defiliq.watch.ahead import Ahead
from defiliq.watch.chronicle import Chronicle
from defiliq.watch.follow import Follower
from defiliq.watch.glance import Glance
from defiliq.watch.journal import Journal
from defiliq.watch.look import Looker, touched_in
from defiliq.watch.metrics import Meter
from defiliq.watch.pace import EARLY_FAILURES, Pace
from defiliq.watch.policy import Policy
from tests.builders import account, market

SPOT = 2_000_00000000
POLICY = Policy(within_pct=2.0, leave_pct=2.5, cooldown_s=0)


@dataclass
class Chain:
    """A chain as it is now: per block a branch letter, a price of WETH, and who was touched."""

    blocks: dict[int, str] = field(default_factory=dict)
    prices: dict[tuple[int, str], int] = field(default_factory=dict)
    owed: dict[tuple[int, str], Mapping[int, float]] = field(default_factory=dict)
    """(block, branch) to what account k owes in USDC from then on."""
    pruned_to: int = 0

    def add(
        self, branch: str, price: int, owed: Mapping[int, float] | None = None, at: int | None = None
    ) -> int:
        number = max(self.blocks, default=99) + 1 if at is None else at
        for later in [n for n in self.blocks if n >= number]:
            del self.blocks[later]
        self.blocks[number] = branch
        self.prices[number, branch] = price
        self.owed[number, branch] = {} if owed is None else owed
        return number

    def hash(self, number: int) -> str:
        return f"0x{sum(ord(self.blocks[n]) << (n % 7) for n in range(100, number + 1)):032x}{number:032x}"

    def block(self, tag: int | str) -> Block:
        number = max(self.blocks) if tag == "latest" else int(tag)
        if number not in self.blocks:
            raise BlockNotFound(str(number), max(self.blocks))
        return Block(31337, number, self.hash(number), 1_000_000 + 12 * number)

    def head(self, tag: int | str) -> Head:
        block = self.block(tag)
        parent = self.hash(block.number - 1) if block.number - 1 in self.blocks else "0x00"
        return Head(block, parent)

    def book(self, number: int) -> Book[Any]:
        """Everybody, after a block."""
        if number < self.pruned_to:
            raise HistoryUnavailable(number, "missing trie node")
        owed = {1: 1_600.0, 2: 1_000.0}
        for n in range(100, number + 1):
            owed |= self.owed[n, self.blocks[n]]
        block = self.block(number)
        at = replace(market(WETH=self.prices[number, self.blocks[number]]), block=block)
        return Book.build(
            at.at_time(block.timestamp), [account(k, WETH=(1, 0), USDC=(0, owed[k])) for k in owed]
        )


class FakeLooker(Looker):
    """Reads from a Chain. `fails` is called before every read."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.node = SimpleNamespace(block=chain.block, head=chain.head)
        self.version, self.lacks = "3.6", ""
        self.listing = SimpleNamespace(protocol="aave-v3", name="Local")  # type: ignore[assignment]
        self.fails: Callable[[str], None] = lambda what: None
        self.reads: list[str] = []
        self.hidden = 0
        """Debts that the chain has and no log tells of."""

    @property
    def lists_all(self) -> bool:
        return False

    def owners(self, index: Any, at: Block) -> Any:
        return None

    def whole(self, head: Head, owners: Any, first: int) -> Glance:
        self._read(f"whole {head.block.number}")
        return Glance(head, first, self.chain.book(head.block.number), is_whole=True)

    def at(self, head: Head, first: int, asked: Any, followed: Any) -> Glance:
        self._read(f"at {head.block.number}")
        number = head.block.number
        everybody = self.chain.book(number)
        touched = {k for n in range(first, number + 1) for k in self.chain.owed[n, self.chain.blocks[n]]}
        return Glance(head, first, self._only(everybody, touched), is_whole=False)

    def again(self, head: Head, changed: Iterable[bytes], book: Book[Any]) -> Glance:
        self._read(f"again {head.block.number}")
        keys = set(changed)
        now = self.chain.book(head.block.number)
        some = now.keep([row.tobytes() in keys for row in now.owners])  # type: ignore[arg-type]
        return Glance(head, head.block.number + 1, book.updated(some), is_whole=True)

    def unaccounted(self, book: Book[Any], since: Block | None = None) -> tuple[int, ...]:
        self._read("unaccounted")
        return (self.hidden,)

    def _only(self, book: Book[Any], numbers: set[int]) -> Book[Any]:
        wanted = {account(k).owner for k in numbers}
        return book.keep([book.owner(i) in wanted for i in range(len(book))])  # type: ignore[arg-type]

    def _read(self, what: str) -> None:
        self.reads.append(what)
        self.fails(what)


@dataclass
class Stage:
    chain: Chain
    looker: FakeLooker
    journal: Journal
    follower: Follower
    said: list[str]

    def advance(self) -> None:
        """Catch up with the chain, however often it takes."""
        self.follower._patiently(self._once)

    def _once(self) -> None:
        ahead = Ahead(self.looker, self.follower.pace.every, 2)
        try:
            if self.follower.state is None:
                self.follower._start(self.chain.block("latest").number)
            self.follower._catch_up(self.chain.block("latest").number, ahead)
        finally:
            ahead.close()

    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line.line) for line in self.journal.pending("test", 10_000)]

    def standing(self) -> list[str]:
        """The ids that hold: told and not taken back since, in order."""
        holding: dict[str, None] = {}
        for line in self.lines():
            if line["event"] == "reorg":
                for each in line["retracted"]:
                    holding.pop(each, None)
            else:
                holding.pop(line["id"], None)
                holding[line["id"]] = None
        return list(holding)

    def kinds(self) -> list[str]:
        return [line["event"] for line in self.lines()]


def nothing_known(head: Head, at: Any) -> Any:
    return lambda account, market, taken: {}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "FIRST_BACKOFF_S", 0.0)
    monkeypatch.setattr(chronicle, "FULL_DISK_S", 0.0)


def stage(chain: Chain, journal: Journal | None = None, **pace: int) -> Stage:
    kept = Journal(":memory:", "m") if journal is None else journal
    kept.register("test", from_start=True)
    looker, said, stopping = FakeLooker(chain), list[str](), threading.Event()
    follower = Follower(
        looker=looker,
        chronicle=Chronicle(looker, kept, said.append, stopping),
        index=None,  # type: ignore[arg-type]
        policy=POLICY,
        judge=judge_of(nothing_known),
        pace=Pace(**pace),
        meter=Meter(),
        deliver=lambda: None,
        notice=said.append,
        stopping=stopping,
    )
    return Stage(chain, looker, kept, follower, said)


def undisturbed(chain: Chain, **pace: int) -> list[str]:
    """The ids of a watch that begins at the first block and sees only the chain as it is now."""
    last = max(chain.blocks) // pace.get("every", 1) * pace.get("every", 1)
    again = Chain({100: chain.blocks[100]}, chain.prices, chain.owed)
    fresh = stage(again, None, **pace)
    fresh.advance()
    again.blocks = dict(chain.blocks)
    fresh.advance()
    assert fresh.follower.state is not None
    assert fresh.follower.state.head.block.number == last
    return fresh.standing()


def begun(**pace: int) -> Stage:
    chain = Chain()
    chain.add("a", SPOT)
    there = stage(chain, None, **pace)
    there.advance()
    return there


DROP = 1_930_00000000
"""Account 1, who owes 1,600 against one WETH at 82.5%, breaks here; at SPOT it is 3% away."""


def test_what_the_prices_do_is_told_and_taken_back() -> None:
    there = begun()
    there.chain.add("a", DROP)
    there.chain.add("a", DROP)
    there.advance()
    assert there.kinds() == ["oracle_updated", "liquidatable"]
    there.chain.add("b", SPOT, at=101)
    there.chain.add("b", SPOT)
    there.chain.add("b", SPOT)
    there.advance()
    assert there.kinds() == ["oracle_updated", "liquidatable", "reorg"]
    assert there.standing() == undisturbed(there.chain) == []


def test_a_branch_that_comes_back_holds_again() -> None:
    there = begun()
    there.chain.add("a", DROP)
    there.advance()
    first = there.standing()
    for turn in range(3):
        there.chain.add("b", SPOT, at=101)
        there.chain.add("b", SPOT)
        there.advance()
        assert there.standing() == []
        there.chain.add("a", DROP, at=101)
        there.chain.add("a", DROP)
        there.advance()
        assert there.standing() == first == undisturbed(there.chain), turn
    reorgs = [line["id"] for line in there.lines() if line["event"] == "reorg"]
    assert len(set(reorgs)) == len(reorgs) == 6


@pytest.mark.parametrize("failing", ["again", "unaccounted", "whole"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_read_that_fails_between_taking_back_and_going_on(failing: str, times: int) -> None:
    """What the gone blocks changed is still known to be stale when it is tried again."""
    there = begun()
    there.chain.add("a", SPOT, {1: 1_900.0})
    there.advance()
    assert there.kinds() == ["liquidatable"]
    there.chain.add("b", SPOT, at=101)
    there.chain.add("b", SPOT)
    left = times

    def fails(what: str) -> None:
        nonlocal left
        if what.startswith(failing) and left:
            left -= 1
            raise NodeTimeout("http://node", "no answer")

    there.looker.fails = fails
    for _ in range(times + 1):
        there.advance()
    assert there.standing() == undisturbed(there.chain) == []
    there.chain.add("b", SPOT)
    there.advance()
    assert there.kinds() == ["liquidatable", "reorg"]


def test_the_old_branch_comes_back_while_the_way_back_fails() -> None:
    there = begun()
    there.chain.add("a", SPOT, {1: 1_900.0})
    there.advance()
    first = there.standing()
    there.chain.add("b", SPOT, at=101)
    there.chain.add("b", SPOT)

    def fails(what: str) -> None:
        if what.startswith("again"):
            raise NodeTimeout("http://node", "no answer")

    there.looker.fails = fails
    there.advance()
    there.looker.fails = lambda what: None
    there.chain.add("a", SPOT, {1: 1_900.0}, at=101)
    there.chain.add("a", SPOT)
    there.advance()
    assert there.standing() == first == undisturbed(there.chain)


def test_a_failed_read_is_tried_again_and_said_once_it_lasts() -> None:
    there = begun()
    there.chain.add("a", DROP)
    there.looker.fails = lambda what: (_ for _ in ()).throw(NodeTimeout("http://node", "no answer"))
    for _ in range(4):
        there.advance()
    assert there.kinds() == []
    assert [line for line in there.said if "Trying on" in line] == there.said
    assert len(there.said) == 1
    there.looker.fails = lambda what: None
    there.advance()
    assert there.said[1:] == ["Reading again, at block 101."]
    assert there.kinds() == ["oracle_updated", "liquidatable"]


def test_a_torn_answer_is_asked_for_again_and_one_that_stays_so_ends_it() -> None:
    there = begun()
    there.chain.add("a", DROP)
    torn = DecodeError("getReserveData", "last updated after the block's own")
    there.looker.fails = lambda what: (_ for _ in ()).throw(torn)
    for _ in range(EARLY_FAILURES):
        there.advance()
    with pytest.raises(DecodeError):
        there.advance()
    there.looker.fails = lambda what: None
    there.advance()
    assert there.kinds() == ["oracle_updated", "liquidatable"]


def test_that_liquidations_cannot_be_told_is_said_at_once_and_once() -> None:
    there = begun()
    there.looker.lacks = "this endpoint has no events."
    for _ in range(3):
        there.chain.add("a", SPOT)
    there.advance()
    assert there.said == ["INCOMPLETE: liquidations are not told: this endpoint has no events."]
    assert there.follower.is_incomplete


def test_a_debt_that_no_log_tells_of_makes_all_be_read() -> None:
    there = begun()
    there.chain.add("a", SPOT)
    there.advance()
    assert "whole 101" not in there.looker.reads
    there.chain.add("a", SPOT)
    there.looker.hidden = 5
    there.advance()
    assert "whole 102" in there.looker.reads
    there.chain.add("a", SPOT)
    there.advance()
    assert "whole 103" not in there.looker.reads


def test_a_debt_that_no_log_tells_of_is_not_forgotten_when_the_read_fails() -> None:
    there = begun()
    there.chain.add("a", SPOT)
    there.looker.hidden = 5

    def fails(what: str) -> None:
        if what == "whole 101":
            there.looker.fails = lambda again: None
            raise NodeTimeout("http://node", "no answer")

    there.looker.fails = fails
    there.advance()
    there.advance()
    assert there.looker.reads.count("whole 101") == 2


def test_blocks_without_state_are_a_gap_and_what_is_true_is_told_after_it() -> None:
    there = begun()
    for _ in range(5):
        there.chain.add("a", DROP)
    there.chain.pruned_to = 104
    there.advance()
    gap, *others = there.lines()
    assert (gap["event"], gap["first_block"], gap["last_block"]) == ("gap", 101, 105)
    assert "missing trie node" in gap["reason"]
    assert "liquidatable" in [line["event"] for line in others]
    assert there.follower.is_incomplete


def test_too_many_missed_blocks_are_a_gap_and_just_as_many_are_not() -> None:
    for missed, kinds in ((3, []), (4, ["gap"])):
        there = begun(max_gap=3)
        for _ in range(missed):
            there.chain.add("a", SPOT)
        there.advance()
        assert there.kinds() == kinds


def test_a_chain_that_replaced_all_that_is_kept_is_a_gap() -> None:
    there = begun()
    there.chain.add("a", DROP)
    there.advance()
    there.chain.blocks = {}
    there.chain.add("z", SPOT, at=100)
    for _ in range(3):
        there.chain.add("z", SPOT)
    there.advance()
    assert there.kinds()[-3:] == ["reorg", "gap", "oracle_updated"] or there.kinds()[-2:] == ["reorg", "gap"]
    assert there.follower.state is not None
    assert there.follower.state.head.block.hash == there.chain.hash(103)


def test_a_journal_of_another_chain_is_named() -> None:
    there = begun()
    for _ in range(3):
        there.chain.add("a", SPOT)
    there.advance()
    other = Chain()
    other.add("q", SPOT, at=3)
    other.hash = lambda number: f"0x{number:064x}"  # type: ignore[method-assign]
    late = stage(other, there.journal)
    with pytest.raises(InputError, match="of another chain, or the node is far behind: its newest is 3"):
        late.follower._start(3)


def test_a_restart_goes_on_where_it_was_without_a_word() -> None:
    there = begun()
    there.chain.add("a", DROP)
    there.advance()
    before = there.lines()
    late = stage(there.chain, there.journal)
    late.advance()
    assert late.lines() == before
    there.chain.add("a", SPOT)
    late.advance()
    assert late.standing() == undisturbed(there.chain)


def test_a_restart_on_a_replaced_block_takes_back_first() -> None:
    there = begun()
    there.chain.add("a", DROP)
    there.advance()
    there.chain.add("b", SPOT, at=101)
    there.chain.add("b", SPOT)
    late = stage(there.chain, there.journal)
    late.advance()
    assert late.standing() == undisturbed(there.chain) == []
    assert late.kinds()[-1] == "reorg"


def test_a_full_disk_holds_the_block_until_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    there = begun()
    there.chain.add("a", DROP)
    commit, left = there.journal.commit, 3

    def full(*arguments: Any) -> None:
        nonlocal left
        if left:
            left -= 1
            raise JournalFull("state/m.sqlite", "no space left on device")
        commit(*arguments)

    monkeypatch.setattr(there.journal, "commit", full)
    there.advance()
    assert there.standing() == undisturbed(there.chain)
    assert there.kinds() == ["oracle_updated", "liquidatable"]
    assert len(there.said) == 2
    assert there.said[1] == "There is room again; going on."


def test_every_so_many_blocks_looks_at_multiples_only() -> None:
    there = begun(every=4)
    for _ in range(11):
        there.chain.add("a", SPOT)
    there.advance()
    assert [what for what in there.looker.reads if what.startswith("at")] == ["at 104", "at 108"]
    assert there.standing() == undisturbed(there.chain, every=4)


@pytest.mark.parametrize("passed_over", ["too many", "pruned"])
def test_a_gap_over_blocks_that_were_replaced_takes_them_back(passed_over: str) -> None:
    """The newest block that was evaluated may be gone when its successors cannot be evaluated."""
    there = begun(max_gap=3)
    there.chain.add("a", DROP)
    there.advance()
    assert there.kinds() == ["oracle_updated", "liquidatable"]
    gone = there.standing()
    there.chain.add("b", SPOT, at=101)
    for _ in range(4 if passed_over == "too many" else 2):
        there.chain.add("b", SPOT)
    there.chain.pruned_to = 0 if passed_over == "too many" else max(there.chain.blocks)
    there.advance()
    (reorg,) = [line for line in there.lines() if line["event"] == "reorg"]
    assert reorg["retracted"] == gone
    assert there.kinds()[2:] == ["reorg", "gap"]
    gap = there.lines()[-1]
    assert (gap["first_block"], gap["last_block"]) == (101, max(there.chain.blocks))
    assert there.standing() == [gap["id"]]


def test_touched_accounts_of_a_whole_glance_are_all() -> None:
    chain = Chain()
    chain.add("a", SPOT)
    looker = FakeLooker(chain)
    assert touched_in(looker.whole(chain.head(100), None, 101)) is None
