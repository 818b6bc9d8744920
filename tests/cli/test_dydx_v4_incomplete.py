"""dYdX chains of which something is missing, and reads that are interrupted and gone on with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from v4_proto.dydxprotocol.subaccounts.asset_position_pb2 import AssetPosition
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import Subaccount, SubaccountId

from tests.chain.cosmos_standin import Fault, StandIn, StandInBlock
from tests.cli.conftest import Run
from tests.cli.dydx_chain import HEIGHT, WAYS, Place, held, placed, rows, standin
from tests.dydx.population import Population, owner, population
from tests.dydx.standin import SUBACCOUNT_ALL, dydx_standin
from tests.dydx.wire import encode_gob_int
from tests.protocols.dydx_v4.stage import BTC

IDLE = 2_400
"""Subaccounts with USDC alone, which make three pages."""
HOUR = 3_600


@cache
def crowd() -> Population:
    """Three pages of subaccounts, quickly judged."""
    some = population(0)
    some.subaccounts = [
        Subaccount(
            id=SubaccountId(owner=owner(k), number=0),
            asset_positions=[AssetPosition(asset_id=0, quantums=encode_gob_int(10**6 + k))],
        )
        for k in range(IDLE)
    ]
    return some


@pytest.fixture(params=WAYS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """The crowd, each way in turn."""
    with placed(dydx_standin(crowd()), tmp_path, str(request.param)) as found:
        yield found


def changed(change: Callable[[Population], None]) -> StandIn:
    """The seeded chain with something else about it."""
    copy = Population(
        list(held().subaccounts),
        [each.FromString(each.SerializeToString()) for each in held().perpetuals],
    )
    change(copy)
    return dydx_standin(copy)


def pages(tmp_path: Path) -> list[Path]:
    """What is kept of interrupted reads."""
    return sorted((tmp_path / "cache" / "defiliq" / "pages").glob("*.pages"))


def asked_since(model: StandIn, start: int) -> list[int]:
    """The heights at which pages of subaccounts were asked for since then."""
    return [height for method, height, _ in model.asked[start:] if method == SUBACCOUNT_ALL]


def test_subaccounts_that_are_missing_make_it_incomplete(run: Run, tmp_path: Path) -> None:
    victim = next(each for each in held().subaccounts if each.perpetual_positions)
    lost = len(victim.perpetual_positions)
    with placed(changed(lambda held: held.subaccounts.remove(victim)), tmp_path) as place:
        for command in ("scan", "ladder", "positions"):
            code, out, err = run(command, *place.options, "--format", "csv", "-q")
            assert code == 3, command
            assert f"Warning: INCOMPLETE: {lost} accounts could not be read, such as subaccounts in " in err
            assert "some subaccounts are missing" in err
            assert len(rows(out)) > 0
        assert run("snapshot", *place.options, "-o", tmp_path / "kept.parquet", "-q")[0] == 3
        assert run("scan", "--from", tmp_path / "kept.parquet")[0] == 3
        code, out, _ = run("verify", *place.options)
        assert (code, "(100%)" in out) == (3, True)


def test_a_page_left_out_makes_it_incomplete(run: Run, place: Place) -> None:
    place.model.faults = [Fault("page skipped", "SubaccountAll", after=1)]
    code, out, err = run("scan", *place.options, "-q", "--format", "csv")
    assert (code, 0 < len(rows(out)) < IDLE) == (3, True)
    assert "INCOMPLETE: 1 accounts could not be read, such as subaccounts that the node did not list" in err
    assert f"where it counts {IDLE}: pages are missing" in err


def test_an_unknown_perpetual_fails_its_accounts_by_name(run: Run, tmp_path: Path) -> None:
    holders = [
        f"{each.id.owner}/{each.id.number}"
        for each in held().subaccounts
        if any(position.perpetual_id == BTC for position in each.perpetual_positions)
    ]

    def delist(chain: Population) -> None:
        chain.perpetuals = [each for each in chain.perpetuals if each.params.id != BTC]

    with placed(changed(delist), tmp_path) as place:
        code, out, err = run("scan", *place.options, "--format", "csv", "-q")
        assert code == 3
        assert f"INCOMPLETE: {len(holders)} accounts could not be read, such as dydx1" in err
        assert set(holders).isdisjoint(rows(out)["account"])
        code, out, err = run("position", holders[0], *place.options, "-q")
        assert (code, out) == (1, "")
        assert err.startswith(f"Error: {holders[0]} could not be read: ")
        assert err.count("\n") == 1


def test_a_price_of_nothing_fails_its_accounts_by_name(run: Run, tmp_path: Path) -> None:
    def drop(chain: Population) -> None:
        (price,) = (each for each in chain.market_prices if each.id == BTC)
        price.price = 0

    with placed(changed(drop), tmp_path) as place:
        code, out, err = run("scan", *place.options, "-q")
        assert code == 3
        assert "its position in BTC-USD is without a price or a margin: 0" in err
        code, out, err = run("feeds", *place.options, "--format", "csv", "-q")
        assert code == 3
        assert "INCOMPLETE: BTC-USD (perpetual/0) is left out, it has no price: 0" in err
        assert "BTC" not in out


def interrupt(run: Run, place: Place) -> str:
    """A scan that fails at its third page; what was said."""
    place.model.faults = [Fault("malformed", "SubaccountAll", after=2, times=-1)]
    code, out, err = run("scan", *place.options)
    assert (code, out) == (3, "")
    assert "Error: INCOMPLETE: the read at block 1000 stopped half-way (" in err
    assert "Run the same command again: it goes on from there." in err
    place.model.faults = []
    return err


def grow(model: StandIn, seconds: int = 1) -> None:
    """One block more, so long after the last."""
    last = model.blocks[model.newest]
    model.blocks[model.newest + 1] = StandInBlock(last.timestamp + seconds, bytes([model.newest % 256]) * 32)


def test_an_interrupted_read_goes_on_at_its_block(run: Run, place: Place, tmp_path: Path) -> None:
    assert "Going on" not in interrupt(run, place)
    assert len(pages(tmp_path)) == 1
    grow(place.model)
    start = len(place.model.asked)
    code, out, err = run("scan", *place.options)
    assert code == 0
    assert f"Going on at block {HEIGHT}, where a read was interrupted (--block latest: anew)" in err
    assert f"block {HEIGHT} 0x" in out
    assert f"accounts: {IDLE} found, {IDLE} read, 0 failed" in out
    assert asked_since(place.model, start) == [HEIGHT]
    assert pages(tmp_path) == []
    code, out, err = run("scan", *place.options)
    assert (code, "Going on" in err) == (0, False)
    assert f"block {HEIGHT + 1} 0x" in out


def test_a_named_block_starts_anew(run: Run, place: Place) -> None:
    interrupt(run, place)
    grow(place.model)
    start = len(place.model.asked)
    code, out, err = run("scan", *place.options, "--block", "latest")
    assert (code, "Going on" in err) == (0, False)
    assert f"block {HEIGHT + 1} 0x" in out
    assert asked_since(place.model, start) == [HEIGHT + 1] * 3


def test_one_account_or_a_market_alone_is_read_at_the_newest_block(run: Run, place: Place) -> None:
    interrupt(run, place)
    grow(place.model)
    for words in (["position", f"{owner(5)}/0"], ["feeds"]):
        code, out, err = run(*words, *place.options, "--format", "json")
        assert code == 0
        assert f'"block_number": {HEIGHT + 1}' in out or f'"block_number":{HEIGHT + 1}' in out
        assert "Going on" not in err


def test_nothing_is_kept_and_nothing_is_gone_on_with_if_so_asked(
    run: Run, place: Place, tmp_path: Path
) -> None:
    place.model.faults = [Fault("malformed", "SubaccountAll", after=2, times=-1)]
    code, out, err = run("scan", *place.options, "--no-index", "-q")
    assert (code, out) == (1, "")
    assert "INCOMPLETE" not in err
    assert pages(tmp_path) == []
    interrupt(run, place)
    start = len(place.model.asked)
    code, _, err = run("scan", *place.options, "--no-index")
    assert (code, "Going on" in err) == (0, False)
    assert asked_since(place.model, start) == [HEIGHT] * 3


@pytest.mark.parametrize("later", [HOUR, HOUR + 1])
def test_a_read_from_long_ago_is_not_gone_on_with(run: Run, place: Place, later: int) -> None:
    interrupt(run, place)
    grow(place.model, later)
    code, out, err = run("scan", *place.options)
    assert (code, "Going on" in err) == (0, later <= HOUR)
    assert f"block {HEIGHT if later <= HOUR else HEIGHT + 1} 0x" in out


def test_a_block_that_is_another_now_is_not_gone_on_with(run: Run, place: Place) -> None:
    """As after a chain was started over, on a network for tests."""
    interrupt(run, place)
    there = place.model.blocks[HEIGHT]
    place.model.blocks[HEIGHT] = StandInBlock(there.timestamp, b"\x07" * 32)
    start = len(place.model.asked)
    code, out, err = run("scan", *place.options)
    assert (code, "Going on" in err) == (0, False)
    assert f"block {HEIGHT} 0x{'07' * 32}" in out
    assert asked_since(place.model, start) == [HEIGHT] * 3


@pytest.mark.parametrize("lost", ["lowest_state", "lowest_block"])
def test_a_block_that_the_node_has_pruned_is_not_gone_on_with(run: Run, place: Place, lost: str) -> None:
    """Nodes drop the state after a block long before the block itself."""
    interrupt(run, place)
    grow(place.model)
    setattr(place.model, lost, HEIGHT + 1)
    code, out, err = run("scan", *place.options)
    assert (code, "Going on" in err) == (0, False)
    assert f"block {HEIGHT + 1} 0x" in out


def test_a_read_that_fails_again_can_be_gone_on_with_again(run: Run, place: Place) -> None:
    interrupt(run, place)
    place.model.faults = [Fault("malformed", "SubaccountAll", times=-1)]
    assert run("scan", *place.options)[0] == 3
    place.model.faults = []
    start = len(place.model.asked)
    assert run("scan", *place.options)[0] == 0
    assert asked_since(place.model, start) == [HEIGHT]


def test_the_same_read_over_the_other_way_goes_on_too(run: Run, tmp_path: Path) -> None:
    """Pages are the chain's, not the connection's."""
    model = dydx_standin(crowd())
    with placed(model, tmp_path, "comet") as one, placed(model, tmp_path, "grpc") as other:
        interrupt(run, one)
        start = len(model.asked)
        code, _, err = run("ladder", *other.options)
        assert (code, f"Going on at block {HEIGHT}" in err) == (0, True)
        assert asked_since(model, start) == [HEIGHT]


def test_an_interrupt_by_hand_keeps_the_pages(
    run: Run, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sys.modules["defiliq.protocols.dydx_v4.read"], "about_all", stop)
        code, out, err = run("scan", *place.options)
    assert (code, out) == (130, "")
    assert "goes on where it was" in err
    assert len(pages(tmp_path)) == 1
    code, _, err = run("scan", *place.options)
    assert (code, "Going on" in err) == (0, True)


def test_a_cache_that_cannot_be_written_is_said_and_does_no_harm(
    run: Run, place: Place, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    code, out, err = run("scan", *place.options, "-q")
    assert code == 0
    assert f"{IDLE} read, 0 failed" in out
    assert "pages cannot be kept" in err


def test_the_seeded_chain_itself_is_complete(run: Run, tmp_path: Path) -> None:
    with placed(standin(), tmp_path) as place:
        assert run("scan", *place.options, "-q")[::2] == (0, "")
