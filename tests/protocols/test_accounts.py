"""Accounts that can't be read are told with the first reason, in order."""

from __future__ import annotations

import numpy as np

from defiliq.protocols.accounts import AskedAccounts


def test_the_first_reason_stays() -> None:
    asked = AskedAccounts(owners=np.arange(4, dtype=np.uint8)[:, None])
    assert asked.readable.all()
    assert asked.failed(bytes.hex) == {}
    asked = asked.refused(np.array([False, False, True, False]), "first")
    asked = asked.refused(np.array([True, False, True, False]), "second")
    assert asked.readable.tolist() == [False, True, False, True]
    assert list(asked.failed(bytes.hex).items()) == [("00", "second"), ("02", "first")]
