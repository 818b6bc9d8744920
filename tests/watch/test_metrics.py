"""What Prometheus reads of a watch, and from where."""

from __future__ import annotations

import http.client
import socket
import sys
from collections.abc import Iterator
from typing import get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

from defiliq.errors import InputError, MissingExtra
from defiliq.watch.metrics import Counts, Meter, Metrics, MetricsServer
from defiliq.watch.schema import EventKind
from tests.watch.keeping import event, head

MARKET = "aave-v3 1 EthereumMain"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def server(metrics: Metrics) -> Iterator[MetricsServer]:
    serving = MetricsServer(metrics, 0)
    yield serving
    serving.close()


def asked(server: MetricsServer, path: str = "/metrics", host: str | None = None) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    found = answer.status, answer.headers["Content-Type"], answer.read().decode()
    connection.close()
    return found


def read(server: MetricsServer) -> dict[tuple[str, str], float]:
    """Samples by name and the values of their labels but the market."""
    status, kind, text = asked(server)
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return {
        (sample.name, " ".join(value for name, value in sorted(sample.labels.items()) if name != "market")): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels["market"] == MARKET
    }


def test_what_a_market_does_can_be_read(metrics: Metrics, server: MetricsServer) -> None:
    meter = metrics.meter(MARKET)
    events = [event(8), event(8, "y"), event(8, kind="liquidated")]
    meter.evaluated(head(7), Counts(100, 4, 9, 0), [], 0.004)
    meter.evaluated(head(8), Counts(101, 5, 8, 2), events, 0.3)
    meter.read_error()
    meter.reorg()
    meter.gap()
    meter.backlog("webhook:abc", 12)
    metrics.meter("another").evaluated(head(9), Counts(1, 1, 1, 1), [], 0.1)
    found = read(server)
    assert {name: value for name, value in found.items() if "created" not in name[0] and value} == {
        ("defiliq_head_block", ""): 8,
        ("defiliq_block_timestamp_seconds", ""): 1_700_000_096,
        ("defiliq_accounts", ""): 101,
        ("defiliq_liquidatable_accounts", ""): 5,
        ("defiliq_approaching_accounts", ""): 8,
        ("defiliq_unread_accounts", ""): 2,
        ("defiliq_up", ""): 1,
        ("defiliq_blocks_total", ""): 2,
        ("defiliq_read_errors_total", ""): 1,
        ("defiliq_reorgs_total", ""): 1,
        ("defiliq_gaps_total", ""): 1,
        ("defiliq_events_total", "approaching"): 2,
        ("defiliq_events_total", "liquidated"): 1,
        ("defiliq_events_total", "reorg"): 1,
        ("defiliq_sink_backlog", "webhook:abc"): 12,
        ("defiliq_block_seconds_sum", ""): pytest.approx(0.304),
        ("defiliq_block_seconds_count", ""): 2,
        **{("defiliq_block_seconds_bucket", str(bound)): 1 for bound in (0.01, 0.025, 0.05, 0.1, 0.25)},
        **{
            ("defiliq_block_seconds_bucket", bound): 2
            for bound in ("0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "60.0", "+Inf")
        },
    }


def test_every_series_of_a_market_is_there_from_the_start(metrics: Metrics, server: MetricsServer) -> None:
    metrics.meter(MARKET).up(False)
    found = read(server)
    assert found["defiliq_up", ""] == found["defiliq_blocks_total", ""] == 0
    kinds = {labels for name, labels in found if name == "defiliq_events_total"}
    assert kinds == set(get_args(EventKind))


def test_two_registries_know_nothing_of_each_other(metrics: Metrics) -> None:
    metrics.meter(MARKET).gap()
    assert MARKET.encode() in metrics.text()
    assert MARKET.encode() not in Metrics().text()


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("/metrics?name[]=x", None, 200),
        ("/metrics", "localhost:9000", 200),
        ("/metrics", "localhost", 200),
        ("/metrics", "[::1]:1", 200),
        ("/", None, 404),
        ("/metrics/../etc/passwd", None, 404),
        ("/metrics", "rebound.example:9000", 403),
        ("/metrics", "10.0.0.1", 403),
        ("/metrics", "[", 403),
        ("/metrics", "", 403),
    ],
)
def test_only_one_path_is_answered_and_only_to_names_of_this_machine(
    server: MetricsServer, path: str, host: str | None, status: int
) -> None:
    assert asked(server, path, host)[0] == status


def test_it_listens_on_this_machine_alone(server: MetricsServer) -> None:
    assert server.url == f"http://127.0.0.1:{server.port}/metrics"
    with socket.socket() as other, pytest.raises(OSError, match="refused"):
        other.connect(("127.0.0.2", server.port))


def test_a_port_in_use_is_one_line(metrics: Metrics, server: MetricsServer) -> None:
    with pytest.raises(InputError) as caught:
        MetricsServer(metrics, server.port)
    assert str(caught.value) == (
        f"cannot serve metrics on 127.0.0.1:{server.port}: Address already in use. Use another port."
    )


def test_a_port_that_is_none_is_one_line(metrics: Metrics) -> None:
    with pytest.raises(InputError, match="no port has that number"):
        MetricsServer(metrics, 70_000)


def test_a_port_is_free_again_after_close(metrics: Metrics) -> None:
    first = MetricsServer(metrics, 0)
    first.close()
    MetricsServer(metrics, first.port).close()


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingExtra, match=r"prometheus-client.*pip install 'defiliq\[metrics\]'"):
        Metrics()


def test_a_meter_that_keeps_nothing_takes_everything() -> None:
    meter = Meter()
    meter.evaluated(head(1), Counts(1, 1, 1, 1), [event(1)], 0.1)
    told = [meter.read_error(), meter.reorg(), meter.gap(), meter.backlog("s", 1), meter.up(True)]  # type: ignore[func-returns-value]
    assert told == [None] * 5
