"""Limits on requests, individually and in total."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from lamina.serve._errors import RequestError

_BODIES_HELD = 32
"""Number of bodies of maximum size that fit in memory at a time; of smaller bodies, more fit."""


@dataclass(frozen=True)
class Limits:
    """The limits of a server. A request beyond a limit is refused with the status in parentheses.

    Attributes:
        body: the maximum bytes of a request's body (413).
        rows: the maximum number of rows of a request (413).
        seconds: the maximum time for a request to arrive (408), and then to wait for computation (429).
        queue: the maximum number of running and waiting predictions (429).
        connections: the maximum number of open connections; further connections are closed at once (429).
        head: the maximum bytes of a request's line and headers (431).
    """

    body: int = 8 << 20
    rows: int = 10_000
    seconds: float = 30.0
    queue: int = 1024
    connections: int = 2048
    head: int = 32 << 10


class Held:
    """The bytes of one request in memory."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.bytes = 0

    def add(self, count: int) -> None:
        """Add bytes; raise `RequestError` (429) if all requests together exceed the limit."""
        self.bytes += count
        self._admission.bytes += count
        if self._admission.bytes > self._admission.most_bytes:
            raise busy("other requests already use too much memory", closes=True)


class Admission:
    """Counts running predictions, and the bytes of their requests in memory."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.queue
        self.most_bytes = _BODIES_HELD * limits.body
        self.requests = self.bytes = 0

    @contextmanager
    def admitted(self) -> Generator[Held]:
        """Count a request as running inside the block.

        Raises:
            RequestError: too many requests are running (429).
        """
        if self.requests >= self._most:
            raise busy(f"the server is already handling {self._most} requests")
        held = Held(self)
        self.requests += 1
        try:
            yield held
        finally:
            self.requests -= 1
            self.bytes -= held.bytes


def busy(reason: str, *, closes: bool = False) -> RequestError:
    """The refusal of a request that may be repeated later."""
    return RequestError(429, f"{reason}; try again", headers={"Retry-After": "1"}, closes=closes)
