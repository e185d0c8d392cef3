"""`lamina.distill`: what students learn, from which rows, and that they are estimators like any other."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from c_library import TableLibrary, needs_linker
from scipy.sparse import csr_array
from scipy.special import log_softmax
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import lamina
from lamina import nd
from lamina.errors import DataError
from lamina.estimators._calibration import OfClasses
from lamina.estimators._losses import cross_entropy
from lamina.estimators.search.trial import SearchObserver
from lamina.interchange.distillation import student as students
from lamina.interchange.distillation.teachers import Teacher
from lamina.table.columns import as_column
from lamina.training.time_limit import TimeLimit

QUICK = {"preset": "fast", "number_embedding": False, "random_state": 0}
UNLIMITED = TimeLimit(float("inf"))


def people(rows, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"age": rng.uniform(20, 60, rows), "hours": rng.integers(10, 60, rows)})
    frame["town"] = pd.Categorical(rng.choice(["Aachen", "Bergen", "Como"], rows))
    frame["job"] = rng.choice(["cook", "nurse", "smith"], rows)
    logit = (frame["age"] - 40) / 5 + 2 * (frame["town"] == "Como") - (frame["job"] == "cook")
    y = pd.Series(np.where(rng.random(rows) < 1 / (1 + np.exp(-logit)), "rich", "poor"), name="income")
    frame.loc[rng.random(rows) < 0.1, "age"] = None
    return frame, y


@pytest.fixture(scope="module")
def rich():
    """A pipeline of boosting, its training table, and its student."""
    X, y = people(400, 0)
    encoder = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["town", "job"]), remainder="passthrough"
    )
    teacher = make_pipeline(encoder, HistGradientBoostingClassifier(max_iter=15, random_state=0)).fit(X, y)
    return teacher, X, y, lamina.distill(teacher, X, y, folds=2, made=2, **QUICK)


@pytest.mark.slow
def test_a_student_of_a_pipeline_says_about_what_its_teacher_says(rich):
    teacher, _, _, student = rich
    new, _ = people(500, 1)
    assert type(student) is lamina.MLPClassifier
    assert student.classes_.tolist() == ["poor", "rich"] and student.positive_class_ in ("poor", "rich")
    assert student.fitted_.encoder.schema.target.name == "income"
    theirs, own = teacher.predict_proba(new)[:, 1], student.predict_proba(new)[:, 1]
    assert np.corrcoef(theirs, own)[0, 1] > 0.9
    assert np.mean(teacher.predict(new) == student.predict(new)) > 0.85


@pytest.mark.slow
@needs_linker
def test_a_student_leaves_as_file_onnx_and_library(rich, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    *_, student = rich
    new, _ = people(50, 2)
    new = pl.from_pandas(new)
    expected = student.predict_proba(new)
    lamina.save(student, tmp_path / "student.safetensors")
    assert np.array_equal(lamina.load(tmp_path / "student.safetensors").predict_proba(new), expected)
    lamina.export_onnx(student, tmp_path / "student.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "student.onnx")
    as_onnx = lamina.interchange.distillation.OnnxModel(tmp_path / "student.onnx", new)
    assert [one.name for one in session.get_inputs()] == new.columns
    np.testing.assert_allclose(as_onnx.predict_proba(new), expected, atol=1e-6)
    assert as_onnx.predict(new).tolist() == student.predict(new).tolist()
    shares, _ = TableLibrary(student, tmp_path / "student.so").predict(new)
    np.testing.assert_allclose(shares, expected, atol=1e-6)
    lamina.export_page(student, tmp_path / "student.html")
    assert "income" in (tmp_path / "student.html").read_text("utf-8")


@pytest.mark.slow
def test_a_student_of_a_regressor_follows_it():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (300, 3))
    y = X[:, 0] + rng.normal(0, 0.1, 300)
    teacher = HistGradientBoostingRegressor(max_iter=30, random_state=0).fit(X, y)
    student = lamina.distill(teacher, X, **QUICK)
    assert type(student) is lamina.MLPRegressor
    new = rng.uniform(-1, 1, (300, 3))
    assert np.corrcoef(teacher.predict(new), student.predict(new))[0, 1] > 0.97


@pytest.mark.slow
def test_probabilities_are_learned_and_not_classes():
    X = np.random.default_rng(0).normal(size=(200, 2))
    y = np.repeat(["a", "b", "c"], [40, 100, 60])
    teacher = DummyClassifier().fit(X, y)  # says the shares
    said = lamina.distill(teacher, X, **QUICK).predict_proba(X)
    np.testing.assert_allclose(said, np.tile([0.2, 0.5, 0.3], (200, 1)), atol=0.03)


@pytest.mark.slow
def test_predictions_from_elsewhere_teach_without_a_model():
    rng = np.random.default_rng(0)
    X = pl.DataFrame({"x": rng.normal(size=300), "kind": rng.choice(["u", "v"], 300)})
    p = 1 / (1 + np.exp(-3 * X["x"].to_numpy()))
    frame = pl.DataFrame({"yes": p, "no": 1 - p})  # not in the order of the alphabet
    student = lamina.distill(frame, X, target="answer", **QUICK)
    assert student.classes_.tolist() == ["no", "yes"]
    assert np.abs(student.predict_proba(X)[:, 1] - p).mean() < 0.05
    numbers = lamina.distill(X["x"], X, **QUICK)
    assert np.corrcoef(numbers.predict(X), X["x"])[0, 1] > 0.99


@pytest.mark.slow
def test_the_same_seed_gives_the_same_student_and_only_then():
    X = np.random.default_rng(0).normal(size=(100, 2))
    teacher = KNeighborsRegressor(3).fit(X, X[:, 0])
    same, again, other = (
        lamina.distill(teacher, X, X[:, 0], folds=2, made=1, **{**QUICK, "random_state": seed}).predict(X)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(same, again) and not np.array_equal(same, other)


def test_of_held_out_truth_a_student_knows_nothing(rich):
    *_, student = rich
    with pytest.raises(DataError, match="taught"):
        student.predict_set(people(5, 0)[0])
    with pytest.raises(ValueError, match="there are no held-out rows"):
        student.plot_importance()


# --- out of fold


def out_of_fold(model, X, y, groups=None, folds=4):
    teacher, rng = Teacher(model), np.random.default_rng(0)
    return students._out_of_fold(teacher, teacher.says(X).shape, X, y, folds, groups, UNLIMITED, rng)


def test_refits_have_not_seen_the_rows_that_they_are_asked_about():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), rng.permutation(40).astype(float)
    teacher = KNeighborsRegressor(1).fit(X, y)  # remembers each row
    refits = out_of_fold(teacher, X, y)
    assert np.array_equal(teacher.predict(X), y)
    for table in (X, X + 1e-9):  # rows that are made of them, too
        said = refits.says(table)
        assert set(said) <= set(y) and (said != y).all()


def test_rows_of_a_group_are_in_one_fold():
    rng = np.random.default_rng(0)
    X, y = np.repeat(rng.normal(size=(20, 2)), 2, axis=0), np.repeat(rng.permutation(20), 2).astype(float)
    teacher = KNeighborsRegressor(1).fit(X, y)
    groups = as_column(np.repeat(np.arange(20), 2))
    assert (out_of_fold(teacher, X, y, groups).says(X) != y).all()
    assert (out_of_fold(teacher, X, y).says(X) == y).any()  # a row's twin tells it


@pytest.mark.slow
def test_a_class_that_a_fold_lacks_has_no_probability_there():
    X = np.random.default_rng(0).normal(size=(30, 2))
    y = np.array(["often"] * 15 + ["seldom"] * 14 + ["once"])
    teacher = DummyClassifier().fit(X, y)
    found = out_of_fold(teacher, X, y, folds=5).says(X)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    once = found[:, teacher.classes_.tolist().index("once")]
    assert once[-1] == 0 and once.max() > 0
    assert lamina.distill(teacher, X, y, made=0, **QUICK).classes_.tolist() == ["often", "once", "seldom"]


@pytest.mark.parametrize(
    ("rows", "groups", "refits"), [(60, None, 10), (60, 4, 4), (6, None, None), (10_001, None, 5)]
)
def test_how_often_a_teacher_is_refit(rows, groups, refits):
    X, y = np.arange(rows)[:, None], np.arange(rows) % 2
    marks = None if groups is None else as_column(np.arange(rows) % groups)
    model = DummyClassifier().fit(X, y)
    if refits is None:
        with pytest.raises(DataError, match="6 folds need 10 rows or more, and there are 6: pass folds=0"):
            out_of_fold(model, X, y, marks, None)
    else:
        assert len(out_of_fold(model, X, y, marks, None).refits) == refits


# --- made rows


def test_neighbours_are_the_nearest_rows():
    points = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    found = students._near(points, np.random.default_rng(1))
    oracle = NearestNeighbors(n_neighbors=5).fit(points).kneighbors(return_distance=False)
    assert [set(row) for row in found] == [set(row) for row in oracle]


def test_a_made_cell_is_of_its_row_or_of_one_near_row():
    points = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    rows = [*students._mixtures(points, 7, 3, UNLIMITED, np.random.default_rng(1))]
    near = students._near(points, np.random.default_rng(1))
    assert len(rows) == 3 and not np.array_equal(rows[0], rows[1])
    for one in rows:
        for i, cells in enumerate(one):
            others = set(cells.tolist()) - {i}
            assert len(others) <= 1 and others <= set(near[i].tolist())
    assert 0.2 < np.mean(np.stack(rows) != np.arange(50)[:, None]) < 0.4


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "array"])
def test_made_tables_are_of_the_same_type(kind):
    frame = pd.DataFrame({"n": [1, 2, 3], "c": pd.Categorical(["x", "y", None]), "t": ["a", None, "c"]})
    frame.index = [7, 8, 9]
    X = {
        "pandas": lambda: frame,
        "polars": lambda: pl.from_pandas(frame),
        "pyarrow": lambda: pa.Table.from_pandas(frame, preserve_index=False),
        "array": lambda: np.array([[1.0, 4.0, 7.0], [2.0, 5.0, 8.0], [3.0, 6.0, 9.0]]),
    }[kind]()
    made = students._picked(X, np.array([[2, 0, 1], [0, 1, 0]]))
    assert type(made) is type(X)
    if kind == "array":
        assert made.tolist() == [[3.0, 4.0, 8.0], [1.0, 5.0, 7.0]]
        return
    assert list(map(str, made.schema.types if kind == "pyarrow" else made.dtypes)) == list(
        map(str, X.schema.types if kind == "pyarrow" else X.dtypes)
    )
    rows = made.to_pandas() if kind != "pandas" else made
    assert rows["n"].tolist() == [3, 1] and rows["c"].astype(str).tolist() == ["x", "y"]
    assert pd.isna(rows["t"].tolist()[0]) and rows["t"].tolist()[1] == "a"
    whole = students._picked(X, np.array([[2], [2]]))
    assert len(whole) == 2


# --- soft targets


def test_probabilities_as_targets_of_the_loss_and_of_calibration():
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(20, 3)).astype(np.float32)
    p = rng.dirichlet(np.ones(3), 20).astype(np.float32)
    codes = p.argmax(axis=1)
    expected = -(p * log_softmax(outputs, axis=1)).sum(axis=1)
    loss = cross_entropy()
    np.testing.assert_allclose(loss(nd.array(outputs), nd.array(p)).asnumpy(), expected, rtol=1e-5)
    hard = [loss(nd.array(outputs), nd.array(t)).asnumpy() for t in (codes, np.eye(3)[codes])]
    np.testing.assert_allclose(*hard, rtol=1e-6)
    soft = OfClasses(outputs.astype(float), p.astype(float))
    np.testing.assert_allclose(soft.values(1.0), -expected, rtol=1e-5)
    first, second = soft.slopes(0.7)
    step = 1e-4
    around = [soft.values(0.7 + d * step) for d in (-1, 0, 1)]
    np.testing.assert_allclose(first, (around[2] - around[0]) / (2 * step), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        second, (around[2] - 2 * around[1] + around[0]) / step**2, rtol=1e-2, atol=1e-5
    )


# --- time


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the teacher's refits take too long")  # on a busy machine
@pytest.mark.filterwarnings(
    "ignore:fit took"
)  # the same: a first compilation of some seconds ends the search
def test_the_time_limit_is_for_all_of_it():
    X, y = people(300, 0)
    X = X[["age", "hours"]]
    teacher = HistGradientBoostingClassifier(max_iter=10, random_state=0).fit(X, y)
    limits = []

    class Limit(SearchObserver):
        def on_search_begin(self, search):
            limits.append(search.limit)

    student = lamina.distill(teacher, X, y, time_limit="15s", random_state=0, callbacks=[Limit()])
    assert type(student) is lamina.MLPClassifier and student.trials_ and student.time_limit is None
    assert len(limits) == 1 and 1 <= limits[0] < 15  # refits and questions take the rest
    assert np.mean(student.predict(X) == teacher.predict(X)) > 0.85


def test_refits_that_take_too_long_are_left_out():
    X, y = people(60, 0)
    X = X[["age", "hours"]]
    teacher = Teacher(HistGradientBoostingClassifier(max_iter=5).fit(X, y))
    with pytest.warns(UserWarning, match="refits take too long for the time limit"):
        found = students._out_of_fold(
            teacher, (60, 2), X, y, 3, None, TimeLimit(1e-9), np.random.default_rng(0)
        )
    assert found is teacher


# --- what cannot be


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"class_weight": "balanced"}, ValueError, "weight the classes in the teacher"),
        ({"threshold": "f1"}, ValueError, "give threshold a number"),
        ({"folds": 1}, ValueError, r"must be 0 \(no refits\), or 2 or more"),
        ({"preset": "quick"}, ValueError, "quick"),
        ({"time_limit": 5, "preset": "fast"}, ValueError, "leave out preset='fast'"),
        ({"layers": 3}, TypeError, "layers"),
        ({"groups": [1, 2]}, DataError, "groups"),
        (
            {"groups": np.arange(400) % 4, "folds": 5},
            DataError,
            "5 folds need 5 groups or more, and there are 4",
        ),
        ({"made": -1}, DataError, "made=-1: must be a whole number"),
        ({"made": 1.5}, DataError, "made=1.5: must be a whole number"),
        ({"folds": 2.0}, DataError, "folds=2.0: must be a whole number"),
        ({"sample_weight": [1.0]}, TypeError, "^MLPClassifier has no argument 'sample_weight'"),
    ],
)
def test_settings_that_do_not_go_with_a_student(rich, settings, error, message):
    teacher, X, y, _ = rich
    with pytest.raises(error, match=message):
        lamina.distill(teacher, X, y, **{**QUICK, **settings})


def test_a_truth_that_does_not_fit_the_teacher(rich):
    teacher, X, y, _ = rich
    with pytest.raises(DataError, match="the class 'vast', which is none of the teacher's"):
        lamina.distill(teacher, X, y.where(y.index > 0, "vast"), **QUICK)
    for folds in (0, 5):
        with pytest.raises(DataError, match="y has 399 values, but X has 400 rows"):
            lamina.distill(teacher, X, y[1:], folds=folds, **QUICK)
    for rows, folds, needed in ((9, 2, 10), (12, 20, 20)):
        with pytest.raises(
            DataError, match=f"{folds} folds need {needed} rows or more, and there are {rows}"
        ):
            lamina.distill(teacher, X[:rows], y[:rows], folds=folds, **QUICK)
    for asked in ({"y": y}, {"made": 1}):
        with pytest.raises(TypeError, match="leave out y, and leave made None or 0"):
            lamina.distill(np.zeros(400), X, **asked, **QUICK)


def test_of_sparse_tables_no_rows_are_made():
    X = csr_array(np.random.default_rng(0).integers(0, 2, (60, 4)).astype(np.float32))
    teacher = Ridge().fit(X, X.sum(axis=1))
    assert len(lamina.distill(teacher, X, X.sum(axis=1), folds=2, **QUICK).predict(X)) == 60
    with pytest.raises(DataError, match="pass made=0"):
        lamina.distill(teacher, X, made=1, **QUICK)
