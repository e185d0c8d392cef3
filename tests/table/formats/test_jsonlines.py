"""JSON lines: types over the whole file, and errors with their line."""

import gzip
import json

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import DataError
from lamina.table.formats import _dialect as dialect
from lamina.table.formats import jsonlines
from lamina.table.messages import DataWarning
from lamina.table.read import read
from lamina.table.source import ReadOptions


@pytest.fixture
def read_json(tmp_path):
    def read_json(text):
        (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
        return read(tmp_path / "a.jsonl")

    return read_json


def test_lines_with_missing_keys_blank_lines_and_nan(read_json):
    frame = read_json('{"a": 1, "b": "x"}\n\n{"b": "é", "c": true}\n{"a": 2.5}')
    assert frame.rows() == [(1.0, "x", None), (None, "é", True), (2.5, None, None)]
    assert read_json('{"a": NaN}\n{"a": 1.5}\n')["a"].to_list() == [None, 1.5]
    assert read_json('{"a": null}\n').schema == {"a": pl.String}


@pytest.mark.parametrize("orient", ["split", "columns", "records", "table"])
@pytest.mark.parametrize("indent", [None, 2])
def test_documents_as_pandas_writes_them(tmp_path, recwarn, orient, indent):
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None], "c": [1.5, None, 2.0]})
    frame.to_json(tmp_path / "a.json", orient=orient, indent=indent)
    found = read(tmp_path / "a.json").select("a", "b", "c")
    assert found.rows() == [(1, "x", 1.5), (2, "y", None), (3, None, 2.0)]


@pytest.mark.parametrize("indent", [None, 1])
def test_the_table_in_an_answer_of_a_server(tmp_path, indent):
    answer = {"count": 2, "next": None, "results": [{"a": 1, "b": {"c": "x"}}, {"a": 2}]}
    (tmp_path / "a.json").write_text(json.dumps(answer, indent=indent))
    with pytest.warns(DataWarning, match="the table under 'results' is read"):
        assert read(tmp_path / "a.json")["a"].to_list() == [1, 2]
    if indent is None:  # a row of a model that knows the column, or of JSON lines
        assert len(read(tmp_path / "a.json", ReadOptions(as_text=("results",)))) == 1
        (tmp_path / "a.json").rename(tmp_path / "a.jsonl")
        assert len(read(tmp_path / "a.jsonl")) == 1


@pytest.mark.parametrize("row", [{"a": 1}, {"a": [1, 2], "b": [3, 4]}, {"a": {"x": 1}, "b": {"x": 2}}])
def test_a_file_of_one_row_is_one(tmp_path, row):
    (tmp_path / "a.json").write_text(json.dumps(row))
    assert len(read(tmp_path / "a.json")) == 1


def test_an_array_is_read_as_its_elements_in_lines_are(read_json):
    rows = [{"a": 1, "b": "x\n] y"}, {"b": "é", "c": [1.5, 2]}, {"a": 3, "d": {"e": "{[,"}}]
    lines = read_json("\n".join(map(json.dumps, rows)))
    for array in (
        json.dumps(rows),
        json.dumps(rows, indent=2, ensure_ascii=False),
        f"\ufeff\r\n {json.dumps(rows)}\n",
    ):
        assert read_json(array).equals(lines)
    frame = read_json('[\n{"a": 1},\n\n{"a": 2}]')
    assert frame["a"].to_list() == [1, 2]


def test_types_over_all_blocks(read_json, monkeypatch):
    monkeypatch.setattr(dialect, "CHUNK", 64)
    lines = [{"i": i, "late": i if i < 90 else "z", "x": i if i < 50 else i / 2} for i in range(100)]
    lines[95]["new"] = 1
    frame = read_json("\n".join(map(json.dumps, lines)))
    assert frame.schema == {"i": pl.Int64, "late": pl.String, "x": pl.Float64, "new": pl.Int64}
    assert frame["late"].to_list() == [str(i) if i < 90 else "z" for i in range(100)]
    assert frame["new"].drop_nulls().to_list() == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a": tru}\n', "line 2: can't be read as JSON"),
        ('{"a": 1}\n\n{"a": 1\n', "line 3: can't be read as JSON"),
        ('{"a": 1}\n[1]\n', "line 2: an array, not an object"),
        ('[{"a": 1}, 5]', "element 2: a number, not an object"),
        ('[{"a": 1}, null]', "element 2: null, not an object"),
        ('[\n{"a": 1},\n{"a": 2}\n', "line 4: can't be read as JSON: Expecting ','"),
        ('[\n{"a": 1},\n{"a": tru}]', "line 3: can't be read as JSON"),
        ('[{"a": 1}] {"a": 2}', "line 1: can't be read as JSON: Extra data"),
        ('[{"a": 1},]', "can't be read as JSON"),
        ("[" * 100_000, "can't be read as JSON"),
        ('[{"a": 1234567890123456789012}]', "the whole number 1234567890123456789012 is beyond 64 bits"),
        ("[ ]", "is empty"),
        ('{"a": true}\n{"a": 1}\n', "line 2: 'a' is a number, but true or false above"),
        ("\n\n", "is empty"),
    ],
)
def test_malformed_lines(read_json, text, message):
    with pytest.raises(DataError, match=r"a\.jsonl.* ?" + message):
        read_json(text)


def test_types_that_change_between_blocks(read_json, monkeypatch):
    monkeypatch.setattr(dialect, "CHUNK", 64)
    with pytest.raises(DataError, match="'a' is Boolean before line 17 and Int64 after it"):
        read_json('{"a": true}\n' * 16 + '{"a": 1}\n' * 20)


values = st.one_of(st.none(), st.integers(-(2**62), 2**62))


@pytest.mark.slow
@given(
    st.lists(
        st.fixed_dictionaries({"i": values, "t": st.none() | st.text(max_size=5)}), min_size=1, max_size=20
    )
)
@settings(max_examples=60, deadline=None)
def test_what_pythons_json_writes_comes_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("json") / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read(path).rows(named=True) == [dict(row) for row in rows]


@pytest.mark.slow
def test_lines_that_each_have_keys_of_their_own_are_refused_quickly(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"".join(b'{"k%d": 1}\n' % i for i in range(20_000)))
    with pytest.raises(DataError, match="20,000 different keys"):
        read(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_bytes(b"{" + b",".join(b'"k%d":1' % i for i in range(300_000)) + b"}\n")
    with pytest.raises(DataError, match="a table of 300,000 columns"):
        read(tmp_path / "a.jsonl")


def test_keys_are_counted_wherever_they_stand():
    lines = b'{"a":1,"b\\"c" : "x:y", "z":{"k": 2}}\n{"a":3,"never closed\n{"q":1}\n'
    assert jsonlines._keys_in(lines) == {b"a", b'b\\"c', b"z", b"k", b"q"}
    assert jsonlines._keys_in(b'{"a":1,"b":2}\n' * 9) == {b"a", b"b"}
    assert jsonlines._keys_in(b'{"a":1}\n{"b" :2}\n') == {b"a", b"b"}


def test_a_line_without_end(tmp_path):
    with gzip.open(tmp_path / "a.jsonl.gz", "wb", compresslevel=1) as file:
        file.write(b'{"a": "')
        for _ in range(70):
            file.write(b"x" * (1 << 20))
    with pytest.raises(DataError, match="longer than 64 MiB"):
        read(tmp_path / "a.jsonl.gz")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[" * 20_000 + b"]" * 20_000, "line 2: can't be read as JSON: maximum recursion depth"),
        (b"1" * 50, "line 2: can't be read as JSON: the whole number 1+ is beyond 64 bits"),
        (rb'"\ud800"', "surrogates not allowed"),
    ],
)
def test_values_that_no_table_holds(tmp_path, line, reason):
    (tmp_path / "a.jsonl").write_bytes(b'{"x": NaN}\n{"y": ' + line + b"}\n")
    with pytest.raises(DataError, match=reason):
        read(tmp_path / "a.jsonl")
