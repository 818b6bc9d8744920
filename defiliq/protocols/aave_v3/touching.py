"""Which logs change what is read of an account."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from defiliq.chain.node import LogFilter
from defiliq.protocols.aave_v3 import abi
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.protocols.touching import Names, Touching, addresses_in, topics_of

EVENTS: Final[Mapping[str, Names]] = {
    abi.TRANSFER_EVENT: Names(topics=(1, 2)),
    abi.COLLATERAL_ON_EVENT: Names(topics=(2,)),
    abi.COLLATERAL_OFF_EVENT: Names(topics=(2,)),
    abi.EMODE_EVENT: Names(topics=(1,)),
    abi.BORROW_EVENT: Names(topics=(2,)),
    abi.REPAY_EVENT: Names(topics=(2,)),
    abi.LIQUIDATION_EVENT: Names(topics=(3,)),
    abi.DEFICIT_EVENT: Names(topics=(1,)),
}
"""Events of the pool and of its tokens, and where each names the account."""


def touching(market: AaveMarket) -> Touching:
    """The logs after which an account may be another: its eMode, its flags and its scaled balances.

    Complete, because each of these is written in few places, all of which emit:

    - Balances of aTokens and debt tokens: ScaledBalanceTokenBase's _mintScaled, _burnScaled and _transfer,
      StableDebtToken's mint and burn, and what GHO's own debt token did about discounts. All emit Transfer
      with whoever gains or loses, mints to the treasury and burns of bad debt included: where a burn is less
      than the interest since, it is a Transfer to the account, and where nothing is left, one of 0.
    - The collateral flag: with each setUsingAsCollateral, which since v3.4 emits it itself, goes
      ReserveUsedAsCollateralEnabled or ...Disabled. So a transfer that makes something collateral, or takes
      the last of it, names the account twice.
    - The borrowing flag: only with the first or last debt token (BorrowLogic, LiquidationLogic).
    - The eMode: EModeLogic.executeSetUserEMode, since v3.6 in SupplyLogic, with UserEModeSet.

    Borrow, Repay, LiquidationCall and DeficitCreated say no more, save of reserves whose tokens are not asked
    for: those without a price, and those listed since `market` was read. Checked in the sources of v3.0 and
    v3.1 to v3.7.
    """
    tokens = [
        token
        for reserve in market.reserves
        for token in (reserve.a_token, reserve.variable_debt_token, reserve.stable_debt_token)
        if token is not None
    ]
    wanted = LogFilter((market.pool, *dict.fromkeys(tokens)), topics_of(EVENTS))
    return Touching(wanted, partial(addresses_in, events=EVENTS))
