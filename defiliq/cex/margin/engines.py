"""What each venue does once a position is liquidated: facts to read an estimate by, not arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Engine:
    """One venue's liquidation engine, a sentence or two each."""

    venue: str
    trigger: str
    """Which price, against what."""
    first: str
    """What is tried before the whole position is closed."""
    then: str
    """How what is left is closed, and who takes it over."""
    last_resort: str
    """Who pays when that loses more than the margin."""
    source: str


ENGINES: Mapping[str, Engine] = {
    engine.venue: engine
    for engine in (
        Engine(
            "binance",
            "The mark price: maintenance margin reaches the margin balance.",
            "Open orders are cancelled, then one large immediate-or-cancel order shrinks the position; it "
            "ends there if the margin suffices again.",
            "The insurance fund takes the rest over at the bankruptcy price. A clearance fee is charged on "
            "what was liquidated, not reserved before.",
            "Auto-deleveraging of opposite positions by profit and leverage, where the fund cannot take it.",
            "binance.com/en/support/faq/360033525271 (as of 2024-05-29) and 360033525471",
        ),
        Engine(
            "bybit",
            "The mark price: position margin falls to the maintenance margin.",
            "Above the lowest risk limit, orders are cancelled and a fill-or-kill order takes the position "
            "down to a lower risk limit. In the lowest there is no such step.",
            "The engine takes the rest over at the bankruptcy price; what it closes better goes to the "
            "insurance fund, what it closes worse is paid by it.",
            "Auto-deleveraging when the insurance fund does not suffice.",
            "bybit.com help centre, Liquidation Process (USDT Contract; Inverse Contract as of 2024-01-24)",
        ),
        Engine(
            "okx",
            "The mark price: equity is at most maintenance margin and liquidation fee (100%).",
            "From tier 3 up, the position is taken down two tiers at a time while it still meets tier 1's "
            "ratio: a large position breaks in steps, not at one price.",
            "In tiers 1 and 2, or below tier 1's ratio, the engine takes it whole, at the bankruptcy price.",
            "The insurance fund, then auto-deleveraging; also when the fund lost 30% within 8 hours.",
            "okx.com help centre, Tiered maintenance margin ratio rules (2025-05-16), and Early liquidation",
        ),
        Engine(
            "hyperliquid",
            "The mark price: account value falls below the maintenance margin.",
            "Market orders to the book; of a position above 100,000 USDC only a fifth at first, and whole "
            "ones in the 30 seconds after.",
            "Below two thirds of the maintenance margin the liquidator vault takes position and margin over.",
            "Auto-deleveraging at the previous price when an account's value is negative.",
            "hyperliquid.gitbook.io/hyperliquid-docs/trading/liquidations and auto-deleveraging",
        ),
        Engine(
            "dydx",
            "The chain's oracle price: maintenance margin above the net collateral of the whole subaccount.",
            "Limits per block on how much of a position and of a subaccount is liquidated.",
            "Validators match it with the order book, at the fillable price or better, on chain.",
            "The insurance fund, then deleveraging against opposite positions at the bankruptcy price.",
            "dydxprotocol/v4-chain, protocol/x/clob/keeper/liquidations.go and deleveraging.go",
        ),
    )
}
