"""A Solo Margin market in the lab: dYdX's SoloMargin with operations of ours. See `start_dydx_solo`."""

from tests.lab.dydx_solo.lab import SoloLab, SoloMember, start_dydx_solo
from tests.lab.dydx_solo.outcome import Outcome

__all__ = ["Outcome", "SoloLab", "SoloMember", "start_dydx_solo"]
