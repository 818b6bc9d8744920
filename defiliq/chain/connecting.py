"""From a URL to the transport that its scheme names."""

from __future__ import annotations

from defiliq.chain.rpc import Patience, RpcTransport
from defiliq.chain.url import SOCKETS, WEB, Endpoint


def open_transport(url: str, *, timeout_s: int, max_response_bytes: int, patience: Patience) -> RpcTransport:
    """The transport to an http, https, ws or wss URL; BadUrl if it is none. No connection is made yet."""
    if Endpoint.of(url, (*WEB, *SOCKETS)).scheme in SOCKETS:
        from defiliq.chain.websocket import websocket_transport  # here: most commands need no websocket

        return websocket_transport(
            url, timeout_s=timeout_s, max_response_bytes=max_response_bytes, patience=patience
        )
    from defiliq.chain.http import http_transport

    return http_transport(url, timeout_s=timeout_s, max_response_bytes=max_response_bytes, patience=patience)
