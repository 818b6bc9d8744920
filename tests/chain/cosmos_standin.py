"""A Cosmos node in this process, over gRPC and CometBFT's JSON-RPC, that behaves well or badly as it is told.

Both servers answer from one model, so what is asked over one way has the same answer over the other, faults
too. They speak the real wire formats by the chain's own message classes; nothing of `defiliq.chain` is used.
"""

from __future__ import annotations

import base64
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

import grpc
from v4_proto.cosmos.base.query.v1beta1.pagination_pb2 import PageResponse
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint
from v4_proto.dydxprotocol.subaccounts.query_pb2 import QueryAllSubaccountRequest

from tests.chain.rpc_server import Raw, RpcFailure, RpcServer, as_json

HEIGHT_HEADER = "x-cosmos-block-height"
TENDERMINT = "/cosmos.base.tendermint.v1beta1.Service/"
LARGEST_ANSWER = 1 << 30

Handler = Callable[[bytes, int], bytes]
"""Request and height to response, both protobuf."""

FaultKind = Literal[
    "another height",
    "no height",
    "page skipped",
    "page repeated",
    "keys in a circle",
    "too large",
    "late",
    "unavailable",
    "rate limited",
    "unimplemented",
    "aborted",
    "not committed yet",
    "malformed",
    "not allowed",
    "server error",
    "no JSON",
]
"""What can go wrong with one answer. The last two are HTTP's; over gRPC they are UNAVAILABLE and INTERNAL."""


@dataclass
class Fault:
    """Something that goes wrong with some answers of one method."""

    kind: FaultKind
    method: str = ""
    """The method's last part, such as SubaccountAll; empty for every query."""
    after: int = 0
    """So many answers are right before."""
    times: int = 1
    """So many are wrong then; below zero: all."""
    amount: int = 0
    """What the kind needs: milliseconds (late), a size in bytes (too large), a distance (another height)."""


class Refusal(Exception):
    """The application refuses a query: cosmos-sdk's code in its ABCI answers, and its words."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class StandInBlock:
    """One block."""

    timestamp: int
    hash: bytes


def blocks_at(*heights: int, first_timestamp: int = 1_700_000_000) -> dict[int, StandInBlock]:
    """Blocks of some heights, a second apart, each with a hash of its own."""
    return {
        height: StandInBlock(first_timestamp + height, sha256(f"block {height}".encode()).digest())
        for height in heights
    }


@dataclass
class StandIn:
    """What both servers answer from. Change it while they run to change their answers."""

    chain_id: str
    blocks: dict[int, StandInBlock]
    handlers: Mapping[str, Handler | PagedList]
    """By full method name, with the leading slash."""
    faults: list[Fault] = field(default_factory=list)
    lowest_state: int = 0
    """The state of blocks below it is pruned."""
    lowest_block: int = 0
    """Blocks below it are pruned."""
    executed: dict[int, list[tuple[bytes, dict[str, Any]]]] = field(default_factory=dict)
    """By height: the transactions of blocks, and what executing each answered (`ExecTxResult`)."""
    lowest_results: int = 0
    """What executing the blocks below it answered is pruned."""
    asked: list[tuple[str, int, bytes]] = field(default_factory=list)
    """Method, height and request of each query that was answered or refused."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def newest(self) -> int:
        return max(self.blocks)

    def fault_for(self, method: str) -> Fault | None:
        """The fault that this answer suffers; it is used up."""
        with self.lock:
            for fault in self.faults:
                if fault.method not in ("", method.rpartition("/")[2]) or fault.times == 0:
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def answer(self, method: str, request: bytes, height: int, fault: Fault | None) -> bytes:
        """The right answer, or the one that a fault of paging or content makes of it."""
        with self.lock:
            self.asked.append((method, height, request))
        is_early = fault is not None and fault.kind == "not committed yet"
        if is_early or height > self.newest:
            words = "cannot query with height in the future; please provide a valid height: invalid height"
            raise Refusal(26, words)
        if height < max(self.lowest_state, min(self.blocks)):
            why = f"version does not exist (latest height: {self.newest}): not found"
            raise Refusal(38, f"failed to load state at height {height}; {why}")
        handler = self.handlers.get(method)
        if handler is None or (fault is not None and fault.kind == "unimplemented"):
            raise KeyError(method)
        if fault is not None and fault.kind == "malformed":
            return b"\x0a\xff\xff\xff\xff\x0fnot a message"
        if fault is not None and fault.kind == "too large":
            return b"\x0a" + _varint(fault.amount) + bytes(fault.amount)
        return handler.page(request, fault) if isinstance(handler, PagedList) else handler(request, height)

    def results(self, height: int) -> dict[str, Any]:
        """What CometBFT 0.38's block_results answers, or its refusal."""
        self.block(height)
        if height < self.lowest_results:
            raise Refusal(-32603, f"could not find results for height #{height}")
        answers = [answer for _, answer in self.executed.get(height, [])]
        return {
            "height": str(height),
            "txs_results": answers if answers else None,
            "finalize_block_events": [{"type": "match", "attributes": []}],
            "validator_updates": None,
            "consensus_param_updates": None,
            "app_hash": "",
        }

    def block(self, height: int) -> StandInBlock:
        """A block, or the refusal of CometBFT's rpc/core."""
        if height < self.lowest_block:
            raise Refusal(-32603, f"height {height} is not available, lowest height is {self.lowest_block}")
        if height > self.newest:
            words = "must be less than or equal to the current blockchain height"
            raise Refusal(-32603, f"height {height} {words} {self.newest}")
        if height not in self.blocks:
            raise Refusal(-32603, f"height {height} is not available, lowest height is {min(self.blocks)}")
        return self.blocks[height]


class PagedList:
    """A store that is walked in the order of its keys, as cosmos-sdk's query.Paginate does.

    Items are framed once, as field 1 of the response, and pages are spliced of them as bytes.
    """

    def __init__(self, items: Mapping[bytes, bytes] | Sequence[tuple[bytes, bytes]]) -> None:
        pairs = sorted(items.items() if isinstance(items, Mapping) else items)
        self._keys = [key for key, _ in pairs]
        self._framed = [b"\x0a" + _varint(len(item)) + item for _, item in pairs]

    def __len__(self) -> int:
        return len(self._keys)

    def page(self, request: bytes, fault: Fault | None = None) -> bytes:
        """The page that a request asks for."""
        # Every paged request of dYdX has its PageRequest in field 1, so one class reads them all.
        asked = QueryAllSubaccountRequest.FromString(request).pagination
        limit = asked.limit if asked.limit else 100
        start = bisect_left(self._keys, asked.key) if asked.key else asked.offset
        end = min(start + limit, len(self._keys))
        following = end
        kind = None if fault is None else fault.kind
        if kind == "page skipped":
            following = min(end + limit, len(self._keys))
        elif kind == "page repeated":
            following = start
        elif kind == "keys in a circle":
            following = 0
        next_key = self._keys[following] if following < len(self._keys) else b""
        is_counted = asked.count_total and not asked.key
        answered = PageResponse(next_key=next_key, total=len(self._keys) if is_counted else 0)
        paging = bytes(answered.SerializeToString())
        return b"".join(self._framed[start:end]) + b"\x12" + _varint(len(paging)) + paging


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class _GrpcFace(grpc.GenericRpcHandler):  # type: ignore[misc]
    """The model as gRPC services of raw bytes."""

    def __init__(self, model: StandIn) -> None:
        self._model = model

    def service(self, details: Any) -> Any:
        method = str(details.method)
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._answer(method, request, context)
        )

    def _answer(self, method: str, request: bytes, context: Any) -> bytes:
        if method.startswith(TENDERMINT):
            return self._about_blocks(method.removeprefix(TENDERMINT), request, context)
        fault = self._model.fault_for(method)
        self._break(fault, context)
        height = int(dict(context.invocation_metadata()).get(HEIGHT_HEADER, self._model.newest))
        try:
            answer = self._model.answer(method, request, height, fault)
        except Refusal as refusal:
            context.abort(grpc.StatusCode.UNKNOWN, f"codespace sdk code {refusal.code}: {refusal.message}")
        except KeyError:
            service = method.strip("/").partition("/")[0]
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"unknown service {service}")
        kind = None if fault is None else fault.kind
        if kind != "no height":
            shown = height + fault.amount if fault is not None and kind == "another height" else height
            context.send_initial_metadata(((HEIGHT_HEADER, str(shown)),))
        return bytes(answer)

    def _break(self, fault: Fault | None, context: Any) -> None:
        kind = None if fault is None else fault.kind
        if fault is not None and kind == "late":
            time.sleep(fault.amount / 1000)
        codes = {
            "unavailable": (grpc.StatusCode.UNAVAILABLE, "connection refused by a test"),
            "rate limited": (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many requests"),
            "aborted": (grpc.StatusCode.ABORTED, "try again"),
            "not allowed": (grpc.StatusCode.UNAUTHENTICATED, "no key"),
            "server error": (grpc.StatusCode.UNAVAILABLE, "it broke"),
            "no JSON": (grpc.StatusCode.INTERNAL, "it broke"),
        }
        if kind in codes:
            context.abort(*codes[kind])

    def _about_blocks(self, method: str, request: bytes, context: Any) -> bytes:
        model = self._model
        if method == "GetNodeInfo":
            info = tendermint.GetNodeInfoResponse()
            info.default_node_info.network = model.chain_id
            return bytes(info.SerializeToString())
        if method not in ("GetLatestBlock", "GetBlockByHeight"):
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"unknown method {method}")
        height = model.newest
        if method == "GetBlockByHeight":
            height = tendermint.GetBlockByHeightRequest.FromString(request).height
            if height > model.newest:
                words = "requested block height is bigger then the chain length"
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, words)
        try:
            block = model.block(height)
        except Refusal as refusal:
            context.abort(grpc.StatusCode.UNKNOWN, refusal.message)
        answer = tendermint.GetBlockByHeightResponse()
        answer.block_id.hash = block.hash
        for header in (answer.block.header, answer.sdk_block.header):
            header.chain_id, header.height = model.chain_id, height
            header.time.seconds, header.time.nanos = block.timestamp, 123_456_789
        return bytes(answer.SerializeToString())


class _HttpFace:
    """The model as CometBFT's JSON-RPC."""

    def __init__(self, model: StandIn) -> None:
        self._model = model

    def reply(self, body: Any) -> Raw | None:
        """What to send for a post; None leaves it to `result`."""
        if isinstance(body, list) or body["method"] != "abci_query":
            return None
        method, data, height, _ = body["params"]
        fault = self._model.fault_for(method)
        kind = None if fault is None else fault.kind
        status = {
            "unavailable": 503,
            "rate limited": 429,
            "aborted": 503,
            "not allowed": 401,
            "server error": 500,
        }
        if kind in status:
            return Raw(b"", status[kind])
        if kind == "no JSON":
            return Raw(b"it broke")
        response = self._query(method, bytes.fromhex(data), int(height), fault)
        delay_ms = fault.amount if fault is not None and kind == "late" else 0
        raw = as_json({"jsonrpc": "2.0", "id": body["id"], "result": {"response": response}})
        return Raw(raw.body, delay_ms=delay_ms)

    def _query(self, method: str, request: bytes, height: int, fault: Fault | None) -> dict[str, Any]:
        shown = {"log": "", "info": "", "index": "0", "key": None, "value": None, "proofOps": None}
        try:
            answer = self._model.answer(method, request, height, fault)
        except Refusal as refusal:
            refused = {
                "code": refusal.code,
                "log": refusal.message,
                "height": str(height),
                "codespace": "sdk",
            }
            return {**shown, **refused}
        except KeyError:
            log = "unknown query path: unknown request"
            return {**shown, "code": 6, "log": log, "height": "0", "codespace": "sdk"}
        kind = None if fault is None else fault.kind
        seen = height + fault.amount if fault is not None and kind == "another height" else height
        value = base64.b64encode(answer).decode() if answer else None
        return {**shown, "code": 0, "value": value, "height": "0" if kind == "no height" else str(seen)}

    def result(self, method: str, params: Any) -> Any:
        """The answer about blocks."""
        model = self._model
        if method == "status":
            newest = model.blocks[model.newest]
            sync = {
                "latest_block_hash": newest.hash.hex().upper(),
                "latest_block_height": str(model.newest),
                "latest_block_time": _rfc3339(newest.timestamp),
                "catching_up": False,
            }
            return {"node_info": {"network": model.chain_id}, "sync_info": sync}
        if method not in ("block", "block_results"):
            return RpcFailure(-32601, "Method not found")
        height = int(params[0])
        try:
            if method == "block_results":
                return model.results(height)
            block = model.block(height)
        except Refusal as refusal:
            return RpcFailure(refusal.code, "Internal error", refusal.message)
        header = {"chain_id": model.chain_id, "height": params[0], "time": _rfc3339(block.timestamp)}
        data = {"txs": [base64.b64encode(raw).decode() for raw, _ in model.executed.get(height, [])]}
        return {"block_id": {"hash": block.hash.hex().upper()}, "block": {"header": header, "data": data}}


def _rfc3339(timestamp: int) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%dT%H:%M:%S}.123456789Z"


@contextmanager
def serving_grpc(model: StandIn) -> Iterator[str]:
    """The model over gRPC for the time of a test; gives the URL."""
    options = [("grpc.max_send_message_length", LARGEST_ANSWER), ("grpc.so_reuseport", 0)]
    pool = futures.ThreadPoolExecutor(8, thread_name_prefix="stand-in")
    server = grpc.server(pool, options=options)
    server.add_generic_rpc_handlers((_GrpcFace(model),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
        pool.shutdown()


@contextmanager
def serving_comet(model: StandIn) -> Iterator[str]:
    """The model over CometBFT's JSON-RPC for the time of a test; gives the URL."""
    face = _HttpFace(model)
    server = RpcServer(face.result)
    server.always = face.reply
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


SERVING = {"grpc": serving_grpc, "comet": serving_comet}
"""Both ways by name, to parametrise tests with."""
