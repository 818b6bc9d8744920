"""Which arithmetic a POOL_REVISION stands for. An unknown revision is refused, never guessed."""

from __future__ import annotations

from defiliq.errors import UnsupportedRevision

VERSIONS = {
    1: "3.0",
    2: "3.0",
    3: "3.0",
    4: "3.1",
    5: "3.2",
    6: "3.2",
    7: "3.3",
    8: "3.4",
    9: "3.5",
    10: "3.6",
    11: "3.7",
}
"""POOL_REVISION to Aave v3 version: PoolInstance of each release of aave-v3-origin; 1 to 3 are core-v3's."""


def version_of(revision: int) -> str:
    """The Aave v3 version of a POOL_REVISION; UnsupportedRevision where it has not been ported."""
    version = VERSIONS.get(revision)
    if version is None:
        raise UnsupportedRevision("aave-v3", revision)
    return version
