"""Which logs change the state of accounts, so that whoever follows a chain need not read all of them anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.node import LogFilter, Logs


class Touching(NamedTuple):
    """The logs of one market that may change an account's state, and whose."""

    wanted: LogFilter
    accounts_of: Callable[[Logs], NDArray[np.uint8]]
    """(A, K) keys of the accounts that some logs name; an account may occur more than once."""
    keeps_unindebted: bool = False
    """Whether an account that owes nothing is followed as soon as it holds something, because it can come to
    owe without a log that names it."""
