"""Our Comet answers as the real one did, and the lab around it holds what it promises."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.cache import PROJECT_ROOT
from tests.lab.chain import Chain
from tests.lab.compound_v3.recorded import Recorder
from tests.lab.node import Anvil
from tests.lab.packages import anvil

RECORDED = PROJECT_ROOT / "fixtures" / "vectors" / "compound_v3" / "comet.jsonl.gz"
EVERY = 12


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with Anvil(anvil()) as node:
        yield Recorder(Chain(node.rpc))


def recorded_cases() -> list[dict[str, Any]]:
    with gzip.open(RECORDED, "rt") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.lab
def test_our_comet_answers_as_the_real_one_did(recorder: Recorder) -> None:
    cases = recorded_cases()[::EVERY]
    assert len(cases) >= 60
    assert {case["expected"]["isLiquidatable_storedIndex"] for case in cases} == {True, False}
    absorptions = 0
    for case in cases:
        told, expected = recorder.tell(case), case["expected"]
        accrued = expected["accrued"]
        assert told.stored == (
            expected["isLiquidatable_storedIndex"],
            expected["isBorrowCollateralized_storedIndex"],
        ), case["id"]
        assert told.borrow_balance == int(expected["borrowBalanceOf_now"]), case["id"]
        assert told.utilization == int(expected["utilization"]), case["id"]
        rates = int(expected["borrowRatePerSecond"]), int(expected["supplyRatePerSecond"])
        assert told.rates == rates, case["id"]
        assert told.indices == (int(accrued["baseSupplyIndex"]), int(accrued["baseBorrowIndex"])), case["id"]
        assert told.accrued == (accrued["isLiquidatable"], accrued["isBorrowCollateralized"]), case["id"]
        assert (told.absorbed is not None) == accrued["isLiquidatable"], case["id"]
        if expected["absorb"] is not None:
            after = expected["absorb"]
            names = ("principalAfter", "balanceAfter", "borrowBalanceAfter")
            assert told.absorbed == tuple(int(after[name]) for name in names), case["id"]
            absorptions += 1
    assert absorptions >= 20
