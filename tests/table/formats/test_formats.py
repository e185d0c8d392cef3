"""The registry of formats: what it says holds, and one entry is all that a new format needs."""

import io
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import without_pictures
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from lamina import MLPClassifier
from lamina.errors import DataError
from lamina.table.formats import (
    FORMATS,
    Format,
    _imported,
    described,
    format_of_content,
    format_of_name,
    writable,
)
from lamina.table.kinds import infer
from lamina.table.messages import DataWarning
from lamina.table.read import iter_batches, read
from lamina.table.source import ReadOptions
from lamina.table.write import write_batches

ROOT = Path(__file__).parents[3]


class KeysAndValues:
    """A reader of a format for these tests: a row a line, "a=1 b=2"."""

    textual = False
    lines = None

    def __init__(self, source, _options):
        self.name = source.name
        with source.open() as file:
            lines = file.read().decode().splitlines()[1:]
        self._frame = pl.DataFrame([dict(part.split("=") for part in line.split()) for line in lines])
        self._frame = self._frame.with_columns(pl.col("a").cast(pl.Float64))

    def types(self):
        return dict(self._frame.schema)

    def batches(self, types, rows):
        yield from self._frame.select(list(types)).iter_slices(rows)


def write_keys_and_values(parts, _schema, file):
    file.write(b"%keys\n")
    for part in parts:
        for row in part.iter_rows(named=True):
            file.write(" ".join(f"{name}={value}" for name, value in row.items()).encode() + b"\n")


@pytest.fixture
def new_format(monkeypatch):
    module = types.ModuleType("lamina.table.formats.keys")
    module.read, module.write = KeysAndValues, write_keys_and_values
    monkeypatch.setitem(sys.modules, module.__name__, module)
    entry = Format("keys and values", (".keys",), (b"%keys",), reads="keys:read", writes="keys:write")
    monkeypatch.setitem(FORMATS, "keys", entry)


TABLE = pl.DataFrame({"a": [i / 7 for i in range(60)], "y": ["no" if i < 30 else "yes" for i in range(60)]})


@pytest.mark.parametrize("name", ["t.keys", "t.keys.gz", "t.keys.zst"])
@pytest.mark.usefixtures("new_format")
def test_a_format_added_in_one_place_is_written_and_read(tmp_path, name):
    assert write_batches(TABLE.iter_slices(25), tmp_path / name) == 60
    assert read(tmp_path / name).equals(TABLE)
    (tmp_path / name).rename(tmp_path / "nameless")
    assert read(tmp_path / "nameless").equals(TABLE)
    assert ", keys and values (" in described() and "keys" in writable()


@pytest.mark.usefixtures("new_format")
def test_a_format_added_in_one_place_works_on_the_command_line(tmp_path, monkeypatch):
    from lamina.cli import main

    write_batches([TABLE], tmp_path / "t.keys")
    (tmp_path / "t.keys").rename(tmp_path / "renamed.csv")
    run, out = tmp_path / "run", tmp_path / "predicted.keys"
    quick = ["--preset", "fast", "--epochs", "2", "--hidden", "8", "--quiet"]
    named = ["--format", "keys"]
    for arguments in (
        ["train", tmp_path / "renamed.csv", "-t", "y", "--out", run, *named, *quick],
        ["evaluate", run, tmp_path / "renamed.csv", *named],
        ["predict", run, tmp_path / "renamed.csv", "--out", out, *named],
    ):
        with without_pictures(), pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        assert ended.value.code == 0
    assert out.read_bytes().startswith(b"%keys\na=0.0 y=no prediction=")
    assert read(out).height == 60
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(sink := io.BytesIO()))
    with pytest.raises(SystemExit):
        main(["predict", str(run), str(out), "--prefix", "new_", "--output-format", "keys"])
    assert sink.getvalue().startswith(b"%keys\n")


@pytest.mark.parametrize("name", [*FORMATS])
def test_entries_hold(name):
    entry = FORMATS[name]
    assert callable(_imported(entry.reads)) and (entry.writes is None or callable(entry.writer()))
    for suffix in entry.suffixes:
        assert suffix == suffix.lower() and format_of_name(f"DATA{suffix.upper()}") == (name, "")
        assert format_of_name(f"data{suffix}.gz") == (name, "gz")
    for magic in entry.magic:
        assert format_of_content(magic + b"....") == name


def test_a_format_that_does_not_exist(tmp_path):
    (tmp_path / "a").write_text("x\n")
    with pytest.raises(DataError, match=r"no format 'parket'; known: csv, .*Did you mean 'parquet'\?"):
        read(tmp_path / "a", ReadOptions(format="parket"))


def test_the_documents_name_what_can_be_read():
    def plain(path):
        return " ".join((ROOT / path).read_text().replace("`", "").split())

    for path in ("README.md", "docs/guide.md"):
        assert described() in plain(path), path


TEXTS = [
    "",
    "a",
    "a ",
    " a",
    "b",
    "NA",
    "null",
    "?",
    "-",
    "x,y",
    'q"q',
    '"',
    "two\nlines",
    "\ttab",
    "\u00e9",
    "a\u00a0",
]
"""What quotes decide: empty, spaces at the ends, spelled as a missing value, with what divides fields."""


WAYS = {
    "polars.csv": lambda frame, path: frame.write_csv(path, quote_style="non_numeric"),
    "bars.csv": lambda frame, path: frame.write_csv(path, quote_style="non_numeric", separator="|"),
    "windows.csv": lambda frame, path: frame.write_csv(
        path, quote_style="non_numeric", line_terminator="\r\n"
    ),
    "table.tsv": lambda frame, path: frame.write_csv(path, quote_style="non_numeric", separator="\t"),
    "table.parquet": pl.DataFrame.write_parquet,
    "table.feather": pl.DataFrame.write_ipc,
    "table.jsonl": pl.DataFrame.write_ndjson,
}


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.none() | st.sampled_from(TEXTS), min_size=4, max_size=30),
    numbers=st.lists(st.none() | st.integers(-5, 5), min_size=30, max_size=30),
    small=st.sampled_from([1, 3, 1000]),
)
@example(texts=["", None, "", ""], numbers=[1] * 30, small=1)
@example(texts=["a ", "a", None, ""], numbers=[None] * 29 + [1], small=3)
def test_a_table_is_the_same_in_all_formats(tmp_path, texts, numbers, small):
    assume(any(text is not None for text in texts))
    assume(any(number is not None for number in numbers[: len(texts)]))
    frame = pl.DataFrame(
        {"text": texts, "number": numbers[: len(texts)], "share": [i / 7 for i in range(len(texts))]},
        schema={"text": pl.String, "number": pl.Int64, "share": pl.Float64},
    )
    for name, write in WAYS.items():
        path = tmp_path / name
        write(frame, path)
        with warnings.catch_warnings(action="ignore", category=DataWarning):
            assert_frame_equal(read(path), frame)
            parts = list(iter_batches(path, rows=small))
            found, wanted = infer(read(path)), infer(frame)
        assert_frame_equal(pl.concat(parts), frame)
        assert found == wanted, name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:column 'text' has categories that differ only in capitals or spaces")
def test_all_formats_train_and_predict_alike(tmp_path):
    rng = np.random.default_rng(0)
    texts = [TEXTS[i] if i < len(TEXTS) else None for i in rng.integers(0, len(TEXTS) + 3, 300)]
    frame = pl.DataFrame({"text": texts, "x": rng.normal(size=300)})
    target = [0 if text is None else 1 if text == "" else len(text) % 2 + 2 for text in texts]
    wanted = MLPClassifier(preset="fast", max_iter=4, random_state=0).fit(frame, target).predict_proba(frame)
    for name, write in WAYS.items():
        write(frame, tmp_path / name)
        table = read(tmp_path / name)
        model = MLPClassifier(preset="fast", max_iter=4, random_state=0).fit(table, target)
        np.testing.assert_array_equal(model.predict_proba(frame), wanted, err_msg=name)
        np.testing.assert_array_equal(model.predict_proba(table), wanted, err_msg=name)


def test_without_quotes_spaces_and_spellings_of_missing_values_do_not_count(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('text,number\n a , 1\n"a ","2"\n,""\n"",NA\nNA,"NA"\n"NA"," 3 "\n', encoding="utf-8")
    found = read(path)
    assert found["text"].to_list() == ["a", "a ", None, "", None, "NA"]
    assert found["number"].to_list() == [1, 2, None, None, None, 3]
    assert read(path, ReadOptions(quote=None))["text"].to_list()[3] == '""'
