"""Errors of requests, and their JSON in responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lamina.support.messages import excerpt

MOST_PROBLEMS = 20
"""Maximum number of invalid values named in an answer."""


@dataclass(frozen=True)
class Problem:
    """An invalid value: its place, and the reason.

    >>> print(Problem(3, "age", "'abc' is not a number"))
    row 3, column 'age': 'abc' is not a number
    """

    row: int | None
    column: str | None
    reason: str

    def __str__(self) -> str:
        places = [f"row {self.row}"] if self.row is not None else []
        places += [f"column {excerpt(self.column, 80)!r}"] if self.column is not None else []
        return f"{', '.join(places)}: {self.reason}" if places else self.reason

    def to_dict(self) -> dict[str, Any]:
        """The problem for JSON."""
        return {"row": self.row, "column": self.column, "message": str(self)}


class RequestError(Exception):
    """An error response to a request.

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
        """The error for invalid values; the first is the message."""
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return cls(422, f"{problems[0]}{more}", problems=problems[:MOST_PROBLEMS])

    def to_dict(self, request_id: str) -> dict[str, Any]:
        """The error for JSON."""
        problems = [problem.to_dict() for problem in self.problems]
        error = {"status": self.status, "message": str(self), "problems": problems, "request_id": request_id}
        return {"error": error}
