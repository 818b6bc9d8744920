"""The first answer of a contract that a listing names: whether it can be what it is listed as."""

from __future__ import annotations

from defiliq.errors import CallReverted, NotAMarket


def root_answer(answer: bytes | CallReverted, address: str, wanted: str, signature: str) -> bytes:
    """What a contract answers to a function that every `wanted` has; NotAMarket where that is nothing."""
    if isinstance(answer, CallReverted):
        raise NotAMarket(address, wanted, f"it refuses {signature}") from answer
    if not answer:
        raise NotAMarket(address, wanted, f"nothing there answers {signature}; there may be no contract")
    return answer
