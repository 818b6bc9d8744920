"""What each venue makes of leverage, size and price: at which price it liquidates a position.

`liquidation_price` is exact; `distance_factors` is the same as float multiples of the entry price.
"""

from defiliq.cex.margin.engines import ENGINES, Engine
from defiliq.cex.margin.factors import distance_factors
from defiliq.cex.margin.numbers import Number
from defiliq.cex.margin.price import NO_CHARGES, Charges, MarginMode, liquidation_price
from defiliq.cex.margin.rules import RULES, ValuedAt, VenueRule, rule_of

__all__ = [
    "ENGINES",
    "NO_CHARGES",
    "RULES",
    "Charges",
    "Engine",
    "MarginMode",
    "Number",
    "ValuedAt",
    "VenueRule",
    "distance_factors",
    "liquidation_price",
    "rule_of",
]
