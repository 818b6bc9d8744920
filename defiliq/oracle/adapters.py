"""All kinds of price contracts that are known, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from defiliq.oracle.adapters_aave import AAVE
from defiliq.oracle.adapters_compound import COMPOUND
from defiliq.oracle.adapters_legacy import LEGACY
from defiliq.oracle.adapters_moonwell import MOONWELL
from defiliq.oracle.kinds import Kind
from defiliq.oracle.names import pair_name

KINDS: Final[tuple[Kind, ...]] = (*AAVE, *LEGACY, *COMPOUND, *MOONWELL)

MARKS: Final[tuple[str, ...]] = tuple(dict.fromkeys(mark for kind in KINDS for mark in kind.marks))
"""The getters that tell the kinds apart."""


def recognise(description: str, answered: Mapping[str, int]) -> Kind | None:
    """The kind of a contract that describes itself so and answers these getters; None where none fits.

    Looking like a kind proves nothing: what it computes is compared with what the contract answers.
    """
    for kind in KINDS:
        is_named = kind.pair == "" or pair_name(description).casefold() == kind.pair.casefold()
        if is_named and all(mark in answered for mark in kind.marks):
            return kind
    return None
