"""The server process: uvicorn, with a shutdown that loses no requests."""

from __future__ import annotations

import asyncio
import socket
from asyncio import BaseTransport, TimerHandle
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lamina.errors import LaminaError
from lamina.serve._app import Service
from lamina.serve._errors import Limits
from lamina.serve._log import ACCESS
from lamina.serve._registry import Registry, places
from lamina.serve._workers import ENDING, Begun, run_workers
from lamina.support.contexts import signals_handled

_KEEP_ALIVE = 30
_ON_THEIR_WAY = 0.3
"""Seconds after the shutdown's begin in which requests in transit still get an answer, rather than a reset."""


@dataclass(frozen=True)
class Settings:
    """The settings of a server.

    Attributes:
        host, port: the address; port 0 is any free port.
        token: the bearer token that requests need, if any.
        limits: the limits on requests.
        look: the seconds between checks for new versions of the models.
        workers: the number of processes; each has its own models, queue and limits.
        access: the form of request lines in the log: "text", "json" or "off".
        level: the lowest level to log: "debug", "info", "warning" or "error".
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    limits: Limits = field(default_factory=Limits)
    look: float = 1.0
    workers: int = 1
    access: str = "text"
    level: str = "info"


def serve(runs: Sequence[str], settings: Settings, begun: Begun) -> None:
    """Serve models until SIGTERM or SIGINT, then answer the running requests and return.

    Args:
        runs: folders of runs, model files, or files of `lamina.save`; NAME=RUN gives a model another name, NAME@2=RUN
            adds a version; a folder of runs named 1, 2, … has the versions of one model.
        settings: the server's settings.
        begun: called when the server accepts requests, with its address and an example request for each model.

    Raises:
        LaminaError: a run can't be served, or the address is in use.
    """
    places(runs)
    with _listening(settings.host, settings.port) as listener:
        if settings.workers == 1:
            _serve_at(runs, settings, listener, begun)
        else:
            run_workers(_serve_at, runs, settings, listener, begun)


def _serve_at(runs: Sequence[str], settings: Settings, listener: socket.socket, begun: Begun) -> None:
    registry = Registry(runs, settings.limits)
    service = Service(registry, settings.token, settings.look)
    try:
        server = _Server(service, settings)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{host}:{listener.getsockname()[1]}"
        examples = {model.name: model.example() for model in registry.defaults()}
        server.begun = lambda: begun(address, examples)
        server.run([listener])
    finally:
        service.end()


@contextmanager
def _listening(host: str, port: int) -> Generator[socket.socket]:
    """Yield a socket that is bound to this address, and close it afterwards.

    Raises:
        LaminaError: the address can't be used.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # The protocol must be TCP explicitly, so that asyncio sends without delay.
        listener = socket.socket(*found[:3])
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    with listener:
        if not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # on Windows, two servers could share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(found[4])
        except OSError as error:
            raise _cannot_listen(host, port, error) from error
        yield listener


def _cannot_listen(host: str, port: int, error: OSError) -> LaminaError:
    return LaminaError(f"can't listen at {host}, port {port}: {error.strerror or error}")


class _Server(uvicorn.Server):
    """A uvicorn server whose shutdown first asks clients to close their connections."""

    begun: Callable[[], object]

    def __init__(self, service: Service, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                service.app,
                http=_bounded_protocol(settings.limits),
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=int(settings.limits.seconds) + 1,
                backlog=2048,
            )
        )
        self._service = service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.begun()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer the running requests, and end.

        From now on, new predictions get an error response (503), and every response closes its connection. The
        listening socket is closed after a moment, for requests in transit, and connections after all predictions are
        answered.
        """
        self._service.is_ending = True
        loop = asyncio.get_running_loop()
        last = loop.time() + self._service.limits.seconds
        await asyncio.sleep(_ON_THEIR_WAY)
        for listener in sockets or []:
            await self._close(listener)
        await asyncio.sleep(_ON_THEIR_WAY)
        while self._service.admission.requests and not self.force_exit and loop.time() < last:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    async def _close(self, listener: socket.socket) -> None:
        """Accept the connections in the socket's queue, which closing would reset, and close the socket."""
        with listener.dup() as door:
            for server in self.servers:
                server.close()
            listener.close()
            door.setblocking(False)
            loop = asyncio.get_running_loop()
            with suppress(BlockingIOError):
                while True:
                    connection, _ = door.accept()
                    connection.setblocking(False)
                    await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        kind: Any = self.config.http_protocol_class
        return kind(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    def capture_signals(self) -> AbstractContextManager[None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Handle signals as uvicorn does, but without raising the signal again after the shutdown."""
        return signals_handled(self.handle_exit, *ENDING)


# --- Connections from untrusted clients: uvicorn's, with limits that a proxy would usually enforce -------------------


_AROUND_A_HEADER = 4


class _Bounded(HttpToolsProtocol):
    """A connection with limits on the size and time of a request's head, and on the number of connections.

    The application, which reads bodies, limits their size.
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
        """Start the timer that closes the connection unless the request's head is complete in time."""
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


def _bounded_protocol(limits: Limits) -> type[HttpToolsProtocol]:
    """Create the connection class with these limits."""
    return type("_Connection", (_Bounded,), {"limits": limits})
