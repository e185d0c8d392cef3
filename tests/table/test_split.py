"""Parts of a table: disjoint, complete, of the wanted sizes, and fair to classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import DataError
from lamina.table.split import RandomSplitter


def split(rows, stratify=None, **shares):
    return RandomSplitter(rows, stratify).split(**shares)


shares = st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.4])


@given(st.integers(0, 300), shares, shares, st.integers(1, 12), st.integers(0, 9))
def test_parts_are_disjoint_complete_and_keep_a_row_of_each_class_for_training(rows, val, test, n, seed):
    classes = np.random.default_rng(seed).integers(0, n, rows)
    parts = split(rows, validation=val, test=test, stratify=classes, seed=seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(rows))
    assert all((np.diff(part) > 0).all() for part in parts)
    assert set(classes[parts.train]) == set(classes)
    if rows >= 4 * n:  # else the rows kept for training leave fewer
        free = rows - len(set(classes))
        assert len(parts.test) == min(round(test * rows), free)
        assert len(parts.validation) == min(round(val * rows), free - len(parts.test))


@given(st.integers(20, 400), st.integers(2, 5), st.integers(0, 9))
def test_classes_keep_their_share(rows, n, seed):
    classes = np.random.default_rng(seed).integers(0, n, rows)
    part = split(rows, validation=0.2, stratify=classes, seed=seed).validation
    share = np.bincount(classes, minlength=n)
    free = rows - np.count_nonzero(share)
    expected = len(part) * np.maximum(share - 1, 0) / free
    assert np.all(np.abs(np.bincount(classes[part], minlength=n) - expected) < 1)


def test_the_seed_decides():
    first, again, other = (split(100, test=0.1, seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.validation, other.validation)


def test_every_row_is_as_likely():
    hits = sum(
        np.isin(np.arange(20), split(20, validation=0.25, seed=seed).validation) for seed in range(2000)
    )
    assert np.all(np.abs(hits / 2000 - 0.25) < 0.05)


def test_text_classes_and_tiny_ones():
    classes = ["a"] * 10 + ["b"] * 2 + ["c"]
    parts = split(13, validation=0.3, stratify=classes)
    assert 12 in parts.train and len(parts.validation) == 4


@pytest.mark.parametrize("options", [{"validation": 1.0}, {"validation": 0.6, "test": 0.4}, {"test": -0.1}])
def test_shares_that_leave_nothing(options):
    with pytest.raises(DataError, match="shares of the rows"):
        split(10, **options)


def test_one_class_a_row():
    with pytest.raises(DataError, match=r"each of the 3 rows, not shape \(2,\)"):
        split(3, stratify=[1, 2])
