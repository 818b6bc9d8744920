"""What the integers behind prices are called, from what their contracts say of themselves."""

from __future__ import annotations

import re

_SLASH = re.compile(r"\s*/\s*")
_MEANT = re.compile(r"\(([^()]+)\)")


def pair_name(description: str) -> str:
    """The pair as it is written here: ETH/USD for 'ETH / USD'."""
    return _SLASH.sub("/", description.strip())


def is_pair(name: str) -> bool:
    """Whether a name says what is quoted in what: ETH/USD, but not 'Chainlink Composite OEV Wrapper'."""
    return "/" in name


def first_half(pair: str) -> str:
    """What a pair quotes: ETH for ETH/USD."""
    return pair.partition("/")[0]


def ratio_name(description: str, symbol: str, base: str) -> str:
    """The name of an exchange rate: 'wstETH/ETH ratio'.

    A description of three names or more says it: 'Capped wstETH / stETH(ETH) / USD', where the name in
    brackets is the one that the base feed prices. Else it is what is priced over what the base feed quotes.
    `symbol` is the asset's, or empty; `base` is the base feed's pair, or empty where there is none.
    """
    words = [part.split() for part in pair_name(description).split("/")]
    is_pair = len(words) > 1 and all(words)
    if is_pair and (len(words) > 2 or base == ""):
        meant = _MEANT.search(words[1][0])
        return f"{words[0][-1]}/{words[1][0] if meant is None else meant[1]} ratio"
    own = words[0][-1] if is_pair else description
    over = own if symbol == "" else symbol
    return f"{over}/{first_half(base)} ratio" if base != "" else f"{over} ratio"
