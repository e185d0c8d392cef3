"""Rows of text files are found on their lines, by Python's own readers as the oracle."""

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.table.formats import _dialect as dialect
from lamina.table.places import LineNumbers, Places
from lamina.table.read import iter_batches, read
from lamina.table.source import ReadOptions

FIELDS = st.text("ab \n\"',;", max_size=5)


def _begins(text: str) -> list[int]:
    """The first line of each record of a CSV file but the header; empty lines are none."""
    reader = csv.reader(io.StringIO(text, newline=""))
    begins, before = [], 0
    for record in reader:
        if record:
            begins.append(before + 1)
        before = reader.line_num
    return begins[1:]


@given(
    st.lists(st.one_of(st.none(), st.tuples(FIELDS, FIELDS)), min_size=1, max_size=12),
    st.sampled_from([16, 1 << 24]),
)
@settings(max_examples=40, deadline=None)
def test_rows_of_csv_files(tmp_path_factory, records, chunk):
    text = "name,other\n"
    for record in records:  # None: an empty line
        quoted = [f'"{field.replace(chr(34), chr(34) * 2)}"' for field in record or ()]
        text += ",".join(quoted) + "\n"
    file = tmp_path_factory.mktemp("places") / "table.csv"
    file.write_text(text)
    places = Places()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialect, "CHUNK", chunk)
        frame = read(file, ReadOptions(delimiter=",", encoding="utf-8"), places)
    begins = _begins(text)
    assert len(frame) == len(begins) == places.rows
    assert [places.within(row) for row in range(len(frame))] == [(str(file), "line", n) for n in begins]


@given(
    st.lists(st.sampled_from(['{"x": 1}', "", "  ", '{"x": null}']), min_size=1, max_size=12), st.booleans()
)
@settings(deadline=None)
def test_rows_of_json_lines(tmp_path_factory, lines, ended):
    file = tmp_path_factory.mktemp("places") / "table.jsonl"
    lines = ['{"x": 2}', *lines]
    file.write_text("\n".join(lines) + ("\n" if ended else ""))
    places = Places()
    rows = len(read(file, places=places))
    expected = [number for number, line in enumerate(lines, 1) if line.strip()]
    assert [places.within(row)[2] for row in range(rows)] == expected


def test_several_files_are_known_as_soon_as_their_parts_are_read(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"x": 1}) + "\n" + json.dumps({"x": 2}) + "\n")
    places, found = Places(), []
    for _ in iter_batches(str(tmp_path / "*.jsonl"), 1, places=places):
        found.append(places.of(places.rows - 1))
    assert found == [f"line {line} of {tmp_path}/{name}.jsonl" for name in "ab" for line in (1, 2)]


@given(st.lists(st.lists(st.integers(1, 3), max_size=6), max_size=6))
def test_line_numbers_are_kept_whatever_the_steps(parts):
    lines, expected, last = LineNumbers(), [], 0
    for steps in parts:
        numbers = last + np.cumsum(steps, dtype=np.int64)
        last = int(numbers[-1]) if len(numbers) else last
        lines.add(numbers)
        expected += numbers.tolist()
    assert [lines[row] for row in range(len(expected))] == expected
