"""Columns that give the target away are found; noise and honest predictors are not."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import datasets

from lamina.table.inspection import inspect

ROWS = 400


def planted(**columns):
    rng = np.random.default_rng(3)
    noise = {
        "number": rng.normal(size=ROWS),
        "count": rng.integers(0, 9, ROWS),
        "city": rng.choice(list("ABCDE"), ROWS),
    }
    return pl.DataFrame(noise | columns)


def leaking(frame, target, **more):
    return [one for one in inspect(frame, target, **more).warnings if one.kind == "leakage"]


RNG = np.random.default_rng(0)
PRICE = RNG.lognormal(3, 1, ROWS)
BOUGHT = RNG.choice(["no", "yes"], ROWS, p=[0.8, 0.2])


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (PRICE, "'again' equals 'price' in every row"),
        (np.log(PRICE), "'again' determines 'price', which rises with it without exception"),
        (-(PRICE**3), "'again' determines 'price', which falls with it without exception"),
        (
            PRICE * RNG.uniform(0.98, 1.02, ROWS),
            "'again' alone predicts 'price' almost perfectly: R² of ranks 0.99",
        ),
    ],
)
def test_a_column_that_gives_a_number_away(column, said):
    (found,) = leaking(planted(again=column, price=PRICE), "price")
    assert found.columns == ("again",)
    assert found.message.startswith(said)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (BOUGHT, "'again' determines 'bought': each of its 2 values has one class"),
        ((BOUGHT == "yes") * 3.5, "'again' determines 'bought': each of its 2 values has one class"),
        (
            np.where(BOUGHT == "yes", RNG.normal(9, 1, ROWS), RNG.normal(-9, 1, ROWS)),
            "'again' alone predicts 'bought'",
        ),
        (
            np.where(BOUGHT == "yes", RNG.normal(9, 1, ROWS), np.nan),
            "'again' alone predicts 'bought' almost perfectly",
        ),
        (
            [f"{a}{b}" for a, b in zip(BOUGHT, RNG.integers(0, 20, ROWS), strict=True)],
            "'again' determines 'bought'",
        ),
    ],
)
def test_a_column_that_gives_a_class_away(column, said):
    (found,) = leaking(planted(again=column, bought=BOUGHT), "bought")
    assert found.columns == ("again",)
    assert found.message.startswith(said)


def test_a_column_that_is_named_like_the_target_may_predict_less():
    noisy = PRICE * RNG.uniform(0.75, 1.3, ROWS)
    (found,) = leaking(planted(price_usd=noisy, price=PRICE), "price")
    assert found.message.endswith("it is named like the target")
    assert not leaking(planted(other=noisy, price=PRICE), "price")


@pytest.mark.parametrize(
    "terms", ["a + b", "a - b", "b - a", "a + b + c", "a - b - c", "a + b - c", "a + b + c + d"]
)
def test_a_sum_of_columns_that_is_the_target(terms):
    rng = np.random.default_rng(1)
    columns = {name: rng.poisson(30, ROWS) for name in "abcd"}
    frame = planted(**columns).with_columns(total=pl.sql_expr(terms))
    (found,) = leaking(frame, "total")
    assert set(found.columns) == {letter for letter in terms if letter.isalpha()}
    signs = {name: f"{'−' if f'- {name}' in terms else '+'} '{name}'" for name in found.columns}
    assert all(text in f"+ {found.message}" for text in signs.values())
    assert found.message.endswith(" = 'total'")


def test_terms_that_are_rounded_scaled_or_copied():
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0, 50, ROWS), rng.uniform(0, 50, ROWS)
    rounded = planted(a=a.round(1), b=b.round(1), total=(a + b).round(1))
    assert leaking(rounded, "total")[0].message == "'a' + 'b' ≈ 'total'"
    cents = planted(a=100 * a, b=b, total=a + b)
    assert leaking(cents, "total")[0].message == "0.01·'a' + 'b' = 'total'"
    copied = planted(a=a, again=a, b=b, total=a + b)
    assert {"b"} < set(leaking(copied, "total")[0].columns)


def test_products_and_quotients():
    rng = np.random.default_rng(1)
    a, b = rng.uniform(1, 50, ROWS), rng.uniform(1, 50, ROWS)
    assert leaking(planted(a=a, b=b, total=a * b), "total")[0].message == "'a' × 'b' = 'total'"
    assert leaking(planted(a=a, b=b, rate=a / b), "rate")[0].message == "'a' / 'b' = 'rate'"


def test_ids_of_groups_with_one_class_each():
    rng = np.random.default_rng(2)
    person = rng.integers(0, 120, ROWS)
    ill = rng.integers(0, 2, 120)[person]
    (found,) = leaking(planted(person=[f"p{one}" for one in person], ill=ill), "ill")
    assert found.columns == ("person",)


def test_copies_of_rows_do_not_make_their_columns_leak():
    rng = np.random.default_rng(4)
    frame = pl.DataFrame({"x": rng.normal(size=ROWS), "z": rng.normal(size=ROWS), "y": rng.normal(size=ROWS)})
    found = inspect(pl.concat([frame, frame]), "y")
    assert [one.kind for one in found.warnings] == ["duplicates"]


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "digits"])
def test_honest_tables_have_no_leakage(name):
    table = getattr(datasets, f"load_{name}")()
    assert not [one for one in inspect(table.data, table.target).warnings if one.kind == "leakage"]


COLUMN = st.sampled_from(["normal", "heavy", "few", "words", "ids", "rare", "gaps"])


def noise(kind, rng, rows):
    """A column of noise."""
    makes = {
        "normal": lambda: rng.normal(size=rows),
        "heavy": lambda: rng.standard_cauchy(rows),
        "few": lambda: rng.integers(0, 4, rows),
        "words": lambda: rng.choice([f"w{i}" for i in range(30)], rows),
        "ids": lambda: [f"i{i}" for i in rng.integers(0, rows, rows)],
        "rare": lambda: rng.random(rows) < 0.02,
        "gaps": lambda: np.where(rng.random(rows) < 0.3, np.nan, rng.normal(size=rows)),
    }
    return pl.Series(makes[kind]())


@pytest.mark.filterwarnings("ignore:the target 'y' has")  # classes of a single row
@given(
    st.lists(COLUMN, min_size=1, max_size=6),
    st.sampled_from(["normal", "few", "words", "heavy"]),
    st.integers(20, 500),
    st.integers(0, 2**32),
)
def test_independent_noise_never_leaks(kinds, target, rows, seed):
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame({f"c{i}": noise(kind, rng, rows) for i, kind in enumerate(kinds)})
    frame = frame.with_columns(y=noise(target, rng, rows))
    assert not leaking(frame, "y")
