"""Everything defiliq raises on purpose. The message says what was seen and what to do, in one line.

DefiliqError                       exit code 1
├── NodeError                      the node, or the way to it
│   ├── NodeUnreachable            no connection, or no answer in time, after all retries
│   │   └── NodeTimeout            connected, but no answer in time
│   ├── RateLimited                429 after all retries
│   ├── BadResponse                not JSON, cut short, or not what was asked
│   │   ├── PagesMissing           a list of pages is shorter than the node's own count
│   │   └── TooLarge               the question or its answer exceeds a size limit
│   ├── RpcError                   a JSON-RPC error that has no better name here
│   ├── RangeTooLarge              eth_getLogs refused the range; carries a suggested last block
│   ├── CallReverted               a contract refused a call
│   ├── BlockNotFound              the block is in the future, or unknown to the node
│   ├── HistoryUnavailable         the node no longer has the state of that block
│   ├── WrongChain                 the node serves another chain than the market is on
│   ├── BlockChanged               the pinned block was replaced while it was read
│   ├── IncompleteScan             exit code 3: the search for accounts stopped half-way
│   ├── InterruptedRead            exit code 3: the read of all accounts did
│   └── CallNotRecorded            a replaying node was asked something that was not recorded
├── ReadError                      the node answered, but not with what the protocol should say
│   ├── NotAMarket                 no code, or another contract, at a market's address
│   ├── NotAPool                   no pool that can be read at an address
│   ├── UnsoundPool                a pool whose numbers contradict each other
│   ├── DecodeError                an answer of the wrong shape
│   ├── UnsupportedRevision        an arithmetic version that has not been ported
│   ├── UnsupportedFork            a fork whose own arithmetic has not been ported
│   ├── UnsupportedReserve         a reserve whose own arithmetic has not been ported
│   │   └── NoLaterTime            one that is known at the block alone
│   └── MissingPrice               a reserve without a positive oracle price
├── VenueError                     an exchange or another provider of market data, or the way to it
│   ├── VenueUnreachable           no connection, or no answer in time, after all retries
│   ├── VenueRefused               HTTP 401, 403, 418 or 451: not for this place, or not for this key
│   ├── VenueRateLimited           too many requests, after all retries
│   ├── BadVenueAnswer             an answer of the wrong shape, or whose numbers make no sense
│   ├── NoVenueAnswers             none of several exchanges gives anything
│   ├── NoSuchContract             exit code 2: the venue lists no futures of that asset
│   └── NoKey                      exit code 2: a provider's key is not in the environment
├── WebhookFailed                  a webhook did not take some events of a watch
├── UnresolvedLevel                rounding alone decides an account's level; counted, never guessed
├── UnresolvedEta                  the same of the instant at which it breaks
├── ConservationBroken             a simulated liquidation does not add up: a bug here
├── MissingExtra                   an optional package that the asked output needs is not installed
└── InputError                     exit code 2: what the user gave cannot be used
    ├── UnknownMarket
    ├── UnknownTiers               no margin tiers of a contract are bundled
    ├── UnknownDriver
    │   └── SeveralDrivers         a name that fits several of them
    ├── NoStoredIndices            stored indices were asked for where a protocol keeps none apart
    ├── BadUrl                     an RPC URL that is none
    ├── BadFile                    a market file, snapshot or recording that cannot be read
    │   ├── JournalFull            the disk has no room for what a watch must keep
    │   ├── JournalInUse           another live process watches into the same journal
    │   └── SinkFull               a file of events takes no more; what is missing is delivered later
    ├── PrivateAddress             a webhook leads to an address that is not public, which nobody allowed
    └── NoNodeGiven                no RPC URL by option, environment or config file
"""

from defiliq.errors.base import DefiliqError
from defiliq.errors.given import (
    BadFile,
    BadUrl,
    InputError,
    NoNodeGiven,
    NoStoredIndices,
    SeveralDrivers,
    UnknownDriver,
    UnknownMarket,
)
from defiliq.errors.judge import ConservationBroken, MissingExtra, UnresolvedEta, UnresolvedLevel
from defiliq.errors.node import (
    BadResponse,
    BlockChanged,
    BlockNotFound,
    CallNotRecorded,
    CallReverted,
    HistoryUnavailable,
    IncompleteScan,
    InterruptedRead,
    NodeError,
    NodeTimeout,
    NodeUnreachable,
    PagesMissing,
    RangeTooLarge,
    RateLimited,
    RpcError,
    TooLarge,
    WrongChain,
)
from defiliq.errors.read import (
    DecodeError,
    MissingPrice,
    NoLaterTime,
    NotAMarket,
    NotAPool,
    ReadError,
    UnsoundPool,
    UnsupportedFork,
    UnsupportedReserve,
    UnsupportedRevision,
)
from defiliq.errors.venue import (
    BadVenueAnswer,
    NoKey,
    NoSuchContract,
    NoVenueAnswers,
    UnknownTiers,
    VenueError,
    VenueRateLimited,
    VenueRefused,
    VenueUnreachable,
)
from defiliq.errors.watch import JournalFull, JournalInUse, PrivateAddress, SinkFull, WebhookFailed

__all__ = [
    "BadFile",
    "BadResponse",
    "BadUrl",
    "BadVenueAnswer",
    "BlockChanged",
    "BlockNotFound",
    "CallNotRecorded",
    "CallReverted",
    "ConservationBroken",
    "DecodeError",
    "DefiliqError",
    "HistoryUnavailable",
    "IncompleteScan",
    "InputError",
    "InterruptedRead",
    "JournalFull",
    "JournalInUse",
    "MissingExtra",
    "MissingPrice",
    "NoKey",
    "NoLaterTime",
    "NoNodeGiven",
    "NoStoredIndices",
    "NoSuchContract",
    "NoVenueAnswers",
    "NodeError",
    "NodeTimeout",
    "NodeUnreachable",
    "NotAMarket",
    "NotAPool",
    "PagesMissing",
    "PrivateAddress",
    "RangeTooLarge",
    "RateLimited",
    "ReadError",
    "RpcError",
    "SeveralDrivers",
    "SinkFull",
    "TooLarge",
    "UnknownDriver",
    "UnknownMarket",
    "UnknownTiers",
    "UnresolvedEta",
    "UnresolvedLevel",
    "UnsoundPool",
    "UnsupportedFork",
    "UnsupportedReserve",
    "UnsupportedRevision",
    "VenueError",
    "VenueRateLimited",
    "VenueRefused",
    "VenueUnreachable",
    "WebhookFailed",
    "WrongChain",
]
