"""A Cosmos node over gRPC: raw protobuf in and out, the height pinned by a header of each call."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

from defiliq.chain.cosmos_transport import HASH_BYTES, ChainEvent, Header, Pause, Refused
from defiliq.chain.rpc import FIRST_WAIT_MS, Patience
from defiliq.chain.url import Endpoint
from defiliq.errors import (
    BadResponse,
    BadUrl,
    InputError,
    MissingExtra,
    NodeError,
    NodeTimeout,
    NodeUnreachable,
    RateLimited,
    TooLarge,
)

HEIGHT_HEADER: Final = "x-cosmos-block-height"
"""cosmos-sdk's baseapp reads it from every call and sets it on every answer."""
BLOCKS: Final = "/cosmos.base.tendermint.v1beta1.Service"
TLS_PORT: Final = 443
PLAIN_PORT: Final = 9090
"""What cosmos-sdk listens on unless told otherwise."""
KEEPALIVE_MS: Final = 360_000
"""Go's servers hang up on clients that ping more often than every five minutes."""
LONGEST_BACKOFF_MS: Final = 5_000


def require_grpc() -> None:
    """Say what to install where it is missing."""
    if find_spec("grpc") is None or find_spec("v4_proto") is None:
        raise MissingExtra("reading dYdX v4", "grpcio and v4-proto", "dydx")


def target(endpoint: Endpoint) -> str:
    """The host and port of a gRPC endpoint; BadUrl where it says more than these."""
    parts = urlsplit(endpoint.url)
    if parts.username is not None or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BadUrl("a gRPC address is a host and a port and nothing else")
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    port = parts.port if parts.port is not None else TLS_PORT if parts.scheme == "grpcs" else PLAIN_PORT
    return f"{host}:{port}"


class _Again(Exception):
    """Something that may pass; `final` is what to raise if it does not."""

    def __init__(self, final: NodeError | Refused) -> None:
        super().__init__()
        self.final = final


class GrpcTransport:
    """Implements `CosmosTransport`. Safe to use from several threads."""

    def __init__(
        self, endpoint: Endpoint, *, timeout_s: int, max_message_bytes: int, patience: Patience
    ) -> None:
        require_grpc()
        self._endpoint, self._timeout_s, self._max_bytes = endpoint, timeout_s, max_message_bytes
        self._retries, self._pause = patience.retries, Pause(patience)
        self._has_answered = False
        self._channel = _channel(endpoint, max_message_bytes)

    @property
    def label(self) -> str:
        """The address without secrets."""
        return self._endpoint.label

    def close(self) -> None:
        """Close the channel: calls under way end, what waits for another try gives up."""
        self._pause.close()
        self._channel.close()

    def header(self, number: int | None) -> Header:
        """The block of a height, or the newest that is committed."""
        from google.protobuf.message import DecodeError
        from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2

        if number is None:
            raw, _ = self._ask(f"{BLOCKS}/GetLatestBlock", b"", None)
        else:
            request = query_pb2.GetBlockByHeightRequest(height=number).SerializeToString()
            raw, _ = self._ask(f"{BLOCKS}/GetBlockByHeight", request, None)
        try:
            # Both answers have the same fields.
            answer = query_pb2.GetBlockByHeightResponse.FromString(raw)
        except DecodeError:
            raise BadResponse(self.label, "a block that is no protobuf message") from None
        block = answer.block if answer.HasField("block") else answer.sdk_block
        header = block.header
        block_hash = bytes(answer.block_id.hash)
        if not header.chain_id or header.height < 1 or len(block_hash) != HASH_BYTES:
            raise BadResponse(self.label, "a block without chain id, height or hash")
        return Header(str(header.chain_id), int(header.height), block_hash, int(header.time.seconds))

    def query(self, method: str, request: bytes, number: int) -> bytes:
        """The answer to a query about the state after a block.

        cosmos-sdk sets the height on every answer, so one without it has passed through something that drops
        headers, maybe on the way in too: whose state it is cannot be known.
        """
        raw, heights = self._ask(method, request, number)
        if heights != [str(number)]:
            seen = f"block {', '.join(heights)}" if heights else "a block that it does not name"
            seen = self._endpoint.scrub(seen, 80)
            raise BadResponse(self.label, f"the state after {seen} when asked for block {number}")
        return raw

    def events(self, numbers: Sequence[int], kind: str) -> list[list[ChainEvent]]:
        """Always InputError: nodes of cosmos-sdk before 0.55 have no gRPC service for it, as all of dYdX."""
        raise InputError(
            f"{self.label} cannot tell what happened in past blocks: its gRPC has no service for that. "
            "Use the node's CometBFT endpoint, http://host:port (its block_results)."
        )

    def _ask(self, method: str, request: bytes, number: int | None) -> tuple[bytes, list[str]]:
        failures = 0
        while True:
            try:
                return self._once(method, request, number)
            except _Again as again:
                failures += 1
                # An address that never worked is most likely wrong: try once more, then say so.
                is_new = isinstance(again.final, NodeUnreachable) and not self._has_answered
                if failures > (min(1, self._retries) if is_new else self._retries) or self._pause.is_over:
                    final = again.final
                    raise (
                        RateLimited(self.label, failures) if isinstance(final, RateLimited) else final
                    ) from None
                self._pause.wait(failures)

    def _once(self, method: str, request: bytes, number: int | None) -> tuple[bytes, list[str]]:
        import grpc

        metadata = () if number is None else ((HEIGHT_HEADER, str(number)),)
        try:
            ask = self._channel.unary_unary(method, request_serializer=None, response_deserializer=None)
            raw, call = ask.with_call(request, timeout=self._timeout_s, metadata=metadata)
        except grpc.RpcError as error:
            raise self._failure(method, error.code(), error.details()) from None
        except ValueError:
            raise NodeUnreachable(self.label, "the connection is closed") from None
        self._has_answered = True
        return bytes(raw), _heights(call.initial_metadata())

    def _failure(self, method: str, status: Any, details: object) -> Exception:
        """What a failed call comes to: something to try again, an error, or the node's refusal."""
        code, name = int(status.value[0]), str(status.name)
        text = details if isinstance(details, str) else ""
        said = self._endpoint.scrub(text)
        refused = Refused(method, code, said, is_unknown=name == "UNIMPLEMENTED")
        if "larger than max" in text or "smaller than max" in text:
            return TooLarge(self.label, f"a message over the limit of {self._max_bytes} bytes")
        if "http2 header with status" in text and name != "UNAVAILABLE":
            return BadResponse(self.label, "plain HTTP where gRPC was asked for")
        match name:
            case "UNAVAILABLE":
                return _Again(NodeUnreachable(self.label, _reason(text)))
            case "RESOURCE_EXHAUSTED":
                return _Again(RateLimited(self.label, 1))
            case "DEADLINE_EXCEEDED":
                return NodeTimeout(self.label, f"no answer within {self._timeout_s} s")
            case "ABORTED":
                return _Again(refused)
            case "INTERNAL" if "rst_stream" in text.lower() or "goaway" in text.lower():
                return _Again(BadResponse(self.label, "an answer that was cut short"))
            case "CANCELLED":
                return NodeUnreachable(self.label, "the connection is closed")
            case "UNAUTHENTICATED" | "PERMISSION_DENIED":
                return BadResponse(self.label, f"{name} (is access to it restricted?)")
            case _:
                self._has_answered = True
                return refused


def _channel(endpoint: Endpoint, max_message_bytes: int) -> Any:
    import grpc

    options = [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.enable_retries", 0),
        ("grpc.initial_reconnect_backoff_ms", FIRST_WAIT_MS // 2),
        ("grpc.max_reconnect_backoff_ms", LONGEST_BACKOFF_MS),
        # A proxy of the environment is not meant for a node on this machine.
        ("grpc.enable_http_proxy", 0 if endpoint.is_local else 1),
    ]
    if endpoint.scheme == "grpcs":
        return grpc.secure_channel(target(endpoint), grpc.ssl_channel_credentials(), options=options)
    return grpc.insecure_channel(target(endpoint), options=options)


def _heights(metadata: Sequence[tuple[str, str | bytes]]) -> list[str]:
    return [str(value) for name, value in metadata if name == HEIGHT_HEADER]


def _reason(details: str) -> str:
    """Why no connection came about, in words without addresses."""
    text = details.lower()
    for sign, reason in (
        ("refused", "connection refused"),
        ("resolving", "the host name is not known"),
        ("name resolution", "the host name is not known"),
        ("dns", "the host name is not known"),
        ("http/2", "it does not speak gRPC"),
        ("http1", "it does not speak gRPC"),
        ("wrong_version_number", "it does not speak TLS"),
        ("certificate", "its TLS certificate is not valid"),
        ("ssl", "TLS failed"),
        ("handshake", "TLS failed"),
        ("unreachable", "the network is unreachable"),
        ("connection reset", "the connection was closed"),
        ("socket closed", "the connection was closed"),
    ):
        if sign in text:
            return reason
    return "it is unavailable"
