"""A watch that is ended, killed, or has no room to write goes on where it was."""

from __future__ import annotations

import random
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.watch.conftest import Played, arguments, walk
from tests.watch.process import Watching, assert_same, told_broken, until, watching
from tests.watch.proxy import Proxy

pytestmark = pytest.mark.lab

KILLS = 10
SEED = 11
REQUESTS_BETWEEN_KILLS = (5, 160)
LONGEST_DELAY_S = 0.03
"""After the request at which the process is killed: what follows it is files that are written."""
ROOM = "16M"


def test_sigterm_ends_it_cleanly_and_it_goes_on(
    played: Played, proxy: Proxy, tmp_path: Path, undisturbed: Watching
) -> None:
    with watching(tmp_path, *arguments(played, proxy, tmp_path)) as watch:
        for number in (played.first + 3, played.first + 11, played.first + 20):
            watch.start()
            walk(watch, proxy, number)
            assert watch.terminate() == 0, watch.said()
        watch.start()
        walk(watch, proxy, played.last)
        assert watch.wait() == 0
        assert_same(watch.events(), undisturbed.events())
        assert watch.blocks() == undisturbed.blocks()
        assert "Traceback" not in watch.said()


def test_sigterm_while_the_node_is_down(
    played: Played, proxy: Proxy, tmp_path: Path, undisturbed: Watching
) -> None:
    with watching(tmp_path, *arguments(played, proxy, tmp_path)) as watch:
        watch.start()
        walk(watch, proxy, played.first + 3)
        proxy.down()
        assert watch.terminate() == 0, watch.said()
        proxy.up()
        watch.start()
        walk(watch, proxy, played.last)
        assert watch.wait() == 0
        assert_same(watch.events(), undisturbed.events())


def test_killed_over_and_over_at_any_moment(
    played: Played, proxy: Proxy, tmp_path: Path, undisturbed: Watching
) -> None:
    rnd = random.Random(SEED)
    with watching(tmp_path, *arguments(played, proxy, tmp_path)) as watch:
        for turn in range(KILLS):
            watch.start()
            if turn % 2:
                _kill_later(watch, proxy, rnd)
            else:
                proxy.on_request = lambda so_far: None
                _kill_once_it_writes(watch, rnd.choice((1, 1, 2, 4)))
            while watch.is_running:
                _go_on(watch, proxy, played.last - 1)
        proxy.on_request = lambda so_far: None
        watch.start()
        walk(watch, proxy, played.last)
        assert watch.wait() == 0
        assert watch.out.read_bytes() == undisturbed.out.read_bytes()
        assert "Traceback" not in watch.said()
        assert len(watch.blocks()) > 10


def _kill_later(watch: Watching, proxy: Proxy, rnd: random.Random) -> None:
    at = sum(proxy.asked.values()) + rnd.randint(*REQUESTS_BETWEEN_KILLS)
    delay_s, kill = rnd.random() * LONGEST_DELAY_S, watch.killer()

    def count(so_far: int) -> None:
        if so_far == at:
            threading.Timer(delay_s, kill).start()

    proxy.on_request = count


def _kill_once_it_writes(watch: Watching, times: int) -> None:
    """Right after events reach the file, when the journal may not know of it yet."""
    kill = watch.killer()

    def look() -> None:
        left, size = times, _size(watch.out)
        while left and watch.is_running:
            now = _size(watch.out)
            left -= now > size
            size = now
            time.sleep(0)  # let the proxy's threads go on
        kill()

    threading.Thread(target=look, daemon=True).start()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _go_on(watch: Watching, proxy: Proxy, last: int) -> None:
    """Show the next block once the one that is shown was evaluated, or else see it end."""
    shown = proxy.pretence.view.ceiling
    assert shown is not None
    until(
        lambda: not watch.is_running or shown in (*watch.blocks(), *watch.told_blocks()), "a block or the end"
    )
    if not watch.is_running:
        return
    if shown < last:
        proxy.show(shown + 1)
    else:
        watch.kill()


@pytest.fixture
def tiny(tmp_path: Path) -> list[str]:
    """A command that runs another where the folder `state` is a small disk of its own."""
    folder = tmp_path / "watch" / "state"
    folder.mkdir(parents=True)
    mount = f'mount -t tmpfs -o size={ROOM} tmpfs "{folder}" && exec "$@"'
    before = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here, which gives a process a small disk")
    tried = subprocess.run([*before, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {tried.stderr.strip()}")
    return before


def test_a_disk_that_is_full_is_waited_for(
    played: Played, proxy: Proxy, tmp_path: Path, undisturbed: Watching, tiny: list[str]
) -> None:
    with watching(tmp_path / "watch", *arguments(played, proxy, tmp_path)) as watch:
        watch.before = tiny
        watch.start()
        walk(watch, proxy, played.first + 4)
        ballast = Path(f"/proc/{watch.pid}/root{watch.state}") / "ballast"
        _fill(ballast)
        shown = played.first + 4
        while "room" not in watch.said() and shown < played.last - 5:
            shown += 1
            proxy.show(shown)
            until(partial(_is_heard, watch, shown), "a block or a word")
        assert "Waiting until there is room" in watch.said()
        assert watch.is_running
        ballast.unlink()
        watch.until_block(shown)
        walk(watch, proxy, played.last)
        assert watch.wait() == 0, watch.said()
        assert_same(watch.events(), undisturbed.events())
        assert "There is room again" in watch.said()


def _is_heard(watch: Watching, number: int) -> bool:
    return "room" in watch.said() or number in watch.blocks()


def _fill(ballast: Path) -> None:
    """Take all the room that is left."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_checkpoint_that_is_no_journal_is_kept_aside_and_made_anew(
    played: Played, proxy: Proxy, tmp_path: Path
) -> None:
    with watching(tmp_path, *arguments(played, proxy, tmp_path)) as watch:
        watch.start()
        walk(watch, proxy, played.first + 4)
        assert watch.terminate() == 0
        (journal,) = watch.state.glob("*.sqlite")
        for beside in watch.state.glob("*.sqlite-*"):
            beside.unlink()
        journal.write_bytes(b"no journal" * 1000)
        watch.start()
        watch.until_block(played.first + 4)
        walk(watch, proxy, played.last)
        assert watch.wait() == 0, watch.said()
        (aside,) = watch.state.glob("*.sqlite.bad-*")
        assert aside.read_bytes() == b"no journal" * 1000
        assert aside.name in watch.said()
        ids = [event["id"] for event in watch.events()]
        assert len(set(ids)) == len(ids)
        assert told_broken(watch.events()) == played.broken()


def test_two_watches_do_not_share_a_journal(played: Played, proxy: Proxy, tmp_path: Path) -> None:
    with watching(tmp_path, *arguments(played, proxy, tmp_path)) as watch:
        watch.start()
        watch.until_block(played.first - 1)
        second = Watching(tmp_path, *arguments(played, proxy, tmp_path, "--quiet"))
        second.out = tmp_path / "second.jsonl"
        second.said_to = tmp_path / "second.txt"
        assert second.finish() == 2
        assert "another" in second.said()
        assert second.said().count("\n") == 1
        assert watch.is_running
