"""A Compound v2 market in the lab: Venus 0.4.1, a fork on real bytecode. See `start_compound_v2`."""

from tests.lab.compound_v2.lab import CompoundV2Lab, start_compound_v2
from tests.lab.compound_v2.outcome import AccountLiquidity, Failure, Outcome

__all__ = ["AccountLiquidity", "CompoundV2Lab", "Failure", "Outcome", "start_compound_v2"]
