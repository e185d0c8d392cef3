"""Reading in one piece and in parts, one file and many, in every format."""

import io
import sys

import numpy as np
import polars as pl
import pytest

from lamina.errors import DataError, MissingPackageError
from lamina.table.columns import as_column
from lamina.table.read import iter_batches, read
from lamina.table.source import ReadOptions
from lamina.table.write import write, write_batches

FRAME = pl.DataFrame(
    {"i": [3, None, 1, 2], "x": [0.5, 1.0, None, -2.0], "t": ["a,b", None, 'q"', "é"], "n": [1, 2, 3, 4]}
)
FILES = ["a.csv", "a.tsv", "a.csv.gz", "a.csv.zst", "a.parquet", "a.feather", "a.jsonl", "a.jsonl.gz"]


@pytest.mark.parametrize("name", FILES)
def test_every_format_in_one_piece_and_in_parts(tmp_path, name):
    write(FRAME, tmp_path / name)
    assert read(tmp_path / name).equals(FRAME)
    for rows in (1, 3, 100):
        parts = list(iter_batches(tmp_path / name, rows=rows))
        assert pl.concat(parts).equals(FRAME) and max(map(len, parts)) <= rows
    assert {tuple(part.schema.items()) for part in parts} == {tuple(FRAME.schema.items())}


@pytest.mark.parametrize("name", ["a.csv", "a.csv.zst", "a.parquet", "a.feather", "a.jsonl"])
def test_names_that_polars_takes_for_patterns(tmp_path, name):
    frame = pl.DataFrame(
        {"^b$": ["a", "c"], "*": [1, 2], "b": ["x", None], "^.*$": [0.5, 1.5], "^": [None, "y"]}
    )
    write(frame, tmp_path / name)
    assert read(tmp_path / name).equals(frame)
    columns = [as_column(frame[name]) for name in frame.columns]
    assert [column.distinct() for column in columns] == [2] * 5
    assert columns[0].mapped(lambda value: "ac".index(str(value)), np.float64).tolist() == [0, 1]


def test_formulas_in_columns_whose_names_polars_takes_for_patterns(tmp_path):
    frame = pl.DataFrame({"^b$": ["a", "=1"], "b": ["x", "y"]})
    write_batches([frame], str(tmp_path / "a.csv"), safe=True)
    assert read(tmp_path / "a.csv")["^b$"].to_list() == ["a", "'=1"]


@pytest.mark.parametrize("name", ["a[1].parquet", "a*.feather"])
def test_files_whose_names_polars_takes_for_patterns(tmp_path, name):
    write(FRAME, tmp_path / name)
    write(FRAME.head(1), tmp_path / name.replace("[1]", "1").replace("*", "b"))
    assert read(tmp_path / name).equals(FRAME)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.parquet", "a.feather"])
def test_no_rows(tmp_path, name):
    write(FRAME.head(0), tmp_path / name)
    assert read(tmp_path / name).columns == FRAME.columns
    (part,) = iter_batches(tmp_path / name)
    assert part.shape == (0, 4)


@pytest.mark.parametrize("name", FILES)
def test_standard_input(tmp_path, name, monkeypatch):
    write(FRAME, tmp_path / name)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((tmp_path / name).read_bytes())))
    options = ReadOptions(format="tsv") if "tsv" in name else None
    assert read("-", options).equals(FRAME)


def test_several_files_in_any_order_of_columns(tmp_path):
    write(pl.DataFrame({"a": [1], "b": ["x"]}), tmp_path / "1.csv")
    write(pl.DataFrame({"b": ["2"], "a": [2.5]}), tmp_path / "2.parquet")
    write(pl.DataFrame({"b": ["z"], "a": [None]}), tmp_path / "3.jsonl")
    frame = read(tmp_path / "*.*")
    assert frame.rows() == [(1.0, "x"), (2.5, "2"), (None, "z")]
    assert pl.concat(iter_batches([tmp_path / "1.csv", tmp_path / "2.parquet"])).equals(frame.head(2))


def test_numbers_in_one_file_and_text_in_another(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,007\n")
    (tmp_path / "2.csv").write_text("a,b\nx,8\n")
    assert read(tmp_path / "*.csv").rows() == [("1", "007"), ("x", "8")]
    write(pl.DataFrame({"a": [1]}), tmp_path / "1.parquet")
    write(pl.DataFrame({"a": ["x"]}), tmp_path / "2.parquet")
    with pytest.raises(DataError, match=r"2\.parquet: column 'a' is String, but Int64"):
        read(tmp_path / "*.parquet")


@pytest.mark.parametrize("texts_first", [True, False])
def test_a_column_without_values_in_one_file_has_the_type_of_the_other(tmp_path, texts_first):
    """pandas stores a part of texts that are all missing as fractions."""
    parts = [pl.DataFrame({"a": ["x", "y"]}), pl.DataFrame({"a": pl.Series([None, None], dtype=pl.Float64)})]
    parts = parts if texts_first else parts[::-1]
    for i, part in enumerate(parts):
        write(part, tmp_path / f"{i}.parquet")
    found = read(tmp_path / "*.parquet")["a"].to_list()
    assert found == (["x", "y", None, None] if texts_first else [None, None, "x", "y"])


def test_files_with_other_columns(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a,c\n1,2\n")
    with pytest.raises(
        DataError, match=r"2\.csv has different columns than .*1\.csv: it lacks 'b' and adds 'c'"
    ):
        read(tmp_path / "*.csv")


@pytest.mark.parametrize("name", ["a.parquet", "a.feather"])
def test_corrupt_columnar_files(tmp_path, name):
    write(FRAME, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"a\..* is not a readable"):
        read(tmp_path / name)


def test_an_error_comes_before_the_first_part(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2\n" * 1000 + "3\n")
    with pytest.raises(DataError, match="line 1002"):
        next(iter_batches(tmp_path / "a.csv", rows=10))


def test_polars_is_asked_for_by_its_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'lamina\[table\]'"):
        read(tmp_path)


def test_importing_the_package_imports_no_dataframe_library():
    import subprocess

    code = (
        "import sys, lamina.table.read, lamina.table.write, lamina.table.encode; "
        "print([m for m in ('polars', 'narwhals', 'pandas', 'PIL', 'scipy', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_databases_write_for_null_is_missing(tmp_path):
    (tmp_path / "dump.tsv").write_text("x\tt\n1\ta\n\\N\t\\N\n3\tb\n")
    assert read(tmp_path / "dump.tsv").equals(pl.DataFrame({"x": [1, None, 3], "t": ["a", None, "b"]}))
