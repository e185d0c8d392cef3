"""A schema is found by column name and refuses what it did not write."""

import numpy as np
import pytest

from lamina.errors import DataError
from lamina.table.encode import TableEncoder
from lamina.table.kinds import infer
from lamina.table.messages import DataWarning
from lamina.table.read import ReadOptions, read
from lamina.table.schema import ColumnSchema, Schema
from lamina.table.types import Number


def test_text_stays_text_when_a_file_is_read_again(tmp_path):
    (tmp_path / "train.csv").write_text("code,n\n" + "1.0,1\n2,2\nA3,3\n" * 5)
    (tmp_path / "new.csv").write_text("code,n\n1.0,1\n2,2\n")
    frame = read(tmp_path / "train.csv")
    with pytest.warns(DataWarning, match="'code' holds numbers in 67 % of its rows, but 'A3' in row 2"):
        schema = infer(frame)
    assert schema.text_columns == ("code",)
    encoder = TableEncoder(schema).fit(frame)
    new = read(tmp_path / "new.csv", ReadOptions(as_text=schema.text_columns))
    np.testing.assert_array_equal(encoder.transform(new).numeric, encoder.transform(frame).numeric[:2])


def test_columns_by_name():
    schema = Schema((ColumnSchema("age", Number()),), 3, True)
    assert schema["age"].type == Number()
    with pytest.raises(KeyError, match="Did you mean 'age'"):
        schema["agee"]


@pytest.mark.parametrize(
    "content", [{}, {"version": 99}, {"version": 1}, {"version": 1, "columns": [{"x": 1}], "target": None}]
)
def test_what_is_not_a_schema(content):
    with pytest.raises(DataError, match="schema"):
        Schema.from_dict(content)


def test_control_characters_of_a_file_are_escaped_in_the_error():
    content = Schema((ColumnSchema("age", Number()),), 3, True).to_dict()
    column = content["columns"][0]
    content["columns"] = [{**column, "l\x7f\x1b[2Jw": column.pop("kind", 1)}]
    with pytest.raises(DataError, match=r"unknown field `l\\x7f\\x1b\[2Jw`") as raised:
        Schema.from_dict(content)
    assert str(raised.value).isprintable()
