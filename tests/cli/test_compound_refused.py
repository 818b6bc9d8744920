"""What is wrong with a Compound market is one line on stderr and an exit code, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.lab import CometLab, CompoundV2Lab

pytestmark = pytest.mark.lab


def refused(run: Run, code: int, *words: str | Path) -> str:
    """The one line that a command says with this exit code, having printed nothing."""
    seen, out, err = run(*words)
    assert (seen, out) == (code, "")
    assert err.count("\n") == 1
    assert err.startswith("Error: ")
    return err


def changed(path: Path, **fields: object) -> Path:
    """A market file with some fields otherwise."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return path


def v2_file(lab: CompoundV2Lab, folder: Path, **fields: object) -> Path:
    return changed(lab.market_file(folder / "v2.json"), **fields)


def v3_file(lab: CometLab, folder: Path, name: str = "usdc", **fields: object) -> Path:
    return changed(lab.market_file(name, folder / "v3.json"), **fields)


@pytest.mark.parametrize("command", ["scan", "feeds"])
def test_a_comptroller_that_is_none(
    run: Run, lab_compound_v2: CompoundV2Lab, tmp_path: Path, command: str
) -> None:
    lab = lab_compound_v2
    for address in (lab.tokens["WETH"], lab.markets["USDC"], lab.oracle, "0x" + "11" * 20):
        path = v2_file(lab, tmp_path, addresses={"comptroller": address})
        said = refused(run, 1, command, "--market-file", path, "-r", lab.url, "-q")
        assert said.casefold().startswith(f"error: {address} is not".casefold())
        assert "Comptroller" in said


@pytest.mark.parametrize("command", ["scan", "feeds"])
def test_a_comet_that_is_none(run: Run, lab_compound_v3: CometLab, tmp_path: Path, command: str) -> None:
    lab = lab_compound_v3
    for address in (lab.aggregators["ETH/USD"], "0x" + "11" * 20):
        path = v3_file(lab, tmp_path, addresses={"comet": address})
        said = refused(run, 1, command, "--market-file", path, "-r", lab.url, "-q")
        assert said.casefold().startswith(f"error: {address} is not".casefold())
        assert "Comet" in said


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"addresses": {"pool": "0x" + "11" * 20}}, "comptroller"),
        ({"addresses": {"comet": "0x" + "11" * 20}}, "comptroller"),
        ({"addresses": {"comptroller": "0x11"}}, "comptroller"),
        ({"addresses": {}}, "comptroller"),
        ({"protocol": "compound-v9"}, "compound-v9"),
    ],
)
def test_a_market_file_that_names_no_comptroller(
    run: Run, lab_compound_v2: CompoundV2Lab, tmp_path: Path, fields: Mapping[str, object], seen: str
) -> None:
    path = v2_file(lab_compound_v2, tmp_path, **fields)
    assert seen in refused(run, 2, "scan", "--market-file", path, "-r", lab_compound_v2.url, "-q")


def test_a_node_of_another_chain(run: Run, lab_compound_v3: CometLab, tmp_path: Path) -> None:
    path = v3_file(lab_compound_v3, tmp_path, chain_id=1)
    said = refused(run, 1, "scan", "--market-file", path, "-r", lab_compound_v3.url, "-q")
    assert "serves chain 31337, but the market is on chain 1" in said


def test_a_protocol_that_the_market_is_not_of(run: Run, lab_compound_v3: CometLab, tmp_path: Path) -> None:
    path = v3_file(lab_compound_v3, tmp_path)
    said = refused(run, 2, "scan", "compound-v2", "--market-file", path, "-r", lab_compound_v3.url)
    assert "of compound-v3, not of compound-v2" in said


def test_a_feed_of_compound_v2_that_answers_0_is_incomplete(
    run: Run, lab_compound_v2: CompoundV2Lab, tmp_path: Path
) -> None:
    """The Comptroller has no liquidity for whoever entered that market; all others are judged."""
    lab = lab_compound_v2
    options = ("--market-file", v2_file(lab, tmp_path), "-r", lab.url, "--block", "latest", "-q")
    with lab.rewinding():
        lab.set_driver("LINK/USD", 0)
        for command in ("scan", "ladder", "feeds"):
            code, out, err = run(command, *options)
            assert code == 3
            assert out
            assert "INCOMPLETE" in err
            assert "price for LINK" in err or "LINK (" in err
            assert "Traceback" not in err
    assert run("scan", *options)[0] == 0


def test_a_collateral_of_a_comet_without_a_price_is_incomplete(
    run: Run, lab_compound_v3: CometLab, tmp_path: Path
) -> None:
    lab = lab_compound_v3
    options = ("--market-file", v3_file(lab, tmp_path), "-r", lab.url, "--block", "latest", "-q")
    with lab.rewinding():
        lab.set_driver("LINK/USD", 0)
        for command in ("scan", "ladder", "feeds"):
            code, out, err = run(command, *options)
            assert code == 3
            assert out
            assert "INCOMPLETE" in err
            assert "LINK (" in err
    assert run("scan", *options)[0] == 0


def test_a_comet_whose_base_has_no_price_is_refused(
    run: Run, lab_compound_v3: CometLab, tmp_path: Path
) -> None:
    lab = lab_compound_v3
    with lab.rewinding():
        lab.set_driver("USDC/USD", 0)
        path = v3_file(lab, tmp_path)
        said = refused(run, 1, "scan", "--market-file", path, "-r", lab.url, "--block", "latest", "-q")
    assert "USDC" in said
    assert "price" in said


def test_a_paused_absorb_is_a_verdict_without_a_call(
    run: Run, lab_compound_v3: CometLab, tmp_path: Path
) -> None:
    lab = lab_compound_v3
    options = ("--market-file", v3_file(lab, tmp_path), "-r", lab.url, "--block", "latest")
    with lab.rewinding():
        lab.set_paused("usdc", absorb=True)
        code, out, _ = run("scan", *options)
        assert code == 0
        assert "of which callable 0" in out
        assert "Paused: absorb is paused" in out
        code, out, _ = run("stress", *options, "--set", "ETH/USD=-10%", "--format", "table")
        assert code == 0
        assert "x Paused: absorb is paused" in out


def test_a_comet_that_liquidates_in_parts_says_so(
    run: Run, lab_compound_v3: CometLab, tmp_path: Path
) -> None:
    lab = lab_compound_v3
    options = ("--market-file", v3_file(lab, tmp_path), "-r", lab.url, "--block", "latest")
    with lab.rewinding():
        lab.set_target("usdc", 105 * 10**16)
        code, out, _ = run("ladder", *options, "--driver", "ETH/USD", "--format", "table")
        assert code == 0
        assert "this Comet answers targetHealthFactor()" in out


@pytest.mark.parametrize("protocol", ["compound-v2", "compound-v3"])
def test_stored_looks_back_and_at_looks_ahead(
    run: Run, request: pytest.FixtureRequest, tmp_path: Path, protocol: str
) -> None:
    if protocol == "compound-v2":
        v2 = request.getfixturevalue("lab_compound_v2")
        path, url = v2_file(v2, tmp_path), v2.url
    else:
        v3 = request.getfixturevalue("lab_compound_v3")
        path, url = v3_file(v3, tmp_path), v3.url
    code, out, err = run("scan", "--market-file", path, "-r", url, "--stored", "--at", "+12s")
    assert (code, out) == (2, "")
    assert "use one of them" in err
