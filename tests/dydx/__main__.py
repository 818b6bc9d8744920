"""`python -m tests.dydx`: a dYdX v4 chain of seeded subaccounts in this process, for people to try."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path

from tests.chain.cosmos_standin import serving_comet, serving_grpc
from tests.dydx.population import population
from tests.dydx.standin import dydx_standin

LOCAL_CHAIN = "localdydxprotocol"
"""What dYdX's own local network is called."""


def main(arguments: list[str] | None = None) -> int:
    """Serve over gRPC and over CometBFT until Ctrl-C. The URLs go to stdout as one JSON line."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    held = population(options.subaccounts, options.seed, has_whales=options.whales)
    model = dydx_standin(held, chain_id=LOCAL_CHAIN)
    try:
        with serving_grpc(model) as grpc_url, serving_comet(model) as http_url:
            said = {"grpc": grpc_url, "http": http_url, "chain_id": LOCAL_CHAIN, "height": model.newest}
            if options.market_file is not None:
                write_market_file(options.market_file, grpc_url)
                said["market_file"] = str(options.market_file)
            print(json.dumps(said), flush=True)
            print(f"Ready after {time.monotonic() - started:.1f} s. Ctrl-C ends it.", file=sys.stderr)
            while True:
                signal.pause()
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.dydx", description=__doc__)
    parser.add_argument("--subaccounts", type=int, default=300, help="how many, beside those of the house")
    parser.add_argument("--seed", type=int, default=7, help="what they are drawn from")
    parser.add_argument("--whales", action="store_true", help="with positions beyond 2**64 quantums")
    parser.add_argument(
        "--market-file", type=Path, help="write defiliq's market file here, with the gRPC URL"
    )
    return parser


def write_market_file(path: Path, endpoint: str) -> None:
    """The market as defiliq takes it."""
    market = {"protocol": "dydx-v4", "name": "Local", "chain_id": LOCAL_CHAIN, "endpoint": endpoint}
    path.write_text(json.dumps(market, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
