"""A local node: the anvil process, and JSON-RPC over one kept-alive connection."""

from __future__ import annotations

import atexit
import http.client
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeAlias

from tests.lab.cache import LabError

HOST = "127.0.0.1"
CHAIN_ID = 31337
GENESIS_AT = 1_750_000_000
BLOCK_SECONDS = 12
START_TIMEOUT_S = 30
Request: TypeAlias = tuple[str, Sequence[object]]


class RpcError(Exception):
    """The node answered with an error; `data` holds what a revert returned, as hex."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message")))
        self.code: int = int(error.get("code", 0))
        data = error.get("data")
        self.data: str = data if isinstance(data, str) else "0x"


class Rpc:
    """JSON-RPC to a port of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection = http.client.HTTPConnection(HOST, port, timeout=300)

    def __call__(self, method: str, *params: object) -> Any:
        """One request; the result, or RpcError."""
        return _result(self._post({"jsonrpc": "2.0", "id": 0, "method": method, "params": params}))

    def batch(self, requests: Sequence[Request]) -> list[Any]:
        """Many requests in one body; their results in order, or the first one's RpcError.

        The node works on a batch concurrently: nothing in it may count on what stands before it.
        """
        if not requests:
            return []
        body = [
            {"jsonrpc": "2.0", "id": position, "method": method, "params": params}
            for position, (method, params) in enumerate(requests)
        ]
        replies = sorted(self._post(body), key=lambda reply: int(reply["id"]))
        return [_result(reply) for reply in replies]

    def close(self) -> None:
        """Close the connection; the next request opens it again."""
        self._connection.close()

    def _post(self, body: object) -> Any:
        content = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        try:
            self._connection.request("POST", "/", content, headers)
            return json.loads(self._connection.getresponse().read())
        except (http.client.HTTPException, ConnectionError):
            self._connection.close()  # the node drops idle connections: once more on a new one
            self._connection.request("POST", "/", content, headers)
            return json.loads(self._connection.getresponse().read())


class Anvil:
    """A running node; leaving the context, or the program, ends its process."""

    def __init__(self, binary: Path, *, port: int | None = None) -> None:
        self.port = _free_port(0 if port is None else port)
        self.url = f"http://{HOST}:{self.port}"
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the node)
        self._states = tempfile.TemporaryDirectory(prefix="anvil-")
        self._process = subprocess.Popen(
            _command(binary, self.port, self._states.name), stdout=subprocess.DEVNULL, stderr=self._stderr
        )
        atexit.register(self.stop)
        self.rpc = Rpc(self.port)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the process; harmless when it has ended."""
        atexit.unregister(self.stop)
        self.rpc.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._stderr.close()
        self._states.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            if self._process.poll() is not None:
                self._stderr.seek(0)
                said = self._stderr.read().decode(errors="replace").strip().splitlines()
                raise LabError(f"the local node ended at once: {said[-1] if said else 'it said nothing'}")
            try:
                if int(self.rpc("eth_chainId"), 16) == CHAIN_ID and self._process.poll() is None:
                    return
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.rpc.close()
                if time.monotonic() > deadline:
                    raise LabError(
                        f"the local node did not answer within {START_TIMEOUT_S} s: {error}"
                    ) from error
                time.sleep(0.01)


def _command(binary: Path, port: int, states: str) -> list[str]:
    """`states` is a folder for old states, gigabytes of them, which anvil would leave in the home folder."""
    options = {
        "--host": HOST,
        "--port": str(port),
        "--cache-path": states,
        "--chain-id": str(CHAIN_ID),
        "--gas-limit": str(10**10),
        "--timestamp": str(GENESIS_AT),
        "--order": "fifo",
        "--slots-in-an-epoch": "0",  # `finalized` is `latest`
    }
    switches = ["--silent", "--auto-impersonate", "--no-request-size-limit", "--disable-code-size-limit"]
    return [str(binary), *(part for option in options.items() for part in option), *switches]


def _free_port(wanted: int) -> int:
    """The wanted port, or any for 0. A taken one is refused: another node's answers would pass for ours."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            raise LabError(
                f"port {wanted} of this machine cannot be had ({error.strerror}): name another"
            ) from error
        return int(probe.getsockname()[1])


def _result(reply: Any) -> Any:
    if "error" in reply:
        raise RpcError(reply["error"])
    return reply["result"]
