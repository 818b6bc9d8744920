"""A Cosmos node over CometBFT's JSON-RPC: the same protobuf queries as gRPC, wrapped in `abci_query`."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from defiliq.chain.cosmos_transport import HASH_BYTES, ChainEvent, Header, Refused
from defiliq.chain.rpc import RpcTransport
from defiliq.chain.transport import Json, Request
from defiliq.errors import BadResponse, TooLarge

UNKNOWN_REQUEST: Final = 6
"""cosmos-sdk's code for a path that no module answers to (ErrUnknownRequest)."""
HEIGHT: Final = re.compile(r"[0-9]{1,18}")
TIME: Final = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.\d{1,9})?Z")


def response_limit(max_message_bytes: int) -> int:
    """How large an HTTP answer may be that holds a message of at most so many bytes, in base64."""
    return (max_message_bytes + 2) // 3 * 4 + (1 << 16)


class CometTransport:
    """Implements `CosmosTransport`."""

    def __init__(self, http: RpcTransport, *, max_message_bytes: int) -> None:
        self._http, self._max_bytes = http, max_message_bytes

    @property
    def label(self) -> str:
        """The URL without secrets."""
        return self._http.label

    def close(self) -> None:
        """Close every connection; what waits for another try gives up."""
        self._http.close()

    def header(self, number: int | None) -> Header:
        """The block of a height, or the newest that is committed."""
        if number is None:
            status = self._object(self._ask("status"))
            node, sync = self._object(status.get("node_info")), self._object(status.get("sync_info"))
            names = ("latest_block_height", "latest_block_hash", "latest_block_time")
            return self._header(node.get("network"), *(sync.get(name) for name in names))
        answer = self._object(self._ask("block", str(number)))
        header = self._object(self._object(answer.get("block")).get("header"))
        block_hash = self._object(answer.get("block_id")).get("hash")
        return self._header(header.get("chain_id"), header.get("height"), block_hash, header.get("time"))

    def query(self, method: str, request: bytes, number: int) -> bytes:
        """The answer to a query about the state after a block."""
        answer = self._object(self._ask("abci_query", method, request.hex(), str(number), False))
        response = self._object(answer.get("response"))
        code, log = response.get("code", 0), response.get("log")
        if not isinstance(code, int):
            raise BadResponse(self.label, "an answer whose code is no number")
        if code:
            said = self._http.scrub(log if isinstance(log, str) else "")
            # "unknown query path" is the chain's; a module that refuses in the same code has its own words.
            is_unknown = code == UNKNOWN_REQUEST and "unknown query path" in said
            raise Refused(method, code, said, is_unknown=is_unknown)
        height = response.get("height")
        if height != str(number):
            is_named = height not in (None, "", "0")
            seen = self._http.scrub(f"block {height}" if is_named else "a block that it does not name", 80)
            raise BadResponse(self.label, f"the state after {seen} when asked for block {number}")
        raw = self._bytes(response.get("value"))
        if len(raw) > self._max_bytes:
            raise self._too_large()
        return raw

    def events(self, numbers: Sequence[int], kind: str) -> list[list[ChainEvent]]:
        """What transactions of some blocks emitted of one type, block by block (`block_results`).

        A transaction that failed is left out: what it emitted did not happen.
        """
        answers = self._ask_all([Request("block_results", (str(k),), repeat_timeout=False) for k in numbers])
        found = []
        for number, answer in zip(numbers, answers, strict=True):
            results = self._object(answer)
            if results.get("height") != str(number):
                raise BadResponse(self.label, f"results of another block than {number}")
            seen = list(self._emitted(results.get("txs_results"), kind))
            hashes = self._transactions(number) if seen else []
            if any(place >= len(hashes) for place, _, _ in seen):
                raise BadResponse(self.label, f"results of more transactions than block {number} has")
            found.append([ChainEvent(hashes[place], index, said) for place, index, said in seen])
        return found

    def _emitted(self, results: Json, kind: str) -> Iterator[tuple[int, int, dict[str, str]]]:
        """(position of its transaction, its number in the block, attributes) of every event of one type."""
        index = -1
        for position, result in enumerate(self._list(results)):
            told = self._object(result)
            for event in self._list(told.get("events")):
                index += 1
                said = self._object(event)
                if said.get("type") == kind and told.get("code", 0) == 0:
                    yield position, index, self._attributes(said.get("attributes"))

    def _attributes(self, listed: Json) -> dict[str, str]:
        """An event's attributes as texts; an empty value may be left out, or null."""
        found: dict[str, str] = {}
        for one in map(self._object, self._list(listed)):
            key, value = one.get("key"), one.get("value")
            text = "" if value is None else value
            if not isinstance(key, str) or not isinstance(text, str) or key in found:
                raise BadResponse(self.label, "an event whose attributes are no texts, or come twice")
            found[key] = text
        return found

    def _transactions(self, number: int) -> list[str]:
        """The hashes of a block's transactions."""
        answer = self._object(self._ask("block", str(number)))
        data = self._object(self._object(answer.get("block")).get("data"))
        return [sha256(self._bytes(raw)).hexdigest().upper() for raw in self._list(data.get("txs"))]

    def _list(self, value: Json) -> list[Json]:
        """A list; CometBFT writes null for an empty one."""
        if value is None:
            return []
        if not isinstance(value, list):
            raise BadResponse(self.label, "JSON, but not what a CometBFT node says")
        return value

    def _ask(self, method: str, *params: Json) -> Json:
        return self._ask_all([Request(method, params, repeat_timeout=False)])[0]

    def _ask_all(self, requests: Sequence[Request]) -> list[Json]:
        try:
            replies = self._http.send(requests)
        except TooLarge:
            raise self._too_large() from None
        for request, reply in zip(requests, replies, strict=True):
            if reply.failure is not None:
                said = reply.failure.message
                if isinstance(reply.failure.data, str):
                    # CometBFT says "Internal error" here and what happened there.
                    said = self._http.scrub(f"{said}: {reply.failure.data}")
                raise Refused(request.method, reply.failure.code, said)
        return [reply.result for reply in replies]

    def _too_large(self) -> TooLarge:
        return TooLarge(self.label, f"a message over the limit of {self._max_bytes} bytes")

    def _header(self, chain_id: Json, height: Json, block_hash: Json, time: Json) -> Header:
        texts = [part if isinstance(part, str) else "" for part in (chain_id, height, block_hash, time)]
        seconds = TIME.fullmatch(texts[3])
        try:
            raw = bytes.fromhex(texts[2])
        except ValueError:
            raw = b""
        if not texts[0] or not HEIGHT.fullmatch(texts[1]) or len(raw) != HASH_BYTES or seconds is None:
            raise BadResponse(self.label, "a block without chain id, height, hash or time")
        return Header(texts[0], int(texts[1]), raw, self._unix(seconds.group(1)))

    def _unix(self, text: str) -> int:
        try:
            moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            raise BadResponse(self.label, "a block of a time that no calendar has") from None
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
        return since.days * 86_400 + since.seconds

    def _bytes(self, value: Json) -> bytes:
        """What base64 holds; CometBFT sends null for an empty answer."""
        if value is None:
            return b""
        try:
            return binascii.a2b_base64(value, strict_mode=True) if isinstance(value, str) else b""
        except (binascii.Error, ValueError):
            raise BadResponse(self.label, "an answer that is no base64") from None

    def _object(self, value: Json) -> dict[str, Json]:
        if not isinstance(value, dict):
            raise BadResponse(self.label, "JSON, but not what a CometBFT node says")
        return value
