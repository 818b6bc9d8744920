"""Whose logs are asked for: the Comptroller's, its cTokens', and of Venus also those of debts in VAI."""

from __future__ import annotations

import pytest

from defiliq.chain.evm import connect
from defiliq.protocols.compound_v2 import read_market, touching, unaccounted
from defiliq.units import WAD
from tests.builders import address
from tests.lab import CompoundV2Lab
from tests.protocols.compound_v2.ctokens import comptroller, ctoken
from tests.protocols.compound_v2.stage import listing_of

VAI_CONTROLLER = address(0x5A1)


def test_the_comptroller_and_its_tokens() -> None:
    market = comptroller([ctoken(0, "A"), ctoken(1, "B")], [WAD, WAD])
    tokens = [reserve.c_token for reserve in market.reserves]
    assert touching(market).wanted.addresses == (market.comptroller, *tokens)
    with_vai = comptroller([ctoken(0, "A")], [WAD], vai_controller=VAI_CONTROLLER)
    assert touching(with_vai).wanted.addresses[-1] == VAI_CONTROLLER
    assert not touching(market).keeps_unindebted


@pytest.mark.lab
def test_venus_says_who_keeps_debts_in_vai(lab_compound_v2: CompoundV2Lab) -> None:
    lab = lab_compound_v2
    with lab.rewinding(), connect(lab.url, retries=0) as node:
        assert read_market(node, listing_of(lab), node.block("latest")).vai_controller is None
        lab.chain.send(lab.market.comptroller, "_setVAIController", VAI_CONTROLLER)
        market = read_market(node, listing_of(lab), node.block("latest"))
    assert market.vai_controller == VAI_CONTROLLER


def test_totals_tell_nothing() -> None:
    assert unaccounted(None, None) == ()  # type: ignore[arg-type]  # neither is looked at
