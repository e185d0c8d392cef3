"""Each training beside the same one of the installed scikit-learn: the same network, figures, words and attributes."""

import gc
import inspect
import io
import pickle
import signal
import warnings
import weakref
from contextlib import redirect_stdout

import numpy as np
import pytest
import scipy.sparse
import sklearn.neural_network as theirs
from sklearn.datasets import load_digits, make_multilabel_classification

import lamina.neural_network as ours
from lamina.neural_network import _training

pytestmark = pytest.mark.usefixtures("compiled")
PIXELS, DIGITS = (part[:230] for part in load_digits(return_X_y=True))
PIXELS = PIXELS / 16
COUNTS = np.random.default_rng(0).poisson(1 + 3 * PIXELS[:, 20]).astype(float)
TWO = np.stack([PIXELS[:, 10] - PIXELS[:, 20], PIXELS[:, 30]], axis=1)
MANY, LABELS = make_multilabel_classification(230, 12, n_classes=4, random_state=0)
WEIGHTS = np.random.default_rng(1).uniform(0.1, 3, 230)
HAS_WEIGHTS = "sample_weight" in inspect.signature(theirs.MLPClassifier.fit).parameters  # since 1.7

DATA = {
    "classes": ("MLPClassifier", PIXELS, DIGITS),
    "two classes": ("MLPClassifier", PIXELS, np.where(DIGITS < 5, "few", "many")),
    "labels": ("MLPClassifier", MANY, LABELS),
    "numbers": ("MLPRegressor", PIXELS, TWO[:, 0]),
    "two targets": ("MLPRegressor", PIXELS, TWO),
    "counts": ("MLPRegressor", PIXELS, COUNTS),
}
SETTINGS = {
    "hidden_layer_sizes": (20, 10),
    "max_iter": 20,
    "random_state": 3,
    "batch_size": 64,
    "learning_rate_init": 0.01,
}
CASES = [
    ("classes", {"solver": "sgd", "momentum": 0.8}),
    ("classes", {"solver": "sgd", "nesterovs_momentum": False, "learning_rate": "invscaling", "power_t": 0.3}),
    ("classes", {"solver": "sgd", "activation": "tanh", "learning_rate": "adaptive", "n_iter_no_change": 2, "tol": 1}),
    ("classes", {"solver": "adam", "activation": "logistic", "alpha": 0.1}),
    ("classes", {"solver": "adam", "shuffle": False, "batch_size": 1000, "beta_1": 0.8, "beta_2": 0.99}),
    ("classes", {"solver": "adam", "early_stopping": True, "n_iter_no_change": 3, "tol": 0.1, "epsilon": 1e-3}),
    ("classes", {"solver": "lbfgs", "max_fun": 15}),
    ("two classes", {"solver": "adam", "activation": "identity"}),
    ("two classes", {"solver": "lbfgs", "activation": "tanh"}),
    ("labels", {"solver": "sgd", "hidden_layer_sizes": 15}),
    ("labels", {"solver": "adam", "early_stopping": True, "batch_size": "auto"}),
    ("numbers", {"solver": "sgd", "early_stopping": True, "hidden_layer_sizes": ()}),
    ("two targets", {"solver": "adam"}),
    ("two targets", {"solver": "lbfgs", "activation": "logistic"}),
    ("counts", {"solver": "adam", "loss": "poisson"}),
    ("counts", {"solver": "lbfgs", "loss": "poisson"}),
]  # fmt: skip


def agree(ours, theirs, tolerance, where=""):
    """Whether all that two objects hold is the same, numbers to a tolerance."""
    if isinstance(theirs, np.random.RandomState):
        ours, theirs = ours.get_state()[1:], theirs.get_state()[1:]
    if isinstance(theirs, np.ndarray | float | np.floating) and np.asarray(theirs).dtype.kind == "f":
        # Its moments of float32 weights are float64 where the target is; before 1.7, its losses were float32, and those
        # of lbfgs are with SciPy 1.18, which keeps the type that it begins with.
        assert (
            np.asarray(ours).dtype == np.asarray(theirs).dtype
            or "_optimizer" in where
            or ("loss_" in where and (not HAS_WEIGHTS or isinstance(theirs, np.float32)))
        ), where
        scale = max(1.0, float(np.max(np.abs(theirs), initial=0)))
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * scale, err_msg=where)
    elif isinstance(theirs, np.ndarray):
        np.testing.assert_array_equal(ours, theirs, where)
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs), where
        for i, pair in enumerate(zip(ours, theirs, strict=True)):
            agree(*pair, tolerance, f"{where}[{i}]")
    elif hasattr(theirs, "__dict__"):
        assert list(vars(ours)) == list(vars(theirs)), where
        for name in vars(theirs):
            agree(getattr(ours, name), getattr(theirs, name), tolerance, f"{where}.{name}")
    else:
        assert ours == theirs, where


def done(module, kind, settings, use):
    """What an estimator becomes, and what it prints and warns of, when it is used."""
    if "loss" in settings and not HAS_WEIGHTS:
        pytest.skip("scikit-learn's Poisson loss came with 1.7")
    model, output = getattr(module, kind)(**settings), io.StringIO()
    with warnings.catch_warnings(record=True) as said, redirect_stdout(output):
        warnings.simplefilter("always")
        use(model)
    return model, [(w.category, str(w.message)) for w in said], output.getvalue()


def compare(kind, settings, use, tolerance, X):
    (model, *said), (peer, *they_said) = (done(module, kind, settings, use) for module in (ours, theirs))
    assert said == they_said
    agree(model, peer, tolerance)
    agree(model.predict(X), peer.predict(X), tolerance)
    if hasattr(peer, "classes_"):
        agree(model.predict_proba(X), peer.predict_proba(X), tolerance)
    return model, peer


def tolerance(settings, dtype):
    return 1e-4 if dtype == np.float32 else 1e-6 if settings.get("solver") == "lbfgs" else 1e-10


EACH = [(*case, np.float64) for case in CASES] + [(*case, np.float32) for case in CASES[::3]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "changed", "dtype"),
    EACH,
    ids=[f"{x}-{changed['solver']}-{t.__name__}" for x, changed, t in EACH],
)
def test_the_same_seed_gives_the_same_network(data, changed, dtype):
    kind, X, y = DATA[data]
    X, settings = (
        X.astype(dtype),
        {**SETTINGS, **changed, "verbose": changed["solver"] != "lbfgs" and dtype == np.float64},
    )
    compare(kind, settings, lambda model: model.fit(X, y), tolerance(settings, dtype), X)


@pytest.mark.few(1)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("data", "changed"),
    [
        ("classes", {"solver": "adam", "early_stopping": True, "n_iter_no_change": 3}),
        ("two targets", {"solver": "sgd", "momentum": 0.8}),
    ],
    ids=["adam", "sgd"],
)
def test_steps_that_copy_their_rows_from_the_table_give_the_same_network(data, changed, dtype, monkeypatch):
    monkeypatch.setattr(_training, "_ROWS_IN_STEP_BYTES", 1)
    kind, X, y = DATA[data]
    X, settings = X.astype(dtype), {**SETTINGS, **changed}
    compare(kind, settings, lambda model: model.fit(X, y), tolerance(settings, dtype), X)


@pytest.mark.slow
def test_wide_tables_give_the_same_network_and_are_let_go_of():
    """Products in blocks skip most of what is 0 in them."""
    random = np.random.default_rng(0)
    tables = [random.random((450, 900)) * (random.random((450, 900)) < 0.2)]
    y = (tables[0][:, :9] @ random.normal(size=9) > 0).astype(int)
    settings = {"hidden_layer_sizes": (70,), "max_iter": 4, "random_state": 0}
    compare("MLPClassifier", settings, lambda model: model.fit(tables[0], y), 1e-10, tables[0])
    table = weakref.ref(tables.pop())
    gc.collect()
    assert table() is None


@pytest.mark.slow
@pytest.mark.skipif(not HAS_WEIGHTS, reason="scikit-learn weights rows since 1.7")
@pytest.mark.parametrize(
    ("data", "changed"),
    [
        ("classes", {"solver": "adam", "early_stopping": True}),
        ("labels", {"solver": "sgd"}),
        ("two targets", {"solver": "lbfgs"}),
    ],
)
def test_rows_have_weights(data, changed):
    kind, X, y = DATA[data]
    settings = {**SETTINGS, **changed}
    compare(kind, settings, lambda model: model.fit(X, y, WEIGHTS), tolerance(settings, float), X)


@pytest.mark.parametrize("container", [scipy.sparse.csr_matrix, scipy.sparse.csc_array])
def test_sparse_rows(container):
    kind, _, y = DATA["classes"]
    X = container(PIXELS * (PIXELS > 0.5))
    compare(kind, SETTINGS, lambda model: model.fit(X, y), 1e-10, X)


def test_columns_of_memory_rows_and_frames():
    pandas = pytest.importorskip("pandas")
    _, X, y = DATA["classes"]
    for table in (np.asfortranarray(X), X.tolist(), pandas.DataFrame(X).rename(columns=str)):
        model, peer = compare("MLPClassifier", SETTINGS, lambda model: model.fit(table, y), 1e-10, table)  # noqa: B023
        assert hasattr(model, "feature_names_in_") == hasattr(peer, "feature_names_in_")


@pytest.mark.few(1)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_training_goes_on_by_parts_and_from_pickles(solver):
    kind, X, y = DATA["two classes"]

    def use(model):
        for start in (0, 50, 100, 150):  # the last part is longer, and trained in two batches
            model.partial_fit(
                X[start:][: 50 if start < 150 else 80],
                y[start:][: 50 if start < 150 else 80],
                classes=["few", "many"],
            )
            model.__dict__ = pickle.loads(pickle.dumps(model)).__dict__

    compare(kind, {**SETTINGS, "solver": solver}, use, 1e-10, X)


def test_training_goes_on_from_the_last_fit():
    kind, X, y = DATA["numbers"]

    def use(model):
        model.fit(X, y)
        for solver in ("lbfgs", "sgd"):  # each from where the others came to
            model.set_params(solver=solver).fit(X, y)

    compare(kind, {**SETTINGS, "warm_start": True, "max_iter": 5, "solver": "adam"}, use, 1e-6, X)


def test_weights_may_be_written_and_lie_anyhow():
    kind, X, y = DATA["numbers"]

    def use(model):
        model.partial_fit(X, y)
        model.coefs_[0] = np.asfortranarray(model.coefs_[0] / 2)
        model.intercepts_[1] = np.repeat(model.intercepts_[1], 2)[::2]
        model.coefs_[1][:] *= 2
        model.partial_fit(X, y)

    model, _ = compare(kind, SETTINGS, use, 1e-10, X)
    before = model.predict(X)
    model.coefs_[-1][:] = 0
    assert np.ptp(model.predict(X)) == 0 < np.ptp(before)


def test_the_dtype_of_later_rows_may_differ():
    kind, X, y = DATA["numbers"]
    for first, second in ((np.float32, np.float64), (np.float64, np.float32)):

        def use(model, first=first, second=second):
            model.partial_fit(X.astype(first), y).partial_fit(X.astype(second), y)

        compare(kind, SETTINGS, use, 1e-4, X)


@pytest.mark.compiles
def test_ctrl_c_keeps_what_was_learned(monkeypatch):
    _, X, y = DATA["classes"]
    train = _training.CompiledEpochs.train

    def interrupted(epochs, order):
        if epochs._estimator.n_iter_ == 2:
            raise KeyboardInterrupt
        return train(epochs, order)

    monkeypatch.setattr(_training.CompiledEpochs, "train", interrupted)
    model = ours.MLPClassifier(**SETTINGS)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, y)
    assert model.n_iter_ == 2 and model.batch_size == 64 and model.score(X, y) > 0.2
    monkeypatch.undo()
    pickle.loads(pickle.dumps(model)).partial_fit(X, y)


def raise_interrupt():
    raise KeyboardInterrupt


@pytest.mark.compiles
@pytest.mark.parametrize(
    ("place", "interrupt", "steps"),
    [
        pytest.param("numbers", lambda: signal.raise_signal(signal.SIGINT), 12, id="before-the-steps"),
        pytest.param("taken", lambda: signal.raise_signal(signal.SIGINT), 12, id="after-the-steps"),
        pytest.param("numbers", raise_interrupt, 8, id="an-error-before-the-steps"),
    ],
)
def test_an_interrupted_optimizer_counts_the_steps_of_its_weights(monkeypatch, place, interrupt, steps):
    """The oracle is scikit-learn's training, stopped after this step."""
    _, X, y = DATA["classes"]
    hooked = getattr(_training._AdamSteps, place)
    update = theirs._stochastic_optimizers.AdamOptimizer.update_params

    def interrupted(owner, count):
        if owner._optimizer.t == 8:
            interrupt()
        return hooked(owner, count)

    def stopped(optimizer, *arguments):
        update(optimizer, *arguments)
        if optimizer.t == steps:
            raise_interrupt()

    models = [module.MLPClassifier(**SETTINGS) for module in (ours, theirs)]
    with monkeypatch.context() as patched:
        patched.setattr(_training._AdamSteps, place, interrupted)
        patched.setattr(theirs._stochastic_optimizers.AdamOptimizer, "update_params", stopped)
        for model in models:
            with pytest.warns(UserWarning, match="interrupted"):
                model.fit(X, y)
    model, peer = (each._optimizer for each in models)
    assert model.t == peer.t == steps and model.learning_rate == peer.learning_rate
    for name in ("ms", "vs"):
        for array, other in zip(getattr(model, name), getattr(peer, name), strict=True):
            np.testing.assert_allclose(array, other, rtol=1e-9, atol=1e-14)
    curves = [each.partial_fit(X, y).partial_fit(X, y).loss_curve_[-2:] for each in models]
    np.testing.assert_allclose(*curves, rtol=1e-10)


def test_many_outputs_are_picked_for_fewer_steps_at_a_time():
    """Of 64 steps the targets alone would take 512 MB."""
    X, y = np.zeros((300, 2)), np.zeros((300, 5000))
    group = _training._Group(X, y, None, 200, X.dtype)
    assert group.steps == 1
    assert group.put(np.arange(200)) == [200]


def test_a_training_that_fails_leaves_the_settings_as_they_were():
    _, X, y = DATA["classes"]
    model = ours.MLPClassifier(**{**SETTINGS, "early_stopping": True})
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping"):
        model.partial_fit(X, y, classes=np.unique(y))
    assert model.batch_size == 64 and "_epochs" not in vars(model)


@pytest.mark.compiles
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_short_trainings_are_left_to_scikit_learn(monkeypatch):
    monkeypatch.undo()
    _, X, y = DATA["classes"]
    settings = {"max_iter": 2, "random_state": 0}
    model, peer = (module.MLPClassifier(**settings).fit(X, y) for module in (ours, theirs))
    np.testing.assert_array_equal(model.coefs_[0], peer.coefs_[0])  # the same bits
    epochs = _training.epochs_for(model.set_params(max_iter=10**6), X, np.eye(10)[y], None)
    assert epochs is not None and epochs.rows == 230
