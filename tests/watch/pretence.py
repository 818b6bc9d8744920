"""What a proxy pretends of the node behind it: an older head, lost states, methods that it lacks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

Ask: TypeAlias = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
"""JSON-RPC requests to replies in the same order, from the node behind."""

TAGS: Final = ("latest", "pending", "safe", "finalized")
STATE_AT: Final = {
    "eth_call": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_getTransactionCount": 1,
    "eth_getStorageAt": 2,
}
"""Which parameter names the block whose state is asked for."""
NO_METHOD: Final = (-32601, "the method does not exist or is not available")
NO_HEADER: Final = (-32000, "header not found")
NO_STATE: Final = (-32000, "missing trie node 5a0e (path ) state 0x5a0e is not available, not found")
NO_LOGS: Final = (
    -32000,
    "One of the blocks specified in filter (fromBlock, toBlock or blockHash) cannot be found.",
)


@dataclass(frozen=True)
class View:
    """What is shown of a chain. Blocks are numbers."""

    ceiling: int | None = None
    """The newest block, which the node must have; None is the node's own."""
    depth: int | None = None
    """State of blocks that lie deeper than so many below the newest is gone."""
    refused: frozenset[str] = field(default_factory=frozenset)
    """Methods that do not exist."""


class Pretence:
    """Answers JSON-RPC requests as a node would that has no more than a view."""

    def __init__(self) -> None:
        self.view = View()
        self.lock = threading.Lock()

    def change(self, **fields: Any) -> None:
        """Show something else from now on."""
        with self.lock:
            self.view = replace(self.view, **fields)

    def answer(self, requests: Sequence[dict[str, Any]], ask: Ask) -> list[dict[str, Any]]:
        """One reply each, in order."""
        view = self.view
        head = _head(view, ask)
        replies: list[dict[str, Any] | None] = [_said(request, view, head) for request in requests]
        passed = [k for k, reply in enumerate(replies) if reply is None]
        forwarded = [_clipped(requests[k], head) for k in passed]
        for k, reply in zip(passed, ask(forwarded) if forwarded else [], strict=True):
            replies[k] = _hidden(requests[k]["method"], reply, head)
        return [reply for reply in replies if reply is not None]


def _head(view: View, ask: Ask) -> int:
    if view.ceiling is not None:
        return view.ceiling
    asked = {"jsonrpc": "2.0", "id": 0, "method": "eth_blockNumber", "params": []}
    return int(ask([asked])[0]["result"], 16)


def _said(request: dict[str, Any], view: View, head: int) -> dict[str, Any] | None:
    """What is answered without asking the node; None where it must be asked."""
    method, params = request["method"], request.get("params", [])
    if method in view.refused:
        return _error(request, NO_METHOD)
    if method == "eth_blockNumber":
        return _result(request, hex(head))
    if method == "eth_getBlockByNumber" and _number(params[0], head) > head:
        return _result(request, None)
    if method == "eth_getBlockReceipts" and _number(params[0], head) > head:
        return _result(request, None)
    if method == "eth_getLogs" and _number(params[0].get("toBlock", "latest"), head) > head:
        return _error(request, NO_LOGS)
    if method in STATE_AT and len(params) > STATE_AT[method]:
        asked = _number(params[STATE_AT[method]], head)
        if asked > head:
            return _error(request, NO_HEADER)
        if view.depth is not None and asked < head - view.depth:
            return _error(request, NO_STATE)
    return None


def _clipped(request: dict[str, Any], head: int) -> dict[str, Any]:
    """The request with every tag made a number: the node's own newest block is not to be seen."""
    params = [
        {name: _pinned(value, head) for name, value in param.items()}
        if request["method"] == "eth_getLogs" and isinstance(param, dict)
        else _pinned(param, head)
        for param in request.get("params", [])
    ]
    if request["method"] == "eth_call" and len(params) == 1:
        params.append(hex(head))
    return {**request, "params": params}


def _hidden(method: str, reply: dict[str, Any], head: int) -> dict[str, Any]:
    """The node's reply, or null for what lies above the head."""
    found = reply.get("result")
    field_name = {"eth_getBlockByHash": "number", "eth_getTransactionReceipt": "blockNumber"}.get(method)
    if field_name is not None and isinstance(found, dict) and int(found[field_name], 16) > head:
        return {**reply, "result": None}
    return reply


def _pinned(param: Any, head: int) -> Any:
    return hex(head) if isinstance(param, str) and param in TAGS else param


def _number(param: Any, head: int) -> int:
    """The block that a parameter names; hashes are not looked up and count as known."""
    if isinstance(param, str) and param.startswith("0x") and len(param) < 66:
        return int(param, 16)
    return 0 if param == "earliest" else head


def _result(request: dict[str, Any], result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request.get("id"), "result": result}


def _error(request: dict[str, Any], what: tuple[int, str]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request.get("id"), "error": {"code": what[0], "message": what[1]}}
