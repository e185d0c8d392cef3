"""Drift is found where it was planted, and not by chance; the statistics are SciPy's."""

import numpy as np
import polars as pl
import pytest
from scipy import stats
from sklearn import datasets

from lamina.table.columns import as_column
from lamina.table.findings.drift import drift, new_categories
from lamina.table.findings.results import LEVEL
from lamina.table.findings.values import Series, cells_of
from lamina.table.inspection import inspect


def table(rows, seed, **changed):
    rng = np.random.default_rng(seed)
    columns = {
        "age": rng.normal(40, 10, rows),
        "visits": rng.poisson(3, rows),
        "city": rng.choice(["Ulm", "Bonn", "Kiel"], rows, p=[0.5, 0.3, 0.2]),
        "member": rng.random(rows) < 0.3,
        "income": np.where(rng.random(rows) < 0.1, np.nan, rng.lognormal(10, 1, rows)),
    }
    return pl.DataFrame(columns | {name: make(rng, columns) for name, make in changed.items()})


PLANTED = {
    "age": lambda rng, columns: columns["age"] + 4,
    "visits": lambda rng, columns: rng.poisson(4, len(columns["age"])),
    "city": lambda rng, columns: rng.choice(["Ulm", "Bonn", "Kiel"], len(columns["age"]), p=[0.3, 0.3, 0.4]),
    "member": lambda rng, columns: rng.random(len(columns["age"])) < 0.5,
    "income": lambda rng, columns: np.where(rng.random(len(columns["age"])) < 0.3, np.nan, columns["income"]),
}


@pytest.mark.few(1)
@pytest.mark.parametrize("name", PLANTED)
def test_planted_drift_is_found(name):
    found = inspect(table(1000, 0), None, table(800, 1, **{name: PLANTED[name]})).drift
    assert {one.column for one in found.found} == {name}
    assert found.columns[0].column == name


@pytest.mark.slow
def test_the_largest_comes_first():
    both = {"age": lambda rng, columns: columns["age"] + 30, "city": PLANTED["city"]}
    found = inspect(table(1000, 0), None, table(800, 1, **both)).drift
    assert [one.column for one in found.found] == ["age", "city"]
    assert found.auc > 0.9 and found.auc_adjusted < LEVEL


def test_statistics_are_scipys():
    before, after = table(1000, 0), table(800, 1, **PLANTED)
    columns = {(one.column, one.what): one for one in inspect(before, None, after).drift.columns}
    numbers = columns["age", "values"]
    expected = stats.ks_2samp(before["age"].to_numpy(), after["age"].to_numpy(), method="asymp")
    assert (numbers.size, numbers.p_value) == (expected.statistic, expected.pvalue)
    counts = np.array(
        [[(frame["city"] == name).sum() for name in ("Ulm", "Bonn", "Kiel")] for frame in (before, after)]
    )
    shares = counts / counts.sum(axis=1, keepdims=True)
    names = columns["city", "values"]
    assert names.p_value == pytest.approx(stats.chi2_contingency(counts, correction=False).pvalue, rel=1e-9)
    assert names.size == pytest.approx(abs(shares[0] - shares[1]).sum() / 2)
    gaps = np.array(
        [[frame["income"].is_nan().sum(), (~frame["income"].is_nan()).sum()] for frame in (before, after)]
    )
    missing = columns["income", "missing"]
    assert missing.p_value == pytest.approx(stats.chi2_contingency(gaps, correction=False).pvalue, rel=1e-9)


def test_few_missing_values_are_compared_by_fishers_exact_test():
    before, after = Series("x", "x", np.arange(90.0)), Series("x", "x", np.array([np.nan] * 3 + [5.0] * 60))
    missing = next(one for one in drift([before], [after]).columns if one.what == "missing")
    assert missing.test == "Fisher"
    assert missing.p_value == pytest.approx(stats.fisher_exact([[0, 90], [3, 60]]).pvalue)


def test_p_values_are_adjusted_by_holms_method():
    changed = {"age": lambda rng, columns: columns["age"] + 1, "visits": PLANTED["visits"]}
    found = inspect(table(60, 0), None, table(60, 1, **changed)).drift
    assert found.auc is None
    tests = sorted(found.columns, key=lambda one: one.p_value)
    # R's p.adjust(p, "holm"): the running maximum of (n - i + 1) p_i, at most 1
    steps = [min(1.0, (len(tests) - i) * one.p_value) for i, one in enumerate(tests)]
    assert [one.adjusted for one in tests] == pytest.approx([max(steps[: i + 1]) for i in range(len(steps))])


def test_new_names_among_many_rare_ones():
    def series(values, known=None):
        return cells_of(None, as_column(values, "name"), known)

    rng = np.random.default_rng(0)
    before = series([f"a{i}" for i in rng.integers(0, 500, 2000)])
    alike = series([f"a{i}" for i in rng.integers(0, 500, 500)], before)
    other = series([f"b{i}" for i in range(500)], before)
    assert not drift([before], [alike]).found
    assert drift([before], [other]).found
    assert new_categories([before], [other]) == {"name": (500, 500)}


def test_absent_extra_and_changed_columns():
    before = table(200, 0)
    after = table(100, 1).drop("age").rename({"visits": "visit"}).with_columns(member=pl.lit("perhaps"))
    said = [one.message for one in inspect(before, None, after).findings if one.kind == "columns"]
    assert said[0] == "the new table lacks 2 columns of training: 'age', 'visits'"
    assert said[1].startswith(
        "in the new table, column 'member': 100 of 100 values could not be read as true or false"
    )
    assert said[2] == "the new table has 1 column not in training: 'visit'"


@pytest.mark.slow
def test_the_target_of_the_new_table_is_compared_too():
    found = inspect(
        table(1000, 0), "visits", table(800, 1, visits=PLANTED["visits"]), task="regression"
    ).drift
    assert [one.column for one in found.found] == ["visits"]


def test_arrays_are_compared_by_position():
    rng = np.random.default_rng(0)
    found = inspect(rng.normal(size=(300, 3)), None, rng.normal([0, 0, 2], size=(200, 3))).drift
    assert [one.column for one in found.found] == ["x2"]


@pytest.mark.parametrize(
    "name",
    [
        "iris",
        "wine",
        "diabetes",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("breast_cancer", "digits")),
    ],
)
def test_random_halves_of_real_tables_do_not_drift(name):
    rows = getattr(datasets, f"load_{name}")().data
    order = np.random.default_rng(1).permutation(len(rows))
    found = inspect(rows[order[::2]], None, rows[order[1::2]])
    assert not found.drift.found
    assert found.drift.auc_adjusted is None or found.drift.auc_adjusted >= LEVEL


@pytest.mark.slow
@pytest.mark.parametrize("times", [100, pytest.param(400, marks=pytest.mark.slow)])
def test_noise_gives_findings_at_the_stated_level(times):
    """At most the share of the level, but for chance: the binomial's tail of 1e-4."""
    alarms = 0
    for seed in range(times):
        rng = np.random.default_rng(seed)
        whole = [
            Series("normal", "normal", rng.normal(size=130)),
            Series("few", "few", rng.integers(0, 3, 130).astype(float)),
            Series("gaps", "gaps", np.where(rng.random(130) < 0.2, np.nan, rng.random(130))),
            _named(rng.integers(0, 5, 130)),
            _named(rng.integers(0, 90, 130)),
        ]
        first, second = np.arange(80), np.arange(80, 130)
        alarms += bool(drift([one.of(first) for one in whole], [one.of(second) for one in whole]).found)
    assert alarms <= stats.binom.ppf(1 - 1e-4, times, LEVEL)


def _named(values):
    return cells_of(None, as_column([f"n{one}" for one in values], "names"))
