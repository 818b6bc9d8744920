"""Asks price contracts what they are and what they answer, breadth first, many in one call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from defiliq.chain.node import Call, Node
from defiliq.chain.probe import number_call, probe
from defiliq.chain.text import clean_text, text_of
from defiliq.oracle.adapters import MARKS, recognise
from defiliq.oracle.contracts import NOWHERE, Ask, Contract
from defiliq.oracle.kinds import Seen
from defiliq.oracle.sheet import BEYOND_TIME, MAX_POWER
from defiliq.types import Block

LATEST_ANSWER: Final = "latestAnswer"
LATEST_ROUND: Final = "latestRoundData"
DECIMALS: Final = "decimals"
MAX_DEPTH: Final = 8
"""Price contracts below price contracts; real ones stand three deep."""
MAX_CONTRACTS: Final = 1_000
MAX_ALONE: Final = 32
"""Contracts of one depth that are asked again by themselves."""
MAX_DESCRIPTION: Final = 64
ROUND_WORDS: Final = 5
SIGN: Final = 1 << 255


def survey(node: Node, sources: Iterable[str], at: Block, asked_by: str = LATEST_ANSWER) -> dict[str, Seen]:
    """Every price contract below some sources, by address.

    `asked_by` is the function that the market's own oracle asks, and decides where a contract knows both.
    What lies too deep, or beyond the number of contracts that any market needs, is left out.
    """
    found: dict[str, Seen] = {}
    wave = list(dict.fromkeys(source for source in sources if source != NOWHERE))
    for _ in range(MAX_DEPTH):
        wave = wave[: MAX_CONTRACTS - len(found)]
        if not wave:
            break
        found |= _ask_wave(node, wave, at, asked_by)
        below = dict.fromkeys(child for address in wave for child in found[address].children)
        wave = [address for address in below if address not in found]
    return found


def _ask_wave(node: Node, wave: Sequence[str], at: Block, asked_by: str) -> dict[str, Seen]:
    """What some contracts are, and the answers that their kinds need."""
    seen = _look(node, wave, at, asked_by)
    # One that burns gas may silence others in the same call: what looks like nothing is asked alone.
    alone = [
        address for address, (contract, kind) in seen.items() if kind is None and not contract.has_rounds
    ]
    for address in alone[:MAX_ALONE]:
        seen |= _look(node, [address], at, asked_by)
    for is_powered in (False, True):
        seen |= _ask_kinds(node, seen, at, is_powered)
    return seen


def _look(node: Node, wave: Sequence[str], at: Block, asked_by: str) -> dict[str, Seen]:
    """What some contracts answer to the getters of every kind."""
    marks = (LATEST_ANSWER, DECIMALS, *MARKS)
    # One getter after the other, so that the calls of a contract that burns gas do not stand side by side.
    calls = [number_call(address, f"{mark}()") for mark in marks for address in wave]
    answers = probe(node, calls, at, is_known=False)
    round_calls = [number_call(address, f"{LATEST_ROUND}()") for address in wave]
    rounds = probe(node, round_calls, at, words=ROUND_WORDS, is_known=False)
    titles = node.call([number_call(address, "description()") for address in wave], at)
    seen = {}
    for row, address in enumerate(wave):
        words = answers[row :: len(wave)]
        numbers = {mark: _signed(word[0]) for mark, word in zip(marks, words, strict=True) if word}
        title = titles[row]
        text = clean_text(text_of(title), "", MAX_DESCRIPTION) if isinstance(title, bytes) else ""
        contract = _contract(address, text, numbers, rounds[row], asked_by)
        seen[address] = Seen(contract, recognise(text, numbers))
    return seen


def _contract(
    address: str, text: str, numbers: Mapping[str, int], rounds: tuple[int, ...] | None, asked_by: str
) -> Contract:
    plain = numbers.get(LATEST_ANSWER)
    by_round = None if rounds is None else _signed(rounds[1])
    order = (by_round, plain) if asked_by == LATEST_ROUND else (plain, by_round)
    written = None if rounds is None else rounds[3]
    decimals = numbers.get(DECIMALS, numbers.get("DECIMALS"))
    return Contract(
        address,
        answer=next((answer for answer in order if answer is not None), None),
        decimals=decimals if decimals is not None and 0 <= decimals <= MAX_POWER else None,
        description=text,
        has_rounds=rounds is not None,
        updated_at=written if written is not None and 0 < written < BEYOND_TIME else None,
        numbers=numbers,
    )


def _ask_kinds(node: Node, seen: Mapping[str, Seen], at: Block, is_powered: bool) -> dict[str, Seen]:
    """The contracts with the answers to their kinds' own questions.

    `is_powered` says whether to ask those whose argument is an earlier answer; they come second.
    """
    asked = list(_questions(seen, is_powered))
    answers = probe(node, [call for _, _, call in asked], at) if asked else []
    more: dict[str, dict[str, int]] = {}
    for (address, name, _), answer in zip(asked, answers, strict=True):
        if answer is not None:
            more.setdefault(address, {})[name] = _signed(answer[0])
    return {
        address: seen[address]._replace(
            contract=replace(seen[address].contract, numbers={**seen[address].contract.numbers, **numbers})
        )
        for address, numbers in more.items()
    }


def _questions(seen: Mapping[str, Seen], is_powered: bool) -> Iterator[tuple[str, str, Call]]:
    """(contract, name, call) of every question that can be asked now."""
    for address, (contract, kind) in seen.items():
        for ask in () if kind is None else kind.asks:
            if isinstance(ask.power, str) != is_powered:
                continue
            call = _call(contract, ask)
            if call is not None:
                yield address, ask.name, call


def _call(contract: Contract, ask: Ask) -> Call | None:
    """A question as a call; None where what it builds on was not answered."""
    to = contract.address if ask.of == "" else contract.address_in(ask.of)
    if to is None:
        return None
    if ask.power is None:
        return number_call(to, ask.signature)
    power = ask.power if isinstance(ask.power, int) else contract.numbers.get(ask.power)
    if power is None or not 0 <= power <= MAX_POWER:
        return None
    return number_call(to, ask.signature, 10**power)


def _signed(word: int) -> int:
    return word - (SIGN << 1) if word >= SIGN else word
