"""The task that a target sets, and its values."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from lamina.errors import DataError
from lamina.table.columns import as_column
from lamina.table.messages import DataWarning
from lamina.table.target import infer_target, target_values
from lamina.table.types.mixed import few_words


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["no", "yes", "no"], "classification", ("no", "yes")),
        ([True, False, True], "classification", (False, True)),
        ([0, 1, 1], "classification", (0, 1)),
        ([10, 9, 2] * 10, "classification", (2, 9, 10)),
        ([0.5, 1.5], "regression", ()),
        (list(range(100)), "regression", ()),
        ([1, 2, 3], "regression", ()),
    ],
)
@pytest.mark.parametrize("make", [list, pd.Series, pl.Series, np.array])
def test_the_task_by_the_values(values, task, classes, make):
    target = infer_target(as_column(make(values)))
    assert (target.task, target.classes) == (task, classes)
    assert target.reason


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        (["$1,200", "$900", "$1,500"], 900, 1500),
        (["1 kg", "2 kg", "500 g"], 0.5, 2),
        (["10%", "20%", "50%"], 10, 50),
    ],
)
def test_few_amounts_are_a_regression(values, low, high):
    target = infer_target(as_column(values * 30))
    assert (target.task, target.low, target.high) == ("regression", low, high)
    assert infer_target(as_column(values * 30), "classification").counts == (30, 30, 30)
    assert infer_target(as_column(values[:2] * 30)).task == "classification"


@pytest.mark.parametrize("values", [["18-24", "25-34", "65+"], ["1/2", "1/4", "3/4"], ["low", "mid", "high"]])
def test_few_ranges_and_words_are_classes(values):
    assert infer_target(as_column(values * 30)).task == "classification"


def test_classes_in_several_spellings_are_reported():
    with pytest.warns(
        DataWarning, match="'y' has classes that differ only in capitals or spaces: 'YES ', 'Yes', 'yes';"
    ):
        target = infer_target(as_column(["yes", "Yes", "YES ", "no"] * 9, "y"))
    assert len(target.classes) == 4
    with pytest.warns(DataWarning, match="'A', 'a', and 1 more such name; give them one spelling"):
        infer_target(as_column(["a", "A", "b", "B"] * 9, "y"))


def test_a_few_words_among_the_numbers_of_a_target_are_no_classes():
    values = 2 * [*map(str, np.arange(100) / 4), "---"]
    with pytest.raises(DataError, match=r"'y' holds numbers, but '---' in row 100 .*leave such rows out"):
        infer_target(as_column(values, "y"))
    assert len(infer_target(as_column(values, "y"), "classification").classes) == 101
    assert few_words(as_column([*values, "", "-"])) == ["---", "", "-"]  # quoted, these are no gaps in a file


def test_words_are_few_among_few_numbers_where_the_target_is_known_to_be_numbers():
    for values, words in (
        (["1.5", "---", "2"], ["---"]), (["1.5", "v2", "2"], []), (["1.5", "---", "off"], []), (["---"], []),
    ):  # fmt: skip
        assert few_words(as_column(values)) == [] and few_words(as_column(values), known=True) == words


def test_a_chosen_task():
    target = infer_target(as_column([1.0, 2.0, 1.0]), "classification")
    assert (target.classes, target.counts) == ((1, 2), (2, 1))
    target = infer_target(as_column(["1.5", "2"]), "regression")
    assert (target.low, target.high, target.mean) == (1.5, 2, 1.75)
    assert infer_target(as_column([True, False]), "regression").mean == 0.5
    with pytest.raises(DataError, match="'many', not a number, in row 1"):
        infer_target(as_column(["1.5", "many"]), "regression")
    with pytest.raises(DataError, match="not 'ranking'"):
        infer_target(as_column([1, 2]), "ranking")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", None, "b", None], "missing in 2 of 4 rows, first in row 1"),
        ([1.0, float("nan")], "missing in 1 of 2 rows, first in row 1"),
        ([None, None], "no values"),
        ([1.0, float("inf")], "infinite in row 1"),
        (["a", "a"], "only one class, 'a'"),
        ([2.5, 2.5], "constant: 2.5"),
        ([f"id{i}" for i in range(50)], "50 classes in 50 rows"),
        ([datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)], "type"),
    ],
)
@pytest.mark.parametrize("make", [list, pd.Series, pl.Series])
def test_targets_that_cannot_be_learned(values, message, make):
    with pytest.raises(DataError, match=f"the target 'y'.*{message}"):
        infer_target(as_column(make(values)))


@pytest.mark.parametrize("values", [[0.0, 1.0, 1.0], [1.0, 2.0, 5.0] * 5])
@pytest.mark.parametrize("make", [list, pd.Series, pl.Series, np.array])
def test_whole_numbers_with_decimals_may_be_classes(values, make):
    with pytest.warns(DataWarning, match=r"all whole numbers but .* if they are classes, add task='classif"):
        assert infer_target(as_column(make(values))).task == "regression"
    assert infer_target(as_column(make(values)), "regression").task == "regression"
    assert infer_target(as_column(make(values)), "classification").classes == tuple(
        map(int, sorted({*values}))
    )


def test_a_class_of_one_row_is_a_warning():
    with pytest.warns(DataWarning, match="'y' has 1 class of a single row: 'c'"):
        infer_target(as_column(["a", "b"] * 20 + ["c"]))


def test_more_classes_than_a_network_has_outputs():
    with pytest.raises(DataError, match=r"'y' has 1,001 classes.*at most 1,000.*task='regression'"):
        infer_target(as_column([f"c{i % 1001}" for i in range(2002)]))


def test_values_of_classes_across_types():
    target = infer_target(as_column([2, 10, 2]), "classification")
    for again in ([10, 2], [10.0, 2.0], ["10", "2"]):
        values = target_values(target, as_column(again))
        assert values.tolist() == [1, 0] and values.dtype == np.int32


def test_a_class_that_training_lacks_is_named():
    target = infer_target(as_column(["a", "b", "a"]))
    with pytest.warns(DataWarning, match="1 class that training did not have: 'c' in 2 rows, first in row 1"):
        assert target_values(target, as_column(["a", "c", "c", "b"])).tolist() == [0, -1, -1, 1]


def test_values_of_a_regression():
    target = infer_target(as_column([1.0, 2.5]))
    assert target_values(target, as_column(pl.Series([1, 2]))).tolist() == [1.0, 2.0]
    with pytest.raises(DataError, match="missing"):
        target_values(target, as_column([None, 1.0]))


def test_nines_far_from_all_other_values_are_reported():
    values = [*np.linspace(0, 50, 40), -999.9, -999.9]
    said = (
        r"target 'y' is -999.9 in 2 rows, first in row 40 .*far from all others \(0 to 50\); if it stands for"
    )
    with pytest.warns(DataWarning, match=said):
        infer_target(as_column(values))


@pytest.mark.parametrize("high", [99.0, 999.5])
def test_values_beside_nines_and_far_values_of_other_digits_are_not(high, recwarn):
    infer_target(as_column([*np.linspace(0, 90, 40), high]))
    assert not recwarn.list


@pytest.mark.parametrize(
    "values", [[1.49, 1.99, 2.99, 3.49, 9.99], [*np.linspace(100, 420, 40), 999.99], [*range(400), 999]]
)
def test_prices_and_highest_values_are_no_codes(values, recwarn):
    infer_target(as_column([float(value) for value in values]))
    assert not recwarn.list
