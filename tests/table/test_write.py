"""Writing in parts: the same table comes back, and nothing half-written stays."""

import io
import json
import sys
import weakref

import polars as pl
import pytest

from lamina.errors import DataError
from lamina.table.read import read
from lamina.table.write import write, write_batches

PARTS = [pl.DataFrame({"x": [1, 2], "t": ["a", None]}), pl.DataFrame({"x": [3], "t": ["c"]})]
FILES = ["a.csv", "a.tsv", "a.csv.gz", "a.csv.zst", "a.parquet", "a.feather", "a.jsonl", "a.jsonl.zst"]


@pytest.mark.parametrize("name", FILES)
def test_parts_become_one_table(tmp_path, name):
    assert write_batches(iter(PARTS), tmp_path / name) == 3
    assert read(tmp_path / name).equals(pl.concat(PARTS))
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", FILES)
def test_an_error_on_the_way_leaves_everything_as_it_was(tmp_path, name):
    write_batches(PARTS, tmp_path / name)
    before = (tmp_path / name).read_bytes()

    def failing():
        yield PARTS[0]
        raise KeyError("no more")

    with pytest.raises(KeyError, match="no more"):
        write_batches(failing(), tmp_path / name)
    assert (tmp_path / name).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.feather", "a.jsonl"])
def test_parts_that_differ(tmp_path, name):
    for other in (
        pl.DataFrame({"x": [1.5], "t": ["a"]}),
        pl.DataFrame({"x": [1]}),
        PARTS[0].select("t", "x"),
    ):
        with pytest.raises(
            DataError, match=r"part 1 of the table differs from the first in the columns '[xt]'"
        ):
            write_batches([PARTS[0], other], tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a", "has no suffix of a known format"),
        ("a.npz", "cannot be written as npz; use one of 'csv', 'tsv'"),
        ("a.parquet.gz", "files are already compressed; write .*a.parquet'"),
    ],
)
def test_formats_that_are_not_written(tmp_path, name, message):
    with pytest.raises(DataError, match=message):
        write(PARTS[0], tmp_path / name)


def test_what_a_format_cannot_hold(tmp_path):
    with pytest.raises(DataError, match=r"a\.csv cannot be written as csv"):
        write(pl.DataFrame({"b": [object()]}, schema={"b": pl.Object}), tmp_path / "a.csv")
    with pytest.raises(DataError, match="nothing to write"):
        write_batches([], tmp_path / "a.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_lists_and_objects_in_text_files_are_json(tmp_path, name):
    rows = [
        {"l": [1, 2], "o": {"a": "x, y", "b": [None]}},
        {"l": None, "o": None},
        {"l": [], "o": {"a": "é", "b": []}},
    ]
    write(pl.DataFrame(rows), tmp_path / name)
    found = read(tmp_path / name).rows(named=True)
    assert [{key: value and json.loads(value) for key, value in row.items()} for row in found] == rows


@pytest.mark.parametrize("format", [None, "tsv", "jsonl", "parquet", "feather"])
def test_standard_output(monkeypatch, tmp_path, format):
    sink = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(sink))
    write_batches(PARTS, "-", format)
    (tmp_path / f"a.{format or 'csv'}").write_bytes(sink.getvalue())
    assert read(tmp_path / f"a.{format or 'csv'}").equals(pl.concat(PARTS))


def test_a_given_format(tmp_path):
    write(PARTS[0], tmp_path / "a.txt", "jsonl")
    assert (tmp_path / "a.txt").read_text().startswith('{"x":1')


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.feather", "a.jsonl"])
def test_few_parts_are_alive_at_once(tmp_path, name):
    seen, most = [], 0

    def parts():
        nonlocal most
        for i in range(50):
            part = pl.DataFrame({"x": range(i, i + 200)})
            seen.append(weakref.ref(part))
            most = max(most, sum(ref() is not None for ref in seen))
            yield part
            del part

    write_batches(parts(), tmp_path / name)
    assert most <= 4 and read(tmp_path / name).height == 10_000
