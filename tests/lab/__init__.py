"""The lab: protocol bytecode on a local node, with a population of every shape. Start at `start_…`."""

from tests.lab.cache import LabError
from tests.lab.compound_v2 import CompoundV2Lab, start_compound_v2
from tests.lab.compound_v3 import CometLab, start_compound_v3
from tests.lab.dydx_solo import SoloLab, start_dydx_solo
from tests.lab.lab import AccountData, Lab, User, start_lab
from tests.lab.liquidation import Outcome

__all__ = [
    "AccountData",
    "CometLab",
    "CompoundV2Lab",
    "Lab",
    "LabError",
    "Outcome",
    "SoloLab",
    "User",
    "start_compound_v2",
    "start_compound_v3",
    "start_dydx_solo",
    "start_lab",
]
