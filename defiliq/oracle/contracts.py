"""Price contracts as they answered at one block, and the questions that they are asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from defiliq.types import checksum

NOWHERE = "0x" + "0" * 40
MAX_ADDRESS = (1 << 160) - 1


@dataclass(frozen=True, slots=True)
class Ask:
    """One question; its answer is kept under `name`."""

    name: str
    function: str = ""
    """The function to call; `name` itself where it is empty."""
    of: str = ""
    """The getter of the contract to ask; empty for the price contract itself."""
    power: str | int | None = None
    """The one argument is 10**power: a number, or the name of an earlier answer. None: no argument."""

    @property
    def signature(self) -> str:
        """How the function is written."""
        function = self.name if self.function == "" else self.function
        return f"{function}()" if self.power is None else f"{function}(uint256)"


@dataclass(frozen=True, slots=True)
class Contract:
    """One price contract at one block."""

    address: str
    answer: int | None = None
    """Its price; None where it refuses."""
    decimals: int | None = None
    description: str = ""
    has_rounds: bool = False
    """Whether it answers latestRoundData, as aggregators do."""
    updated_at: int | None = None
    numbers: Mapping[str, int] = field(default_factory=dict)
    """Answers by name, signed."""

    def address_in(self, name: str) -> str | None:
        """The address that a getter answered; None where it is none."""
        number = self.numbers.get(name)
        if number is None or not 0 < number <= MAX_ADDRESS:
            return None
        return checksum(number.to_bytes(20, "big"))

    @property
    def title(self) -> str:
        """How to name it to people."""
        start = f"{self.address[:10]}.."
        return start if self.description == "" else f"{self.description} ({start})"
