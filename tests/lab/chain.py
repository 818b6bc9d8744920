"""Transactions and calls on the local chain: every block has a chosen timestamp, every receipt is checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tests.lab.cache import LabError
from tests.lab.contract import Artifact, Contract
from tests.lab.node import BLOCK_SECONDS, Rpc, RpcError

DEPLOYER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
MAX_UINT256 = 2**256 - 1
BATCH = 200
"""Transactions per block. The node's answer to a receipt takes time that grows with its block."""
GAS = 30_000_000
_AGGREGATE3 = {
    "type": "function",
    "name": "aggregate3",
    "inputs": [
        {
            "type": "tuple[]",
            "components": [{"type": "address"}, {"type": "bool"}, {"type": "bytes"}],
        }
    ],
    "outputs": [{"type": "tuple[]", "components": [{"type": "bool"}, {"type": "bytes"}]}],
}
Overrides: TypeAlias = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Tx:
    """A transaction to be sent: from any address, since the node impersonates them all."""

    sender: str
    contract: Contract
    function: str
    arguments: tuple[object, ...]
    value: int = 0
    """Native coin that goes with it."""


class Chain:
    """A running node whose blocks are made by hand, so that their timestamps are known.

    Between the calls of this class the node mines what others send, as nodes do.
    """

    def __init__(self, rpc: Rpc) -> None:
        self.rpc = rpc
        self.multicall = Contract(MULTICALL3, [_AGGREGATE3])
        self._nonces: dict[str, int] = {}
        rpc("anvil_setBlockTimestampInterval", BLOCK_SECONDS)

    def now(self) -> int:
        """The latest block's timestamp."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def height(self) -> int:
        """The latest block's number."""
        return int(self.rpc("eth_blockNumber"), 16)

    def mine(self, at: int | None = None) -> None:
        """Mine what waits, at a timestamp or some seconds after the last block."""
        if at is not None:
            self.rpc("evm_setNextBlockTimestamp", at)
        self.rpc("evm_mine")

    def mine_many(self, blocks: int) -> None:
        """Mine empty blocks, each some seconds after the last."""
        self.rpc("anvil_mine", hex(blocks))

    def wait(self, seconds: int) -> None:
        """Let time pass: an empty block, so many seconds after the last."""
        self.mine(self.now() + seconds)

    def call(
        self,
        contract: Contract,
        name: str,
        *arguments: object,
        block: int | str = "latest",
        overrides: Overrides | None = None,
        timestamp: int | None = None,
        number: int | None = None,
    ) -> Any:
        """The decoded answer of a call that leaves no trace, or RpcError.

        The contracts see the number and the timestamp of the block that is asked, or those named here.
        """
        function = contract.functions[name]
        request = {"to": contract.address, "data": function.data(arguments)}
        where = block if isinstance(block, str) else hex(block)
        params: list[object] = [request, where]
        seen = {
            key: hex(value) for key, value in (("time", timestamp), ("number", number)) if value is not None
        }
        if overrides is not None or seen:
            params.append({} if overrides is None else overrides)
        if seen:
            params.append(seen)
        return function.answer(self.rpc("eth_call", *params))

    def call_many(self, contract: Contract, name: str, calls: Iterable[Sequence[object]]) -> list[Any]:
        """One view function with many argument lists, at the latest block."""
        function = contract.functions[name]
        requests = [
            ("eth_call", ({"to": contract.address, "data": function.data(arguments)}, "latest"))
            for arguments in calls
        ]
        answers: list[Any] = []
        for start in range(0, len(requests), BATCH):
            answers += [function.answer(raw) for raw in self.rpc.batch(requests[start : start + BATCH])]
        return answers

    def send(self, contract: Contract, name: str, *arguments: object, sender: str = DEPLOYER) -> None:
        """One transaction in a block of its own, which must succeed."""
        self.send_all([Tx(sender, contract, name, arguments)])

    def send_all(self, transactions: Sequence[Tx], at: int | None = None) -> None:
        """All transactions in one block, which must all succeed. One sender's keep their order."""
        requests = [self.request(tx) for tx in transactions]
        receipts = self._mined(requests, at)
        for tx, request, receipt in zip(transactions, requests, receipts, strict=True):
            if int(receipt["status"], 16) != 1:
                raise LabError(
                    f"{tx.function}{tx.arguments} from {tx.sender} reverted: {self.reason(request)}"
                )

    def request(self, tx: Tx) -> dict[str, object]:
        """A transaction as the node takes it, with its sender's next nonce: to be sent in this order."""
        return {
            "from": tx.sender,
            "to": tx.contract.address,
            "data": tx.contract.data(tx.function, *tx.arguments),
            "value": hex(tx.value),
            "gas": hex(GAS),
            "nonce": self._nonce(tx.sender),
        }

    def mine_all(self, requests: Sequence[Mapping[str, object]]) -> list[dict[str, Any]]:
        """Raw transactions in the next block; their receipts, successful or not."""
        return self._mined(requests, None)

    def mine_one(self, request: Mapping[str, object], at: int) -> dict[str, Any]:
        """One raw transaction in a block of exactly this timestamp; its receipt, successful or not."""
        return self._mined([request], at)[0]

    def send_in_blocks(self, transactions: Sequence[Tx]) -> None:
        """Many transactions, as many blocks as they need."""
        for start in range(0, len(transactions), BATCH):
            self.send_all(transactions[start : start + BATCH])

    def through_multicall(self, calls: Sequence[tuple[Contract, str, tuple[object, ...]]]) -> None:
        """Many calls with Multicall3 as their sender, some per transaction."""
        packed = [
            (contract.address, False, bytes.fromhex(contract.data(name, *arguments)[2:]))
            for contract, name, arguments in calls
        ]
        parts = [packed[start : start + 50] for start in range(0, len(packed), 50)]
        self.send_all([Tx(DEPLOYER, self.multicall, "aggregate3", (part,)) for part in parts])

    def deploy(
        self, artifact: Artifact, *arguments: object, libraries: Mapping[str, str] | None = None
    ) -> Contract:
        """Deploy a contract in a block of its own."""
        code = artifact.creation_code(arguments, {} if libraries is None else libraries)
        request = {
            "from": DEPLOYER,
            "data": "0x" + code.hex(),
            "gas": hex(GAS),
            "nonce": self._nonce(DEPLOYER),
        }
        receipt = self._mined([request], None)[0]
        if int(receipt["status"], 16) != 1:
            raise LabError(f"a deployment reverted: {self.reason(request)}")
        return Contract(receipt["contractAddress"], artifact.abi)

    def reason(self, request: Mapping[str, object], timestamp: int | None = None) -> str:
        """What a transaction would revert with: a text, or an error's selector; empty if it succeeds."""
        tries = {key: value for key, value in request.items() if key != "nonce"}
        time = [] if timestamp is None else [{}, {"time": hex(timestamp)}]
        try:
            self.rpc("eth_call", tries, "latest", *time)
        except RpcError as error:
            return revert_reason(error.data) or str(error)
        return ""

    @contextmanager
    def rewinding(self) -> Iterator[None]:
        """Whatever happens inside is undone at the end."""
        before = self.rpc("evm_snapshot")
        kept = dict(self._nonces)
        try:
            yield
        finally:
            self.rpc("evm_revert", before)
            self._nonces = kept

    def _mined(self, requests: Sequence[Mapping[str, object]], at: int | None) -> list[dict[str, Any]]:
        """The receipts of some transactions that share a block."""
        self.rpc("evm_setAutomine", False)
        try:
            hashes = self.rpc.batch([("eth_sendTransaction", (request,)) for request in requests])
            self.mine(at)
        finally:
            self.rpc("evm_setAutomine", True)
        receipts = self.rpc.batch([("eth_getTransactionReceipt", (each,)) for each in hashes])
        if None in receipts:
            raise LabError(f"{receipts.count(None)} of {len(receipts)} transactions were not mined")
        return receipts

    def _nonce(self, sender: str) -> str:
        """The sender's next nonce. It is always said: left out, transactions of one batch collide."""
        if sender not in self._nonces:
            self._nonces[sender] = int(self.rpc("eth_getTransactionCount", sender, "latest"), 16)
        self._nonces[sender] += 1
        return hex(self._nonces[sender] - 1)


def revert_reason(data: str) -> str:
    """The text of Error(string), else the selector of a custom error, else nothing."""
    if data.startswith("0x08c379a0"):
        length = int(data[74:138], 16)
        return bytes.fromhex(data[138 : 138 + 2 * length]).decode()
    return data[:10] if len(data) >= 10 else ""


def install_multicall3(chain: Chain, modules: Path) -> None:
    """Put Multicall3's runtime code where it lives on public chains."""
    text = (modules / "viem" / "constants" / "contracts.ts").read_text()
    found = re.search(r"multicall3Bytecode\s*=\s*'(0x[0-9a-f]+)'", text)
    if found is None:
        raise LabError("viem holds no Multicall3 bytecode any more: pin the version that does")
    chain.rpc("anvil_setCode", MULTICALL3, chain.rpc("eth_call", {"data": found[1]}, "latest"))
