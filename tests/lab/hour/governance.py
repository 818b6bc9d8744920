"""What governance does in the hour, and what it changes by that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tests.lab.chain import DEPLOYER, Tx
from tests.lab.hour.mining import Planned
from tests.lab.hour.stage import Stage
from tests.lab.hour.truth import Change
from tests.lab.reserves import BY_SYMBOL, ETH_MODE

LINK, WBTC = BY_SYMBOL["LINK"], BY_SYMBOL["WBTC"]
GRACE_S = 40


class Decision(NamedTuple):
    """One transaction of governance and the changes that follow from it."""

    planned: Planned
    changes: tuple[Change, ...]


Decide = Callable[[Stage, int], Decision]
"""By the second of the block that it is mined in."""


def _change(parameter: str, before: int | str, after: int | str) -> Change:
    return Change(parameter, str(before), str(after))


def _limits(stage: Stage, symbol: str, threshold: int, bonus: int, *changes: Change) -> Decision:
    spec = BY_SYMBOL[symbol]
    given = (stage.lab.tokens[symbol], min(spec.ltv, threshold), threshold, bonus)
    tx = Tx(DEPLOYER, stage.lab.market.configurator, "configureReserveAsCollateral", given)
    return Decision(Planned(tx, f"limits of {symbol}"), changes)


def _threshold(stage: Stage, at: int) -> Decision:
    change = _change("LINK.liquidation_threshold_bps", LINK.threshold, LINK.threshold - 150)
    return _limits(stage, "LINK", LINK.threshold - 150, LINK.bonus, change)


def _bonus(stage: Stage, at: int) -> Decision:
    change = _change("WBTC.liquidation_bonus_bps", WBTC.bonus, WBTC.bonus + 100)
    return _limits(stage, "WBTC", WBTC.threshold, WBTC.bonus + 100, change)


def _emode(stage: Stage, at: int) -> Decision:
    mode = ETH_MODE
    given = (mode.id, 9_200, mode.threshold - 250, mode.bonus, mode.label)
    tx = Tx(DEPLOYER, stage.lab.market.configurator, "setEModeCategory", given)
    changes = (
        _change(f"eMode {mode.id}.liquidation_threshold_bps", mode.threshold, mode.threshold - 250),
        _change(f"eMode {mode.id}.ltv_bps", mode.ltv, 9_200),
    )
    return Decision(Planned(tx, f"eMode {mode.id}"), changes)


def _cap(stage: Stage, at: int) -> Decision:
    cap = 60_000_000_000
    tx = Tx(DEPLOYER, stage.lab.market.configurator, "setSupplyCap", (stage.lab.tokens["WBTC"], cap))
    return Decision(Planned(tx, "supply cap of WBTC"), (_change("WBTC.supply_cap", 0, cap),))


def _fee(stage: Stage, at: int) -> Decision:
    given = (stage.lab.tokens["WETH"], 1_200)
    tx = Tx(DEPLOYER, stage.lab.market.configurator, "setLiquidationProtocolFee", given)
    change = _change("WETH.liquidation_protocol_fee_bps", BY_SYMBOL["WETH"].protocol_fee, 1_200)
    return Decision(Planned(tx, "protocol fee of WETH"), (change,))


def _source(stage: Stage, at: int) -> Decision:
    new = stage.spare_feed.address
    given = ([stage.lab.tokens["CRV"]], [new])
    tx = Tx(DEPLOYER, stage.lab.market.oracle, "setAssetSources", given)
    old, about = stage.lab.feeds["CRV"], "CRV/USD"
    changes = (
        _change("CRV.price_source", old, new),
        _change("CRV.price_inputs", f"{about} {old}", f"{about} {new}"),
    )
    return Decision(Planned(tx, "price source of CRV"), changes)


def _pause(stage: Stage, at: int) -> Decision:
    given = (stage.lab.tokens["LINK"], True, 0)
    tx = Tx(DEPLOYER, stage.lab.market.configurator, "setReservePause(address,bool,uint40)", given)
    return Decision(Planned(tx, "pause LINK"), (_change("LINK.is_paused", "false", "true"),))


def _unpause(stage: Stage, at: int) -> Decision:
    given = (stage.lab.tokens["LINK"], False, GRACE_S)
    tx = Tx(DEPLOYER, stage.lab.market.configurator, "setReservePause(address,bool,uint40)", given)
    changes = (
        _change("LINK.is_paused", "true", "false"),
        _change("LINK.grace_period_until", 0, at + GRACE_S),
    )
    return Decision(Planned(tx, "unpause LINK"), changes)


DECISIONS: Mapping[int, Decide] = {
    12: _cap,
    20: _bonus,
    27: _pause,
    34: _unpause,
    44: _fee,
    50: _emode,
    58: _threshold,
    92: _source,
}
"""By the percent of the hour."""
