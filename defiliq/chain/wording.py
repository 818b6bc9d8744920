"""What providers mean by their error messages: there is no standard, so this is a table of wordings.

Order matters: a rate limit is recognised first, since "limit exceeded" may mean requests per second as well
as blocks per query, and splitting a range for a rate limit makes it worse.
"""

from __future__ import annotations

import re

from defiliq.chain.transport import Failure, Json


def _any_of(*wordings: str) -> re.Pattern[str]:
    return re.compile("|".join(wordings), re.IGNORECASE)


RATE = _any_of(
    r"too many requests(?! in)",
    r"\brate[- ]?limit",
    r"\brequest rate\b",
    r"(request|call|credit|compute|throughput|query)s? (rate )?(limit|capacity|quota) "
    r"(is |was |has been )?(reached|exceeded)",
    r"exceeded its (compute units|throughput|concurrent)",
    r"compute units per second",
    r"(requests?|calls?|credits?)(?: limit)?(?: |/)*(?:per|/) ?(second|sec\b|s\b|minute|min\b|day)",
    r"(daily|monthly|project|capacity|plan) (request |usage )?(count |limit |quota )+(reached|exceeded)",
    r"daily request count exceeded",
    r"limit exceeded, (request rate|retry in)",
    r"back ?off and retry|slow down",
)
RANGE = _any_of(
    r"query returned more than",
    r"(exceeds?|exceeded|over) (the )?max(imum)? (results|logs|block range|range)",
    r"max(imum)? (allowed )?(block )?range",
    r"max(imum)? (number of )?(logs|results)",
    r"block ?range (is )?(too|limit|exceed|greater|larger|is limited|must|should|extends)",
    r"block range limit",
    r"(block )?range (is )?too (large|wide|big|long|high)",
    r"(large|wide|big) (block )?range",
    r"\brange \d+ (is bigger|exceeds?|is greater|is larger|>)",
    r"(is|are) limited to (a |an |0 ?- ?)?[\d,. k]+( ?blocks?| ?block range| range)?",
    r"block range .{0,20}limited to",
    r"up to (a )?[\d,]+k? (block|blocks)",
    r"(exceeds?|exceeded|exceeding|more than|over|within|max(imum)?) .{0,24}[\d,]+ ?k? (blocks|block range)",
    r"too many (requested )?blocks|requested too many blocks|too many blocks|many blocks requested",
    r"blocks? (distance|difference|span|count) .{0,24}(exceed|too|large|greater|limit)",
    r"(response|result|log response|logs) (size|set|count) (is |was )?(exceed|too|larger|over|should)",
    r"response is too (big|large)|response too (big|large)|result(s)? too (big|large)",
    r"too many (logs|results|events|records)",
    r"more than \d+ (logs|results|events)",
    r"(logs|results|events) (limit|exceed)",
    r"query (timeout|timed out|exceeds|took too long)",
    r"(request|query|execution|operation|getlogs|filter) (timed out|timeout|aborted)",
    r"context deadline exceeded",
    r"limit(ed)? your query to",
    r"narrow (your|the) (filter|query|range)|(specify|use|try) (a )?(smaller|fewer|narrower)",
    r"reduce (the |your )?(block |query )?(range|number of blocks)",
    r"retry with (the )?(block )?range|try with this block range|this block range should work",
    r"eth_getlogs .{0,40}(limit|range|exceed)",
    r"^limit exceeded\W*$|query limit exceeded|exceed(s|ed)? (the )?(query |log )?limit",
    r"allowed range|range exceeds|exceeds? (the |allowed |configured )?(block )?range",
    r"from(_)?block .{0,40}(limit|range|exceed|blocks)",
    r"request entity too large|backend response too large|body (is )?too large",
)
REVERT = _any_of(
    r"revert",
    r"invalid ?(fe ?)?opcode|opcode 0x\w+ not defined|InvalidFEOpcode|bad instruction",
    r"invalid ?jump|bad jump|stack ?(underflow|overflow)",
    r"vm execution error",
)
HISTORY = _any_of(
    r"missing trie node",
    r"(historical|requested|required|block) state .{0,40}"
    r"(unavailable|not available|missing|not found|pruned)",
    r"state (is )?(not available|unavailable|not found|already pruned|has been pruned|histories)",
    r"state .{0,60}is not available",
    r"pruned|prunned",
    r"no state (available|found)|missing state|cannot (find|query) state",
    r"archive (node|data|state|request|access|mode|rpc|plan)|archival (node|state|data)",
    r"block is (too old|not in range)|distance to target block exceeds",
    r"world ?state (unavailable|not found|missing)",
    r"old data not available|history (is )?not available|historical (data|blocks?) .{0,30}(not|unavailable)",
    r"exceeds the available history|last \d+ blocks",
)
NO_BLOCK = _any_of(
    r"header (not found|for hash not found)",
    r"(unknown|missing|invalid|future) block\b(?! range)",
    r"(finalized|safe|earliest|pending|latest) block not found",
    r"block .{0,80}not (be )?found|block not (found|available|indexed)",
    r"could not find block|cannot find block",
    r"BlockOutOfRange|block (height|number) .{0,40}(beyond|greater|higher|ahead|out of range)",
    r"block is out of range|after last accepted block|beyond (current )?head",
    r"requested block .{0,30}future",
)
TOO_MUCH = _any_of(
    r"out ?of ?gas|gas (limit|uint64 overflow|too (low|high)|required exceeds|exhausted)|exceeds .{0,20}gas",
    r"execution (aborted|timeout)|(request|call|execution) timed? ?out|timeout|deadline exceeded",
    r"(response|result|request|payload|body|content|entity|call ?data|input|initcode)( size| length)?"
    r" .{0,20}(too (large|big|long)|exceed|limit)",
    r"too (large|big|long)\b|size limit",
)

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


HEX_RANGE = re.compile(r"\[?\s*(0x[0-9a-fA-F]{1,16})\s*(?:,|-|to|\.\.)\s*(0x[0-9a-fA-F]{1,16})\s*\]?")
DECIMAL_RANGE = re.compile(r"range:?\s*\[?(\d{1,12})\s*(?:-|,|to|\.\.)\s*(\d{1,12})\b", re.IGNORECASE)
BLOCKS = re.compile(
    r"(\d[\d,_]*)(k?)\s*-?\s*(?:blocks?\b|range\b)|"
    r"(?:limit(?:ed)?|range|max(?:imum)?|allowed)\b[^\d]{0,30}?(\d[\d,_]*)(k?)\b(?!\s*(?:results|logs|events|mb|kb|s\b|bytes))",
    re.IGNORECASE,
)


def suggested_last(failure: Failure, first: int, last: int) -> int | None:
    """The last block that a message suggests for a range from `first`; None where it suggests nothing useful.

    Only a last block below `last` counts: some nodes suggest the very range that they refused.
    """
    words = _words(failure)
    for pattern, base in ((HEX_RANGE, 16), (DECIMAL_RANGE, 10)):
        for match in pattern.finditer(words):
            start, end = int(match.group(1), base), int(match.group(2), base)
            if start == first and first <= end < last:
                return end
    if re.search(r"(results|logs|events)\b(?! .*block)", words, re.IGNORECASE):
        return None
    spans = []
    for match in BLOCKS.finditer(words):
        digits, kilo = match.group(1) or match.group(3), match.group(2) or match.group(4)
        spans.append(int(re.sub(r"\D", "", digits)) * (1000 if kilo else 1))
    useful = [span for span in spans if 1 <= span <= last - first]
    return first + max(useful) - 1 if useful else None
