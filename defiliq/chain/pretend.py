"""Code that makes a node pretend: contracts that answer what one wants to ask about, and whether it obeys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from defiliq.chain.node import Call, Node, Override
from defiliq.errors import BadResponse
from defiliq.types import Block

PROBE: Final = "0x" + "de" * 20
"""An address whose code is pretended to answer the time and the number of the block."""
PROBE_CODE: Final = bytes.fromhex("42600052436020526040" + "6000f3")
"""TIMESTAMP and NUMBER, stored and returned."""
ROUND_AGE_S: Final = 900
"""How long ago rounds of pretended feeds were written: longer than Moonwell's wrappers hold any back."""
_WRITTEN: Final = b"\x61" + ROUND_AGE_S.to_bytes(2, "big") + bytes.fromhex("4203")
"""TIMESTAMP less ROUND_AGE_S."""
_CHOICE_BYTES: Final = 25
_REST_OF_ROUND: Final = bytes.fromhex("600160805260a06000f3")
_REST_OF_ANSWER: Final = bytes.fromhex("60005260206000f3")


def constant_code(value: int) -> bytes:
    """Code that answers every call with one word; without PUSH0, which chains before Shanghai lack."""
    return b"\x7f" + value.to_bytes(32, "big") + _REST_OF_ANSWER


def aggregator_code(answer: int, decimals: int) -> bytes:
    """Code of a price feed that stands still: a whole round or the decimals where they are asked for, and the
    answer to every other call; without PUSH0.

    The round is ROUND_AGE_S old: some oracles hold back what is only seconds old.
    """
    word = b"\x7f" + answer.to_bytes(32, "big")
    plain = word + _REST_OF_ANSWER
    dated = _WRITTEN + bytes.fromhex("80604052606052")
    whole_round = bytes.fromhex("5b6001600052") + word + bytes.fromhex("602052") + dated + _REST_OF_ROUND
    digits = bytes.fromhex("5b60") + decimals.to_bytes(1, "big") + _REST_OF_ANSWER
    at_round = _CHOICE_BYTES + len(plain)
    at_digits = at_round + len(whole_round)
    choice = (
        bytes.fromhex("60003560e01c80")  # the selector, twice
        + bytes.fromhex("63feaf968c1460")  # latestRoundData()
        + at_round.to_bytes(1, "big")
        + bytes.fromhex("5763313ce5671460")  # decimals()
        + at_digits.to_bytes(1, "big")
        + b"\x57"
    )
    return choice + plain + whole_round + digits


def table_code(answers: Mapping[str, int]) -> bytes:
    """Code that answers a call about an address (its one argument) with that address's word, else reverts."""
    entry_bytes, answer_bytes = 27, 1 + 33 + len(_REST_OF_ANSWER)
    first = 3 + entry_bytes * len(answers) + 5
    code = bytes.fromhex("600435")
    for k, address in enumerate(answers):
        at = first + k * answer_bytes
        code += b"\x80\x73" + bytes.fromhex(address.removeprefix("0x")) + b"\x14\x61"
        code += at.to_bytes(2, "big") + b"\x57"
    code += bytes.fromhex("60006000fd")
    for value in answers.values():
        code += b"\x5b\x7f" + value.to_bytes(32, "big") + _REST_OF_ANSWER
    return code


def require_obedience(node: Node, at: Block, timestamp: int | None, number: int | None) -> None:
    """BadResponse where a node takes overrides and ignores them.

    Code that exists nowhere must answer the pretended time and number; the block's own where none is.
    """
    (seen,) = node.call(
        [Call(PROBE, b"")],
        at,
        overrides={PROBE: Override(code=PROBE_CODE)},
        timestamp=timestamp,
        number=number,
    )
    wanted = at.timestamp if timestamp is None else timestamp
    obeyed = isinstance(seen, bytes) and len(seen) == 64 and int.from_bytes(seen[:32], "big") == wanted
    if obeyed and number is not None and isinstance(seen, bytes):
        obeyed = int.from_bytes(seen[32:], "big") == number
    if not obeyed:
        raise BadResponse(node.label, "eth_call ignores state or time overrides, which this check needs")
