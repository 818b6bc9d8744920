"""What goes wrong at a node or on the way to it."""

from __future__ import annotations

from defiliq.errors.base import DefiliqError


class NodeError(DefiliqError):
    """The node, or the way to it, failed."""


class NodeUnreachable(NodeError):
    """No connection, or no answer in time, after all retries."""

    def __init__(self, url: str, seen: str) -> None:
        self.url, self.seen = url, seen
        super().__init__(f"cannot reach the node at {url}: {seen}. Check the URL and that the node is up.")


class NodeTimeout(NodeUnreachable):
    """Connected, but no answer in time."""


class RateLimited(NodeError):
    """The provider kept refusing for now: too many requests."""

    def __init__(self, url: str, attempts: int) -> None:
        self.url, self.attempts = url, attempts
        super().__init__(
            f"{url} still refuses (too many requests) after {attempts} attempts. "
            "Wait, lower --concurrency, or use another endpoint."
        )


class BadResponse(NodeError):
    """The answer was not what the endpoint's protocol promises."""

    def __init__(self, url: str, seen: str) -> None:
        self.url, self.seen = url, seen
        super().__init__(
            f"{url} sent an unusable answer: {seen}. Is this the right endpoint? Try again or use another."
        )


class PagesMissing(BadResponse):
    """The node counts more items than it lists. All that it lists has been handed over before."""


class TooLarge(BadResponse):
    """The question or its answer exceeds a size limit, the endpoint's or ours."""


class RpcError(NodeError):
    """A JSON-RPC error object."""

    def __init__(self, method: str, code: int, message: str) -> None:
        self.method, self.code, self.seen = method, code, message
        super().__init__(f"{method} failed with {code}: {message}. Does this endpoint support the method?")


class RangeTooLarge(NodeError):
    """eth_getLogs refused a block range or the size of its answer."""

    def __init__(self, first: int, last: int, message: str, suggested_last: int | None = None) -> None:
        self.first, self.last, self.seen, self.suggested_last = first, last, message, suggested_last
        super().__init__(f"eth_getLogs refused blocks {first} to {last}: {message}. Ask for fewer blocks.")


class CallReverted(NodeError):
    """A contract refused a call; `data` is the raw revert data."""

    def __init__(self, to: str, data: bytes, message: str = "") -> None:
        self.to, self.data, self.seen = to, data, message
        shown = message or (f"0x{data[:4].hex()}" if data else "no reason given")
        super().__init__(f"contract {to} refused the call: {shown}.")


class BlockNotFound(NodeError):
    """The block does not exist on this node."""

    def __init__(self, tag: str, head: int | None) -> None:
        self.tag, self.head = tag, head
        where = "" if head is None else f"; its newest block is {head}"
        super().__init__(f"the node has no block {tag}{where}. Choose an earlier one with --block.")


class HistoryUnavailable(NodeError):
    """The node has pruned the state of the block."""

    def __init__(self, number: int, message: str) -> None:
        self.number, self.seen = number, message
        super().__init__(
            f"the node no longer has the state of block {number} ({message}). "
            "Use a newer --block or an archive node."
        )


class WrongChain(NodeError):
    """The node serves another chain than the market is on."""

    def __init__(self, url: str, seen: int | str, wanted: int | str) -> None:
        self.url, self.seen, self.wanted = url, seen, wanted
        super().__init__(
            f"{url} serves chain {seen}, but the market is on chain {wanted}. Use another URL or market."
        )


class BlockChanged(NodeError):
    """The chain replaced the pinned block while it was being read."""

    def __init__(self, number: int, expected_hash: str, seen_hash: str) -> None:
        self.number, self.expected_hash, self.seen_hash = number, expected_hash, seen_hash
        super().__init__(
            f"block {number} changed from {expected_hash} to {seen_hash} while it was read. "
            "Run again, or use --block finalized."
        )


class IncompleteScan(NodeError):
    """The search for accounts stopped half-way; what it found is kept in the index."""

    exit_code = 3

    def __init__(self, covered: int, last: int, accounts: int, seen: str) -> None:
        self.covered, self.last, self.accounts, self.seen = covered, last, accounts, seen
        super().__init__(
            f"INCOMPLETE: the search for accounts stopped after block {covered} of {last}, "
            f"with {accounts} found ({seen}) Run the same command again: it goes on from there."
        )


class InterruptedRead(NodeError):
    """A read of a whole market stopped half-way; the pages that came are kept."""

    exit_code = 3

    def __init__(self, number: int, seen: str) -> None:
        self.number, self.seen = number, seen
        super().__init__(
            f"INCOMPLETE: the read at block {number} stopped half-way ({seen}) "
            "Run the same command again: it goes on from there."
        )


class CallNotRecorded(NodeError):
    """A replaying node was asked something that is not in its recording."""

    def __init__(self, path: str, request: str) -> None:
        self.path, self.request = path, request
        super().__init__(f"{path} holds no answer to {request}. Record it again, or ask what was recorded.")
