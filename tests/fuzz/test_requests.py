"""Requests are hostile input like any other: an answer or a refusal of one line, in bounded time and memory, never 5xx.

Bodies are mutated as files are, and given to the application itself; what its description allows and forbids is tried
by schemathesis at a real server.
"""

import asyncio
import io
import json
import math
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import polars as pl
import pytest
from fuzzing import RUNS as INPUTS
from fuzzing import Target, fuzz
from serving import RUNS, Server

from lamina.errors import DataError

FRAME = pl.DataFrame(
    {
        "x": [1.5, -0.25, None, 1e-3],
        "gap": [None, 2, 3, 4],
        "color": ["red", None, "green", "é"],
        "city": ["city 4", "city 11", "city 0", ""],
        "member": ["yes", "no", None, "yes"],
    }
)
COLUMNAR = {
    b"ARROW1": "application/vnd.apache.arrow.file",
    b"PAR1": "application/vnd.apache.parquet",
    b"": "application/vnd.apache.arrow.stream",
}
MIB = 1 << 20


def written(write, **options):
    buffer = io.BytesIO()
    write(buffer, **options)
    return buffer.getvalue()


def png():
    lines = b"".join(
        b"\0" + bytes([255 * (8 < i < 20 and j in (13, 14)) for j in range(28)]) for i in range(28)
    )

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 28, 28, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


ROWS = json.dumps({"rows": FRAME.to_dicts()}).encode()
COLUMNS = json.dumps({"columns": FRAME.to_dict(as_series=False)}, ensure_ascii=False).encode()
PIXELS = json.dumps({"rows": [[0] * 700 + [255] * 84]}).encode()


@pytest.fixture(scope="module")
def post():
    """Gives a body to the application; its status and its answer."""
    from lamina.serve import Limits
    from lamina.serve._app import Service
    from lamina.serve._registry import Registry

    limits = Limits(body=MIB, rows=1000, seconds=30)
    service = Service(Registry([f"{name}={path}" for name, path in RUNS.items()], limits))
    service.is_ready = True
    loop = asyncio.new_event_loop()

    async def call(name, kind, body):
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        path = f"/v1/models/{name}/predict"
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": path,
            "raw_path": path.encode(), "root_path": "", "query_string": b"", "scheme": "http",
            "headers": [(b"content-type", kind.encode())], "client": None, "server": None,
        }  # fmt: skip
        await service.app(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)

    yield lambda *request: loop.run_until_complete(call(*request))
    loop.close()
    service.end()


def asked(post, name, kind_of):
    """A target that raises what the application refuses."""

    def run(content):
        status, answer = post(name, kind_of(content), content)
        found = json.loads(answer)
        if status != 200:
            assert 400 <= status < 500, answer
            raise DataError(found["error"]["message"])
        for prediction in found["predictions"]:
            shares = prediction.get("probabilities")
            assert (
                math.isfinite(prediction["value"]) if shares is None else abs(sum(shares.values()) - 1) < 1e-6
            )

    return run


@pytest.mark.few(3)
@pytest.mark.parametrize("name", ["rows", "columns", "labels", "pixels", "csv", "columnar", "png"])
def test_damaged_bodies_are_answered_or_refused(post, name):
    kinds = {"csv": lambda _: "text/csv", "png": lambda _: "image/png", "columnar": _columnar}
    models = {"pixels": "digits", "png": "digits", "labels": "kinds"}
    csv = FRAME.write_csv().encode()
    seeds = {
        "rows": [ROWS, COLUMNS],
        "columns": [COLUMNS],
        "labels": [ROWS, COLUMNS],
        "pixels": [PIXELS],
        "csv": [csv, csv.replace(b",", b";"), csv.decode().encode("utf-16")],
        "columnar": [
            written(FRAME.write_ipc), written(FRAME.write_ipc, compression="zstd"), written(FRAME.write_parquet),
            written(FRAME.write_ipc_stream), written(FRAME.write_ipc_stream, compression="lz4"),
        ],
        "png": [png()],
    }  # fmt: skip
    kind = kinds.get(name, lambda _: "application/json")
    memory = (2048 if name == "columnar" else 512) * MIB
    target = Target(
        f"requests_{name}", asked(post, models.get(name, "prices"), kind), seeds[name], memory=memory
    )
    assert fuzz(target).inputs > 0


def _columnar(content):
    return next(kind for magic, kind in COLUMNAR.items() if content.startswith(magic))


@pytest.mark.slow
def test_what_the_description_says_holds(tmp_path):
    """All checks of schemathesis, but that whatever fits the schema is accepted: it can't say that columns have one
    length, nor what a CSV file is."""
    program = Path(sys.executable).with_name("schemathesis")
    if not program.exists():
        pytest.skip("NOT TESTED: random requests, without schemathesis")
    (tmp_path / "schemathesis.toml").write_text(
        '[checks]\nnegative_data_rejection.expected-statuses = ["4xx"]\n'
    )
    server = Server(*(f"{name}={path}" for name, path in RUNS.items()), "--max-rows", 5)
    examples = max(INPUTS // 500, 3)
    command = [
        program, "--config-file", "schemathesis.toml", "run", f"{server.address}/openapi.json", "--checks", "all",
        "--exclude-checks", "positive_data_acceptance",
        "--max-examples", str(examples), "--generation-database", "none", "--seed", os.environ.get("SEED", "0"),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert b'code="5' not in server.ask("/metrics").content
    finally:
        code, error = server.end()
        server.process.stdout.close()
        server.process.stderr.close()
    assert (code, "Traceback" in error) == (0, False), error
