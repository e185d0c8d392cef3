"""``lamina serve``: networks over HTTP."""

from __future__ import annotations

import json
import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from lamina.cli._console import note, say, warnings_as_lines
from lamina.cli._options import argument, choosing, one_of, option, positive
from lamina.errors import LaminaError
from lamina.support.extras import require

if TYPE_CHECKING:
    from lamina.serve import Settings

_FORMS, _LEVELS = ("text", "json", "off"), ("debug", "info", "warning", "error")
_TOKEN = "LAMINA_SERVE_TOKEN"
_SHORT = 1000
"""Maximum length of an example shown in full, in characters; a longer example is fetched from the server."""


def serve(
    runs: Annotated[
        list[str],
        argument(
            "Runs' folders, or files of lamina.save. A model's name is that of its folder or file, or NAME in "
            "NAME=RUN; NAME@2=RUN is version 2. A folder of runs 1, 2, … has the versions of one model."
        ),
    ],
    host: Annotated[str, option("Address to listen on. 0.0.0.0: all of this machine's.")] = "127.0.0.1",
    port: Annotated[int, option("Port to listen on. 0: any free port.")] = 8000,
    token_file: Annotated[
        Path | None,
        option("A file whose first line is the bearer token for all requests.", f"{_TOKEN}, or none"),
    ] = None,
    max_body: Annotated[int, option("Maximum MiB of a request's body.")] = 8,
    max_rows: Annotated[int, option("Maximum rows of a request.")] = 10_000,
    max_queue: Annotated[int, option("Maximum predictions in progress or waiting.")] = 1024,
    timeout: Annotated[float, option("Maximum seconds for a request to arrive, and to wait.")] = 30.0,
    look: Annotated[float, option("Seconds between checks for new versions of the models.")] = 1.0,
    workers: Annotated[int, option("Number of processes that serve the port.")] = 1,
    access_log: Annotated[
        str, choosing("A line for each request on standard error: {}.", _FORMS, " or ", shown=True)
    ] = "text",
    log_level: Annotated[str, choosing("Minimum level of log messages: {}.", _LEVELS, shown=True)] = "info",
) -> None:
    """Serve networks over HTTP: predictions for rows in JSON, CSV, Arrow or Parquet, and for digits in PNG.

    Each model is at /v1/models/NAME/predict; /docs is a page for trying models, /openapi.json describes their columns.
    Queued requests are computed together. When a run is replaced, the new version is served without a restart. SIGTERM
    and Ctrl-C let current requests finish. Each request has an id, from the header X-Request-ID or a new one, which
    appears in the response and the log; --log-level warning logs only refused requests and errors.

    Examples:

    \b
      lamina serve runs/income-1
      lamina serve income=runs/income-3 digits=runs/mnist-1 --port 9000
      lamina serve income=runs/income-3 income@4=runs/income-4
      lamina serve model.safetensors --workers 4 --access-log json
    """
    require("lamina serve", "starlette", "uvicorn", "httptools", "prometheus-client")
    for name, value in (
        ("--max-body", max_body), ("--max-rows", max_rows), ("--max-queue", max_queue),
        ("--timeout", timeout), ("--look", look), ("--workers", workers),
    ):  # fmt: skip
        positive(name, value)
    if not 0 <= port <= 65535:
        raise LaminaError(f"--port {port}: must be a number from 0 to 65535")
    one_of("--access-log", access_log, _FORMS)
    one_of("--log-level", log_level, _LEVELS)
    token = _token(token_file)
    try:
        from lamina.serve import Limits, Settings

        limits = Limits(body=max_body << 20, rows=max_rows, seconds=timeout, queue=max_queue)
        _run(runs, Settings(host, port, token, limits, look, workers, access_log, log_level))
    except KeyboardInterrupt:  # SIGTERM or Ctrl-C during the start; later the server handles them
        note("ended before serving anything")


def _run(runs: list[str], settings: Settings) -> None:
    """Serve until the end, and write the log."""
    from lamina import serve as server

    with server.logging_to_stderr(settings.access, settings.level), warnings_as_lines(quiet=True):
        if settings.host not in ("127.0.0.1", "::1", "localhost") and settings.token is None:
            server.EVENTS.warning(
                "every client that reaches %s may use this server; --token-file restricts that", settings.host
            )
        server.serve(runs, settings, partial(_show, token=settings.token is not None))
        server.EVENTS.info("ended; all requests under way were answered")


def _token(file: Path | None) -> str | None:
    """The bearer token, from the first line of `file` or from the environment; None without a token."""
    if file is None:
        return os.environ.get(_TOKEN) or None
    token = file.read_text("utf-8").partition("\n")[0].strip()
    if not token or not token.isascii() or not token.isprintable():
        raise LaminaError(f"the first line of {file} must be a token of printable ASCII characters")
    return token


def _show(address: str, examples: dict[str, dict[str, Any]], *, token: bool) -> None:
    """Print the server's address, and a command with an example request for each model."""
    header = f' -H "Authorization: Bearer ${_TOKEN}"' if token else ""
    say(f"lamina: serving at {address}; see /docs, or /openapi.json for programs; Ctrl-C ends the server")
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
