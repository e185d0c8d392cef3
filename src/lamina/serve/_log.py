"""A server's log on standard error: events, and a line for each request, as text or as JSON; and spans of requests.

A thread writes the lines, so that requests do not wait if the lines are read slowly.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import json
import logging
import random
import re
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Full, Queue
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Receive, Scope, Send

from lamina.support.messages import printable

if TYPE_CHECKING:
    from lamina.serve._batching import Batch

EVENTS = logging.getLogger("lamina.serve")
ACCESS = logging.getLogger("lamina.access")
"""The logger of requests: the level is warning for status 4xx, error for 5xx, and debug for probes and /metrics."""

SEEN = "lamina.seen"
"""The key of a request's `Seen` in the request's scope."""

_PROBES = ("/healthz", "/readyz", "/metrics")
_MOST_WAITING = 20_000
_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_NEW_IDS = random.Random()  # of this process; the system's own would let other threads run at each request


def request_id(given: bytes | None) -> str:
    """The client's id of a request, if it is short and has only plain characters; otherwise a new id.

    >>> request_id(b"order-17"), len(request_id(b"a b")), len(request_id(None))
    ('order-17', 16, 16)
    """
    return given.decode() if given is not None and _ID.fullmatch(given) else _NEW_IDS.randbytes(8).hex()


@dataclass
class Seen:
    """Facts about a request for the log, the metrics and the spans.

    Attributes:
        id: the request's id, see `request_id`.
        method: the HTTP method; "other" for unknown methods.
        route: the route that handled the request, such as "/v1/models/{name}", or "other".
        status: the response's status; 499 if the client left before the response.
        sent: the number of bytes of the response's body.
        model, version, rows, batch: for a prediction, its model and version, number of rows, and batch.
    """

    id: str
    method: str
    route: str = "other"
    status: int = 0
    sent: int = 0
    model: str = ""
    version: str = ""
    rows: int = 0
    batch: Batch | None = None
    begun: float = field(default_factory=time.perf_counter)

    def log(self, client: Any, method: str, path: str) -> None:
        """Write the request's line to the log."""
        level = logging.WARNING if self.status >= 400 else logging.INFO
        level = logging.ERROR if self.status >= 500 else level
        if level == logging.INFO and path in _PROBES:
            level = logging.DEBUG
        if not ACCESS.isEnabledFor(level):
            return
        seconds = round(time.perf_counter() - self.begun, 6)
        of_prediction = {"model": self.model, "version": self.version, "rows": self.rows} if self.rows else {}
        said = {
            "request_id": self.id, "client": client[0] if client else "", "method": method, "path": path,
            "status": self.status, "seconds": seconds, "bytes": self.sent, **of_prediction,
        }  # fmt: skip
        ACCESS.log(level, "", extra={"said": said})


# --- formats ---------------------------------------------------------------------------------------------------------


class _Text(logging.Formatter):
    """A formatter of the log as text.

    A request's line: ``2026-01-31T12:00:00.000Z 127.0.0.1 POST /v1/… 200 1.3 ms 96 B rows=1 id=…``.
    An event's line: ``lamina: income: now version …``.
    """

    def format(self, record: logging.LogRecord) -> str:
        said = vars(record).get("said")
        if said is None:
            prefix = "warning: " if record.levelno == logging.WARNING else ""
            return f"lamina: {prefix}{printable(super().format(record))}"
        rows = f" rows={said['rows']}" if "rows" in said else ""
        return printable(
            f"{_time(record)} {said['client']} {said['method']} {said['path']} {said['status']} "
            f"{1000 * said['seconds']:.1f} ms {said['bytes']} B{rows} id={said['request_id']}",
            keep="",
        )


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        common = {"time": _time(record), "level": record.levelname.lower(), "worker": record.process}
        said = vars(record).get("said")
        if said is not None:
            return json.dumps(common | said)
        traceback = {"traceback": self.formatException(record.exc_info)} if record.exc_info else {}
        return json.dumps(common | {"message": record.getMessage()} | traceback)


def _time(record: logging.LogRecord) -> str:
    """The time of a record in UTC, in ISO 8601."""
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{second}.{int(record.msecs):03}Z"


# --- writing ---------------------------------------------------------------------------------------------------------


class _Lines(logging.Handler):
    """A handler that passes lines to a writer thread; if the queue is full, lines are lost and counted."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._waiting: Queue[str | None] = Queue(_MOST_WAITING)
        self._lost = 0
        self._thread = threading.Thread(target=self._work, name="lamina-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._waiting.put_nowait(self.format(record))
        except Full:
            self._lost += 1

    def end(self) -> None:
        """Write the lines in the queue, and stop the thread.

        If the stream is blocked, give up after a few seconds.
        """
        with suppress(Full):
            self._waiting.put(None, timeout=1)
        self._thread.join(timeout=2)

    def _work(self) -> None:
        while (line := self._waiting.get()) is not None:
            _write(line)
            if self._lost and self._waiting.empty():
                lost, self._lost = self._lost, 0
                record = EVENTS.makeRecord(
                    EVENTS.name, logging.WARNING, "", 0, "%d lines of the log are lost: they were read too slowly",
                    (lost,), None,
                )  # fmt: skip
                _write(self.format(record))


def _write(line: str) -> None:
    with suppress(OSError, ValueError):  # the stream is closed, or has no reader
        print(line, file=sys.stderr, flush=True)


@contextmanager
def logging_to_stderr(access: str, level: str) -> Generator[None]:
    """Write events of at least this level, and request lines, to standard error within this context.

    Args:
        access: the form of request lines: "text", "json" (then all lines are JSON), or "off".
        level: "debug", "info", "warning" or "error".
    """
    lines = _Lines(_Json() if access == "json" else _Text())
    for logger in (EVENTS, ACCESS):
        logger.setLevel(level.upper())
        logger.handlers, logger.propagate = [lines], False
    ACCESS.disabled = access == "off"
    try:
        yield
    finally:
        lines.end()
        for logger in (EVENTS, ACCESS):
            logger.handlers = []


# --- OpenTelemetry ---------------------------------------------------------------------------------------------------


def traced(app: ASGIApp) -> ASGIApp:
    """Wrap the application to make a span for each request, if OpenTelemetry is set up."""
    try:
        from opentelemetry import trace
    except ImportError:
        return app
    return app if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider) else _Traced(app)


class _Traced:
    """Middleware that makes a span for each request in the client's trace, and a child span for the computation."""

    def __init__(self, app: ASGIApp) -> None:
        from opentelemetry import propagate, trace

        self._app, self._context_of, self._trace = app, propagate.extract, trace
        self._tracer = trace.get_tracer("lamina.serve")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        context, kind = self._context_of(headers), self._trace.SpanKind.SERVER
        with self._tracer.start_as_current_span("request", context, kind) as span:
            await self._app(scope, receive, send)
            seen: Seen = scope[SEEN]
            span.update_name(f"{seen.method} {seen.route}")
            found = {
                "http.request.method": seen.method, "http.route": seen.route, "url.path": scope["path"],
                "url.scheme": scope["scheme"], "http.response.status_code": seen.status, "lamina.request_id": seen.id,
            }  # fmt: skip
            if seen.rows:
                predicted = {"model": seen.model, "version": seen.version, "rows": seen.rows}
                found |= {f"lamina.{name}": value for name, value in predicted.items()}
            span.set_attributes(found)
            if seen.status >= 500:
                span.set_status(self._trace.StatusCode.ERROR)
            if batch := seen.batch:
                size = {"lamina.batch.requests": batch.requests, "lamina.batch.rows": batch.rows}
                self._tracer.start_span("compute", attributes=size, start_time=batch.begin).end(batch.end)
