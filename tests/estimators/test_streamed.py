"""Estimators on tables that are streamed: every row once an epoch, in an order of its own, to the same bits."""

import re

import numpy as np
import polars as pl
import pyarrow.dataset
import pytest
from any_texts import sentences
from sklearn.base import clone

import lamina
from lamina import MLPClassifier, MLPRegressor
from lamina.errors import DataError
from lamina.estimators.data import Data
from lamina.estimators.streamed import StreamedBatches, learned, looked_over, target_of
from lamina.table import ngram_targets
from lamina.table.encode import TableEncoder
from lamina.table.messages import DataWarning
from lamina.table.stream import cache, sources, statistics
from lamina.table.stream.cache import CacheWriter, Layout
from lamina.table.stream.sample import folds_by

QUICK = {
    "preset": "fast",
    "hidden_layer_sizes": (16,),
    "max_iter": 4,
    "random_state": 0,
    "number_embedding": False,
}
rng = np.random.default_rng(0)
N = 3000
X = rng.normal(size=(N, 3))
VALUE = X[:, 0] + X[:, 1] + 0.2 * rng.normal(size=N)
FRAME = pl.DataFrame(
    {
        "a": X[:, 0],
        "b": [None if i % 9 == 0 else x for i, x in enumerate(X[:, 1])],
        "word": [f"w{i % 12}" for i in range(N)],
        "class": np.where(VALUE > 0, "yes", "no"),
        "value": VALUE,
    }
)
CLASSES, NUMBERS = FRAME.drop("value"), FRAME.drop("class")


class Rows:
    """As LightGBM's `Sequence`."""

    def __init__(self, table):
        self.table = table

    def __len__(self):
        return len(self.table)

    def __getitem__(self, index):
        return self.table[index]


@pytest.fixture
def small_windows(monkeypatch):
    """Groups of 32 rows and windows of 4 groups, of rows of 16 words."""
    monkeypatch.setattr(cache, "_FEWEST_ROWS", 32)
    monkeypatch.setattr(cache, "_GROUP_BYTES", 32)
    monkeypatch.setattr(cache, "_WINDOW_BYTES", 128)


def weights(model):
    return model.fitted_.network.state()


def same(a, b):
    return all(np.array_equal(x, weights(b)[name]) for name, x in weights(a).items())


# --- batches -------------------------------------------------------------------------------------------------------


@pytest.fixture
def rows(tmp_path, small_windows):
    """1000 rows whose first number says which they are."""
    layout = Layout(2, 0, 0)
    numbers = np.stack([np.arange(1000), np.zeros(1000)], axis=1).astype(np.float32)
    with CacheWriter(tmp_path, layout) as writer:
        writer.append(numbers, np.empty((1000, 0), np.int32), numbers[:, 0])
        return writer.finish()


def epoch(rows, seed, batch, members=2, drop_last=False):
    """The rows of each step, (steps, members, batch), as they are in memory when the step is taken."""
    steps = []
    few = Data(np.zeros((1, 2), np.float32), None, np.zeros(1, np.float32))
    for indices, arrays in StreamedBatches(rows, [few] * members).epoch(
        np.random.default_rng(seed), batch, drop_last
    ):
        taken = arrays[0].asnumpy()[indices, 0].astype(int)
        np.testing.assert_array_equal(taken, arrays[1].asnumpy()[indices])  # the target is of the same row
        steps += list(taken.reshape(len(indices), members, -1))
    return steps


@pytest.mark.parametrize("batch", [7, 64, 100, 300])
@pytest.mark.parametrize("drop_last", [False, True])
def test_an_epoch_has_every_row_once(rows, batch, drop_last):
    assert rows.layout.window == 128 and rows.groups == 32
    steps = epoch(rows, 3, batch, drop_last=drop_last)
    whole = 1000 // batch * batch
    for member in range(2):
        seen = np.concatenate([step[member] for step in steps])
        assert len(np.unique(seen)) == len(seen) == (whole if drop_last else 1000)
    assert not np.array_equal(steps[0][0], steps[0][1])  # each member has an order of its own
    assert {step.shape[1] for step in steps[:-1]} == {batch}


def test_the_order_is_of_the_seed_and_mixes_far_rows(rows):
    first, again, other = (epoch(rows, seed, 50) for seed in (3, 3, 4))
    assert all(map(np.array_equal, first, again)) and not np.array_equal(first[0], other[0])
    order = np.concatenate([step[0] for step in first])
    assert abs(np.corrcoef(order, np.arange(1000))[0, 1]) < 0.5
    assert np.ptp(order[:100]) > 300  # a window has groups from all over the table


def test_what_cannot_be_read_ends_the_epoch(rows):
    with rows.path.open("r+b") as file:
        file.truncate(5000)
    with pytest.raises(DataError, match="has been truncated"):
        epoch(rows, 3, 50)


# --- training ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("small_windows")
def test_all_sources_of_a_table_train_the_same_network():
    lazy = MLPClassifier(**QUICK).fit(CLASSES.lazy(), "class")
    others = [pyarrow.dataset.dataset(CLASSES.to_arrow()), Rows(CLASSES)]
    assert all(same(lazy, MLPClassifier(**QUICK).fit(source, "class")) for source in others)
    assert not same(lazy, MLPClassifier(**{**QUICK, "random_state": 1}).fit(others[1], "class"))
    assert lazy.classes_.tolist() == ["no", "yes"] and list(lazy.feature_names_in_) == ["a", "b", "word"]
    held = MLPClassifier(**QUICK).fit(CLASSES.drop("class"), CLASSES["class"])
    scores = [model.score(CLASSES.drop("class"), CLASSES["class"]) for model in (lazy, held)]
    assert abs(scores[0] - scores[1]) < 0.02 and scores[0] > 0.85
    assert lazy.n_iter_ == 4 and len(lazy.validation_scores_) == 4
    # Predictions of a source are those of the table, whether it has the target or not.
    expected = lazy.predict_proba(CLASSES.drop("class"))
    for source in (CLASSES.lazy(), CLASSES.drop("class").lazy(), others[0]):
        np.testing.assert_array_equal(lazy.predict_proba(source), expected)


def test_numbers_without_names_and_a_target_apart():
    model = MLPRegressor(**QUICK, members=2).fit(Rows(X.astype(np.float32)), VALUE)
    assert model.n_features_in_ == 3 and not hasattr(model, "feature_names_in_")
    assert model.score(X, VALUE) > 0.9
    np.testing.assert_array_equal(model.predict(Rows(X)), model.predict(X))


@pytest.mark.slow
def test_a_regression_by_name_beside_one_in_memory():
    streamed = MLPRegressor(**QUICK).fit(NUMBERS.lazy(), "value")
    held = MLPRegressor(**QUICK).fit(NUMBERS.drop("value"), VALUE)
    scores = [model.score(NUMBERS.drop("value"), VALUE) for model in (streamed, held)]
    assert abs(scores[0] - scores[1]) < 0.05
    target, expected = streamed.fitted_.target, held.fitted_.target
    np.testing.assert_allclose(target.scale, expected.scale)
    np.testing.assert_allclose(target.low, expected.low)


def test_a_linear_table_has_a_linear_path():
    few = NUMBERS.select("a", "b", "value").head(300)
    model = MLPRegressor(**QUICK).fit(few.lazy(), "value")
    assert model.fitted_.network.architecture.skip


@pytest.mark.usefixtures("small_windows")
def test_a_table_sorted_by_label_is_shuffled_and_learned():
    with pytest.warns(DataWarning, match="rows with similar values of 'class' are adjacent"):
        model = MLPClassifier(**QUICK).fit(CLASSES.sort("class").lazy(), "class")
    assert model.score(CLASSES.drop("class"), CLASSES["class"]) > 0.85


def test_rows_to_validate_on_may_be_given():
    validation = CLASSES[:500]
    model = MLPClassifier(**QUICK).fit(
        CLASSES[500:].lazy(), "class", eval_set=(validation.drop("class"), validation["class"])
    )
    assert len(model.validation_scores_) == 4


def test_what_needs_all_rows_in_memory_is_told():
    table = CLASSES.lazy()
    with pytest.raises(ValueError, match="sample_weight is for tables in memory"):
        MLPClassifier(**QUICK).fit(table, "class", sample_weight=np.ones(N))
    with pytest.raises(ValueError, match="class_weight is for tables in memory"):
        MLPClassifier(**QUICK, class_weight="balanced").fit(table, "class")
    with pytest.raises(DataError, match="there is no column 'clas' to predict"):
        MLPClassifier(**QUICK).fit(table, "clas")


class Changing(Rows):
    """Another table from the second pass on."""

    def __init__(self, first, second):
        super().__init__(first)
        self._second = second

    def __getitem__(self, index):
        part = self.table[index]
        if index.stop == len(self.table):
            self.table = self._second
        return part


def test_a_table_that_changes_between_the_passes():
    renamed = CLASSES.with_columns(word=pl.lit("new"))
    with pytest.warns(
        DataWarning,
        match="'word' has 1 value, in 3,000 rows, that training did not have; it counts as missing",
    ):
        MLPClassifier(**QUICK).fit(Changing(CLASSES, renamed), "class")
    maybe = CLASSES.with_columns(pl.lit("maybe").alias("class"))
    with (
        pytest.warns(DataWarning, match="1 class that training did not have"),
        pytest.raises(DataError, match="'class' has classes that the first pass did not find"),
    ):
        MLPClassifier(**QUICK).fit(Changing(CLASSES, maybe), "class")
    for other in (CLASSES[:-1], pl.concat([CLASSES, CLASSES])):
        with pytest.raises(DataError, match=r"changed while it was read: 3,000 rows in the first pass"):
            MLPClassifier(**QUICK).fit(Changing(CLASSES, other), "class")


def test_a_table_of_categories_alone():
    words = FRAME.select("word")
    model = MLPRegressor(**QUICK).fit(words.with_columns(y=VALUE + np.arange(N) % 12).lazy(), "y")
    np.testing.assert_array_equal(model.predict(words.lazy()), model.predict(words))
    assert model.score(words, VALUE + np.arange(N) % 12) > 0.5


def test_blocks_without_a_readable_value_are_learned_and_predicted_as_in_memory(monkeypatch):
    """The last 100 of 3,000 rows are unreadable, which is told once, with a row of the table."""
    monkeypatch.setattr(sources, "BLOCK_ROWS", 50)
    pairs = [f"{i % 70}, {i % 13}" if i < 2900 else f"n/a? {i % 3}" for i in range(N)]
    table = NUMBERS[["a", "value"]].with_columns(pair=pl.Series(pairs))
    told = "column 'pair' holds several numbers each, but 'n/a\\? .' in row 29\\d\\d .* and 2 other values"
    with pytest.warns(DataWarning) as warned:
        model = MLPRegressor(**QUICK).fit(Rows(table), "value")
    assert [bool(re.match(told, str(one.message))) for one in warned if one.category is DataWarning] == [True]
    rows = table.drop("value")
    with pytest.warns(DataWarning, match="'pair' has 3 values, in .* rows, that could not be read"):
        np.testing.assert_array_equal(model.predict(Rows(rows)), model.predict(rows))
    with pytest.raises(DataError, match="'pair': 100 of 100 values could not be read"):
        model.predict(Rows(rows[2900:]))


def test_members_and_arrays_of_a_streamed_model_are_saved(tmp_path):
    model = MLPClassifier(**QUICK, members=2).fit(CLASSES.lazy(), "class")
    lamina.save(model, tmp_path / "model.safetensors")
    again = lamina.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(CLASSES.lazy()), model.predict(CLASSES.lazy()))


@pytest.mark.slow
@pytest.mark.parametrize("rows", [2_100, 5_400])
def test_presets_take_a_table_for_as_large_as_in_memory(rows):
    """What is held out counts: of 2,100 rows, and of 5,400, as many train as of tables with other rules."""
    table = pl.DataFrame({"x": np.arange(rows) % 7.0, "y": np.arange(rows) % 3.0})
    model = MLPRegressor(preset="fast", hidden_layer_sizes=2, n_iter_no_change=np.inf, random_state=0)
    streamed, held = model.fit(table.lazy(), "y"), clone(model).fit(table.drop("y"), table["y"])
    assert streamed.n_iter_ == held.n_iter_
    assert len(streamed.fitted_.network.members) == len(held.fitted_.network.members)


# --- what texts learn from the target --------------------------------------------------------------------------------

SAID = pl.DataFrame(
    {"c": sentences(600, 1), "x": np.linspace(0, 1, 600), "who": [f"g{i % 40}" for i in range(600)]}
)


def more_of_a(texts):
    """By how many letters a text has more of a than of e; counts are unsigned."""
    return texts.str.count_matches("a").cast(pl.Int64) - texts.str.count_matches("e").cast(pl.Int64)


SAID = SAID.with_columns(y=more_of_a(pl.col("c")) + 0.25)
ALL = np.arange(600)


def taught(frame, marks):
    """The feature of each row, those of parts of the table together, the folds, and which rows were sampled."""
    with looked_over(frame.lazy(), "y", marks, 0.0, kinds={"who": "drop"}, gap=0.0, seed=3) as table:
        target, division = target_of(table.survey, logarithmic=False), table.division
        encode, sample = learned(table, table.survey.schema, target, TableEncoder)
        assert "c: target" in encode.encoder.numeric_names and len(sample) == len(division.sample)
        parts = [encode.given(frame[i : i + 70], ALL[i : i + 70])["c: target"] for i in range(0, 600, 70)]
        sampled = division.sample.frame, division.sample.numbers
        folds = folds_by(division.keys, division.seed, *sampled)(frame, ALL)
        return encode.given(frame, ALL)["c: target"], np.concatenate(parts), folds, np.isin(ALL, sampled[1])


@pytest.mark.parametrize("sampled", [300, 5000])
@pytest.mark.parametrize("marks", [{}, {"groups": "who"}, {"time": "x"}], ids=["random", "groups", "time"])
def test_rows_have_the_predictions_of_texts_by_models_without_their_fold(monkeypatch, marks, sampled):
    monkeypatch.setattr(statistics, "_SAMPLE_ROWS", sampled)
    monkeypatch.setattr(ngram_targets, "_PENALTIES", (3.0,))
    marks = {"groups": None, "time": None} | marks
    before, in_parts, folds, known = taught(SAID, marks)
    np.testing.assert_array_equal(before, in_parts)
    assert np.corrcoef(before, SAID["y"])[0, 1] > 0.5
    assert sorted(set(folds)) == [0, 1, 2, 3, 4]
    if marks["groups"]:
        assert all(len(set(folds[SAID["who"] == who])) == 1 for who in SAID["who"].unique())
    if marks["time"]:
        assert folds.tolist() == sorted(folds, reverse=True)
    y = SAID["y"].to_numpy().copy()
    y[known & (folds == 2)] = y[known & (folds == 2)][::-1]  # so that the sample's mean stays
    after, _, again, _ = taught(SAID.with_columns(y=pl.Series(y)), marks)
    np.testing.assert_array_equal(folds, again)
    np.testing.assert_allclose(after[folds == 2], before[folds == 2], atol=1e-3)
    assert np.abs(after - before)[folds != 2].mean() > 0.01


@pytest.mark.slow
def test_texts_labels_and_codes_learn_as_in_memory(monkeypatch):
    rng = np.random.default_rng(0)
    effects, shop = rng.normal(size=60), rng.integers(0, 60, 600)
    y = SAID["y"].to_numpy() + 3 * effects[shop]
    X = SAID.select("c").with_columns(shop=pl.Series(shop * 7 + 3))
    model = MLPRegressor(preset="fast", random_state=0)
    found = clone(model).fit(X.with_columns(y=pl.Series(y)).lazy(), "y")
    monkeypatch.setattr(sources, "BLOCK_ROWS", 37)
    assert same(found, clone(model).fit(X.with_columns(y=pl.Series(y)).lazy(), "y"))
    held = clone(model).fit(X, y)
    names = [[*map(str, one.fitted_.encoder.schema.input_names)] for one in (found, held)]
    assert names[0] == names[1] and "c: target" in names[0]
    assert found.fitted_.encoder.code_names == held.fitted_.encoder.code_names
    new = pl.DataFrame({"c": sentences(600, 2), "shop": shop[::-1] * 7 + 3})
    wanted = more_of_a(new["c"]) + 3 * effects[shop[::-1]]
    assert found.score(new, wanted.to_numpy()) > held.score(new, wanted.to_numpy()) - 0.05
