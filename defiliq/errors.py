"""Everything defiliq raises on purpose. The message says what was seen and what to do, in one line.

DefiliqError                       exit code 1
├── NodeError                      the node, or the way to it
│   ├── NodeUnreachable            no connection, or no answer in time, after all retries
│   │   └── NodeTimeout            connected, but no answer in time
│   ├── RateLimited                429 after all retries
│   ├── BadResponse                not JSON, cut short, or not what was asked
│   │   └── TooLarge               the question or its answer exceeds a size limit
│   ├── RpcError                   a JSON-RPC error that has no better name here
│   ├── RangeTooLarge              eth_getLogs refused the range; carries a suggested last block
│   ├── CallReverted               a contract refused a call
│   ├── BlockNotFound              the block is in the future, or unknown to the node
│   ├── HistoryUnavailable         the node no longer has the state of that block
│   ├── WrongChain                 the node serves another chain than the market is on
│   ├── BlockChanged               the pinned block was replaced while it was read
│   ├── IncompleteScan             exit code 3: the search for accounts stopped half-way
│   └── CallNotRecorded            a replaying node was asked something that was not recorded
├── ReadError                      the node answered, but not with what the protocol should say
│   ├── NotAMarket                 no code, or another contract, at a market's address
│   ├── DecodeError                an answer of the wrong shape
│   ├── UnsupportedRevision        an arithmetic version that has not been ported
│   ├── UnsupportedFork            a fork whose own arithmetic has not been ported
│   ├── UnsupportedReserve         a reserve whose own arithmetic has not been ported
│   │   └── NoLaterTime            one that is known at the block alone
│   └── MissingPrice               a reserve without a positive oracle price
├── UnresolvedLevel                rounding alone decides an account's level; counted, never guessed
├── UnresolvedEta                  the same of the instant at which it breaks
├── MissingExtra                   an optional package that the asked output needs is not installed
└── InputError                     exit code 2: what the user gave cannot be used
    ├── UnknownMarket
    ├── UnknownDriver
    │   └── SeveralDrivers         a name that fits several of them
    ├── NoStoredIndices            stored indices were asked for where a protocol keeps none apart
    ├── BadUrl                     an RPC URL that is none
    ├── BadFile                    a market file, snapshot or recording that cannot be read
    └── NoNodeGiven                no RPC URL by option, environment or config file
"""

from __future__ import annotations

from collections.abc import Sequence


class DefiliqError(Exception):
    """Base of all expected errors."""

    exit_code = 1


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
    """The provider kept answering 429."""

    def __init__(self, url: str, attempts: int) -> None:
        self.url, self.attempts = url, attempts
        super().__init__(
            f"{url} still answers 429 (too many requests) after {attempts} attempts. "
            "Wait, lower --concurrency, or use another endpoint."
        )


class BadResponse(NodeError):
    """The answer was not what JSON-RPC promises."""

    def __init__(self, url: str, seen: str) -> None:
        self.url, self.seen = url, seen
        super().__init__(
            f"{url} sent an unusable answer: {seen}. Is this the JSON-RPC endpoint? Try again or use another."
        )


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

    def __init__(self, url: str, seen: int, wanted: int) -> None:
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


class CallNotRecorded(NodeError):
    """A replaying node was asked something that is not in its recording."""

    def __init__(self, path: str, request: str) -> None:
        self.path, self.request = path, request
        super().__init__(f"{path} holds no answer to {request}. Record it again, or ask what was recorded.")


class ReadError(DefiliqError):
    """The node answered, but not with what the protocol should say."""


class NotAMarket(ReadError):
    """The address does not hold the contract that the market claims."""

    def __init__(self, address: str, wanted: str, seen: str) -> None:
        self.address, self.wanted, self.seen = address, wanted, seen
        super().__init__(f"{address} is not {wanted}: {seen}. Check the address and the chain.")


class DecodeError(ReadError):
    """An answer of the wrong shape."""

    def __init__(self, what: str, seen: str) -> None:
        self.what, self.seen = what, seen
        super().__init__(f"cannot decode {what}: {seen}. Is this contract the version that was expected?")


class UnsupportedRevision(ReadError):
    """An arithmetic version that has not been ported."""

    def __init__(self, protocol: str, revision: int) -> None:
        self.protocol, self.revision = protocol, revision
        folder = protocol.replace("-", "_")
        super().__init__(
            f"{protocol} pool revision {revision} is not supported. "
            f"Port its arithmetic in defiliq/protocols/{folder}/ first."
        )


class UnsupportedFork(ReadError):
    """A fork of a protocol with arithmetic of its own that has not been ported."""

    def __init__(self, address: str, seen: str) -> None:
        self.address, self.seen = address, seen
        super().__init__(f"{address} is a fork with a law of its own: {seen}. It is not supported.")


class UnsupportedReserve(ReadError):
    """A reserve with arithmetic of its own that has not been ported."""

    def __init__(self, symbol: str, asset: str, seen: str) -> None:
        self.symbol, self.asset, self.seen = symbol, asset, seen
        super().__init__(
            f"reserve {symbol} ({asset}) is not supported: {seen}. "
            "No exact verdict on its holders is possible at this block; choose a later --block."
        )


class NoLaterTime(UnsupportedReserve):
    """A reserve that is known at the block alone, because it accrues in a way that has not been ported."""

    def __init__(self, symbol: str, asset: str) -> None:
        super().__init__(symbol, asset, "it accrues interest in its own way")
        self.args = (f"{symbol} ({asset}): {self.seen}. Leave out --at or use a later --block.",)


class MissingPrice(ReadError):
    """A reserve whose oracle gives no positive price."""

    def __init__(self, symbol: str, asset: str, seen: str) -> None:
        self.symbol, self.asset, self.seen = symbol, asset, seen
        super().__init__(
            f"the oracle has no price for {symbol} ({asset}): {seen}. "
            "No verdict is possible at this block; choose another --block."
        )


class UnresolvedLevel(DefiliqError):
    """An account whose verdict flickers with rounding over more prices than can be searched."""

    def __init__(self, driver: str, looks: int) -> None:
        self.driver, self.looks = driver, looks
        super().__init__(
            f"no exact level on {driver} after {looks} looks: collateral and debt cancel, "
            "so rounding alone decides. Judge the account at single prices instead."
        )


class UnresolvedEta(DefiliqError):
    """An account whose verdict flickers with rounding over more seconds than can be searched."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        super().__init__(
            f"no exact instant after {looks} looks: collateral and debt grow alike, "
            "so rounding alone decides. Judge the account at single instants (--at) instead."
        )


class MissingExtra(DefiliqError):
    """An optional package that the asked output needs is not installed."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(
            f"{what} needs {package}, which is not installed. Install it: pip install 'defiliq[{extra}]'."
        )


class InputError(DefiliqError):
    """What the user gave cannot be used."""

    exit_code = 2


class UnknownMarket(InputError):
    """No market of that protocol, chain and name."""

    def __init__(self, protocol: str, wanted: str, known: Sequence[str]) -> None:
        self.protocol, self.wanted, self.known = protocol, wanted, tuple(known)
        super().__init__(
            f"no {protocol} market {wanted!r}. Known here: {', '.join(known) or 'none'}. "
            "See `defiliq markets`, or name it with --market-file."
        )


class UnknownDriver(InputError):
    """No driver of that name in this market."""

    def __init__(self, wanted: str, known: Sequence[str]) -> None:
        self.wanted, self.known = wanted, tuple(known)
        super().__init__(
            f"no driver {wanted!r} in this market. Drivers: {', '.join(known)}. "
            "Feeds that move together are joined by --group NAME=LEAD,FOLLOWER."
        )


class SeveralDrivers(UnknownDriver):
    """A name that fits several drivers."""

    def __init__(self, wanted: str, known: Sequence[str]) -> None:
        super().__init__(wanted, known)
        self.args = (f"{wanted!r} hangs on several drivers: {', '.join(known)}. Name one of them.",)


class NoStoredIndices(InputError):
    """Stored indices were asked for, and the protocol's views show accrued ones only."""

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        super().__init__(
            f"{protocol} has no verdict on stored indices: its views accrue interest. Leave out --stored."
        )


class BadUrl(InputError):
    """An RPC URL that is none. The message does not repeat it: it may hold a key."""

    def __init__(self, seen: str) -> None:
        self.seen = seen
        super().__init__(f"the RPC URL cannot be used: {seen}. Give one like https://host/path.")


class BadFile(InputError):
    """A file that cannot be read as what it should be."""

    def __init__(self, path: str, seen: str) -> None:
        self.path, self.seen = path, seen
        super().__init__(f"cannot use {path}: {seen}.")


class NoNodeGiven(InputError):
    """No RPC URL by option, environment or config file."""

    def __init__(self, chain_id: int | None) -> None:
        self.chain_id = chain_id
        per_chain = "" if chain_id is None else f"RPC_URL_{chain_id} or "
        super().__init__(f"no node given. Use --rpc-url URL, or set {per_chain}ETH_RPC_URL.")
