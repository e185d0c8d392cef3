"""The rows that a run keeps to start from when its network is tried."""

import datetime
import json

import numpy as np
import polars as pl
import pytest

from lamina.errors import DataError
from lamina.runs.data import EXAMPLES, Request, example_rows, prepare, read_examples
from lamina.runs.training import complete
from lamina.training.run_folder import RunFolder


@pytest.mark.slow
def test_examples_differ_in_what_is_predicted_and_leave_out_what_the_network_does_not_see(trained_on):
    _, prepared, trained = trained_on("name")
    rows = example_rows(trained.model.schema, prepared.judged[1])
    assert rows.columns == ["strong", "noise", "weak", "word", "name"]
    assert rows["name"].to_list() == ["high", "low"] * 3
    assert rows.is_unique().all()
    _, prepared, trained = trained_on("number")
    targets = example_rows(trained.model.schema, prepared.judged[1])["number"]
    assert len(targets) == 6 and targets.is_sorted()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the report has no pictures")
def test_a_run_keeps_them_and_they_can_be_changed_or_removed(trained_on, tmp_path):
    request, prepared, trained = trained_on("number")
    complete(prepared, trained, request, RunFolder(tmp_path))
    rows = example_rows(trained.model.schema, prepared.judged[1]).rows(named=True)
    assert read_examples(tmp_path) == read_examples(tmp_path / "model.safetensors") == rows
    (tmp_path / EXAMPLES).write_text(json.dumps({"strong": 1}) + "\n")
    assert read_examples(tmp_path) == [{"strong": 1}]
    (tmp_path / EXAMPLES).unlink()
    assert read_examples(tmp_path) == []


@pytest.mark.parametrize("content", [b"[1]\n", b"{", b"\xff\n", b"[" * 100_000])
def test_a_file_of_something_else_is_told(tmp_path, content):
    (tmp_path / EXAMPLES).write_bytes(b"{}\n" + content)
    with pytest.raises(DataError, match=r"examples\.jsonl: line 2 is not a JSON object"):
        read_examples(tmp_path)


@pytest.mark.slow
def test_times_durations_and_dates_are_numbers_as_the_network_takes_them(tmp_path):
    lasts = [datetime.timedelta(hours=i % 5, seconds=1) for i in range(30)]
    frame = pl.DataFrame(
        {
            "at": [f"{i % 24}:30" for i in range(30)],
            "lasts": lasts,
            "day": [datetime.date(2011, 10, 2) + datetime.timedelta(i) for i in range(30)],
            "when": ["2011-10-02 12:00", "2011-10-02T12:00-12:00"] * 15,
            "y": np.arange(30) % 7 / 2,
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    prepared = prepare(Request((str(tmp_path / "t.parquet"),), "y"))
    rows = example_rows(prepared.schema, prepared.judged[1])
    assert rows.schema == dict.fromkeys(("at", "lasts", "day", "when", "y"), pl.Float64)
    assert set(rows["day"]) <= {15249 + i for i in range(30)} and set(rows["when"]) <= {15249.5, 15250}
    assert set(rows["at"]) <= {i * 3600 + 1800 for i in range(24)}
    assert set(rows["lasts"]) <= {i * 3600 + 1 for i in range(5)}
