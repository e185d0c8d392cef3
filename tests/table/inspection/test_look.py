"""What is said of columns, and columns that become several."""

import datetime
import json

import numpy as np
import polars as pl
import pytest

from lamina.errors import DataError
from lamina.table.inspection import inspect

rng = np.random.default_rng(0)
ROWS = 300
START = datetime.date(2020, 1, 1)
FRAME = pl.DataFrame(
    {
        "age": pl.Series(rng.integers(18, 80, ROWS)).scatter([3, 5], None),
        "city": rng.choice(["Ulm", "Bonn", "Kiel"], ROWS),
        "hired": [f"{START + datetime.timedelta(int(n)):%m/%d/%Y}" for n in rng.integers(0, 900, ROWS)],
        "price": rng.normal(100, 20, ROWS),
    }
)


def test_columns_are_counted_as_polars_counts_them():
    found = inspect(FRAME, "price")
    assert [one.name for one in found.columns] == FRAME.columns
    for one in found.columns:
        column = FRAME[one.name]
        assert (one.missing, one.distinct) == (column.null_count(), column.drop_nulls().n_unique())
        assert one.example == str(column.drop_nulls()[0])
    age = found.columns[0]
    assert (age.low, age.high) == (str(FRAME["age"].min()), str(FRAME["age"].max()))
    assert found.columns[2].schema.kind != "categorical"
    assert not found.findings


def test_json_can_hold_it():
    content = json.loads(json.dumps(inspect(FRAME, "price", FRAME[:50]).to_dict()))
    assert [one["name"] for one in content["columns"]] == FRAME.columns
    assert content["target"]["task"] == "regression"
    assert content["drift"]["rows"] == 50


def test_a_target_with_decimal_commas_is_compared_as_numbers():
    written = FRAME.with_columns(price=pl.col("price").map_elements(lambda x: f"{x:.2f}".replace(".", ",")))
    plain = written.with_columns(pl.col("price").str.replace(",", ".").cast(pl.Float64))
    later = (frame.with_columns(frame["price"].reverse()) for frame in (written[:200], plain[:200]))
    found, expected = (
        inspect(frame, "price", new) for frame, new in zip((written, plain), later, strict=True)
    )
    assert found.findings == expected.findings and found.drift == expected.drift
    odd = written[:50].with_columns(price=pl.lit("dear"))
    assert "the target 'price' is not a number in some rows of the new table" in [
        one.message for one in inspect(written, "price", odd).findings
    ]


@pytest.mark.slow
def test_dates_are_compared_by_their_parts():
    later = [f"{START + datetime.timedelta(int(n)):%m/%d/%Y}" for n in rng.integers(600, 900, ROWS)]
    found = inspect(FRAME, "price", FRAME.with_columns(hired=pl.Series(later), age=FRAME["age"].shuffle(1)))
    assert [one.column for one in found.drift.found] == ["hired"]


def test_a_date_that_gives_the_target_away():
    days = [(datetime.datetime.strptime(text, "%m/%d/%Y").date() - START).days for text in FRAME["hired"]]
    (found,) = inspect(FRAME.with_columns(price=pl.Series(days, dtype=pl.Float64)), "price").warnings
    assert found.columns == ("hired",)


def test_what_training_would_refuse_is_a_finding():
    table = rng.normal(size=(50, 2))
    table[3, 0] = np.inf
    (found,) = inspect(table, rng.normal(size=50)).findings
    assert found.message.startswith("training would refuse the table: column 'x0' has an infinite value")


def test_values_as_a_target():
    values = FRAME["age"].fill_null(0).to_numpy() * 2.0
    found = inspect(FRAME.drop("price"), values)
    assert [one.columns for one in found.warnings] == [("age",)]
    assert found.columns[-1].name == "y"


@pytest.mark.parametrize(
    ("target", "new", "said"),
    [
        ("prise", None, "there is no column 'prise' to predict. Did you mean 'price'?"),
        (np.zeros(3), None, "the target has 3 values, but the table has 300 rows"),
        (None, FRAME[:0], "the new table has no rows"),
    ],
)
def test_errors(target, new, said):
    with pytest.raises(DataError, match=said.replace("?", r"\?")):
        inspect(FRAME, target, new)


def test_a_row_of_totals_is_found():
    total = {"age": None, "city": "Total", "hired": None, "price": FRAME["price"].sum()}
    frame = pl.concat([FRAME, pl.DataFrame([total], schema=FRAME.schema)])
    (found,) = [one for one in inspect(frame, "price").findings if one.columns == ("city", "price")]
    assert found.level == "warning" and found.message.startswith(
        f"row {ROWS} (counting from 0) looks like a total"
    )


def test_a_sum_is_found_among_written_numbers():
    """As in a German export: numbers with decimal commas, and the word in a column of units."""
    frame = pl.DataFrame(
        {"Gewicht": ["1,5 kg", "2 kg", "4 kg", "Summe"], "Preis": ["1.000,50", "20,00", "3,25", "1.023,75"]}
    )
    with pytest.warns(UserWarning, match="'Gewicht' holds numbers, but 'Summe' in row 3"):
        said = inspect(frame).findings
    (found,) = [one for one in said if "looks like a total" in one.message]
    assert found.columns == ("Gewicht", "Preis")
