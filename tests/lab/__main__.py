"""`python -m tests.lab`: run the local chain for people, or only prepare the cache."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from tests.lab import (
    CometLab,
    CompoundV2Lab,
    Lab,
    LabError,
    SoloLab,
    start_compound_v2,
    start_compound_v3,
    start_dydx_solo,
    start_lab,
)
from tests.lab import compile as solidity
from tests.lab.build import VERSIONS
from tests.lab.packages import anvil

AnyLab: TypeAlias = Lab | CompoundV2Lab | CometLab | SoloLab
STARTS: Mapping[str, Callable[..., AnyLab]] = {
    **{version: partial(start_lab, version) for version in VERSIONS},
    "compound-v2": start_compound_v2,
    "compound-v3": start_compound_v3,
    "dydx-solo": start_dydx_solo,
}


def main(arguments: list[str] | None = None) -> int:
    """Parse, start, wait for Ctrl-C. What a program may want goes to stdout as one JSON line."""
    options = _parser().parse_args(arguments)
    try:
        if options.fetch:
            return _fetch()
        return _serve(options)
    except LabError as error:
        _say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--fetch", action="store_true", help="only fetch packages and compile, then stop")
    parser.add_argument(
        "--version", choices=sorted(STARTS), default="v3.6", help="which market: vX.Y is Aave's"
    )
    parser.add_argument("--users", type=int, default=300, help="how many accounts (20 to 5000)")
    parser.add_argument("--seed", type=int, default=7, help="what the population is drawn from")
    parser.add_argument("--port", type=int, help="port of the node; a free one if left out")
    parser.add_argument(
        "--market-file",
        type=Path,
        help="write defiliq's market file here; for two markets their name joins the file's",
    )
    return parser


def _fetch() -> int:
    started = time.monotonic()
    _say("Fetching packages (once, some 46 MB) ...")
    binary = anvil()
    _say(f"  node: {binary}")
    _say("Compiling Aave v3.6 (once, some 20 s) ...")
    solidity.aave_v36()
    solidity.own()
    _say(f"The lab is ready, after {time.monotonic() - started:.0f} s.")
    return 0


def _serve(options: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    _say(f"Starting {options.version} with {options.users} accounts ...")
    with STARTS[options.version](users=options.users, seed=options.seed, port=options.port) as lab:
        said: dict[str, Any] = {
            "url": lab.url,
            "chain_id": lab.chain_id,
            **_entry(lab),
            "block": lab.chain.height(),
        }
        if options.market_file is not None:
            said |= _market_files(lab, options.market_file)
        print(json.dumps(said), flush=True)
        _say(f"Ready after {time.monotonic() - started:.1f} s. Ctrl-C ends it.")
        while True:
            signal.pause()


def _entry(lab: AnyLab) -> dict[str, Any]:
    """The address that names the market, or each of them."""
    if isinstance(lab, CometLab):
        return {"comets": lab.comets}
    if isinstance(lab, SoloLab):
        return {"solo_margin": lab.solo_margin}
    return {"comptroller": lab.comptroller} if isinstance(lab, CompoundV2Lab) else {"pool": lab.pool}


def _market_files(lab: AnyLab, path: Path) -> dict[str, Any]:
    """Where they were written: local.json, or local-usdc.json and local-weth.json."""
    if not isinstance(lab, CometLab):
        return {"market_file": str(lab.market_file(path))}
    paths = {name: path.with_name(f"{path.stem}-{name}{path.suffix}") for name in lab.comets}
    return {"market_files": {name: str(lab.market_file(name, each)) for name, each in paths.items()}}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
