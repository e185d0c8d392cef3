"""Parquet and Feather files that are damaged."""

import polars as pl
import pytest

from lamina.errors import DataError
from lamina.table.read import read
from lamina.table.write import write


@pytest.mark.parametrize(("name", "title"), [("a.parquet", "Parquet"), ("a.feather", "Feather")])
def test_a_truncated_file(tmp_path, name, title):
    write(pl.DataFrame({"x": range(100)}), tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-20])
    with pytest.raises(DataError, match=f"{name} is not a readable {title} file"):
        read(tmp_path / name)


def test_a_file_at_which_polars_panics(tmp_path, monkeypatch):
    write(pl.DataFrame({"x": range(100)}), tmp_path / "a.feather")

    def panic(*_args, **_options):
        raise pl.exceptions.PanicException("range end index 8 out of range")

    monkeypatch.setattr(pl.LazyFrame, "collect", panic)
    with pytest.raises(DataError, match=r"a\.feather is corrupt after row 0: range end"):
        read(tmp_path / "a.feather")
