"""Keys of the user's own: where they are read, and how they are kept out of everything that is shown."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from defiliq.cex.providers.provider import Provider
from defiliq.errors import InputError, NoKey

HIDDEN: Final = "***"
LONGEST_SHOWN: Final = 160
SENDABLE: Final = re.compile(r"[\x21-\x7e]+")
UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]+")


def keys_of(provider: Provider, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The values of the provider's variables, in their order; NoKey names the first that is not set."""
    found = []
    for variable in provider.variables:
        key = environment.get(variable, "").strip()
        if not key:
            raise NoKey(provider.name, variable)
        if not SENDABLE.fullmatch(key):
            raise InputError(f"{variable} holds a character that no key can hold.")
        found.append(key)
    return tuple(found)


def basic(user: str, password: str) -> str:
    """What HTTP basic authentication sends of the two."""
    return b64encode(f"{user}:{password}".encode()).decode()


def scrubbed(text: str, secrets: Sequence[str]) -> str:
    """Text from outside as one short printable line without any of the secrets, as they are or escaped, in
    any case of letters: hosts lose theirs.
    """
    written = {form for secret in secrets if secret for form in _forms(secret)}
    if written:
        found = "|".join(re.escape(form) for form in sorted(written, key=len, reverse=True))
        text = re.sub(found, HIDDEN, text, flags=re.IGNORECASE)
    line = " ".join(UNPRINTABLE.sub(" ", text).split())
    return line if len(line) <= LONGEST_SHOWN else line[: LONGEST_SHOWN - 3] + "..."


def _forms(secret: str) -> Iterator[str]:
    """How a secret may be written in an answer: plain, in a URL, in JSON, or as Python quotes it."""
    yield secret
    yield quote(secret, safe="")
    slashed = secret.replace("\\", "\\\\")
    quoted = slashed.replace('"', '\\"')
    yield from (slashed, slashed.replace("'", "\\'"), quoted, quoted.replace("/", "\\/"))
