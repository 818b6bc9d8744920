"""The lab: real protocol bytecode on a local node, with a population of every shape. See `start_lab`."""

from tests.lab.cache import LabError
from tests.lab.lab import AccountData, Lab, User, start_lab
from tests.lab.liquidation import Outcome

__all__ = ["AccountData", "Lab", "LabError", "Outcome", "User", "start_lab"]
