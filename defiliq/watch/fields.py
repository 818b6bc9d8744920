"""What each kind of event says, field by field, for people and for a check of what is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from defiliq.mev.fields import ECONOMICS
from defiliq.mev.triggers import TRIGGER_FIELDS

EventKind: TypeAlias = Literal[
    "gap",
    "reorg",
    "parameter_changed",
    "oracle_updated",
    "liquidated",
    "bad_debt",
    "recovered",
    "approaching",
    "liquidatable",
    "unread",
]

MissReason: TypeAlias = Literal[
    "changed in the same block",
    "new account",
    "parameter changed",
    "moved too far in one block",
    "interest",
    "filtered",
    "could not be read",
    "after a gap",
]
"""Why a liquidation was not announced. See `liquidated`."""

Cause: TypeAlias = Literal["price", "interest", "parameters", "account", "liquidated", "filters", "gap"]
"""Why an account is less urgent than was told. See `recovered`."""


class Field(NamedTuple):
    """One field of an event."""

    name: str
    form: str
    """What JSON it is: `string`, `integer string`, `number`, `integer`, `boolean`, `[string]`, or one ` or `
    another; `?` after it where it may be null."""
    meaning: str


def _optional(form: str) -> str:
    """A form that may be null, too."""
    return form if form.endswith("?") else f"{form}?"


COMMON: Final = (
    Field("chain_id", "integer or string", "EIP-155 number, or a Cosmos chain's name."),
    Field("block_number", "integer", "The evaluated block."),
    Field("block_hash", "string", "Its hash."),
    Field("block_timestamp", "integer", "Its time, in seconds."),
    Field("protocol", "string", "As in the market file."),
    Field("market", "string", "The market's name."),
    Field("version", "string", "The protocol's version, as the chain has it."),
)
"""Fields that every event has."""

_ACCOUNT = (
    Field("account", "string", "Who."),
    Field("health_factor", "string", "Decimal with 18 digits, after the block; '' without debt."),
    Field("collateral_usd", "number", "Collateral after the block, in the market's base currency."),
    Field("debt_usd", "number", "Debt after the block."),
    Field("base_symbol", "string", "What fields ending in `_usd` count."),
)
_TRIGGER = tuple(Field(name, _optional(form), meaning) for name, form, meaning in TRIGGER_FIELDS)
_ECONOMICS = (
    Field("callable", "boolean", "Whether the protocol would let a liquidation through."),
    Field("reason", "string", "Why not, or what a liquidator should know besides."),
    Field("bad_debt_usd", "number?", "Debt that the call leaves without backing."),
    *(
        Field(name, _optional(form), f"{meaning[:1].upper()}{meaning[1:]}.")
        for name, form, meaning in ECONOMICS
    ),
)
_WAS = Field("was", "string", "What was told before: `quiet`, `approaching` or `liquidatable`.")

KINDS: Final[Mapping[EventKind, tuple[str, tuple[Field, ...]]]] = {
    "gap": (
        "Blocks were not evaluated one by one. What they changed is told by the events of this block.",
        (
            Field("first_block", "integer", "The first block that was passed over."),
            Field("last_block", "integer", "The last: the block at which all was read anew."),
            Field("reason", "string", "Why."),
        ),
    ),
    "reorg": (
        "The chain has replaced blocks. What was told of them is void; the block fields are those of the "
        "last block that still stands.",
        (
            Field("depth", "integer", "How many evaluated blocks are gone."),
            Field("old_hash", "string", "The hash of the newest of them."),
            Field("ancestor_number", "integer", "The last block that still stands."),
            Field("ancestor_hash", "string", "Its hash."),
            Field("retracted", "[string]", "Ids of the events that are void."),
        ),
    ),
    "parameter_changed": (
        "Something that governs liquidations is not as it was after the block evaluated before.",
        (
            Field("parameter", "string", "Its dotted path."),
            Field("before", "string?", "Null where it is new."),
            Field("after", "string?", "Null where it is gone."),
        ),
    ),
    "oracle_updated": (
        "A source of prices answers otherwise, or has written the same answer anew.",
        (
            Field("driver", "string", "What it quotes."),
            Field("source", "string", "The contract that answers."),
            Field("before_raw", "integer string?", "Its answer before; null where it is new."),
            Field("after_raw", "integer string?", "Its answer now; null where it is asked no more."),
            Field("change_bps", "number?", "By how much it moved; null where it cannot be said."),
            Field("updated_at", "integer?", "When the answer was written, where the contract says so."),
            Field("heartbeat_s", "integer?", "The longest time between two answers that is promised."),
            Field("deviation_bps", "integer?", "The move that makes it answer sooner."),
            Field("previous_updated_at", "integer?", "When the answer before was written."),
        ),
    ),
    "liquidated": (
        "A liquidation happened. Prediction fields speak of the block evaluated before: what was announced "
        "of the account and held there, and at which price; what held no more counts as missed, even where "
        "the cooldown still kept that back. `miss_reason` is found by judging the account again: "
        "`moved too far in one block`, `interest` and `parameter changed` are what alone breaks the account "
        "as it was before, or does together with what comes earlier in this list; `new account` owed "
        "nothing before; `changed in the same block`: nothing that holds after the block breaks it as it "
        "was before, so its own transactions did, or a price that was another within the block; `filtered`: "
        "it was in reach, and left out by what is asked for; `could not be read` and `after a gap`: there "
        "was no verdict on it.",
        (
            Field("happened_block", "integer", "Its own block, which may be before the evaluated one."),
            Field("transaction", "string", "Its hash."),
            Field("log_index", "integer", "The number of its log in the block."),
            Field("kind", "string", "`liquidation`, `absorption`, `vaporization` or `deleveraging`."),
            Field("account", "string", "Whose."),
            Field("liquidator", "string", "Who called."),
            Field("seize_asset", "string", "Symbol, or '' where the market does not list it."),
            Field("seize_asset_address", "string", "As the log names it where the market does not list it."),
            Field("repay_asset", "string", "Symbol, or '' where the market does not list it."),
            Field("repay_asset_address", "string", "As above."),
            Field("seized_raw", "integer string", "In base units of the asset."),
            Field("repaid_raw", "integer string", "Debt that went away, in base units of the asset."),
            Field("seized_usd", "number?", "At the oracle's prices after the evaluated block."),
            Field("repaid_usd", "number?", "The same."),
            Field("bonus_usd", "number?", "What the liquidator gained, before gas."),
            Field("bad_debt_usd", "number?", "Debt that nobody repaid."),
            Field("base_symbol", "string", "What fields ending in `_usd` count."),
            Field("gas_used", "integer?", "Of the whole transaction."),
            Field("gas_price_wei", "integer string?", "What each unit of gas cost."),
            Field("gas_usd", "number?", "Null where the price of the gas token is not known."),
            Field(
                "profit_usd",
                "number?",
                "Bonus less gas where both are known. It leaves out what the liquidator paid to a block "
                "builder by a transfer, for a loan, and for selling what was seized.",
            ),
            Field("predicted", "string", "`liquidatable`, `approaching`, or `missed`."),
            Field("announced_id", "string?", "The event that announced it; null where it was missed."),
            Field("announced_block", "integer?", "The block of that event."),
            Field("announced_at", "integer?", "Its time."),
            Field("miss_reason", "string?", "Why it was missed, one of those above; null otherwise."),
            Field("driver", "string?", "The price that broke it, or else the nearest to do so."),
            Field("side", "string?", "`long` or `short`."),
            Field("announced_price_raw", "integer string?", "The level after the block evaluated before."),
            Field(
                "exact_price_raw",
                "integer string?",
                "The level of the account as it was then, in the market after this block: null where it "
                "breaks with the driver where it stood before.",
            ),
            Field("error_units", "integer string?", "Announced minus exact level, in oracle integers."),
            Field("spot_before_raw", "integer string?", "The driver after the block evaluated before."),
            Field("spot_after_raw", "integer string?", "The driver after this block."),
        ),
    ),
    "bad_debt": (
        "An account owes more than what backs it is worth, or a liquidation wrote debt off. Told once, and "
        "again only after it had changed back.",
        (
            Field("account", "string", "Whose."),
            Field("how", "string", "`written off`: nobody owes it any more; `uncovered`: the account does."),
            Field("amount_usd", "number?", "What is not covered, or was written off; null if not known."),
            Field("collateral_usd", "number?", "After the block; null where it could not be read."),
            Field("debt_usd", "number?", "After the block; null where it could not be read."),
            Field("base_symbol", "string", "What fields ending in `_usd` count."),
        ),
    ),
    "recovered": (
        "An account is neither liquidatable nor near it any more. `cause` was decided at the block that made "
        "it less urgent than was told: `liquidated`; `filters`: it is as near as before, but not asked for "
        "any more; `account`: as it was before it would be as urgent still, so its own transactions did it; "
        "`price`, `interest` or `parameters`: the first of these that does it alone to the account as it "
        "was before; `gap`: blocks between were not evaluated.",
        (*_ACCOUNT, _WAS, Field("cause", "string", "One of those above."), *_TRIGGER),
    ),
    "approaching": (
        "The nearest level of an account lies within the distance asked for. What a liquidation takes is "
        "told as of the level.",
        (*_ACCOUNT, _WAS, *_TRIGGER, *_ECONOMICS),
    ),
    "liquidatable": (
        "The protocol's rule says that an account can be liquidated now. It is told as well where the "
        "protocol would refuse the call: see `callable`.",
        (*_ACCOUNT, _WAS, *_TRIGGER, *_ECONOMICS),
    ),
    "unread": (
        "An account could not be read, or a reserve has no price, and no verdict is given; or it can be "
        "read again.",
        (
            Field("account", "string", "The account, or the asset of the reserve."),
            Field("reason", "string", "Why; '' where it can be read again."),
        ),
    ),
}
"""Kind to what it means and its fields beside the common ones, in the order in which kinds are told."""
