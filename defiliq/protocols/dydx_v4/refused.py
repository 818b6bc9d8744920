"""What the chain's own code refuses, by the name of its error."""

from __future__ import annotations


class ChainRefused(ValueError):
    """A step that the chain would not take; `error` is what its code calls that."""

    def __init__(self, error: str, why: str) -> None:
        self.error = error
        super().__init__(f"{error}: {why}")
