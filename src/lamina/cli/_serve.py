"""``lamina serve``: networks behind HTTP."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from lamina.cli._console import say, warnings_as_lines
from lamina.cli._options import option, positive
from lamina.errors import LaminaError
from lamina.extras import require

__all__ = ["serve"]

_TOKEN = "LAMINA_SERVE_TOKEN"
_SHORT = 1000
"""Letters of an example that is shown whole; a longer one is fetched from the server."""


def serve(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Runs' folders. A model has its folder's name, or another with NAME=RUN.", show_default=False
        ),
    ],
    host: Annotated[str, option("Where to listen. 0.0.0.0: on all addresses of this machine.")] = "127.0.0.1",
    port: Annotated[int, option("0: any that is free.")] = 8000,
    token_file: Annotated[
        Path | None,
        option("A file whose first line requests must bring as a bearer token.", f"{_TOKEN}, or none"),
    ] = None,
    max_body: Annotated[int, option("MiB of a request's body.")] = 8,
    max_rows: Annotated[int, option("Rows of a request.")] = 10_000,
    max_queue: Annotated[int, option("Predictions that may be under way or wait.")] = 1024,
    timeout: Annotated[float, option("Seconds for a request to arrive, and to wait for its turn.")] = 30.0,
    look: Annotated[float, option("Seconds between looks for new versions of the models.")] = 1.0,
) -> None:
    """Serve networks over HTTP: predictions for JSON, CSV, Arrow, Parquet or, of digits, PNG.

    Each model has /v1/models/NAME/predict; /openapi.json describes its columns. Requests that queue up are computed
    together. A run that is replaced is served in its new version without a restart. SIGTERM and Ctrl-C let
    requests under way be answered.

    Examples:

    \b
      lamina serve runs/income-1
      lamina serve income=runs/income-3 digits=runs/mnist-1 --port 9000
    """
    require("lamina serve", "starlette", "uvicorn", "httptools", "prometheus-client")
    for name, value in (
        ("--max-body", max_body), ("--max-rows", max_rows), ("--max-queue", max_queue),
        ("--timeout", timeout), ("--look", look),
    ):  # fmt: skip
        positive(name, value)
    if not 0 <= port <= 65535:
        raise LaminaError(f"--port {port}: it is a number from 0 to 65535")
    token = _token(token_file)
    if host not in ("127.0.0.1", "::1", "localhost") and token is None:
        say(
            f"lamina: warning: whoever reaches {host} may ask this server; --token-file restricts that",
            error=True,
        )
    _log_as_lines()
    try:
        from lamina import serve as server

        limits = server.Limits(body=max_body << 20, rows=max_rows, seconds=timeout, queue=max_queue)
        settings = server.Settings(host, port, token, limits, look)
        with warnings_as_lines(quiet=True):
            server.serve(runs, settings, partial(_show, token=token is not None))
    except KeyboardInterrupt:  # SIGTERM and Ctrl-C while it starts: once it serves, it takes them itself
        say("lamina: ended before it served anything", error=True)
        return
    say("lamina: ended; all requests under way were answered", error=True)


def _token(file: Path | None) -> str | None:
    """The token, from the file or the environment."""
    if file is None:
        return os.environ.get(_TOKEN) or None
    token = file.read_text("utf-8").partition("\n")[0].strip()
    if not token or not token.isascii() or not token.isprintable():
        raise LaminaError(f"the first line of {file} is to be a token of printable ASCII characters")
    return token


def _log_as_lines() -> None:
    """What the server tells of is a line each on standard error."""

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(f"lamina: {self.format(record)}", error=True)

    logger = logging.getLogger("lamina.serve")
    logger.setLevel(logging.INFO)
    logger.handlers = [Lines()]
    logger.propagate = False


def _show(address: str, examples: dict[str, dict[str, Any]], *, token: bool) -> None:
    """Where what is served, with lines that can be copied to a shell and work."""
    header = f' -H "Authorization: Bearer ${_TOKEN}"' if token else ""
    say(f"lamina: serving at {address}; /openapi.json describes it, Ctrl-C ends it")
    for name, example in examples.items():
        url = f"{address}/v1/models/{name}"
        body = json.dumps(example)
        content = "-H 'Content-Type: application/json'"
        if len(body) <= _SHORT:
            line = f"curl{header} {content} -d {shlex.quote(body)} {url}/predict"
        else:
            line = f"curl -s{header} {url}/example | curl{header} {content} -d @- {url}/predict"
        say(f"  {line}")
    sys.stdout.flush()
