"""Rows come from files and from other libraries' objects, block after block, as often as wanted."""

import os

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.dataset
import pytest

from lamina.errors import DataError
from lamina.table.kinds import infer
from lamina.table.read import iter_batches
from lamina.table.source import ReadOptions
from lamina.table.stream import sources
from lamina.table.stream.sources import blocks_of, files_as_blocks, is_source, with_target
from lamina.table.stream.survey import look_over

N = 1000
FRAME = pl.DataFrame({"x": np.arange(N) / 4, "word": [f"w{i % 5}" for i in range(N)]})


class Rows:
    """As LightGBM's `Sequence`."""

    batch_size = 64

    def __init__(self, table):
        self.table = table

    def __len__(self):
        return len(self.table)

    def __getitem__(self, index):
        return self.table[index]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(sources, "BLOCK_ROWS", 256)


def whole(blocks):
    return pl.concat(list(blocks.blocks()))


def open_files(folder, pattern):
    return files_as_blocks([str(folder / pattern)], ReadOptions())


@pytest.mark.few(1)
@pytest.mark.parametrize("suffix", ["parquet", "feather", "csv", "jsonl", "csv.gz"])
def test_files_of_any_format_are_read_twice(tmp_path, suffix):
    for i, part in enumerate(FRAME.iter_slices(600)):
        from lamina.table.write import write

        write(part, tmp_path / f"rows-{i}.{suffix}")
    with open_files(tmp_path, f"*.{suffix}") as blocks:
        first = list(blocks.blocks())
        assert len(first) > 2 and max(map(len, first)) <= 256
        assert pl.concat(first).equals(FRAME) and whole(blocks).equals(FRAME)
        assert blocks.places.of(700).endswith(f"rows-1.{suffix}")


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_file_without_rows_among_others_adds_none(tmp_path, suffix):
    from lamina.table.write import write

    write(FRAME[:0], tmp_path / f"a.{suffix}")
    write(FRAME, tmp_path / f"b.{suffix}")
    with open_files(tmp_path, f"*.{suffix}") as blocks:
        assert whole(blocks).equals(FRAME)


def test_a_file_without_content_among_others_is_told(tmp_path):
    FRAME.write_csv(tmp_path / "a.csv")
    (tmp_path / "b.csv").touch()
    with pytest.raises(DataError, match=r"b\.csv is empty"), open_files(tmp_path, "*.csv"):
        pass


def test_files_of_other_columns_are_told(tmp_path):
    FRAME.write_parquet(tmp_path / "a.parquet")
    FRAME.rename({"x": "z"}).write_parquet(tmp_path / "b.parquet")
    with (
        pytest.raises(
            DataError, match=r"b\.parquet has different columns than .*: it lacks 'x' and adds 'z'"
        ),
        open_files(tmp_path, "*.parquet"),
    ):
        pass


@pytest.mark.parametrize("change", ["write", "remove"])
def test_a_file_that_changes_between_passes_is_told(tmp_path, change):
    FRAME.write_parquet(tmp_path / "a.parquet")
    with open_files(tmp_path, "*.parquet") as blocks:
        whole(blocks)
        if change == "write":
            FRAME.with_columns(x=pl.col("x") + 1).write_parquet(tmp_path / "a.parquet")
            os.utime(tmp_path / "a.parquet", (1, 1))
        else:
            (tmp_path / "a.parquet").unlink()
        with pytest.raises(DataError, match=r"a\.parquet has changed while it was read"):
            whole(blocks)


def test_objects_of_other_libraries_give_the_same_rows():
    assert whole(blocks_of(FRAME.lazy())).equals(FRAME)
    assert whole(blocks_of(pyarrow.dataset.dataset(FRAME.to_arrow()))).equals(FRAME)
    assert whole(blocks_of(Rows(FRAME))).equals(FRAME)

    class Pandas(Rows):
        def __getitem__(self, index):
            return self.table.iloc[index]

    assert whole(blocks_of(Pandas(FRAME.to_pandas()))).equals(FRAME)
    numbers = np.arange(12.0).reshape(6, 2)
    found = blocks_of(Rows(numbers))
    assert not found.named and whole(found).to_numpy().tolist() == numbers.tolist()


def test_tables_are_no_sources():
    tables = [
        FRAME,
        FRAME.to_pandas(),
        FRAME.to_arrow(),
        FRAME["x"],
        np.eye(2),
        [[1.0]],
        None,
        {},
        "a",
        pd.Series([1]),
    ]
    assert not any(map(is_source, tables))
    assert all(map(is_source, [FRAME.lazy(), Rows(FRAME), pyarrow.dataset.dataset(FRAME.to_arrow())]))


def test_a_sequence_that_does_not_keep_its_word_is_told():
    class Short(Rows):
        def __getitem__(self, index):
            return self.table[index][: 50 if index.start else None]

    with pytest.raises(DataError, match="gave 50 rows of 2 columns for the rows 64 to 127"):
        whole(blocks_of(Short(FRAME)))
    with pytest.raises(DataError, match="the table has no rows"):
        blocks_of(Rows(np.empty((0, 2))))
    with pytest.raises(DataError, match=r"not arrays of shape \(100,\)"):
        whole(blocks_of(Rows(np.arange(100.0))))


def test_a_target_apart_must_have_a_value_a_row():
    joined, name = with_target(blocks_of(FRAME.lazy()), np.arange(N))
    assert whole(joined)[name].to_list() == list(range(N))
    for wrong in (N - 1, N + 1):
        with pytest.raises(DataError, match="inconsistent numbers of samples"):
            whole(with_target(blocks_of(FRAME.lazy()), np.arange(wrong))[0])


@pytest.mark.slow
def test_reading_for_prediction_goes_on_where_the_reader_was_ended(tmp_path):
    FRAME.write_parquet(tmp_path / "a.parquet")
    with open_files(tmp_path, "*.parquet") as blocks:
        whole(blocks)
    assert pl.concat(list(iter_batches(tmp_path / "a.parquet"))).equals(FRAME)


LATE = {
    "fractions": [*range(1500), *np.arange(1500, 2400) + 0.5],
    "words": [*([i % 90 for i in range(1700)]), *(["No home"] * 700)],
    "anything": [None] * 1500 + ["u", "v", "w"] * 300,
    "numbers": [None] * 1500 + [0.5, 1.25, 2.0] * 300,
    "counts": [i % 2 > 0 for i in range(1500)] + [i % 5 for i in range(900)],
}


@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
@pytest.mark.parametrize("library", [pl, pd])
@pytest.mark.parametrize("name", LATE)
def test_first_rows_do_not_decide_what_a_sequence_holds(library, name):
    class Parts:
        """Frames with the types of their own rows, as files read one by one have."""

        batch_size = 400

        def __len__(self):
            return 2400

        def __getitem__(self, index):
            if library is pl:
                return pl.DataFrame({"x": pl.Series(LATE[name][index], strict=False), "y": y[index]})
            return pd.DataFrame({"x": pd.Series(LATE[name][index], dtype=object), "y": y[index]})

    y = np.random.default_rng(0).normal(size=2400)
    x = LATE[name] if library is pl else pd.Series(LATE[name], dtype=object)
    expected = infer(pd.DataFrame({"x": x, "y": y}), "y")["x"]
    for blocks, target in [(blocks_of(Parts()), "y"), with_target(blocks_of(Parts()), y)]:
        found = look_over(blocks, target).schema["x"]
        assert (found.type.tag, found.missing) == (expected.type.tag, expected.missing)
        assert (found.low, found.high, found.categories) == (expected.low, expected.high, expected.categories)
