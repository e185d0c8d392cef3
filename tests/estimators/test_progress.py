"""What is shown while an estimator trains."""

import io
import re
import sys

import numpy as np
import pytest

from lamina import MLPClassifier, MLPRegressor
from lamina.training.loop import Observer

SMALL = {
    "preset": "fast",
    "members": 2,
    "number_embedding": False,
    "hidden_layer_sizes": (4,),
    "max_iter": 2,
    "random_state": 0,
}
X = np.random.default_rng(0).normal(size=(60, 2))


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("estimator", "settings", "shown"),
    [
        (MLPRegressor, {}, r"validation loss \d"),
        (MLPClassifier, {}, r"validation loss \d"),
        (MLPClassifier, {"scoring": "roc_auc"}, r"validation roc_auc \d"),
        (MLPClassifier, {"scoring": lambda _y, _p: -7.0}, r"validation score -7\.0000 \(best\)"),
    ],
)
def test_a_line_an_epoch(capsys, estimator, settings, shown):
    y = X[:, 0] if estimator is MLPRegressor else X[:, 0] > 0
    estimator(**SMALL, **settings, verbose=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for number, line in enumerate(lines, 1):
        assert re.match(
            rf"epoch {number}/2: loss \d+\.\d{{4}}, {shown}.*, [\d.]+ s, at most [\d.]+ s left$", line
        )


def test_without_validation_rows_there_is_no_score(capsys):
    MLPRegressor(**SMALL, early_stopping=False, verbose=1).fit(X, X[:, 0])
    assert "validation" not in capsys.readouterr().out


def test_nothing_is_shown_unless_asked(capsys):
    MLPRegressor(**SMALL).fit(X, X[:, 0])
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    MLPRegressor(**SMALL, verbose=True).fit(X, X[:, 0])
    assert "epoch 2 of 2" in terminal.getvalue() and "validation loss" in terminal.getvalue()


def test_an_observer_among_the_callbacks_sees_the_training():
    seen = []

    class Diary(Observer):
        def on_begin(self, loop):
            seen.append(f"of {loop.epochs}")

        def on_epoch(self, loop, epoch):
            seen.append(epoch.number)

        def on_end(self, loop, error):
            seen.append("end")

    def note(estimator, epoch):
        seen.append(estimator.n_iter_ == epoch.number)

    MLPRegressor(**SMALL, callbacks=[note, Diary()]).fit(X, X[:, 0])
    assert seen == ["of 2", 1, True, 2, True, "end"]
