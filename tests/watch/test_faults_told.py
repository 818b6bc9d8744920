"""Webhooks that are down, markets whose node is dead, and words that make no sense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.watch.conftest import Played, arguments, walk
from tests.watch.hook import hooked
from tests.watch.process import Watching, assert_same, until, watching
from tests.watch.proxy import Proxy, proxied

pytestmark = pytest.mark.lab

SECRET = {"DEFILIQ_WEBHOOK_SECRET": "a secret"}


def test_a_webhook_that_is_down_gets_everything_in_the_end(
    played: Played, proxy: Proxy, tmp_path: Path, undisturbed: Watching
) -> None:
    with hooked() as hook:
        more = ("--webhook", hook.url, "--allow-private")
        with watching(tmp_path, *arguments(played, proxy, tmp_path, *more), env=SECRET) as watch:
            watch.start()
            walk(watch, proxy, played.first + 4)
            hook.status = 503
            walk(watch, proxy, played.last - 3)
            until(lambda: hook.refused > 1, "a second try")
            taken = len(hook.events)
            hook.status = 200
            until(lambda: len(hook.events) > taken, "events after it came back")
            walk(watch, proxy, played.last)
            assert watch.wait() == 0, watch.said()
            ids = [event["id"] for event in hook.events]
            assert list(dict.fromkeys(ids)) == [event["id"] for event in undisturbed.events()]
            assert_same(watch.events(), undisturbed.events())
            assert taken < len(ids)
            assert "key=secret" not in watch.said()


def test_a_webhook_that_never_answers_gets_the_rest_after_a_restart(
    played: Played, proxy: Proxy, tmp_path: Path, undisturbed: Watching
) -> None:
    with hooked() as hook:
        more = ("--webhook", hook.url, "--allow-private")
        with watching(tmp_path, *arguments(played, proxy, tmp_path, *more), env=SECRET) as watch:
            hook.status = 500
            watch.start()
            walk(watch, proxy, played.first + 9)
            watch.kill()
            assert hook.events == []
            hook.status = 200
            watch.start()
            walk(watch, proxy, played.last)
            assert watch.wait() == 0, watch.said()
            ids = [event["id"] for event in hook.events]
            assert list(dict.fromkeys(ids)) == [event["id"] for event in undisturbed.events()]


def _listed(played: Played, folder: Path, name: str, url: str) -> str:
    """A market file of its own name and node."""
    path = played.lab.market_file(folder / f"{name}.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "name": name, "endpoint": url}))
    return str(path)


def test_a_market_whose_node_is_dead_does_not_stop_another(
    played: Played, proxy: Proxy, tmp_path: Path, undisturbed: Watching
) -> None:
    with proxied(played.port, played.first - 1) as dead:
        files = [_listed(played, tmp_path, "Alive", proxy.url), _listed(played, tmp_path, "Dead", dead.url)]
        dead.down()
        listed = [word for file in files for word in ("--market-file", file)]
        pace = ["--poll", "0.1", "--cooldown", "60s", "--stop-at", str(played.last)]
        with watching(tmp_path, *listed, *pace) as watch:
            watch.start()
            walk(watch, proxy, played.last - 1)
            until(lambda: "Dead" in watch.said(), "a word about the dead one")
            assert watch.is_running
            dead.up()
            until(
                lambda: any(event["market"] == "Dead" for event in watch.events()), "a word of the dead one"
            )
            dead.show(played.last)
            proxy.show(played.last)
            assert watch.wait() in (0, 3), watch.said()
            told = {
                name: [event["block_number"] for event in watch.events() if event["market"] == name]
                for name in ("Alive", "Dead")
            }
            blocks = [event["block_number"] for event in undisturbed.events()]
            assert told == {"Alive": blocks, "Dead": blocks}


BAD = [
    (["--driver", "DOGE/USD"], "DOGE/USD"),
    (["--owner", "0x1234"], "0x1234"),
    (["--within", "-1%"], "-1%"),
    (["--cooldown", "soon"], "soon"),
    (["--webhook", "http://127.0.0.1:9/hook"], "not a public address"),
    (["--webhook", "http://[::ffff:10.0.0.1]/hook"], "not a public address"),
    (["--webhook", "ftp://example.com/"], "ftp"),
    (["--owners", "/nowhere/owners.txt"], "owners.txt"),
]


@pytest.mark.parametrize(("more", "said"), BAD)
def test_what_makes_no_sense_is_refused_in_one_line(
    played: Played, proxy: Proxy, tmp_path: Path, more: list[str], said: str
) -> None:
    with watching(tmp_path, *arguments(played, proxy, tmp_path, *more)) as watch:
        assert watch.finish() == 2, watch.said()
        assert said in watch.said().splitlines()[-1]
        assert "Traceback" not in watch.said()
        assert watch.events() == []


def test_a_provider_without_logs_is_refused(played: Played, proxy: Proxy, tmp_path: Path) -> None:
    proxy.pretence.change(refused=frozenset({"eth_getLogs"}))
    with watching(tmp_path, *arguments(played, proxy, tmp_path)) as watch:
        assert watch.finish() == 1
        assert "eth_getLogs" in watch.said().splitlines()[-1]
        assert "Traceback" not in watch.said()


def test_a_node_of_another_chain_is_refused(played: Played, proxy: Proxy, tmp_path: Path) -> None:
    market = json.loads(played.lab.market_file(tmp_path / "other.json").read_text())
    (tmp_path / "other.json").write_text(json.dumps({**market, "chain_id": 1}))
    with watching(tmp_path, "--market-file", str(tmp_path / "other.json"), "-r", proxy.url) as watch:
        assert watch.finish() == 1
        assert "31337" in watch.said().splitlines()[-1]
