"""The program of the child process in which polars reads Parquet and Feather files; see `lamina.table.formats._apart`.

It is run by its path, imports nothing of lamina, and reads requests from standard input, answers to standard
output. A request is a length (8 bytes) and that many bytes of JSON; an answer is a length, a letter and that
many bytes.
"""

from __future__ import annotations

import io
import json
import signal
import sys
from typing import Any

ERROR, TABLE = b"E", b"T"
"""What an answer holds: a reason in UTF-8, or a table in Arrow's IPC stream format."""


def _answer(request: dict[str, Any]) -> tuple[bytes, bytes | memoryview]:
    import polars as pl

    try:
        _limit_memory(request["memory"])
        scan = _scan(request["path"], request["format"])
        schema = scan.collect_schema()
        if len(schema) > request["columns"]:
            raise pl.exceptions.ComputeError(f"it has {len(schema):,} columns, more than are read")
        if request["rows"]:
            # Feather's texts are not checked when they are read: this finds those that are not UTF-8.
            texts = [pl.col(name) for name, kind in schema.items() if kind == pl.String]
            frame = scan.slice(request["start"], request["rows"]).collect()
            if request["format"] != "parquet" and texts:
                frame = frame.with_columns(text.cast(pl.Binary).cast(pl.String) for text in texts)
        else:
            frame = pl.DataFrame(schema=schema)
        if frame.estimated_size() > request["bytes"]:
            raise pl.exceptions.ComputeError("it unpacks to far more than its size")
        buffer = io.BytesIO()
        frame.write_ipc_stream(buffer)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # panics in Rust are no Exceptions
        lines = str(error).splitlines() or [type(error).__name__]
        return ERROR, lines[0].encode(errors="replace")
    return TABLE, buffer.getbuffer()


def _scan(path: str, format: str) -> Any:
    import polars as pl

    if format == "stream":
        return pl.read_ipc_stream(path).lazy()
    return (pl.scan_parquet if format == "parquet" else pl.scan_ipc)(path)


def _limit_memory(further: int) -> None:
    """Let this process have so many bytes besides those that it has now, where the system can limit it."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[0])
    except (ImportError, OSError):
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + further, hard))


def main() -> None:
    """Answer until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this process
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.path[:] = json.loads(requests.read(int.from_bytes(requests.read(8), "big")))
    import polars  # noqa: F401  # pyright: ignore[reportUnusedImport] - before the first request comes

    ahead: dict[str, Any] | None = None
    letter, content = ERROR, b""
    while size := requests.read(8):
        request = json.loads(requests.read(int.from_bytes(size, "big")))
        if request != ahead:
            letter, content = _answer(request)
        answers.write(len(content).to_bytes(8, "big") + letter)
        answers.write(content)
        answers.flush()
        ahead = None
        if letter == TABLE and request["rows"]:  # most likely the next part is asked for: decode it meanwhile
            ahead = {**request, "start": request["start"] + request["rows"]}
            letter, content = _answer(ahead)


if __name__ == "__main__":
    main()
