"""Repeated rows, rows that contradict each other, and rows of a new table that are in the training table."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from lamina.table.inspection import inspect

RNG = np.random.default_rng(0)
ROWS = 300
FRAME = pl.DataFrame(
    {
        "x": RNG.normal(size=ROWS),
        "city": RNG.choice(list("ABC"), ROWS),
        "gap": pl.Series(RNG.normal(size=ROWS)).scatter([0, 1, 2], None),
        "y": RNG.normal(size=ROWS),
    }
)


def duplicates(*tables, **more):
    return [one for one in inspect(*tables, **more).findings if one.kind == "duplicates"]


def test_repeated_rows_are_counted_as_polars_counts_them():
    table = pl.concat([FRAME, FRAME[:7], FRAME[:2]])
    (found,) = duplicates(table, "y")
    assert found.level == "warning"
    assert found.figure == len(table) - len(table.unique()) == 9
    assert found.message.startswith("9 rows (2.9 %) repeat an earlier row: ")


def test_row_numbers_and_ids_do_not_hide_them():
    table = pl.concat([FRAME, FRAME[:5]]).with_row_index("id")
    table = table.with_columns(name=pl.Series([f"N{i}" for i in range(len(table))]))
    (found,) = duplicates(table, "y")
    assert found.figure == 5


def test_contradictions_of_numbers_bound_r2():
    other = FRAME[:100].with_columns(y=pl.col("y") + 1)
    (found,) = duplicates(pl.concat([FRAME, other]), "y")
    whole = pl.concat([FRAME, other])["y"].to_numpy()
    bound = 1 - 200 * 0.25 / ((whole - whole.mean()) ** 2).sum()
    assert found.figure == 200
    assert f"no model reaches an R² above {bound:.3f}" in found.message


def test_contradictions_of_classes_bound_accuracy():
    classes = FRAME.with_columns(y=pl.Series(["no"] * ROWS))
    table = pl.concat([classes, classes[:60].with_columns(y=pl.lit("yes"))])
    (found,) = duplicates(table, "y")
    assert found.figure == 120
    assert found.message.endswith(
        "but have another class of 'y': no model gets more than 83.3 % of the rows right"
    )


def test_rows_of_training_in_the_new_table():
    new = pl.concat([FRAME[:20], FRAME[:40].with_columns(x=pl.col("x") + 1)])
    (found,) = duplicates(FRAME, "y", new)
    assert (found.level, found.figure) == ("warning", 20)
    (found,) = duplicates(FRAME, "y", new.drop("y", "gap"))
    assert (found.level, found.figure) == ("warning", 20)


def test_the_training_table_itself():
    found = inspect(FRAME, "y", FRAME)
    assert [one.figure for one in found.warnings] == [ROWS]
    assert not found.drift.found


@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(2, 6), st.integers(20, 95), st.integers(20, 95))
def test_tables_of_few_values_repeat_by_chance(seed, columns, values, rows, more):
    rng = np.random.default_rng(seed)
    whole = pl.DataFrame({f"c{i}": rng.integers(0, values, rows + more) for i in range(columns)})
    kinds = dict.fromkeys(whole.columns, "numeric")
    assert {one.level for one in duplicates(whole[:rows], None, whole[rows:], kinds=kinds)} <= {"note"}


def test_columns_that_others_determine_do_not_make_copies_of_chance():
    rng = np.random.default_rng(5)
    code = rng.integers(0, 40, ROWS)
    table = pl.DataFrame(
        {"size": rng.integers(0, 5, ROWS)}
        | {f"name{i}": [f"n{i} of {one}" for one in code] for i in range(3)}
    )
    (found,) = duplicates(table)
    assert found.level == "note" and found.figure == len(table) - len(table.unique())
