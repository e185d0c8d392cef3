"""Connections from untrusted clients: uvicorn's, with limits that a proxy would usually enforce."""

from __future__ import annotations

from asyncio import BaseTransport, TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lamina.serve._limits import Limits
from lamina.serve._log import ACCESS

_AROUND_A_HEADER = 4


class _Bounded(HttpToolsProtocol):
    """A connection with limits on the size and time of a request's head, and on the number of connections.

    Bodies are limited by the application, which reads them.
    """

    limits: Limits
    _head_timer: TimerHandle | None = None
    _head_bytes = 0
    """Number of bytes received since the last request, before the end of the head."""
    _head_size = 0
    """Number of bytes of the head parsed so far."""

    def connection_made(self, transport: BaseTransport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)  # pyright: ignore[reportArgumentType]
        if len(self.connections) > self.limits.connections:
            self._refuse(b"429 Too Many Requests")
            return
        self._head_begins()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        in_head = self._is_between_requests()
        super().data_received(data)
        if not self._is_between_requests():  # the head has ended
            self._head_ends()
        elif in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head:
                self._refuse(b"431 Request Header Fields Too Large")
            elif self._head_timer is None:
                self._head_begins()

    def on_message_begin(self) -> None:
        self._head_size = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._require_short_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._require_short_head(len(name) + len(value) + _AROUND_A_HEADER)
        super().on_header(name, value)

    def _require_short_head(self, more: int) -> None:
        self._head_size += more
        if self._head_size > self.limits.head:
            raise ValueError("the head is too long")  # the parser treats this as an invalid request

    def send_400_response(self, msg: str) -> None:
        if self._head_size > self.limits.head:
            self._refuse(b"431 Request Header Fields Too Large")
            return
        super().send_400_response(msg)

    def on_headers_complete(self) -> None:
        self._head_ends()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_ends()
        super().connection_lost(exc)

    def _is_between_requests(self) -> bool:
        cycle: Any = self.cycle
        return cycle is None or cycle.response_complete

    def _head_begins(self) -> None:
        """Start the time limit of a head; further bytes don't extend it."""
        self._head_timer = self.loop.call_later(self.limits.seconds, self._too_slow)

    def _head_ends(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if self._is_between_requests() and not self.transport.is_closing():
            self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        self._head_ends()
        ACCESS.warning("a connection was refused: %s", status.decode())
        self.transport.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
        self.transport.close()


def bounded_protocol(limits: Limits) -> type[HttpToolsProtocol]:
    """The connection class with these limits."""
    return type("_Connection", (_Bounded,), {"limits": limits})
