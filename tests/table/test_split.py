"""Parts of a table: disjoint, complete, of the wanted sizes, and fair to classes."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, TimeSeriesSplit

from lamina.errors import DataError
from lamina.table.columns import as_column
from lamina.table.split import GroupSplitter, RandomSplitter, TimeSplitter, splitter_for


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


@pytest.mark.slow
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


# --- by groups and in time; the oracles are scikit-learn's splitters

ROWS = np.arange(120, dtype=np.int32)


def numbered(values):
    return as_column(np.asarray(values), "name")


@given(st.integers(2, 40), st.integers(1, 4), st.integers(0, 99), st.booleans())
def test_a_group_is_in_one_part_and_every_class_trains(groups, kinds, seed, skewed):
    rng = np.random.default_rng(seed)
    of = (groups * rng.uniform(size=120) ** (3 if skewed else 1)).astype(int)
    classes = rng.integers(0, kinds, 120)
    splitter = GroupSplitter(numbered(of), classes)
    assume(splitter.most_members(ROWS) >= 3)
    parts = splitter.split(validation=0.2, test=0.2, seed=seed)
    assert sorted(np.concatenate(parts).tolist()) == ROWS.tolist()
    assert all((np.diff(part) > 0).all() and len(part) for part in parts)
    own = [set(of[part]) for part in parts]
    assert not (own[0] & own[1] or own[0] & own[2] or own[1] & own[2])
    alone = {value for value in range(kinds) if len(set(of[classes == value])) == 1}
    assert alone <= set(classes[parts.train])
    largest = np.bincount(of).max()
    for part, share in zip(parts[1:], (0.2, 0.2), strict=True):
        assert abs(len(part) - share * 120) <= 2 * largest


@given(st.integers(4, 40), st.integers(2, 4), st.integers(0, 99))
def test_members_hold_out_groups_as_group_k_fold_does(groups, members, seed):
    of = np.random.default_rng(seed).integers(0, groups, 120)
    assume(len(set(of)) >= members)
    pairs = GroupSplitter(numbered(of)).members(ROWS, 1 / members, np.random.default_rng(seed), members)
    theirs = [len(held) for _, held in GroupKFold(members).split(of, groups=of)]
    ours = [len(held) for _, held in pairs]
    assert sum(ours) == sum(theirs) == 120
    # Both place the largest group first, where most is missing; ties are theirs by number and ours by chance.
    assert sorted(ours) == sorted(theirs)
    for training, held in pairs:
        assert not set(of[training]) & set(of[held])
        assert sorted([*training, *held]) == ROWS.tolist()


def test_classes_keep_their_shares_as_well_as_in_stratified_group_k_fold():
    rows, off = np.arange(600), {"theirs": [], "ours": []}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        of = rng.integers(0, 30, 600)
        classes = (rng.uniform(size=600) < rng.beta(0.5, 1, 30)[of]).astype(int)
        theirs = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(rows, classes, of)
        ours = GroupSplitter(numbered(of), classes).members(rows, 0.2, rng, 5)
        for name, pairs in {"theirs": theirs, "ours": ours}.items():
            counts = np.array([np.bincount(classes[held], minlength=2) for _, held in pairs])
            off[name].append((np.square(counts - counts.mean(axis=0)) / counts.mean(axis=0)).sum())
    assert np.mean(off["ours"]) <= np.mean(off["theirs"])


def test_groups_are_divided_by_the_seed_and_not_by_their_values_order():
    of = np.random.default_rng(0).integers(0, 12, 120)
    first = GroupSplitter(numbered(of)).split(test=0.2, seed=3)
    again = GroupSplitter(as_column(list(map("id {}".format, of)), "name")).split(test=0.2, seed=3)
    other = GroupSplitter(numbered(of)).split(test=0.2, seed=4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@given(st.integers(2, 6), st.integers(0, 9), st.integers(0, 99))
def test_members_are_chained_forward_as_in_time_series_split(members, gap, seed):
    times = np.random.default_rng(seed).permutation(120)
    pairs = TimeSplitter(numbered(times), gap).members(
        ROWS, 0.05 * members, np.random.default_rng(0), members
    )
    order = np.argsort(times)
    theirs = TimeSeriesSplit(members, test_size=6, gap=gap).split(ROWS)
    for (training, held), (before, after) in zip(pairs, theirs, strict=True):
        np.testing.assert_array_equal(training, np.sort(order[before]))
        np.testing.assert_array_equal(held, np.sort(order[after]))


@given(st.integers(30, 60), st.integers(0, 2), st.integers(0, 99))
def test_later_rows_are_held_back_and_those_of_one_time_stay_together(different, gap, seed):
    times = np.random.default_rng(seed).integers(0, different, 120).astype(float)
    parts = TimeSplitter(numbered(times), gap).split(validation=0.2, test=0.2)
    train, validation, test = (times[part] for part in parts)
    assert train.max() + gap < validation.min() and validation.max() + gap < test.min()
    assert (times >= test.min()).sum() == len(test)
    most = np.unique(times, return_counts=True)[1].max()
    assert abs(len(test) - 24) <= most


def test_groups_that_are_in_a_later_part_do_not_train():
    times = np.arange(120)
    of = times // 10
    parts = TimeSplitter(numbered(times), 0, numbered(of)).split(validation=0.25, test=0.25)
    own = [set(of[part]) for part in parts]
    assert not (own[0] & own[1] or own[0] & own[2] or own[1] & own[2]) and all(own)
    with pytest.raises(
        DataError, match=r"time and groups: no training rows are left before .* leave one option out"
    ):
        TimeSplitter(numbered(times), 0, numbered(times % 3)).split()


@pytest.mark.parametrize(
    ("marks", "members", "message"),
    [
        (
            {"groups": [1] * 120},
            1,
            "there is 1 group, and 2 parts need at least 2, to hold out whole groups; give",
        ),
        (
            {"groups": ROWS % 3},
            4,
            "there are 3 groups, and members=4 need at least 4, .*; set members=3, give fit",
        ),
        (
            {"groups": ROWS % 3, "strata": ROWS % 3},
            1,
            "0 groups besides 3 groups with the only rows of a class",
        ),
        ({"groups": [1, 2]}, 1, "groups has 2 values, but the table has 120 rows: give a value for each row"),
        ({"groups": [None, *ROWS[1:]]}, 1, "groups is missing in 1 of 120 rows, first in row 0"),
        (
            {"time": ROWS % 3},
            4,
            "there are 3 different times, and members=4 need at least 5, .*; set members=2",
        ),
        ({"time": [1] * 120}, 1, "there is 1 different time, and 2 parts need at least 2"),
        ({"time": ["soon"] * 120}, 1, "time: the values, such as 'soon' in row 0 .*, are not all numbers"),
        ({"time": [np.nan, *ROWS[1:]]}, 1, "time is missing in 1 of 120 rows, first in row 0"),
        ({"time": [np.inf, *ROWS[1:]]}, 1, "time: inf in row 0 .* is invalid; correct it"),
        (
            {"time": ROWS, "gap": 200},
            1,
            "none is earlier than the next part by more than time_gap=200; make the gap smaller",
        ),
    ],
)
def test_what_cannot_be_divided_is_said_with_a_remedy(marks, members, message):
    columns = {
        name: as_column(list(values)) if name in ("groups", "time") else values
        for name, values in marks.items()
    }
    with pytest.raises(DataError, match=message):
        splitter_for(120, **columns).members(ROWS, 0.2, np.random.default_rng(0), members)
