"""Frozen dataclasses as JSON and back, by their type hints. Integers travel as decimal strings.

JSON numbers are doubles to many readers, so an index of 27 digits would not survive as one. Where a hint
leaves a choice of dataclasses, the object says which one it is under `is`.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_KIND = "is"
_KNOWN: dict[type, dict[str, Any]] = {}
_LATER = {
    "DydxMarket": {"insurance_funds"},
    "AaveReserve": {"supply_cap", "borrow_cap"},
    "CompoundMarket": {"vai_controller"},
    "CometReserve": {"supply_cap"},
}
"""Class to fields that files of this format need not have: left out, they are None, which is not known."""
_MAX_DIGITS = 80
"""More than 2**256 has: a longer one is no integer of a contract."""


class NotEncoded(Exception):
    """JSON that `encode` did not write."""


def encode(value: Any) -> Any:
    """A value as what JSON can hold."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return _encode_fields(value)
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    raise TypeError(f"cannot write a {type(value).__name__}")


def _encode_fields(value: Any) -> dict[str, Any]:
    """A dataclass; what stands where there is a choice of them carries its name."""
    hints = _hints(type(value))
    encoded = {name: encode(getattr(value, name)) for name in hints}
    for name, hint in hints.items():
        if get_origin(hint) is tuple and len(_choices(get_args(hint)[0])) > 1:
            for item, written in zip(getattr(value, name), encoded[name], strict=True):
                written[_KIND] = type(item).__name__
    return encoded


def _choices(hint: Any) -> list[Any]:
    """The alternatives of a hint but None."""
    is_union = get_origin(hint) in (Union, types.UnionType)
    return [arg for arg in get_args(hint) if arg is not type(None)] if is_union else [hint]


def decode(kind: type[T], seen: Any) -> T:
    """The dataclass `kind` that `encode` wrote; NotEncoded where it is anything else."""
    if not isinstance(seen, dict):
        raise NotEncoded(f"{kind.__name__} must be an object")
    hints = _hints(kind)
    odd = sorted((set(seen) ^ set(hints)) - _LATER.get(kind.__name__, set()))
    if odd:
        raise NotEncoded(f"{kind.__name__} has other fields: {', '.join(odd)}")
    return kind(**{name: _decode(hint, seen[name], name) for name, hint in hints.items() if name in seen})


def _hints(kind: type) -> dict[str, Any]:
    """The type of each field; looking it up takes long, and a market has thousands of quantities."""
    if kind not in _KNOWN:
        resolved = get_type_hints(kind)
        _KNOWN[kind] = {field.name: resolved[field.name] for field in fields(kind)}
    return _KNOWN[kind]


def _decode(hint: Any, seen: Any, name: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        inner = _choices(hint)
        if set(inner) == {int, str}:  # the id of a chain
            return _decode_plain(int if str(seen).isdecimal() else str, seen, name)
        if len(inner) > 1:
            return _decode_choice(inner, seen, name)
        return None if seen is None else _decode(inner[0], seen, name)
    if origin is Literal:
        if seen not in get_args(hint):
            raise NotEncoded(f"{name} must be one of {', '.join(get_args(hint))}")
        return seen
    if origin is tuple:
        if not isinstance(seen, list):
            raise NotEncoded(f"{name} must be a list")
        return tuple(_decode(get_args(hint)[0], item, name) for item in seen)
    if origin is Mapping:
        return _decode_mapping(get_args(hint), seen, name)
    if is_dataclass(hint) and isinstance(hint, type):
        return decode(hint, seen)
    return _decode_plain(hint, seen, name)


def _decode_choice(kinds: list[type], seen: Any, name: str) -> Any:
    """One of several dataclasses, by the name that the object carries."""
    named = {kind.__name__: kind for kind in kinds}
    said = seen.get(_KIND) if isinstance(seen, dict) else None
    if said not in named:
        raise NotEncoded(f"{name} must be one of {', '.join(named)}")
    return decode(named[said], {key: value for key, value in seen.items() if key != _KIND})


def _decode_mapping(arguments: tuple[Any, ...], seen: Any, name: str) -> dict[Any, Any]:
    key_hint, value_hint = arguments
    if not isinstance(seen, dict):
        raise NotEncoded(f"{name} must be an object")
    return {_decode_plain(key_hint, key, name): _decode(value_hint, item, name) for key, item in seen.items()}


def _decode_plain(hint: Any, seen: Any, name: str) -> Any:
    if hint is int:
        return decode_int(seen, name)
    if not isinstance(seen, hint):
        raise NotEncoded(f"{name} must be a {hint.__name__}")
    return seen


def decode_int(seen: Any, name: str) -> int:
    """An integer from its decimal string; NotEncoded where it is anything else."""
    digits = seen.removeprefix("-") if isinstance(seen, str) else ""
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > _MAX_DIGITS:
        raise NotEncoded(f"{name} must be an integer as a string")
    return int(seen)
