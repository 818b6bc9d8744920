"""What providers mean by their error messages: there is no standard, so this is a table of wordings.

Order matters: a rate limit is recognised first, since "limit exceeded" may mean requests per second as well
as blocks per query, and splitting a range for a rate limit makes it worse.
"""

from __future__ import annotations

import re

from defiliq.chain.quantity import QUANTITY
from defiliq.chain.transport import Failure, Json

KILO = 1_000


def _any_of(*wordings: str) -> re.Pattern[str]:
    return re.compile("|".join(wordings), re.IGNORECASE)


RATE = _any_of(
    r"too many requests(?! in)",
    r"\brate[- ]?limit|\brate exceeded|\brequest rate\b|\brps\b",
    r"(request|call|credit|compute|throughput|capacity|quota)s? (limit |quota )?(is |was |has been )?"
    r"(reached|exceeded|exhausted)",
    r"exceeded (its|your|the) (compute|throughput|concurrent|request|rps|quota|capacity)",
    r"requests? (are )?limited to (?!.*block)",
    r"(compute units|requests?|calls?|credits?)( limit)?( |/)*(per|/) ?(second|sec\b|s\b|minute|min\b|day)",
    r"\d/(second|sec|minute|min|day) request limit",
    r"(daily|monthly|project|free tier|plan).{0,12} (request |usage |capacity )?(count|limit|quota)s? "
    r"(is |was |has been )?(reached|exceeded)",
    r"(reached|exceeded) the (free tier|quota)",
    r"retry (in|after) \d|back ?off and retry|slow down",
)
BUSY = _any_of(
    r"no backend is (currently )?(healthy|available)",
    r"(service|server|backend|upstream)s? (is |are )?(currently |temporarily )?(unavailable|busy|overloaded)",
    r"temporar(y|ily)|try again|under too much load|cannot fulfill request",
)
RANGE = _any_of(
    r"returned more than|more than \d+ (logs|results|events)",
    r"too many (logs|results|events|records|blocks|requested blocks)",
    r"max(imum)? (allowed )?(number of )?(requested )?(logs|results|blocks|block range|range)",
    r"max(imum)? \[from, ?to\] blocks",
    r"range:? (is |of |limit )?(too|exceed|greater|larger|bigger|is limited|limit)",
    r"(too|larger?|wide|big) (wide |large |big )?(blocks? )?range",
    r"\brange (\d+ - )?\d+ (is |exceeds?|>)",
    r"exceeds? (the )?(max(imum)? )?(allowed |configured )?(block )?range|range allowed|allowed range",
    r"limited to .{0,24}(block|range)|block range .{0,20}limited to",
    r"(up to|at most|over|exceed(s|ed|ing)?|more than|within|max(imum)?) .{0,24}\d ?k? block",
    r"blocks? (distance|difference|span|count) .{0,24}(exceed|too|large|greater|limit)",
    r"(response|results?|logs?) (size )?(is |was )?(exceed|too (big|large)|larger|over|should not)",
    r"(logs|results|events|records)( matched by query)? (limit|exceeds?)|query exceeds? (the )?limit",
    r"timed? ?out|deadline exceeded|took too long|execution aborted",
    r"limit (your|the) query|narrow (your|the) |(specify|use|try) (a )?(smaller|fewer|narrower)",
    r"reduc(e|ing) (the |your )?(block |query )?(range|number of blocks)",
    r"retry with the range|try with this block range|this block range should work|try paginating",
    r"must be smaller than size|entity too large|body (is )?too large",
    r"^(query )?limit exceeded\W*$",
)
REVERT = _any_of(
    r"revert",
    r"invalid ?(fe ?)?opcode|opcode 0x\w+ not defined|bad instruction",
    r"invalid ?jump|bad jump|stack ?(underflow|overflow|limit)",
    r"out ?of ?gas(?! cap)|vm execution error|vm exception",
)
HISTORY = _any_of(
    r"missing trie node",
    r"state .{0,90}(is )?(not available|unavailable|not found|pruned)",
    r"state histor(y|ies) .{0,40}(not|n't)",
    r"pruned|pruning|\barchiv(e|al)\b",
    r"no state (available|found)|missing state|cannot (find|query) state",
    r"block is too old|distance to target block exceeds",
    r"old data not available|histor(y|ical (data|blocks?)) .{0,30}(not available|unavailable)",
)
NO_BLOCK = _any_of(
    r"header (for hash )?not found",
    r"(unknown|missing|invalid|future) block\b(?! range)",
    r"block .{0,80}not (be )?(found|available|indexed)",
    r"(cannot|could not|can't) (be found|find (the )?block)|one of the blocks specified in filter",
    r"BlockOutOfRange|block (height|number) .{0,40}(beyond|greater|higher|ahead|out of range)",
    r"block is out of range|after last accepted block|beyond (the )?(current )?head|block .{0,30}future",
)
BEHIND = _any_of(
    r"header (for hash )?not found",
    r"unknown block\b|block .{0,80}not (be )?found",
    r"beyond (the )?(current )?head|one of the blocks specified in filter",
)
NO_RECEIPT = _any_of(
    r"indexing is in progress",
    r"\b(transaction|receipt)s? .{0,80}(not (be )?(found|available|indexed)|unavailable)",
    r"(unknown|missing) transaction\b",
)
TOO_MUCH = _any_of(
    r"out ?of ?gas|gas (uint64 overflow|too (low|high)|required exceeds)",
    r"gas .{0,20}exceeds|exceeds .{0,20}gas",
    r"timed? ?out|deadline exceeded|execution aborted|took too long",
    r"(response|result|request|payload|body|content|entity|call ?data|input|initcode)( size| length)?"
    r" .{0,20}(too (large|big|long)|exceed|limit)",
    r"too (large|big|long)\b|size limit",
)

RETRY_IN = re.compile(r"retry (?:in|after) (\d{1,6}) ?(ms|s|m)", re.IGNORECASE)
UNITS_MS = {"ms": 1, "s": KILO, "m": 60 * KILO}
RATE_CODES = frozenset({429, -32029, -32097})
REVERT_CODES = frozenset({3, -32015})


def _words(failure: Failure) -> str:
    """Message and, where the client puts its reason there, the text in `data`."""
    return f"{failure.message} {_text(failure.data)}".strip()


def _text(data: Json) -> str:
    if isinstance(data, str):
        return "" if re.fullmatch(r"0x[0-9a-fA-F]*", data) else data
    if isinstance(data, dict):
        return " ".join(_text(value) for value in data.values())
    return ""


def means_rate_limit(failure: Failure) -> bool:
    """Whether the same request may succeed a little later."""
    if failure.code in RATE_CODES:
        return True
    return not means_revert(failure) and RATE.search(_words(failure)) is not None


def asked_wait_ms(failure: Failure) -> int | None:
    """How long a rate limit asks to wait, in words or by Infura's `backoff_seconds`; None if it does not."""
    found = RETRY_IN.search(_words(failure))
    if found is not None:
        return int(found.group(1)) * UNITS_MS[found.group(2).lower()]
    match failure.data:
        case {"rate": {"backoff_seconds": int(seconds)}} if seconds >= 0:
            return seconds * KILO
    return None


def means_busy(failure: Failure) -> bool:
    """Whether the provider is in trouble that has nothing to do with the request."""
    return not means_revert(failure) and BUSY.search(_words(failure)) is not None


def means_range(failure: Failure) -> bool:
    """Whether eth_getLogs would accept fewer blocks."""
    return not means_rate_limit(failure) and RANGE.search(_words(failure)) is not None


def means_revert(failure: Failure) -> bool:
    """Whether the contract refused, as opposed to the node."""
    return failure.code in REVERT_CODES or REVERT.search(_words(failure)) is not None


def means_lost_history(failure: Failure) -> bool:
    """Whether the node no longer keeps the state that was asked for."""
    return HISTORY.search(_words(failure)) is not None


def means_no_block(failure: Failure) -> bool:
    """Whether the node does not know the block."""
    return NO_BLOCK.search(_words(failure)) is not None


def means_no_receipt(failure: Failure) -> bool:
    """Whether the node does not know what became of a transaction, yet or any more."""
    return means_lost_history(failure) or NO_RECEIPT.search(_words(failure)) is not None


def means_behind(failure: Failure) -> bool:
    """Whether a node of several behind one URL may not have seen the newest block yet."""
    return not means_lost_history(failure) and BEHIND.search(_words(failure)) is not None


def means_too_much(message: str) -> bool:
    """Whether a smaller call of the same kind may succeed: gas, time or size ran out."""
    return TOO_MUCH.search(message) is not None


def revert_data(data: Json) -> bytes:
    """The raw revert data, wherever the client put it; empty when there is none."""
    if isinstance(data, str):
        found = re.search(r"0x((?:[0-9a-fA-F]{2})*)\s*$", data)
        return bytes.fromhex(found.group(1)) if found is not None else b""
    if isinstance(data, dict):
        for name in ("data", "result", "output", "return", "originalError"):
            if name in data:
                return revert_data(data[name])
        nested = [value for value in data.values() if isinstance(value, dict)]
        return revert_data(nested[0]) if nested else b""
    return b""


PAIR = re.compile(
    r"(0x[0-9a-fA-F]{1,16})\s*(?:,|-|to|\.\.)\s*(0x[0-9a-fA-F]{1,16})|"
    r"range:?\s*\[?(\d{1,12})\s*(?:,|-|to|\.\.)\s*(\d{1,12})\b",
    re.IGNORECASE,
)
"""Two block numbers: a range that the message names."""
ABOUT_LOGS = re.compile(r"\b(results?|logs|events|records)\b(?!.*\bblocks?\b)", re.IGNORECASE)
"""The limit is one of answers, so the numbers in the message are no numbers of blocks."""
SPAN = re.compile(
    r"(?:(?<![\w.])(\d[\d,_.]*)(k?)[ -]*(?:blocks?\b|(?:block )?range\b|max\b))|"
    r"(?:(?:limit(?:ed)?|range|max(?:imum)?|allowed|size|distance)\b[^\d]{0,40}?|> ?)(\d[\d,_.]*)(k?)\b"
    r"(?! ?(?:results|logs|events|[mk]b\b|s\b|sec|bytes))",
    re.IGNORECASE,
)
"""A number of blocks: `10,000 block range`, `limited to 2k`, `max range: 800`, `5000 > 500`."""


def suggested_last(failure: Failure, first: int, last: int) -> int | None:
    """The last block that a message suggests for a range from `first`; None where it suggests nothing useful.

    Only fewer blocks than were asked for are useful: some nodes suggest the very range that they refused.
    """
    words, asked = _words(failure), last - first + 1
    pairs = [[number for number in match.groups() if number] for match in PAIR.finditer(words)]
    if isinstance(failure.data, dict):
        bounds = [failure.data.get(name) for name in ("from", "to")]
        pairs.append([bound for bound in bounds if isinstance(bound, str) and QUANTITY.fullmatch(bound)])
    spans = [_number(pair[1]) - _number(pair[0]) + 1 for pair in pairs if len(pair) == 2]
    useful = [span for span in spans if 1 <= span < asked]
    if useful:
        return first + useful[-1] - 1
    if ABOUT_LOGS.search(words):
        return None
    for match in SPAN.finditer(words):
        digits = re.sub(r"\D", "", match.group(1) or match.group(3))
        spans.append(int(digits) * (KILO if match.group(2) or match.group(4) else 1))
    useful = [span for span in spans if 1 <= span < asked]
    return first + min(useful) - 1 if useful else None


def _number(text: str) -> int:
    return int(text, 16) if text[:2].lower() == "0x" else int(text)
