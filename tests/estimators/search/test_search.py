"""A search works wherever `fit` does: weights, labels, several targets, losses, scores, rows to validate on, stores."""

import pickle
import signal
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.metrics import log_loss, mean_pinball_loss, roc_auc_score

from lamina import MLPClassifier, MLPRegressor
from lamina.errors import NonFiniteLossError
from lamina.estimators.base import fit_table
from lamina.estimators.persistence import load, save
from lamina.estimators.search import plan, training
from lamina.estimators.search.average import greedy
from lamina.estimators.search.plan import Plan, openings, suggested
from lamina.estimators.search.trial import OtherSearchError, SearchObserver, Trial
from lamina.estimators.settings import DECLARED
from lamina.table.kinds import infer
from lamina.training.loop import Observer

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3)).astype(np.float32)
Y = X[:, 0] - X[:, 1] ** 2 + 0.1 * rng.normal(size=200)
SMALL = {
    "hidden_layer_sizes": (8,),
    "activation": "mish",
    "number_embedding": False,
    "number_pieces": 0,
    "beta_2": 0.95,
    "members": 2,
    "batch_size": 10,  # more steps an epoch: fewer epochs
    "random_state": 0,
}
CLASSES = {**SMALL, "label_smoothing": 0.0}


def classifier(trials=3, **settings):
    return MLPClassifier(trials=trials, **{**CLASSES, **settings})


def regressor(trials=3, **settings):
    return MLPRegressor(trials=trials, **{**SMALL, **settings})


def shares(model):
    return {trial["number"]: trial["share"] for trial in model.trials_ if trial["share"]}


@pytest.mark.slow
def test_the_ensemble_is_never_worse_than_every_default_by_what_the_held_out_rows_say():
    model = classifier(6).fit(X, Y > 0)
    assert model.best_validation_score_ >= min(model.trials_[number]["score"] for number in (1, 2, 4))
    assert sum(shares(model).values()) == pytest.approx(1)
    assert len(model.fitted_.network.members) == 2 * len(shares(model))


def test_the_validation_score_is_that_of_the_members_on_rows_that_they_held_out():
    """With rows of one's own to validate on, it can be computed from outside."""
    model = classifier(4, calibrate=False).fit(X[:140], Y[:140] > 0, eval_set=(X[140:], Y[140:] > 0))
    found = log_loss(Y[140:] > 0, model.predict_proba(X[140:]))
    assert found == pytest.approx(-model.best_validation_score_, rel=1e-5)
    calibrated = classifier(4).fit(X[:140], Y[:140] > 0, eval_set=(X[140:], Y[140:] > 0))
    found = log_loss(Y[140:] > 0, calibrated.predict_proba(X[140:]))
    assert found == pytest.approx(-calibrated.best_validation_score_, rel=1e-5)


@pytest.mark.slow
@pytest.mark.pictures
def test_what_is_said_of_epochs_is_of_the_best_trial_that_has_a_share():
    model = regressor(4).fit(X, Y)
    best = max((trial for trial in model.trials_ if trial["share"]), key=lambda trial: trial["score"])
    assert model.n_iter_ == len(model.loss_curve_) == len(model.validation_scores_) == best["epochs"]
    assert model.validation_scores_[model.best_epoch_ - 1] == best["score"]
    assert model.best_loss_ is None and model.device_ == "cpu(0)"
    assert model.plot_importance() is not None and model.plot_learning_curve() is not None


@pytest.mark.slow
def test_given_settings_hold_for_every_trial():
    model = regressor(10, dropout=0.25, weight_decay=0.0).fit(X, Y)
    assert not any({"dropout", "weight_decay", "beta_2"} & set(trial["settings"]) for trial in model.trials_)
    fixed = {"preset", "rows"}, {"preset", "rows", "max_iter"}
    drawn = [trial["settings"] for trial in model.trials_ if trial["settings"].keys() not in fixed]
    assert drawn and all("learning_rate_init" in settings for settings in drawn)
    assert all(member.architecture.dropout == 0.25 for member in model.fitted_.network.members)


def test_the_first_trial_of_a_small_table_has_the_steps_of_a_large_one():
    """It shares its members with the trials that follow, and may be in their average."""
    rows = 2560
    settings = training.settled(
        Plan(MLPClassifier(trials=1), 0, rows, 2).configuration(0),
        cast("training.Shared", SimpleNamespace(train=[range(rows)] * 5)),
    )
    expected = {"batch_size": 256, "max_iter": 80, "learning_rate_init": 0.04, "number_embedding": None}
    assert {name: getattr(settings, name) for name in expected} == expected


def test_realmlp_stops_in_a_search_where_a_cycle_of_the_rate_brought_nothing():
    """As it does alone, after 7/15 of the epochs."""

    def epochs(y, **settings):
        (trial,) = (
            one for one in regressor(5, **settings).fit(X, y).trials_ if "realmlp" in one["settings"].values()
        )
        return trial["epochs"]

    noise = np.random.default_rng(0).normal(size=200)
    assert [epochs(noise), epochs(Y), epochs(noise, n_iter_no_change=np.inf)] == [14, 28, 28]


@pytest.mark.slow
def test_without_a_search_there_are_no_trials():
    model = regressor(2).fit(X, Y)
    model.set_params(trials=None).fit(X, Y)
    assert not hasattr(model, "trials_")
    assert np.array_equal(model.predict(X), MLPRegressor(**SMALL).fit(X, Y).predict(X))


def test_preset_best_tries_some():
    model = regressor(None, preset="best", max_iter=None)
    epochs = []
    model.set_params(callbacks=lambda _estimator, epoch: epochs.append(epoch) or len(epochs) > 10)
    model.fit(X, Y)  # ended by the callback
    assert len(epochs) == 11 and len(model.trials_) == 1


# --- what fit can be given -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_rows_of_weight_0_have_no_influence():
    weights = (np.arange(200) % 4 > 0).astype(float)
    y = (Y > 0).astype(int)
    spoiled = np.where(weights > 0, y, 1 - y)
    first, second = (classifier().fit(X, target, sample_weight=weights) for target in (y, spoiled))
    assert np.array_equal(first.predict_proba(X), second.predict_proba(X))


@pytest.mark.slow
def test_class_weights():
    rare = (Y + np.random.default_rng(1).normal(0, 1.5, 200) > 2).astype(int)
    plain, balanced = (classifier(class_weight=w).fit(X, rare) for w in (None, "balanced"))
    assert balanced.predict_proba(X)[:, 1].mean() > 1.5 * plain.predict_proba(X)[:, 1].mean()


@pytest.mark.slow
def test_several_labels_and_several_targets():
    A, labels = make_multilabel_classification(200, 5, n_classes=3, random_state=0)
    model = classifier().fit(A, labels)
    assert model.predict(A).shape == (200, 3) and (model.predict(A) == labels).mean() > 0.75
    targets = np.stack([Y, X[:, 2]], axis=1)
    predicted = regressor().fit(X, targets).predict(X)
    assert np.abs(predicted - targets).mean() < 0.5


@pytest.mark.slow
def test_more_than_two_classes_of_text():
    A, y = load_iris(return_X_y=True)
    names = np.array(["one", "two", "three"])[y]
    model = classifier().fit(A, names)
    assert model.score(A, names) > 0.9 and set(model.classes_) == set(names)


@pytest.mark.slow
def test_quantile_loss():
    high = regressor(loss="quantile", quantile=0.9).fit(X, Y)
    assert (high.predict(X) > Y).mean() > 0.75
    at_once = mean_pinball_loss(Y, np.full_like(Y, np.quantile(Y, 0.9)), alpha=0.9)
    assert mean_pinball_loss(Y, high.predict(X), alpha=0.9) < at_once


@pytest.mark.slow
def test_constraints_hold_for_the_average():
    model = regressor(3, activation=None, monotone={0: 1}, number_embedding=None).fit(X, Y)
    grid = np.repeat(X[:20], 10, axis=0)
    grid[:, 0] = np.tile(np.linspace(-3, 3, 10), 20)
    assert (np.diff(model.predict(grid).reshape(20, 10), axis=1) >= 0).all()


@pytest.mark.slow
def test_several_quantiles_at_once():
    model = regressor(3, loss="quantile", quantile=[0.1, 0.5, 0.9]).fit(X, Y)
    assert (np.diff(model.predict(X), axis=1) >= 0).all() and model.predict(X).shape == (200, 3)


@pytest.mark.slow
def test_counts():
    counts = np.random.default_rng(1).poisson(np.exp(X[:, 0]))
    predicted = regressor(loss="poisson").fit(X, counts).predict(X)
    assert (predicted >= 0).all() and np.corrcoef(predicted, np.exp(X[:, 0]))[0, 1] > 0.8


@pytest.mark.slow
@pytest.mark.parametrize(
    "scoring", ["roc_auc", lambda y, p: roc_auc_score(y, p[:, 1])], ids=["name", "function"]
)
def test_the_users_score_chooses(scoring):
    y = (Y > 0).astype(int)
    model = classifier(4, scoring=scoring).fit(X[:150], y[:150], eval_set=(X[150:], y[150:]))
    found = roc_auc_score(y[150:], model.predict_proba(X[150:])[:, 1])
    assert found == pytest.approx(model.best_validation_score_, abs=1e-3)
    assert model.best_validation_score_ >= max(trial["score"] for trial in model.trials_)


@pytest.mark.slow
def test_a_table_whose_columns_are_known():
    model = fit_table(regressor(), X, Y, infer(X))
    assert np.array_equal(model.predict(X), regressor().fit(X, Y).predict(X))


@pytest.mark.slow
def test_it_can_be_saved(tmp_path):
    model = classifier(4).fit(X, Y > 0)
    save(model, tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), model.predict_proba(X))


# --- what is watched and kept ----------------------------------------------------------------------------------------


class Notes(SearchObserver):
    """What happened, in order."""

    def __init__(self):
        self.seen, self.scores = [], []

    def on_search_begin(self, search):
        self.seen.append("begin")

    def on_trial_begin(self, search, number, settings, epochs):
        self.seen.append(f"trial {number}")
        self.of = epochs

    def on_trial_epoch(self, search, number, epoch):
        assert 1 <= epoch.number <= self.of and number == len(search.trials)

    def on_trial_end(self, search, trial):
        self.seen.append(f"end {trial.number}")
        assert search.trials[-1] is trial and sum(search.shares.values()) == pytest.approx(1)

    def on_new_best(self, search):
        self.scores.append(search.best_score)

    def on_search_end(self, search, error):
        self.seen.append(f"over {error!r}")
        assert search.left() is None and search.limit is None and search.most_trials == 3


def test_observers_see_everything_in_order(capsys):
    notes = Notes()
    model = regressor(3, callbacks=[notes], verbose=True).fit(X, Y)
    numbers = [word for n in range(3) for word in (f"trial {n}", f"end {n}")]
    assert notes.seen == ["begin", *numbers, "over None"]
    assert len({*notes.scores}) == 3  # `fast`, `default`, and both trials that are `default`, better or not
    assert notes.scores[-1] == model.best_validation_score_
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["trial 0", "trial 1", "trial 2"]
    assert f"ensemble {-model.best_validation_score_:.4f}" in lines[-1]


class Store:
    """Keeps trials in memory."""

    def __init__(self, trials=()):
        self.trials = list(trials)

    def load(self, fingerprint):
        self.fingerprint = fingerprint
        return self.trials

    def save(self, trial):
        self.trials.append(trial)


class CtrlC(Observer):
    """At an epoch of some trial."""

    def __init__(self, trial, epoch):
        self.trial, self.epoch, self.begun = trial, epoch, -1

    def on_begin(self, loop):
        self.begun += 1

    def on_epoch(self, loop, epoch):
        if (self.begun, epoch.number) == (self.trial, self.epoch):
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize(("trial", "epoch"), [(0, 5), (2, 20)])
def test_an_interrupted_search_goes_on_to_the_same_bits(trial, epoch):
    whole, store = regressor(4, n_jobs=1).fit(X, Y), Store()
    with pytest.raises(KeyboardInterrupt):
        regressor(4, n_jobs=1, callbacks=[store, CtrlC(trial, epoch)]).fit(X, Y)
    assert len(store.trials) == trial
    fingerprint, again = store.fingerprint, Store(store.trials)
    resumed = regressor(4, n_jobs=1, callbacks=[again]).fit(X, Y)
    assert again.fingerprint == fingerprint and len(again.trials) == 4
    assert np.array_equal(resumed.predict(X), whole.predict(X))
    assert shares(resumed) == shares(whole)


class Spoils(Observer):
    """Makes trainings diverge after an epoch of theirs."""

    def __init__(self, after):
        self.after = after

    def on_epoch(self, loop, epoch):
        if epoch.number == self.after:
            for weight in loop.network.weights.values():
                weight.array[:] = np.nan


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"n_iter_no_change": 3}, {"callbacks": [Spoils(20)]}])
def test_a_trial_that_ends_before_its_last_epoch_is_chosen_from_too(settings):
    """By patience, or because it diverged: the last trial counts too, and a resumed search comes to the same bits."""
    watching = settings.get("callbacks", [])
    store = Store()
    whole = regressor(5, **{**settings, "callbacks": [*watching, store]}).fit(X, Y)
    planned = [trial.epochs for trial in store.trials]
    assert all(len(trial.scores) < epochs for trial, epochs in zip(store.trials, planned, strict=True))
    default = next(trial for trial in store.trials if trial.settings.get("preset") == "medium")
    assert whole.best_validation_score_ >= default.score
    for done in range(1, 6):
        again = Store(store.trials[:done])
        resumed = regressor(5, **{**settings, "callbacks": [*watching, again]}).fit(X, Y)
        assert shares(resumed) == shares(whole)
        assert np.array_equal(resumed.predict(X), whole.predict(X))


def test_another_search_has_another_fingerprint():
    stores = [Store() for _ in range(4)]
    regressor(1, callbacks=[stores[0]]).fit(X, Y)
    regressor(2, callbacks=[stores[1]]).fit(X, Y)
    regressor(1, callbacks=[stores[2]], dropout=0.2).fit(X, Y)
    regressor(1, callbacks=[stores[3]]).fit(X, Y + 1e-3 * X[:, 0])
    first, longer, other, data = (store.fingerprint for store in stores)
    assert first == longer and len({first, other, data}) == 3


def test_a_new_setting_leaves_earlier_searches_their_fingerprint():
    """These settings were always part of it; a later one is where it is given, else no earlier search goes on."""
    first = """
        activation alpha batch_size beta_1 beta_2 calibrate class_weight column_kinds drop_last dropout early_stopping
        embedding_width epsilon hidden_layer_sizes input_scale label_smoothing learned_activation learning_rate
        learning_rate_init loss max_iter members momentum monotone n_iter_no_change nesterovs_momentum normalization
        ntk number_embedding number_pieces preprocess preset quantile regularization_schedule scoring shards solver
        tol validation_fraction warm_start weight_decay
    """
    assert {name for name, about in DECLARED.items() if about.fixed == "always"} == {*first.split()}


def test_a_trial_that_diverges_is_left_out():
    class Spoils(Observer):
        """Makes every training but one diverge."""

        begun = -1

        def on_begin(self, loop):
            self.begun += 1
            if self.begun != 1:
                for weight in loop.network.weights.values():
                    weight.array[:] = np.inf

    model = regressor(3, callbacks=[Spoils()]).fit(X, Y)
    assert [trial["score"] == -np.inf for trial in model.trials_] == [True, False, True]
    assert shares(model) == {1: 1.0}
    with pytest.raises(NonFiniteLossError):
        regressor(1, callbacks=[Spoils()]).fit(X, Y)


# --- what cannot be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"trials": 0}, "trials must be a whole number >= 1, got 0"),
        ({"trials": 2.5}, "trials must be a whole number"),
        ({"n_jobs": 0}, "n_jobs must be a whole number >= 1, or -1 for one on each core, got 0"),
        ({"n_jobs": "two"}, "n_jobs must be .*, got 'two'"),
        ({"max_iter": 5}, "max_iter=5 can't be combined with trials=2: .* leave one of them out"),
        ({"warm_start": True}, "warm_start=True can't be combined with trials=2"),
        ({"shards": 2}, "shards=2 can't be combined with trials=2"),
        ({"early_stopping": False}, "trials=2 compares networks on rows .* give fit an eval_set"),
        ({"preset": "fast"}, "leave out preset='fast', or use preset='best'"),
        (
            {"trials": None, "time_limit": "5m", "max_iter": 5},
            "max_iter=5 can't be combined with time_limit='5m'",
        ),
        (
            {"trials": None, "preset": "best", "max_iter": 5},
            "max_iter=5 can't be combined with preset='best'",
        ),
    ],
)
def test_what_does_not_go_with_a_search(settings, said):
    with pytest.raises(ValueError, match=said):
        MLPRegressor(**{"trials": 2, **SMALL, **settings}).fit(X, Y)


def test_too_few_rows():
    with pytest.raises(
        ValueError, match=r"trials=2 compares networks on .* 8 rows are too few to hold any out"
    ):
        regressor(2).fit(X[:8], Y[:8])


def test_partial_fit_and_streams_do_not_search():
    with pytest.raises(
        ValueError, match="partial_fit trains one network, but time_limit='5m' searches among many"
    ):
        MLPRegressor(time_limit="5m").partial_fit(X, Y)

    class Rows:
        def __len__(self):
            return 200

        def __getitem__(self, rows):
            return X[rows]

    with pytest.raises(ValueError, match=r"fit on a streamed table .* trials=2 searches among many"):
        regressor(2).fit(Rows(), Y)


# --- the space -------------------------------------------------------------------------------------------------------


def test_suggestions_depend_on_the_seed_and_the_number_alone():
    first = [suggested(7, number, "regression") for number in range(8)]
    assert first == [suggested(7, number, "regression") for number in range(8)]
    assert len({str(sorted(one.items())) for one in first}) == 8
    assert suggested(8, 0, "regression") != first[0]
    for number in range(30):
        MLPClassifier(**suggested(1, number, "classification"))._resolved()
        MLPRegressor(**suggested(1, number, "regression"))._resolved()


def test_suggestions_are_those_of_searches_that_go_on():
    usual = {"learned_activation": False, "beta_2": 0.99, "number_pieces": 0}
    assert suggested(7, 0, "classification") == {
        "preset": "medium", "hidden_layer_sizes": (256, 256, 256), "activation": "mish", **usual, "dropout": 0.009,
        "learning_rate_init": 0.0693, "weight_decay": 0.0457,
    }  # fmt: skip


def test_random_trials_around_realmlp_are_compared_with_it_and_with_those_of_earlier_rounds():
    """Trial 3 is `realmlp`; a round has the last two of its trials around it."""
    one = Plan(MLPRegressor(trials=1), 0, rows=1000, members=10)
    compared = [one.compared(one.configuration(number)) for number in range(30)]
    assert compared[:12] == [[]] * 12 and compared[12:14] == [[3]] * 2
    assert compared[20:22] == compared[28:30] == [[3, 12, 13]] * 2
    assert not any(compared[14:20] + compared[22:28])


@pytest.mark.slow
def test_of_very_many_rows_some_validate(monkeypatch):
    monkeypatch.setattr(training, "_MOST_HELD_OUT", 30)
    notes = []

    class Outputs(SearchObserver):
        def on_trial_end(self, search, trial):
            notes.append(len(trial.outputs))

    regressor(2, callbacks=[Outputs()]).fit(X, Y)  # holds out 20 rows twice, of which each second
    assert notes == [20, 20]
    regressor(1, callbacks=[Outputs()]).fit(X[:120], Y[:120], eval_set=(X[120:], Y[120:]))
    assert notes[2] == 80


def test_trials_get_linear_paths():
    """The score is that of the networks with their paths, which the average consists of."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 5))
    y = rows @ [1.0, 2.0, 3.0, 4.0, 5.0]
    trials = []

    class Trials(SearchObserver):
        def on_trial_end(self, search, trial):
            trials.append(trial)

    model = regressor(1, callbacks=[Trials()], dropout=0.5, validation_fraction=0.2).fit(rows[:200], y[:200])
    alone = regressor(1, linear_path=False, dropout=0.5, validation_fraction=0.2).fit(rows[:200], y[:200])
    assert trials[0].architecture.skip and not alone.fitted_.network.architecture.skip
    assert model.fitted_.network.architecture.skip
    assert model.best_validation_score_ == trials[0].score > alone.best_validation_score_
    assert model.score(rows[200:], y[200:]) > 0.99 > alone.score(rows[200:], y[200:])


class Layout(SearchObserver):
    """Notes each trial's preset, members, and held-out rows."""

    def __init__(self):
        self.trials = []

    def on_trial_end(self, search, trial):
        self.trials.append((trial.settings["preset"], trial.members, len(trial.outputs)))


@pytest.mark.parametrize("preset", ["default", "best"])
def test_without_settings_a_search_divides_rows_as_default_does(preset):
    """Each of ten members holds out a tenth."""
    layout = Layout()
    regressor(1, preset=preset, members=None, callbacks=[layout]).fit(X[:50], Y[:50])
    default = regressor(None, members=None).fit(X[:50], Y[:50])
    assert layout.trials == [("fast", len(default.fitted_.network.members), 50)] == [("fast", 10, 50)]


class Earlier(Store):
    """The store of a search that an earlier version began, with five members."""

    def load(self, fingerprint):
        if fingerprint != "aae9762700a53ac119a873db2eb98724f58b986faaa1ba9e74c1d50ea9c50b8b":
            raise OtherSearchError("another search")
        return super().load(fingerprint)


def test_a_search_that_an_earlier_version_began_keeps_its_rows_and_its_order(monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(plan, "OPENINGS", plan.EARLIER_OPENINGS)
        earlier, layout = Earlier(), Layout()
        regressor(3, members=None, callbacks=[earlier, layout]).fit(X[:50], Y[:50])
        assert layout.trials == [(name, 5, 50) for name in ("fast", "medium", "realmlp")]
    resumed = Layout()
    model = regressor(4, members=None, callbacks=[Earlier(earlier.trials), resumed]).fit(X[:50], Y[:50])
    assert resumed.trials[:3] == layout.trials
    assert "dropout" in model.trials_[3]["settings"]  # the first random trial
    with pytest.raises(OtherSearchError, match="another search"):
        regressor(3, members=None, callbacks=[Earlier()]).fit(X[:49], Y[:49])


def test_an_average_with_default_needs_a_significant_gain():
    """Of noise, any average of trials is better than a single one, by what the held-out rows say."""
    noise = np.random.default_rng(0).normal(size=200)
    averages = []

    class Averages(SearchObserver):
        def on_trial_end(self, search, trial):
            outputs = [one.outputs for one in search.trials if one.settings["preset"] != "realmlp"]
            score = lambda mean: -float(np.square(mean - search._shared.y).mean())  # noqa: E731
            averages.append(greedy(outputs, score))

    model = regressor(7, members=6, callbacks=[Averages()]).fit(X, noise)
    assert any(counts[0] or any(counts[4:]) for counts in averages)
    assert {*shares(model)} - {3} == {1, 2, 4}


class Outputs(SearchObserver):
    """Keeps the trials and the held-out target."""

    def on_search_end(self, search, error):
        self.outputs, self.y = [trial.outputs for trial in search.trials], search._shared.y

    def loss(self, numbers):
        return float(np.square(np.mean([self.outputs[number] for number in numbers], axis=0) - self.y).mean())


def test_all_trials_that_are_default_have_equal_shares_and_realmlp_one_if_it_helps():
    helped = set()
    for target in (Y, np.random.default_rng(3).normal(size=len(X))):
        kept = Outputs()
        model = regressor(5, members=5, callbacks=[kept]).fit(X, target)
        helps = kept.loss([1, 2, 3, 4]) < kept.loss([1, 2, 4])
        numbers = [1, 2, 3, 4] if helps else [1, 2, 4]
        assert shares(model) == pytest.approx(dict.fromkeys(numbers, 1 / len(numbers)))
        helped.add(helps)
    assert helped == {True, False}


def test_an_average_may_begin_with_a_model():
    truth = np.zeros(4)
    models = [truth + 1, truth - 1, truth + 3]
    score = lambda mean: -float(np.square(mean - truth).mean())  # noqa: E731
    assert greedy(models, score, [4, 0, 0]) == [4, 4, 0]
    assert greedy(models, score, [4, 0, 0], lambda old, new: old[0] - new[0] > 0.3) == [4, 1, 0]
    assert greedy(models, score, [4, 0, 0], lambda old, new: old[0] - new[0] > 0.5) == [4, 0, 0]


def test_large_tables_begin_with_a_part_of_their_rows():
    presets = "medium", "medium", "realmlp", "medium"
    assert openings(500) == [("fast", 500), *((preset, 500) for preset in presets)]
    sizes = [("fast", 32768), ("fast", 100_000), *((preset, 100_000) for preset in presets)]
    assert openings(100_000) == sizes


@pytest.mark.parametrize(("members", "times"), [(10, 3), (5, 6), (2, 6)])
def test_with_few_networks_in_a_trial_default_is_trained_more_often(members, times):
    plan = Plan(MLPRegressor(trials=1), 0, 500, members)
    first = [plan.configuration(number).settings for number in range(12)]
    assert first.count({"preset": "medium", "rows": 500}) == times


def test_one_of_the_first_trials_has_more_epochs_unless_the_user_gives_their_number():
    longer = Plan(MLPRegressor(trials=1), 0, 1000, members=10).configuration(5)
    assert longer.settings == {"preset": "medium", "rows": 1000, "max_iter": 3 * 256}
    assert longer.estimator.max_iter == 3 * 256
    given = Plan(MLPRegressor(trials=1, max_iter=9), 0, 1000, members=10)
    assert [given.configuration(number).estimator.max_iter for number in range(8)] == [9] * 8
    assert "dropout" in given.configuration(5).settings  # the first random trial


def test_a_search_that_an_earlier_version_began_goes_on_without_more_epochs():
    drawn = [{"rows": 1000, **suggested(0, number, "regression")} for number in range(2)]
    names = "fast", "medium", "medium", "realmlp", "medium"
    settings = [*({"preset": name, "rows": 1000} for name in names), *drawn]
    stored = [cast("Trial", SimpleNamespace(number=i, settings=one)) for i, one in enumerate(settings[:6])]
    resumed = Plan(MLPRegressor(trials=1), 0, 1000, 10, stored)
    assert [resumed.configuration(number).settings for number in range(7)] == settings
    of_now = Plan(MLPRegressor(trials=1), 0, 1000, 10, stored[:5])
    assert "max_iter" in of_now.configuration(5).settings


class Heard(SearchObserver):
    """Notes the trials that it hears of; `signals` sends Ctrl-C's signal at the first of them."""

    def __init__(self, signals=False):
        self.numbers, self._signals = [], signals

    def on_trial_end(self, search, trial):
        if self._signals and not self.numbers:
            signal.raise_signal(signal.SIGINT)
        self.numbers.append(trial.number)


def test_all_observers_hear_of_a_trial_before_ctrl_c_ends_the_search():
    first, second = Heard(signals=True), Heard()
    with pytest.raises(KeyboardInterrupt):
        regressor(4, callbacks=[first, second]).fit(X, Y)
    assert first.numbers == second.numbers == [0]
