"""Whose accounts to ask about."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.calldata import keccak
from defiliq.chain.node import LogFilter, Logs, Node
from defiliq.protocols.compound_v3 import abi
from defiliq.protocols.compound_v3.fetch import fetch_root
from defiliq.types import Block, Listing


def discovery(
    node: Node, listing: Listing, at: Block
) -> tuple[LogFilter, Callable[[Logs], NDArray[np.uint8]]]:
    """The logs that name every account that was ever given collateral, and so every one that can owe.

    Debt is opened in two places only, withdrawBase and transferBase, and their events do not name every
    debtor: transferBase emits nothing about an account that sends base assets of which it has none. But both
    end with the same two checks of whoever is left with a negative balance. It must be baseBorrowMin at
    least, and isBorrowCollateralized must hold, whose sum starts at minus the debt's value and grows by
    collateral alone: an account without any passes only where its debt is worth 0, which the first check
    keeps out. And userCollateral grows in two places only, supplyCollateral and transferCollateral, each of
    which emits the account that it grows for: SupplyCollateral's `dst`, TransferCollateral's `to`. Checked in
    Comet, CometWithExtendedAssetList and ScrollComet.
    """
    comet, _ = fetch_root(node, listing, at)
    return LogFilter((comet,), tuple(keccak(event) for event in abi.EVENTS)), given_to


def given_to(logs: Logs) -> NDArray[np.uint8]:
    """(n, 20) who was given collateral: the second indexed argument of both events."""
    return np.ascontiguousarray(logs.topics[:, 2, 12:])
