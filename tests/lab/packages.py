"""The npm packages that hold the protocols' code: exact versions, checked against a pinned table."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.cache import LabError, cache_dir, locked

TABLE = Path(__file__).with_name("packages.json")
STAMP = ".defiliq-lab"
MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Package:
    """One package of the table."""

    name: str
    version: str
    integrity: str | None
    """None where only npm's own check stands."""
    keep: tuple[str, ...]
    """Prefixes of the paths that are unpacked."""

    @property
    def tarball(self) -> str:
        """What `npm pack` calls the file."""
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"

    @property
    def stamp(self) -> str:
        """What an unpacked copy must say to be taken as it is."""
        return f"{self.version} {self.integrity} {' '.join(self.keep)}"


def node_modules() -> Path:
    """The folder with every package of the table unpacked; fetches what is missing."""
    folder = cache_dir() / "node_modules"
    wanted = _packages()
    if _missing(wanted, folder):
        with locked("packages"):
            missing = _missing(wanted, folder)
            if missing:
                _fetch(missing, folder)
    return folder


def anvil() -> Path:
    """The node's own binary: npm's for this platform, else one on PATH.

    Not npm's `.bin/anvil`: that wrapper exits before a state dump is written.
    """
    package = _anvil_package()
    if package is not None:
        return node_modules() / package.name / "bin" / "anvil"
    found = shutil.which("anvil")
    if found is None:
        raise LabError(f"no anvil for {_platform()}: install Foundry so that `anvil` is on PATH")
    return Path(found)


def _packages() -> list[Package]:
    table: dict[str, Any] = json.loads(TABLE.read_text())["packages"]
    found = [_package(name, entry) for name, entry in table.items()]
    node = _anvil_package()
    return found if node is None else [*found, node]


def _package(name: str, entry: dict[str, Any]) -> Package:
    return Package(name, entry["version"], entry["integrity"], tuple(entry["keep"]))


def _platform() -> str:
    machine = platform.machine().lower()
    return f"{platform.system().lower()}-{MACHINES.get(machine, machine)}"


def _anvil_package() -> Package | None:
    builds: dict[str, Any] = json.loads(TABLE.read_text())["anvil"]
    build = builds.get(_platform())
    return None if build is None else _package(f"@foundry-rs/anvil-{_platform()}", build)


def _missing(packages: list[Package], folder: Path) -> list[Package]:
    def is_there(package: Package) -> bool:
        stamp = folder / package.name / STAMP
        return stamp.is_file() and stamp.read_text() == package.stamp

    return [package for package in packages if not is_there(package)]


def _fetch(packages: list[Package], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        _npm_pack(packages, Path(scratch))
        for package in packages:
            tarball = Path(scratch) / package.tarball
            _check(package, tarball)
            _unpack(package, tarball, Path(scratch) / "unpacked" / package.name, folder / package.name)


def _npm_pack(packages: list[Package], into: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise LabError("npm is missing: install Node.js 18 or newer, which brings npm")
    specs = [f"{package.name}@{package.version}" for package in packages]
    command = [npm, "pack", "--silent", "--pack-destination", str(into), *specs]
    done = subprocess.run(command, capture_output=True, text=True, cwd=into, check=False)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if "npm error" in line or "ERR!" in line]
        reason = said[0] if said else f"exit code {done.returncode}"
        raise LabError(
            f"npm could not fetch {', '.join(specs)} ({reason}): check the network, then run again"
        )


def _check(package: Package, tarball: Path) -> None:
    if not tarball.is_file():
        raise LabError(f"npm pack left no {package.tarball}: check your npm version (`npm --version`)")
    digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if package.integrity is not None and package.integrity != f"sha512-{digest}":
        raise LabError(
            f"{package.name}@{package.version} is not the pinned file: sha512 {digest}, "
            f"wanted {package.integrity.removeprefix('sha512-')}. Do not use it"
        )


def _unpack(package: Package, tarball: Path, draft: Path, target: Path) -> None:
    with tarfile.open(tarball) as archive:
        for member in archive.getmembers():
            _, _, path = member.name.partition("/")  # npm puts everything under one folder
            if path.startswith(package.keep):
                member.name = path
                archive.extract(member, draft, filter="data")
    (draft / STAMP).write_text(package.stamp)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        shutil.rmtree(target)
    os.replace(draft, target)
