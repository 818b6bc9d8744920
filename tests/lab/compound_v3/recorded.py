"""Recorded cases of the real Comet, set up in ours: its parameters by deployment, its state by storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.lab.chain import GAS, Chain
from tests.lab.compound_v3.comet import asset_config, code, configuration
from tests.lab.contract import Contract
from tests.lab.liquidation import LIQUIDATOR

ACCOUNT = "0x00000000000000000000000000000000000ACC01"
ABSORBER = LIQUIDATOR
TOTALS_SLOT, COLLATERAL_TOTALS_SLOT, USER_SLOT, USER_COLLATERAL_SLOT = 0, 2, 5, 6
WIDTHS = {TOTALS_SLOT: (64, 64, 64, 64), TOTALS_SLOT + 1: (104, 104, 40, 8), USER_SLOT: (104, 64, 64, 16, 8)}
"""Bits of what shares a storage word, from the lowest."""
MIN_BORROW, TARGET_RESERVES = 1, 0


@dataclass(frozen=True, slots=True)
class Told:
    """What our Comet says about a case, under the names of the recording."""

    stored: tuple[bool, bool]
    """isLiquidatable and isBorrowCollateralized before anything accrues."""
    borrow_balance: int
    utilization: int
    rates: tuple[int, int]
    """Per second: to borrow, to supply."""
    indices: tuple[int, int]
    """After accrual: supply, borrow."""
    accrued: tuple[bool, bool]
    absorbed: tuple[int, int, int] | None
    """Principal, balance and debt after an absorption; None where it was refused."""


class Recorder:
    """Sets cases up one after the other, each undone at the end."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        chain.rpc("anvil_setBalance", ABSORBER, hex(10**21))
        self._tokens: dict[tuple[int, int], Contract] = {}
        self._feeds: dict[int, Contract] = {}

    @contextmanager
    def standing(self, case: Mapping[str, Any]) -> Iterator[tuple[Contract, list[Contract]]]:
        """The case's market with its state written, and its collaterals; undone at the end."""
        self._prepare(case)
        with self.chain.rewinding():
            comet, tokens = self._deploy(case)
            self._write(comet, tokens, case)
            yield comet, tokens

    def tell(self, case: Mapping[str, Any]) -> Told:
        """Everything that is recorded, asked of our Comet at the case's timestamp."""
        chain, at = self.chain, int(case["blockTimestamp"])
        with self.standing(case) as (comet, _):

            def asked(name: str, *arguments: object) -> Any:
                return chain.call(comet, name, *arguments, timestamp=at)

            stored = (asked("isLiquidatable", ACCOUNT), asked("isBorrowCollateralized", ACCOUNT))
            borrow_balance, utilization = asked("borrowBalanceOf", ACCOUNT), asked("getUtilization")
            rates = (asked("getBorrowRate", utilization), asked("getSupplyRate", utilization))
            absorbed = self._absorb(comet, at)
            self._sent(comet, at, "accrueAccount", ACCOUNT)
            totals = asked("totalsBasic")
            accrued = (asked("isLiquidatable", ACCOUNT), asked("isBorrowCollateralized", ACCOUNT))
        return Told(stored, borrow_balance, utilization, rates, (totals[0], totals[1]), accrued, absorbed)

    def _prepare(self, case: Mapping[str, Any]) -> None:
        """Tokens and feeds, which later cases use again: position 0 is the base asset's."""
        decimals = [case["baseDecimals"], *(each["decimals"] for each in case["collaterals"])]
        for position, each in enumerate(decimals):
            if (position, each) not in self._tokens:
                token = self.chain.deploy(code()["CometToken"], f"T{position}", each)
                self._tokens[position, each] = token
            if position not in self._feeds:
                self._feeds[position] = self.chain.deploy(code()["SettableFeed"], 1, 8, f"feed {position}")

    def _deploy(self, case: Mapping[str, Any]) -> tuple[Contract, list[Contract]]:
        collaterals = case["collaterals"]
        tokens = [
            self._tokens[position, each["decimals"]] for position, each in enumerate(collaterals, start=1)
        ]
        names = ("borrowCollateralFactor", "liquidateCollateralFactor", "liquidationFactor")
        configs = [
            asset_config(token, self._feeds[position], each["decimals"], [int(each[name]) for name in names])
            for position, (token, each) in enumerate(zip(tokens, collaterals, strict=True), start=1)
        ]
        curves = [curve(case["rates"], side) for side in ("supply", "borrow")]
        base = self._tokens[0, case["baseDecimals"]]
        settings = configuration(
            case["id"], case["market"], base, self._feeds[0], curves,
            int(case["storeFrontPriceFactor"]), MIN_BORROW, TARGET_RESERVES,
        )  # fmt: skip
        assets = self.chain.deploy(code()["CometAssetList"], configs)
        return self.chain.deploy(code()["Comet"], settings, assets.address), tokens

    def _write(self, comet: Contract, tokens: Sequence[Contract], case: Mapping[str, Any]) -> None:
        """The case's state, at the slots and in the packing of CometStorage."""
        totals, collaterals = case["totals"], case["collaterals"]
        words = {
            TOTALS_SLOT: packed(
                WIDTHS[TOTALS_SLOT], int(totals["baseSupplyIndex"]), int(totals["baseBorrowIndex"]), 0, 0
            ),
            TOTALS_SLOT + 1: packed(
                WIDTHS[TOTALS_SLOT + 1],
                int(totals["totalSupplyBase"]),
                int(totals["totalBorrowBase"]),
                int(totals["lastAccrualTime"]),
                0,
            ),
        }
        bits = sum(1 << position for position, each in enumerate(collaterals) if int(each["balance"]))
        words[slot(USER_SLOT, ACCOUNT)] = packed(WIDTHS[USER_SLOT], int(case["principal"]), 0, 0, bits, 0)
        for token, each in zip(tokens, collaterals, strict=True):
            words[slot(COLLATERAL_TOTALS_SLOT, token.address)] = int(each["balance"])
            words[slot(USER_COLLATERAL_SLOT, ACCOUNT, token.address)] = int(each["balance"])
        prices = [case["basePrice"], *(each["price"] for each in collaterals)]
        feeds = [(self._feeds[position].address, 0, int(price)) for position, price in enumerate(prices)]
        self.chain.rpc.batch(
            [
                ("anvil_setStorageAt", (address, f"0x{place:064x}", f"0x{value:064x}"))
                for address, place, value in [*((comet.address, *each) for each in words.items()), *feeds]
            ]
        )

    def _absorb(self, comet: Contract, at: int) -> tuple[int, int, int] | None:
        with self.chain.rewinding():
            if not self._sent(comet, at, "absorb", ABSORBER, [ACCOUNT]):
                return None
            principal = self.chain.call(comet, "userBasic", ACCOUNT)[0]
            balances = (
                self.chain.call(comet, name, ACCOUNT, timestamp=at)
                for name in ("balanceOf", "borrowBalanceOf")
            )
            return (principal, *balances)

    def _sent(self, comet: Contract, at: int, name: str, *arguments: object) -> bool:
        """Whether a real transaction in a block of that time succeeded."""
        data = comet.data(name, *arguments)
        request = {"from": ABSORBER, "to": comet.address, "data": data, "gas": hex(GAS)}
        return int(self.chain.mine_one(request, at)["status"], 16) == 1


def curve(rates: Mapping[str, float], side: str) -> list[int]:
    """Kink, slopes and base per year in 1e18, from figures as configurations write them: 0.0325.

    The deployments that were recorded kept nine decimals of these.
    """
    names = ("Kink", "SlopeLow", "SlopeHigh", "Base")
    return [round(Decimal(str(rates[side + name])) * 10**9) * 10**9 for name in names]


def packed(widths: Sequence[int], *values: int) -> int:
    """Values side by side in one storage word, the first in the lowest bits; negative ones as complements."""
    word, shift = 0, 0
    for width, value in zip(widths, values, strict=True):
        word |= (value & (1 << width) - 1) << shift
        shift += width
    return word


def slot(mapping: int, *keys: str) -> int:
    """Where a mapping of addresses, or of mappings of addresses, keeps a value."""
    place = mapping
    for key in keys:
        place = int.from_bytes(keccak(encode(["address", "uint256"], [key, place])), "big")
    return place
