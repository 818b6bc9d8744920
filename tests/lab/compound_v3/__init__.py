"""Compound III in the lab: two markets of our own Comet, with a population. See `start_compound_v3`."""

from tests.lab.compound_v3.lab import CometLab, start_compound_v3
from tests.lab.compound_v3.liquidation import Absorption, Purchase

__all__ = ["Absorption", "CometLab", "Purchase", "start_compound_v3"]
