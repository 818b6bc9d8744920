"""What cannot be decided or done with what is installed."""

from __future__ import annotations

from defiliq.errors.base import DefiliqError


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


class ConservationBroken(DefiliqError):
    """A simulated liquidation took or left something that its account's balances do not show: a bug here."""

    def __init__(self, account: str, symbol: str, rest: int) -> None:
        self.account, self.symbol, self.rest = account, symbol, rest
        super().__init__(
            f"a liquidation of {account} does not add up: {rest} base units of {symbol} are unaccounted for. "
            "Please report it, with the snapshot."
        )
