"""Errors of requests, and the limits on requests."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import msgspec

from lamina.support.messages import excerpt

MOST_PROBLEMS = 20
"""Maximum number of invalid values named in an answer."""


class Problem(msgspec.Struct):
    """An invalid value in a request, with its row and column, if known."""

    row: int | None
    column: str | None
    message: str

    def __post_init__(self) -> None:
        """Begin the message with the place."""
        places = [f"row {self.row}"] if self.row is not None else []
        places += [f"column {excerpt(self.column, 80)!r}"] if self.column is not None else []
        self.message = f"{', '.join(places)}: {self.message}" if places else self.message


class Failure(msgspec.Struct):
    """The reason of an error."""

    status: int
    message: str
    problems: Sequence[Problem]
    request_id: Annotated[str, msgspec.Meta(description="The id in the header X-Request-ID, and in the log.")]


class Refusal(msgspec.Struct):
    """An answer to a request that failed."""

    error: Failure


class RequestError(Exception):
    """An error that becomes an error response to a request.

    Attributes:
        status: the HTTP status code.
        problems: the invalid values, if any.
        headers: additional response headers.
        closes: whether the connection is closed, because the rest of the request is not read.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        problems: Sequence[Problem] = (),
        headers: dict[str, str] | None = None,
        closes: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.problems = status, tuple(problems)
        self.headers = {**(headers or {}), **({"Connection": "close"} if closes else {})}

    @classmethod
    def of_values(cls, problems: Sequence[Problem]) -> RequestError:
        """Create the error (422) for invalid values; its message describes the first value.

        >>> print(RequestError.of_values([Problem(3, "age", "'abc' is not a number")]))
        row 3, column 'age': 'abc' is not a number
        """
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return cls(422, f"{problems[0].message}{more}", problems=problems[:MOST_PROBLEMS])

    def answer(self, request_id: str) -> Refusal:
        """The response's JSON."""
        return Refusal(Failure(self.status, str(self), self.problems, request_id))


# --- Limits on requests, individually and in total -------------------------------------------------------------------


_BODIES_HELD = 32
"""Number of bodies of maximum size that fit in memory at a time; of smaller bodies, more fit."""


@dataclass(frozen=True)
class Limits:
    """The limits of a server; a request beyond a limit gets the error status in parentheses.

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
    """A counter of a request's bytes in memory."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.bytes = 0

    def add(self, count: int) -> None:
        """Count more bytes; raise `RequestError` (429) if all requests together exceed the server's limit."""
        self.bytes += count
        self._admission.bytes += count
        if self._admission.bytes > self._admission.most_bytes:
            raise busy("other requests already use too much memory", closes=True)


class Admission:
    """A counter of the running predictions and of their bytes, which refuses requests beyond the server's limits."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.queue
        self.most_bytes = _BODIES_HELD * limits.body
        self.requests = self.bytes = 0

    @contextmanager
    def admitted(self) -> Generator[Held]:
        """Count a request as running within this context; yield the counter of its bytes.

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
    """The error (429) for a request that the client may repeat later."""
    return RequestError(429, f"{reason}; try again", headers={"Retry-After": "1"}, closes=closes)
