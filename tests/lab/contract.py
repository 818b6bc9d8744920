"""Contracts as bytes: linking, encoding, decoding. No web3 contract layer, which would be the bottleneck."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from eth_abi.abi import decode, encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

PLACEHOLDER = re.compile(r"__.{36}__")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract that may still want its libraries."""

    abi: tuple[Mapping[str, Any], ...]
    bytecode: str
    link_references: Mapping[str, Mapping[str, Sequence[Mapping[str, int]]]]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        """From what a compiler or a package says."""
        return cls(tuple(entry["abi"]), entry["bytecode"].removeprefix("0x"), entry["linkReferences"])

    def creation_code(self, arguments: Sequence[object], libraries: Mapping[str, str]) -> bytes:
        """What to send to deploy it."""
        code = bytearray.fromhex(PLACEHOLDER.sub("0" * 40, self.bytecode))
        for wanted in self.link_references.values():
            for library, places in wanted.items():
                address = bytes.fromhex(libraries[library][2:])
                for place in places:
                    code[place["start"] : place["start"] + 20] = address
        types = [
            _type(entry) for item in self.abi if item["type"] == "constructor" for entry in item["inputs"]
        ]
        return bytes(code) + encode(types, arguments)


@dataclass(frozen=True, slots=True)
class Function:
    """One function of a contract, ready to encode."""

    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Self:
        """From its ABI entry."""
        inputs = tuple(_type(entry) for entry in item["inputs"])
        outputs = tuple(_type(entry) for entry in item["outputs"])
        return cls(keccak(text=f"{item['name']}({','.join(inputs)})")[:4], inputs, outputs)

    def data(self, arguments: Sequence[object]) -> str:
        """Calldata as hex."""
        return "0x" + (self.selector + encode(self.inputs, arguments)).hex()

    def answer(self, raw: str) -> Any:
        """The decoded answer: the value itself where there is one, else a tuple."""
        values = decode(self.outputs, bytes.fromhex(raw[2:]))
        return values[0] if len(values) == 1 else values


class Contract:
    """A deployed contract: an address and how to speak to it."""

    def __init__(self, address: str, abi: Sequence[Mapping[str, Any]]) -> None:
        self.address = str(to_checksum_address(address))
        self.abi = tuple(abi)

    @cached_property
    def functions(self) -> dict[str, Function]:
        """By name, and by signature where a name is overloaded; the shortest overload owns the name."""
        items = [item for item in self.abi if item["type"] == "function"]
        found: dict[str, Function] = {}
        for item in sorted(items, key=lambda item: len(item["inputs"])):
            function = Function.of(item)
            found.setdefault(item["name"], function)
            found[f"{item['name']}({','.join(function.inputs)})"] = function
        return found

    def data(self, name: str, *arguments: object) -> str:
        """Calldata of one function."""
        return self.functions[name].data(arguments)


def topic(signature: str) -> str:
    """The first topic of an event."""
    return "0x" + keccak(text=signature).hex()


def _type(entry: Mapping[str, Any]) -> str:
    kind = str(entry["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_type(part) for part in entry['components'])}){kind.removeprefix('tuple')}"
