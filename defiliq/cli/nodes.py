"""Which node to ask: --rpc-url or the market file, RPC_URL_<chain id>, ETH_RPC_URL, then the config file."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from defiliq.errors import BadFile, NoNodeGiven

if TYPE_CHECKING:
    from defiliq.types import ChainId


def node_url(chain_id: ChainId, given: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The URL to use for a chain; NoNodeGiven where none is set. An empty variable counts as unset.

    ETH_RPC_URL speaks of EVM chains only. What a variable's name cannot hold of a Cosmos chain's is an
    underscore: RPC_URL_dydx_mainnet_1.
    """
    variables = [f"RPC_URL_{re.sub(r'[^0-9A-Za-z]', '_', str(chain_id))}"]
    if isinstance(chain_id, int):
        variables.append("ETH_RPC_URL")
    for value in (given, *(environment.get(name) for name in variables)):
        if value is not None and value.strip():
            return value.strip()
    configured = configured_url(chain_id, config_path())
    if configured is None:
        raise NoNodeGiven(variables)
    return configured


def config_path() -> Path:
    """Where the config file is looked for, on this platform."""
    from platformdirs import user_config_dir

    return Path(user_config_dir("defiliq")) / "config.toml"


def configured_url(chain_id: ChainId, path: Path) -> str | None:
    """A chain's entry in the [rpc] table of the config file, under its name or its id."""
    from defiliq.pipeline.chains import chain_name

    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadFile(str(path), error.strerror or "it cannot be read") from None
    except ValueError as error:
        raise BadFile(str(path), f"it is not TOML ({error})") from None
    urls = settings.get("rpc", {})
    if not isinstance(urls, dict):
        raise BadFile(str(path), '[rpc] must be a table such as ethereum = "https://..."')
    url = urls.get(str(chain_id), urls.get(chain_name(chain_id)))
    if url is not None and not isinstance(url, str):
        raise BadFile(str(path), f"the URL of chain {chain_id} must be a text")
    return url
