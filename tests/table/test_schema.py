"""A schema is found by column name and refuses what it did not write."""

import pytest

from lamina.errors import DataError
from lamina.table.schema import ColumnSchema, Schema


def test_columns_by_name():
    schema = Schema((ColumnSchema("age", "numeric"),), 3, True)
    assert schema["age"].kind == "numeric"
    with pytest.raises(KeyError, match="Did you mean 'age'"):
        schema["agee"]


@pytest.mark.parametrize(
    "content", [{}, {"version": 99}, {"version": 1}, {"version": 1, "columns": [{"x": 1}], "target": None}]
)
def test_what_is_not_a_schema(content):
    with pytest.raises(DataError, match="schema"):
        Schema.from_dict(content)
