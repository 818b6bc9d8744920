"""What the protocol took of liquidated collateral: LiquidationCall leaves it out, an aToken transfer says it.

A call hands the collateral to the liquidator, then the fee to the treasury, both from the account, and then
emits its event (LiquidationLogic.executeLiquidationCall). So the fee is the account's last transfer of the
aToken before the event, unless that went to the liquidator or, burnt, to nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from defiliq.chain.node import Call, LogFilter, Node
from defiliq.protocols.aave_v3 import abi
from defiliq.protocols.aave_v3.fetch import RESERVE_DATA_WORDS
from defiliq.protocols.happened import each_log
from defiliq.types import Block, Happening

A_TOKEN_WORD = 8
"""Of ReserveData."""


class Transfer(NamedTuple):
    """One transfer of an aToken."""

    transaction: str
    log_index: int
    token: str
    sender: str
    receiver: str
    amount: int


class Fees:
    """Finds the fees of liquidation calls, block by block."""

    def __init__(self, node: Node, pool: str, at: Block) -> None:
        self._node, self._pool, self._at = node, pool, at
        self._a_tokens: dict[str, str | None] = {}

    def told(self, events: Sequence[Happening]) -> Iterator[Happening]:
        """The same calls, with their fees where the pool still lists the asset."""
        for number, part in groupby(events, key=lambda event: event.block):
            calls = list(part)
            tokens = {call.seize_asset: self._a_token(call.seize_asset) for call in calls}
            moved = self._transfers([token for token in tokens.values() if token is not None], number)
            since: dict[str, int] = {}
            for call in calls:
                token = tokens[call.seize_asset]
                start = since.get(call.transaction, -1)
                fee = None if token is None else fee_of(call, token, moved, start)
                since[call.transaction] = call.log_index
                yield call if fee is None else replace(call, fees=((call.seize_asset, fee),))

    def _a_token(self, asset: str) -> str | None:
        """The aToken of an asset; None where the pool names none any more."""
        if asset not in self._a_tokens:
            (answer,) = self._node.call(
                [Call(self._pool, abi.calldata(abi.GET_RESERVE_DATA, asset))], self._at
            )
            found = None
            if isinstance(answer, bytes) and len(answer) == 32 * RESERVE_DATA_WORDS:
                found = abi.address_of(answer[32 * A_TOKEN_WORD : 32 * (A_TOKEN_WORD + 1)])
            self._a_tokens[asset] = None if found == abi.NOWHERE else found
        return self._a_tokens[asset]

    def _transfers(self, tokens: Sequence[str], number: int) -> list[Transfer]:
        if not tokens:
            return []
        event = abi.TRANSFER_EVENT
        wanted = LogFilter(tuple(sorted(set(tokens))), (abi.keccak(event),), traced=True)
        return [
            Transfer(
                log.transaction,
                log.log_index,
                log.address,
                log.address_at(event, 1),
                log.address_at(event, 2),
                *log.words(event, 1),
            )
            for log in each_log(self._node.logs(wanted, number, number))
        ]


def fee_of(call: Happening, token: str, moved: Sequence[Transfer], since: int) -> int:
    """What a call gave to the treasury; `since` is the log of the call before it in the same transaction."""
    own = [
        one
        for one in moved
        if (one.transaction, one.token, one.sender) == (call.transaction, token, call.account)
        and since < one.log_index < call.log_index
    ]
    last = max(own, key=lambda one: one.log_index, default=None)
    return 0 if last is None or last.receiver in (abi.NOWHERE, call.liquidator) else last.amount
