"""Parquet and Feather files, which a child process decodes: parts of large ones, and damaged ones."""

import os
import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from lamina.errors import DataError
from lamina.table.formats import begin_reading, columnar
from lamina.table.read import iter_batches, read
from lamina.table.write import write

FOUND = Path(__file__).parents[2] / "fuzz/found"


@pytest.fixture
def fresh():
    """The child of this test alone."""
    columnar._service.end()
    yield columnar._service
    columnar._service.end()


LARGE = pl.DataFrame(
    {
        "x": [i * 0.5 if i % 7 else None for i in range(200_000)],
        "text": [None if i % 5 == 0 else f"a text of some length: {i % 1000}" for i in range(200_000)],
        "kind": pl.Series(["a", "bb", None, "c"] * 50_000, dtype=pl.Categorical),
        "day": [date(2024, 1, 1 + i % 28) for i in range(200_000)],
        "flag": [True, None, False, True] * 50_000,
    }
)


@pytest.mark.slow
@pytest.mark.parametrize("shares", [True, False], ids=["by memory that both see", "by a pipe"])
@pytest.mark.parametrize("name", ["a.parquet", "a.feather"])
def test_a_large_table_arrives_whole(tmp_path, name, shares, monkeypatch, fresh):
    if not shares:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    write(LARGE, tmp_path / name)
    for rows in (200_000, 30_000, 65_536):
        parts = list(iter_batches(tmp_path / name, rows))
        assert [len(part) for part in parts[:-1]] == [rows] * (len(parts) - 1)
        assert pl.concat(parts).equals(LARGE.cast(parts[0].schema))


def test_the_child_can_be_begun_early_for_files_that_need_it(fresh):
    begin_reading(["a.csv", Path("b.npz")])
    assert fresh._child is None
    begin_reading(["a.csv", Path("b.PARQUET")])
    child = fresh._child
    assert child is not None
    begin_reading(["c.feather"])
    assert fresh._child is child


@pytest.mark.parametrize(("name", "title"), [("a.parquet", "Parquet"), ("a.feather", "Feather")])
def test_a_truncated_file(tmp_path, name, title):
    write(pl.DataFrame({"x": range(100)}), tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-20])
    with pytest.raises(DataError, match=f"{name} is not a readable {title} file"):
        read(tmp_path / name)


@pytest.mark.slow
def test_a_file_at_which_polars_aborts_the_process(tmp_path):
    shutil.copy(FOUND / "feather/aborts", tmp_path / "a.feather")
    write(pl.DataFrame({"x": range(100)}), tmp_path / "whole.feather")
    for _ in range(2):
        with pytest.raises(
            DataError, match=r"a\.feather can't be read from row 0 on: it is damaged: its reader crashed"
        ):
            read(tmp_path / "a.feather")
        assert read(tmp_path / "whole.feather")["x"].to_list() == list(range(100))


def test_files_that_are_read_alternately(tmp_path):
    for name in ("a.parquet", "b.feather"):
        write(pl.DataFrame({"x": range(300_000), "file": name}), tmp_path / name)
    both = zip(*(iter_batches(tmp_path / name, 70_000) for name in ("a.parquet", "b.feather")), strict=True)
    rows = [(len(a), len(b), a["x"][0], b["file"][-1]) for a, b in both]
    assert rows[0] == (70_000, 70_000, 0, "b.feather")
    assert sum(a for a, *_ in rows) == sum(b for _, b, *_ in rows) == 300_000


def test_a_file_that_unpacks_to_far_more_than_its_size(tmp_path):
    write(pl.DataFrame({"x": pl.repeat(1.5, 20_000_000, eager=True)}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 500_000
    with pytest.raises(DataError, match="unpacks to more than 256 times its size"):
        read(tmp_path / "a.parquet")
    write(pl.DataFrame({"x": pl.repeat(1.5, 7_000_000, eager=True)}), tmp_path / "b.parquet")
    assert len(read(tmp_path / "b.parquet")) == 7_000_000


def test_texts_that_are_not_utf8(tmp_path):
    pl.DataFrame({"s": ["some text that is long", "and another that is"]}).write_ipc(tmp_path / "a.feather")
    content = (tmp_path / "a.feather").read_bytes()
    (tmp_path / "a.feather").write_bytes(content.replace(b"some text", b"some\xfftext"))
    with pytest.raises(DataError, match=r"a\.feather can't be read from row 0 on"):
        read(tmp_path / "a.feather")


def test_a_file_without_columns(tmp_path):
    pl.DataFrame().write_ipc(tmp_path / "a.feather")
    with pytest.raises(DataError, match=r"a\.feather has no columns"):
        read(tmp_path / "a.feather")
