"""One venue through ccxt: questions with retries, and failures in this project's own words."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any, Final, TypeAlias, TypeVar

from defiliq.cex.venues.config import HOST, VenueConfig
from defiliq.cex.venues.wire import Busy, Down, Refused, Unusable, bound_session
from defiliq.errors import (
    BadVenueAnswer,
    MissingExtra,
    VenueError,
    VenueRateLimited,
    VenueRefused,
    VenueUnreachable,
)

Json: TypeAlias = Any
Got = TypeVar("Got")

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 15.0
LONGEST_SHOWN: Final = 160
MOST_DIGITS: Final = 40
NO_JSON: Final = "an answer that is no complete JSON"
_ADDRESS: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S+")
_MALFORMED: Final = (
    TypeError,
    KeyError,
    IndexError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What ccxt's parsers let through when an answer has another shape than they expect."""


def load_ccxt() -> Any:
    """The package ccxt, whose import takes most of a second; MissingExtra where it is not installed."""
    try:
        import ccxt  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtra("reading an exchange", "ccxt", "cex") from None
    return ccxt


class Client:
    """One venue for one reader at a time: ccxt keeps state, so threads take a client each."""

    def __init__(self, venue: str, config: VenueConfig, market_types: tuple[str, ...] = ()) -> None:
        self.venue, self.config = venue, config
        self._ccxt = load_ccxt()
        base = config.address(venue)
        settings = {"enableRateLimit": config.is_rate_limited, "timeout": int(config.timeout_s * 1000)}
        self.exchange = getattr(self._ccxt, venue)(settings)
        self.exchange.has["fetchCurrencies"] = False  # is a second question, and for some a private one
        if market_types:
            options = dict(self.exchange.options.get("fetchMarkets") or {})
            self.exchange.options["fetchMarkets"] = options | {"types": list(market_types)}
        # A proxy of the environment is meant for the venue's own hosts, not for an address of the user's.
        self.exchange.session.trust_env = base is None
        if base is not None:
            self._point_at(base)
        self._precision = self.exchange.parse_precision
        self.exchange.parse_precision = self._bounded_precision
        self._parse = self.exchange.parse_json
        self.exchange.parse_json = self._parsed
        bound_session(self.exchange.session, config.timeout_s, config.max_response_bytes)

    @property
    def source(self) -> str:
        """Where answers are from, in words."""
        return f"{self.venue} through ccxt {self._ccxt.__version__}"

    def close(self) -> None:
        """Close the connections."""
        self.exchange.session.close()

    def ask(self, method: str, params: Mapping[str, Any]) -> Json:
        """A public endpoint's answer by ccxt's name of it, as parsed JSON: numbers are texts or numbers."""
        endpoint = getattr(self.exchange, method)
        return self._patiently(lambda: self._json(lambda: endpoint(dict(params))))

    def ask_path(self, path: str, cost: float, params: Mapping[str, Any]) -> Json:
        """The same of a public path that ccxt has no name for; `cost` is in its units of pace."""
        # The word for public endpoints differs between versions; it is the default.
        api = signature(self.exchange.request).parameters["api"].default
        pace = {"cost": cost}
        return self._patiently(
            lambda: self._json(lambda: self.exchange.request(path, api, "GET", dict(params), pace))
        )

    def markets(self) -> list[Json]:
        """Every contract that the venue lists, as ccxt describes it."""
        listed = self._patiently(lambda: self.exchange.load_markets(True))
        return list(listed.values())

    def _json(self, ask: Callable[[], Json]) -> Json:
        answer = ask()
        if not isinstance(answer, dict | list):
            raise Down(NO_JSON)
        return answer

    def _parsed(self, body: str) -> Json:
        """A body as JSON. Of one that is none, ccxt would make an exchange without any contract."""
        answer = self._parse(body)
        if answer is None:
            raise Down(NO_JSON)
        return answer

    def _bounded_precision(self, told: str | None) -> str | None:
        """Of a contract's prices and sizes. ccxt writes out every digit, however many there are."""
        if told is not None and abs(int(told)) > MOST_DIGITS:
            raise ValueError("a precision beyond what numbers have")
        written: str | None = self._precision(told)
        return written

    def _point_at(self, base: str) -> None:
        """Send every question to another base address; a venue's paths stay as they are."""

        def moved(url: str) -> str:
            host, _, path = url.partition("://")[2].partition("/")
            return base.replace(HOST, host) + (f"/{path}" if path else "")

        api = self.exchange.urls["api"]
        self.exchange.urls["api"] = {name: moved(url) for name, url in api.items() if isinstance(url, str)}

    def _patiently(self, ask: Callable[[], Got]) -> Got:
        """What `ask` answers; what may pass is asked again with growing waits."""
        failures, has_waited_as_asked = 0, False
        while True:
            try:
                return self._named(ask)
            except Busy as busy:
                failures += 1
                if failures > self.config.retries or (has_waited_as_asked and busy.wait_s is not None):
                    raise VenueRateLimited(self.venue, failures) from None
                has_waited_as_asked = busy.wait_s is not None
                wait_s = busy.wait_s
            except Down as down:
                failures += 1
                if failures > self.config.retries:
                    raise self._given_up(str(down)) from None
                wait_s = None
            self.config.sleep_s(_backoff_s(failures) if wait_s is None else wait_s)

    def _given_up(self, seen: str) -> VenueError:
        if "JSON" in seen:
            return BadVenueAnswer(self.venue, seen)
        return VenueUnreachable(self.venue, seen)

    def _named(self, ask: Callable[[], Got]) -> Got:
        """Every failure of one attempt under one of our names."""
        ccxt = self._ccxt
        try:
            return ask()
        except Refused as refused:
            raise VenueRefused(self.venue, str(refused)) from None
        except Unusable as unusable:
            raise BadVenueAnswer(self.venue, str(unusable)) from None
        except (ccxt.RateLimitExceeded, ccxt.DDoSProtection):
            raise Busy from None
        except (ccxt.AuthenticationError, ccxt.RestrictedLocation) as error:
            raise VenueRefused(self.venue, self._shown(error)) from None
        except ccxt.RequestTimeout:
            raise Down(f"no answer within {self.config.timeout_s:g} s") from None
        except ccxt.OnMaintenance:
            raise Down("it is under maintenance") from None
        except ccxt.ExchangeNotAvailable as error:
            raise Down(self._shown(error)) from None
        except ccxt.NetworkError:
            raise Down("no connection, or one that was cut") from None
        except ccxt.BaseError as error:
            raise BadVenueAnswer(self.venue, self._shown(error)) from None
        except _MALFORMED as error:
            raise BadVenueAnswer(self.venue, f"of an unexpected shape ({type(error).__name__})") from None

    def _shown(self, error: Exception) -> str:
        """A message of the library's or the venue's as one short printable line without addresses."""
        text = _ADDRESS.sub("(address)", str(error)).removeprefix(self.venue).strip()
        line = "".join(c if c.isprintable() else " " for c in text)
        return line if len(line) <= LONGEST_SHOWN else line[:LONGEST_SHOWN] + "…"


def _backoff_s(failures: int) -> float:
    """A random wait that grows, so that threads do not come back together."""
    longest = min(FIRST_WAIT_S * 2.0 ** (failures - 1), LONGEST_WAIT_S)
    return longest * (0.5 + secrets.randbelow(1000) / 2000)
