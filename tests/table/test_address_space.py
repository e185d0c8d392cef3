"""A limit on address space (``ulimit -v``) ends in one true sentence, or lets sound files be read."""

import os
import subprocess
import sys

import polars as pl
import pytest

resource = pytest.importorskip("resource", reason="Windows has no such limits")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say what a process has")

FRAME = pl.DataFrame({"x": [float(i % 7) for i in range(90)], "y": ["no", "yes", "yes"] * 30})
WRITERS = {
    "csv": pl.DataFrame.write_csv,
    "parquet": pl.DataFrame.write_parquet,
    "feather": pl.DataFrame.write_ipc,
}
READING = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
from pathlib import Path
from lamina.errors import LaminaError
from lamina.table.read import read
try:
    print(read(sys.argv[2]).height)
except LaminaError as error:
    print(error)
"""


def read_with(limit, path):
    environment = os.environ | {"POLARS_MAX_THREADS": "2"}
    command = [sys.executable, "-c", READING, str(limit), str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


OTHERS = [(2 << 28, "parquet"), (2 << 28, "feather"), (3 << 28, "csv"), (3 << 28, "feather")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "format"),
    [(2 << 28, "csv"), (3 << 28, "parquet"), *(pytest.param(*one, marks=pytest.mark.slow) for one in OTHERS)],
)
def test_a_limit_that_is_too_low_is_said(tmp_path, limit, format):
    path = tmp_path / f"table.{format}"
    WRITERS[format](FRAME, path)
    assert read_with(limit, path) == (
        "reading and writing tables needs more address space than this process's limit of "
        f"{limit / 2**30:.1f} GiB leaves: raise the limit, for example with ulimit -v unlimited"
    )


@pytest.mark.slow
@pytest.mark.parametrize("format", WRITERS)
def test_a_limit_that_is_high_enough_harms_no_file(tmp_path, format):
    path = tmp_path / f"table.{format}"
    WRITERS[format](FRAME, path)
    assert read_with(4 << 30, path) == "90"


def test_a_reader_that_dies_under_a_limit_is_not_blamed_on_the_file_alone(monkeypatch):
    from lamina.errors import DataError
    from lamina.table.formats import columnar

    monkeypatch.setattr(columnar, "address_space_limit", lambda: 3 << 30)
    with pytest.raises(
        DataError,
        match=r"its reader crashed or took too long: .*damaged, or needs more address space .* 3\.0 GiB",
    ):
        columnar._table(b"", bytearray())
