"""Several markets at once: what fails is begun again or given up, alone."""

from __future__ import annotations

import threading

import pytest

from defiliq.errors import InputError, NodeUnreachable, WrongChain
from defiliq.watch import fleet
from defiliq.watch.fleet import Member, run_all


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "FIRST_BACKOFF_S", 0.001)
    monkeypatch.setattr(fleet, "LONGEST_BACKOFF_S", 0.004)


class Flaky:
    """Fails so often, then waits until another has been told to end, or ends."""

    def __init__(self, failures: int, error: Exception, until: threading.Event | None = None) -> None:
        self.calls, self.failures, self.error, self.until = 0, failures, error, until

    def __call__(self) -> bool:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        if self.until is not None:
            self.until.wait(30)
        return True


DEAD = NodeUnreachable("http://dead", "connection refused")


def test_one_whose_node_fails_is_begun_again_and_the_other_goes_on() -> None:
    said: list[str] = []
    both_ran = threading.Event()
    flaky = Flaky(3, DEAD)

    def other() -> bool:
        return both_ran.wait(30)

    def recovering() -> bool:
        done = flaky()
        both_ran.set()
        return done

    outcomes = run_all([Member("a", recovering), Member("b", other)], threading.Event(), said.append)
    assert [(one.name, one.is_complete, one.error, one.failures) for one in outcomes] == [
        ("a", False, None, 3),
        ("b", True, None, 0),
    ]
    assert len(said) == 3
    assert all(line.startswith("a: cannot reach the node at http://dead") for line in said)


def test_what_can_never_work_ends_alone() -> None:
    said: list[str] = []
    never = Flaky(99, InputError("nobody knows the driver XYZ."))
    fine = Flaky(0, DEAD)
    outcomes = run_all([Member("a", never), Member("b", fine)], threading.Event(), said.append)
    assert isinstance(outcomes[0].error, InputError)
    assert outcomes[1].is_complete
    assert never.calls == 1
    assert said == ["a: nobody knows the driver XYZ. It is no longer followed; the others go on."]


def test_a_single_market_ends_with_its_error_and_without_words() -> None:
    said: list[str] = []
    only = Flaky(99, DEAD)
    (outcome,) = run_all([Member("a", only)], threading.Event(), said.append)
    assert outcome.error is DEAD
    assert only.calls == 1
    assert said == []


def test_a_single_market_that_worked_before_waits_for_its_node() -> None:
    said: list[str] = []
    flaky = Flaky(3, DEAD)
    (outcome,) = run_all([Member("a", flaky)], threading.Event(), said.append, tries_alone=True)
    assert (outcome.error, outcome.failures, flaky.calls) == (None, 3, 4)
    assert len(said) == 3


def test_a_node_of_another_chain_is_not_tried_again() -> None:
    said: list[str] = []
    wrong = Flaky(99, WrongChain("http://other", 5, 1))
    outcomes = run_all([Member("a", wrong), Member("b", Flaky(0, DEAD))], threading.Event(), said.append)
    assert isinstance(outcomes[0].error, WrongChain)
    assert wrong.calls == 1
    assert len(said) == 1


def test_a_single_market_that_can_never_work_says_so_by_its_error_alone() -> None:
    said: list[str] = []
    never = Flaky(99, InputError("nobody knows the driver XYZ."))
    (outcome,) = run_all([Member("a", never)], threading.Event(), said.append, tries_alone=True)
    assert isinstance(outcome.error, InputError)
    assert said == []


def test_an_error_that_nobody_foresaw_stops_all() -> None:
    stopping = threading.Event()
    with pytest.raises(ZeroDivisionError):
        run_all(
            [Member("a", Flaky(1, ZeroDivisionError())), Member("b", Flaky(0, DEAD, stopping))],
            stopping,
            lambda line: None,
        )
    assert stopping.is_set()


def test_a_stop_ends_those_that_wait_to_be_begun_again() -> None:
    stopping = threading.Event()

    def fails() -> bool:
        stopping.set()
        raise DEAD

    outcomes = run_all(
        [Member("a", fails), Member("b", Flaky(0, DEAD, stopping))], stopping, lambda line: None
    )
    assert outcomes[0].error is DEAD
    assert outcomes[1].is_complete
