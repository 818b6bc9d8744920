"""What pools of several revisions did with dust, recorded as numbers: most of these run in no lab here."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from defiliq.protocols.aave_v3 import take
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Account, Leg, Liquidation, Refusal, StableDebt
from defiliq.units import MAX_UINT256, RAY
from tests.builders import NOW, address, plain_market, plain_reserve
from tests.takings import sole


class Recorded(NamedTuple):
    """A call that repaid nothing, and what the pool moved."""

    scaled_link: int
    income_ray: int
    scaled_usdc: int
    debt_ray: int
    usdc_price: int
    seized: int
    protocol_fee: int
    written_off_base: int


RECORDED = {
    7: Recorded(
        899_973_788_450_391_005, 1_000_029_147_924_934_586_746_310_807,
        4_986_403, 1_002_727_776_787_348_106_346_792_525, 99_991_538,
        894_112_170_215_332_246, 5_887_850_603_487_606, 499_958_189,
    ),
    8: Recorded(
        899_973_788_450_390_951, 1_000_029_147_924_934_647_349_236_161,
        4_986_403, 1_002_727_777_232_783_518_221_545_887, 99_991_538,
        894_112_170_215_332_246, 5_887_850_603_487_607, 499_958_189,
    ),
    9: Recorded(
        899_973_788_450_390_950, 1_000_029_147_924_934_647_349_236_166,
        4_986_403, 1_002_727_777_232_783_518_254_696_559, 99_991_541,
        894_112_170_215_332_245, 5_887_850_603_487_606, 499_958_205,
    ),
    11: Recorded(
        899_944_784_404_181_212, 1_000_061_407_120_893_796_059_675_107,
        4_984_013, 1_003_208_753_420_240_697_865_974_589, 99_991_544,
        894_112_196_644_825_435, 5_887_850_777_529_424, 499_958_320,
    ),
}  # fmt: skip


def link_for_nothing(
    case: Recorded, revision: int, stable: StableDebt | None = None
) -> Liquidation | Refusal:
    """Less than one LINK, at a price of 1 worth nothing, against five dollars of debt."""
    link = plain_reserve(
        0, "LINK", 18,
        liquidation_threshold_bps=8_000, liquidation_bonus_bps=10_700,
        liquidity_index_ray=case.income_ray,
    )  # fmt: skip
    usdc = plain_reserve(1, "USDC", 6, variable_borrow_index_ray=case.debt_ray)
    market = plain_market((link, usdc), (1, case.usdc_price), revision=revision)
    legs = (Leg(0, case.scaled_link, 0, True), Leg(1, 0, case.scaled_usdc, False, stable))
    return take(Account(address(1), 0, legs), market)


@pytest.mark.parametrize("revision", RECORDED)
def test_since_v33_worthless_collateral_is_seized_for_nothing_and_the_debt_written_off(revision: int) -> None:
    """The whole debt leg is burnt with the last collateral, so it does not matter that none is repaid."""
    case = RECORDED[revision]
    found = link_for_nothing(case, revision)
    assert isinstance(found, Liquidation), found
    assert (found.repaid, sole(found).amount, sole(found).protocol_fee) == (0, case.seized, case.protocol_fee)
    assert found.bad_debt_base == case.written_off_base
    assert found.debt_to_cover == MAX_UINT256


def test_until_v32_a_call_that_repays_nothing_is_refused() -> None:
    """InvalidBurnAmount, "25": recorded of revision 6, with the inputs of revision 7."""
    found = link_for_nothing(RECORDED[7], revision=6)
    assert isinstance(found, Refusal)
    assert found.reason.startswith("InvalidBurnAmount: LINK/USDC")


def test_a_stable_debt_does_not_save_a_call_that_repays_nothing() -> None:
    """Recorded of revision 1: variable debt of none is burnt for a repayment of none, which reverts."""
    case = Recorded(
        899_993_319_983_040_191, 1_000_007_428_398_697_724_831_262_450, 0, RAY, 97_142_000, 0, 0, 0
    )  # fmt: skip
    stable = StableDebt(5_000_000, 126_565_061_056_426_000_000_000_000, NOW - 777)
    found = link_for_nothing(case, 1, stable)
    assert isinstance(found, Refusal)
    assert found.reason.startswith("InvalidBurnAmount: LINK/USDC")


def one_unit_of_usdt(revision: int, income_ray: int, debt_ray: int) -> AaveMarket:
    """A supply index above 2, at which one base unit is less than half a scaled unit."""
    usdt = plain_reserve(
        0, "USDT", 6,
        liquidation_threshold_bps=7_700, liquidation_bonus_bps=10_450, liquidation_protocol_fee_bps=0,
        liquidity_index_ray=income_ray,
    )  # fmt: skip
    gho = plain_reserve(1, "GHO", 18, variable_borrow_index_ray=debt_ray)
    return plain_market((usdt, gho), (55_000_000, 99_874_411), revision=revision)


@pytest.mark.parametrize(
    ("revision", "income_ray", "scaled_gho", "debt_ray"),
    [
        (1, 2_198_190_418_865_643_480_464_360_878, 302_083_927_193, 3_310_343_332_565_850_856_149_091_416),
        (6, 2_226_061_549_360_782_468_109_643_064, 708_247_543_329, 1_411_937_751_854_576_926_035_405_814),
        (7, 2_226_061_549_360_782_468_109_643_064, 708_247_543_329, 1_411_937_751_854_576_926_035_405_814),
        (8, 2_226_061_551_185_795_090_696_640_946, 707_726_083_376, 1_412_978_082_417_600_616_496_360_967),
    ],
)
def test_a_seizure_that_burns_no_scaled_collateral_is_refused(
    revision: int, income_ray: int, scaled_gho: int, debt_ray: int
) -> None:
    """Until v3.4 one unit rounds to none of the aToken's; v3.5 rounds it up."""
    market = one_unit_of_usdt(revision, income_ray, debt_ray)
    account = Account(address(1), 0, (Leg(0, 1, 0, True), Leg(1, 0, scaled_gho, False)))
    found = take(account, market)
    assert isinstance(found, Refusal)
    assert found.reason.startswith("InvalidBurnAmount: USDT/GHO")
