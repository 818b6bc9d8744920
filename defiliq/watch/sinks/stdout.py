"""Events as lines of a stream, such as stdout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from defiliq.watch.journal import Line


class StreamSink:
    """Each event as one line, flushed. At least once: after a crash the last ones may come again."""

    def __init__(self, stream: TextIO, name: str = "stdout") -> None:
        self._stream, self._name = stream, name

    @property
    def name(self) -> str:
        """What the journal calls it."""
        return self._name

    def deliver(self, lines: Sequence[Line]) -> int | None:
        """Write them; BrokenPipeError where the reader has gone, which ends a command quietly."""
        if not lines:
            return None
        self._stream.write("".join(f"{line.line}\n" for line in lines))
        self._stream.flush()
        return lines[-1].seq

    @property
    def position(self) -> int:
        """A stream has no places."""
        return 0

    def beyond(self, position: int) -> Sequence[str]:
        """A stream cannot be read back."""
        return ()

    def close(self) -> None:
        """The stream is somebody else's."""
