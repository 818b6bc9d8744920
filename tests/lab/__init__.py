"""The lab: real protocol bytecode on a local node, with a population of every shape. See its `start_` functions."""

from tests.lab.cache import LabError
from tests.lab.compound_v2 import CompoundV2Lab, start_compound_v2
from tests.lab.lab import AccountData, Lab, User, start_lab
from tests.lab.liquidation import Outcome

__all__ = [
    "AccountData",
    "CompoundV2Lab",
    "Lab",
    "LabError",
    "Outcome",
    "User",
    "start_compound_v2",
    "start_lab",
]
