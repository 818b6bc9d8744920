"""What people say of costs, and what of it cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest

from defiliq.errors import InputError
from defiliq.pipeline.cost_terms import read_terms


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exits": ("WETH/USDC",)}, "is no exit"),
        ({"exits": ("WETH=pool:0x1",)}, "is no exit"),
        ({"exits": ("WETH/USDC=impact:1B", "weth/usdc=impact:2B")}, "given twice"),
        ({"exits": ("WETH/USDC=pool:1",)}, "'1' is no address of a pool"),
        ({"exits": ("auto", "none")}, "contradict"),
        ({"flash": "10001"}, "no flash loan"),
        ({"flash": "balancer"}, "no flash loan"),
        ({"gas_gwei": "-1"}, "no"),
        ({"gas_gwei": "nan"}, "an amount of gwei"),
        ({"priority_gwei": "1e99"}, "an amount of gwei"),
        ({"native_usd": "0"}, "above 0"),
        ({"native_usd": "much"}, "a price of the native coin"),
    ],
)
def test_what_cannot_be_used_is_refused(changes: Mapping[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_terms(**changes)


def test_terms_as_they_are_read() -> None:
    terms = read_terms(
        priority_gwei="0.1", flash="9", native_usd="2500.5", exits=("A/B=file:x.json", "auto"), gas_units=7
    )
    assert (terms.priority_wei, terms.flash, terms.auto, terms.gas_units) == (10**8, 9, True, 7)
    assert terms.native_usd == Fraction(5001, 2)
    assert terms.exits == (("A", "B", "file", "x.json"),)
    assert not read_terms(exits=("A/B=file:x.json",)).auto
    assert not read_terms(exits=("none",)).auto
    assert read_terms().auto
