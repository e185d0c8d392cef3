"""What cannot be is told before anything is trained, by the name of the setting and what it may be."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from lamina import MLPClassifier, MLPRegressor
from lamina.estimators.inputs import one_pair

X = np.random.default_rng(0).normal(size=(40, 3))
y = (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize(
    "settings, said",
    [
        (
            {"hidden_layer_sizes": 12.5},
            r"hidden_layer_sizes must be whole numbers, such as \(256, 256\), got 12\.5",
        ),
        ({"hidden_layer_sizes": "256,256"}, r"hidden_layer_sizes must be whole numbers, .* got '256,256'"),
        ({"epsilon": -1.0}, r"epsilon must be > 0, got -1\.0"),
        ({"epsilon": "a"}, r"epsilon must be > 0, got 'a'"),
        ({"tol": "a"}, r"tol must be a number, got 'a'"),
        (
            {"n_iter_no_change": 0},
            "n_iter_no_change must be a whole number >= 1, math.inf, or 'mean', 'auto' or 'cycle', got 0",
        ),
        ({"embedding_width": 0}, r"embedding_width must be a whole number >= 1, got 0"),
        ({"early_stopping": "no"}, r"early_stopping must be True or False, got 'no'"),
        ({"calibrate": "no"}, r"calibrate must be True or False, got 'no'"),
        ({"number_embedding": 2}, r"number_embedding must be True or False, got 2"),
        ({"solver": "sgd", "momentum": 3}, r"momentum must be between 0 and 1, got 3"),
        ({"momentum": "a"}, r"momentum must be between 0 and 1, got 'a'"),
        ({"column_kinds": ["a"]}, r"column_kinds must be a dict by column of .*, not list"),
        (
            {"callbacks": "print"},
            r"callbacks must be functions of \(estimator, epoch\), an Observer .*, not 'print'",
        ),
        ({"callbacks": [print, 3]}, r"callbacks must be functions .*, not 3"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_told_by_name(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MLPClassifier(preset="fast", max_iter=1, **settings).fit(X, y)


@pytest.mark.parametrize(
    "call, said",
    [
        (
            lambda: MLPClassifier().fit("train.csv", "y"),
            r"X must be an array or a data frame, not a str; read files with",
        ),
        (
            lambda: MLPClassifier().fit({"a": [1, 2]}, [0, 1]),
            r"not a dict; .* convert dicts with polars",
        ),
        (
            lambda: MLPClassifier().fit([["a"], ["b"]], [0, 1]),
            r'give a table with texts as a data frame of polars, .* set_output\(transform="pandas"\)',
        ),
        (
            lambda: MLPRegressor().fit(X, ["a"] * 40),
            r"y: .*; a regression needs a numeric target; for classes, use MLPC",
        ),
        (
            lambda: MLPRegressor().fit(X, np.array(["a"] * 40, object)),
            r"^y: .*; a regression needs a numeric target; for classes, use MLPC",
        ),
        *(
            (lambda y=y: MLPClassifier().fit(X, np.array([y, *["b"] * 39], object)), said)
            for y, said in {
                Decimal("2.5"): r"label type: Decimal, as Decimal\('2\.5'\) in row 0 .*y\.astype\(str\)",
                date(2020, 1, 1): r"label type: date, as datetime\.date\(2020, 1, 1\) in row 0",
                True: r"label type: bool, as True in row 0 of an array of objects",
            }.items()
        ),
        (lambda: MLPClassifier().partial_fit(X, None), r"MLPClassifier requires y to be passed"),
        (
            lambda: MLPClassifier().fit(X, y, eval_set=(X, y, y)),
            r"eval_set must be one pair .*, not 3 pairs or other objects",
        ),
        *(
            (
                lambda pairs=pairs: MLPClassifier().fit(X, y, eval_set=pairs),
                r"not 2 pairs or other objects: fit\(X, y, eval_set=\(",
            )
            for pairs in ([(X, y), (X, y)], [(X.tolist(), y.tolist())] * 2, ((X, y), (X, y)))
        ),
    ],
)
def test_tables_and_targets_that_cannot_be_say_what_to_give(call: Callable[[], Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        call()


def test_an_infinite_patience_is_one_as_in_scikit_learn() -> None:
    model = MLPClassifier(preset="fast", members=1, max_iter=2, n_iter_no_change=np.inf).fit(X, y)
    assert model.n_iter_ == 2


@pytest.mark.slow
def test_texts_that_are_numbers_are_a_regressions_target() -> None:
    texts = np.array([str(number) for number in X[:, 0]], object)
    models = [MLPRegressor(preset="fast", members=1, max_iter=1, random_state=0) for _ in range(2)]
    one, other = (
        model.fit(X, target).predict(X) for model, target in zip(models, (texts, X[:, 0]), strict=True)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "pair",
    [(X, y), [(X, y)], [X[:2].tolist(), [0, 1]], (X[:2].tolist(), y[:2].reshape(2, 1).tolist())],
    ids=str,
)
def test_a_pair_to_validate_on_may_be_of_lists_and_in_a_list(pair: Any) -> None:
    assert one_pair(pair)[0] is (pair if len(pair) == 2 else pair[0])[0]
