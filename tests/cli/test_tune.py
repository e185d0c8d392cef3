"""`lamina tune`, and `lamina train` with a search: what is shown, kept, gone on with, and refused."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from lamina.cli import main
from lamina.cli._search_display import SearchDisplay
from lamina.files.tensors import load_tensors
from lamina.runs.data import Request

PEOPLE = Path(__file__).parents[1] / "training/files/people.csv"
SEARCHED = r"3 trials, (one|\d) of them (used|averaged)"
SMALL = (PEOPLE, "-t", "income", "--hidden", "4", "--seed", "1")


def arrays_of(run):
    return {name: array.tobytes() for name, array in load_tensors(run / "model.safetensors")[0].items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole") / "run"
    with contextlib.redirect_stdout(io.StringIO()) as printed, pytest.raises(SystemExit) as ended:
        main(["train", *map(str, SMALL), "--trials", "3", "-o", str(out)])
    assert not ended.value.code
    assert re.search(SEARCHED, printed.getvalue())
    return out


def test_a_search_leaves_a_run_like_any_other(whole, cli):
    assert {
        "model.safetensors",
        "page.html",
        "report.html",
        "settings.json",
        "trials",
        "trials.jsonl",
    } <= set(os.listdir(whole))
    assert "checkpoint.safetensors" not in os.listdir(whole)
    trials = [json.loads(line) for line in (whole / "trials.jsonl").read_text().splitlines()]
    assert [one["number"] for one in trials] == [0, 1, 2]
    assert sum(one["share"] for one in trials) == pytest.approx(1)
    assert [one["settings"]["preset"] for one in trials] == ["fast", "medium", "medium"]
    code, out, _ = cli("inspect", whole, "--json")
    search = json.loads(out)["results"]["search"]
    assert code == 0 and search["trials"] == 3
    assert search["chosen"] == [one for one in trials if one["share"]]
    scores = [score for _, score in search["best"]]
    assert len({*scores}) == 3  # of `fast`, `default`, which replaces it, and both trials that are `default`
    code, out, _ = cli("inspect", whole)
    assert code == 0 and re.search(SEARCHED, out)
    assert cli("predict", whole, PEOPLE, "-o", whole.parent / "out.csv")[0] == 0


def test_the_report_tells_of_the_search(whole):
    page = (whole / "report.html").read_text()
    assert "The search" in page and re.search(SEARCHED, page)
    shown = re.search("alt='(Validation log-loss of the best average: [^']*)'", page)[1]
    assert re.search(
        r"[0-9.]+ after [0-9.]+ s\. The best of 3 single trials is trial \d, with [0-9.]+\.", shown
    )


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_to_the_same_bits(whole, tmp_path, cli):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "lamina", "train", *map(str, SMALL), "--trials", "3", "-o", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (out / "trials/00000.safetensors").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "model.safetensors").exists()
    kept = (out / "trials/00000.safetensors").read_bytes()
    code, _, err = cli("tune", "--resume", out, "--jobs", "2")
    assert code == 0 and "resuming after" in err
    assert (out / "trials/00000.safetensors").read_bytes() == kept
    assert arrays_of(out) == arrays_of(whole)
    assert not [name for name in os.listdir(out) if name.startswith(".") or name == "checkpoint.safetensors"]


@pytest.mark.slow
@pytest.mark.parametrize("signal_sent", [signal.SIGKILL, signal.SIGINT])
def test_several_trials_at_a_time_end_alike_and_go_on(signal_sent, whole, tmp_path, cli):
    out = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "lamina",
        "train",
        *map(str, SMALL),
        "--trials",
        "3",
        "-o",
        str(out),
        "-j",
        "2",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (out / "trials/00000.safetensors").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal_sent)
    _, said = process.communicate()
    assert "Traceback" not in said
    if signal_sent == signal.SIGINT and (out / "checkpoint.safetensors").exists():
        assert "interrupted; keeping the best so far" in said
        assert cli("predict", out, PEOPLE, "-o", tmp_path / "out.csv")[0] == 0
    if (out / "checkpoint.safetensors").exists():  # it may have been complete
        code, _, err = cli("tune", "--resume", out, "--jobs", "2")
        assert code == 0, err
    assert arrays_of(out) == arrays_of(whole)


@pytest.mark.slow
def test_a_complete_search_goes_on_where_there_is_to_be_more_of_it(whole, tmp_path, cli):
    run = shutil.copytree(whole, tmp_path / "run")
    code, _, err = cli("train", "--resume", run)
    assert code == 2 and "the search in" in err and "give a longer --time-limit" in err
    code, _, err = cli("train", "--resume", run, "--trials", "3", "--hidden", "5")
    assert code == 2 and "the run began with --hidden 4" in err
    code, out, err = cli("tune", "--resume", run, "--trials", "4", "--json")
    assert code == 0 and "trial 3: loss " in err and "trial 2:" not in err
    assert json.loads(out)["search"]["trials"] == 4
    before, after = ((path / "trials.jsonl").read_text().splitlines() for path in (whole, run))
    assert [json.loads(line)["score"] for line in after[:3]] == [json.loads(line)["score"] for line in before]


def test_a_search_that_was_killed_after_its_last_trial_needs_no_other(whole, tmp_path, cli):
    run = shutil.copytree(whole, tmp_path / "run")
    (run / "trials/00002.safetensors").write_bytes(b"torn")
    code, _, err = cli("tune", "--resume", run, "--trials", "4")
    assert code == 2 and "00002.safetensors" in err and "delete 00002.safetensors" in err
    assert arrays_of(run) == arrays_of(whole)  # as it was
    (run / "trials/00002.safetensors").unlink()
    code, _, err = cli("tune", "--resume", run, "--trials", "2")
    assert code == 0 and "trial 2:" not in err


def test_other_rows_are_another_search(whole, tmp_path, cli):
    run = shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "people.csv").write_text(PEOPLE.read_text().replace("low", "high", 1))
    code, _, err = cli("tune", tmp_path / "people.csv", "--resume", run, "--trials", "4")
    assert code == 2 and "differ from those at the start of the search in" in err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--time-limit", "soon"), "--time-limit soon: give a time above 0"),
        (("--time-limit", "0"), "--time-limit 0: give a time above 0"),
        (("--trials", "0"), "--trials 0: must be greater than 0"),
        (("--trials", "5", "--jobs", "0"), "--jobs 0: must be the number of networks trained in parallel"),
        (("--jobs", "2"), "--jobs 2 is only for a search; add --time-limit, --trials or --preset best"),
        (("--time-limit", "5s", "--epochs", "3"), "--epochs can't be combined with --time-limit"),
        (("--trials", "5", "--shards", "8"), "--shards can't be combined with --trials"),
        (("--preset", "best", "--stream"), "--stream can't be combined with --preset best"),
        (("--preset", "fast", "--trials", "3"), "--preset fast can't be combined with --trials"),
    ],
)
def test_what_no_search_can_do_is_refused(asked, said, tmp_path, cli):
    code, _, err = cli("train", PEOPLE, "-t", "income", *asked, "-o", tmp_path / "run")
    assert code == 2 and said in err
    assert not (tmp_path / "run").exists()


def test_a_training_that_goes_on_has_no_trials_to_train_at_a_time(tmp_path, cli, monkeypatch):
    shutil.copytree(PEOPLE.parent, tmp_path / "files")
    monkeypatch.chdir(tmp_path / "files")
    code, _, err = cli("train", "--resume", "table-killed", "--jobs", "2")
    assert (
        code == 2
        and "--jobs 2 is only for a search, but the run in table-killed is no search; omit --jobs" in err
    )
    assert (tmp_path / "files/table-killed/checkpoint.safetensors").exists()


def test_too_few_rows_leave_nothing_behind(tmp_path, cli):
    (tmp_path / "few.csv").write_text("x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(9)))
    code, _, err = cli("tune", tmp_path / "few.csv", "-t", "y", "--trials", "2", "-o", tmp_path / "run")
    assert code == 2 and "too few to hold any out" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_limit_that_is_too_short_leaves_a_run_and_says_so(tmp_path, cli):
    code, out, err = cli(
        "train", PEOPLE, "-t", "income", "--time-limit", "0.01", "-o", tmp_path / "run", "--json"
    )
    assert code == 0 and "the time was over before anything was learned" in err
    assert json.loads(out)["search"]["trials"] == 1
    json.loads((tmp_path / "run/trials.jsonl").read_text(), parse_constant=pytest.fail)
    assert "The search" in (tmp_path / "run/report.html").read_text()
    assert cli("inspect", tmp_path / "run")[0] == 0


# --- what is shown -----------------------------------------------------------------------------------------------


class Search:
    """What a display looks at of a search."""

    trials, shares, best_score = (), {0: 0.25, 1: 0.75}, -0.25


class Ended:
    def __init__(self, number, score, **settings):
        self.number, self.score, self.settings = number, score, {"preset": "realmlp", **settings}
        self.seconds, self.ended, self.complete, self.best_epoch = 2.0, 2.0 + number, True, 3


MANY = {
    "activation": "selu", "learned_activation": False, "beta_2": 0.97, "number_pieces": 16, "label_smoothing": 0.1,
    "learning_rate_init": 0.0622, "weight_decay": 0.00919, "dropout": 0.123456,
}  # fmt: skip


def shown(width, height=30, trials=3, running=1):
    display = SearchDisplay(Request(("x.csv",), time_limit=100.0), lambda: 40.0, live=True, as_json=False)
    display._has_table = True
    display._console = console = Console(width=width, height=height, record=True, file=io.StringIO())
    for i in range(trials):
        name = "layers\x1b[2J" if i else "mish"
        display.on_trial_end(Search, Ended(i, -0.3 - i / 10, hidden_layer_sizes=(256, 256), activation=name))
    display.on_new_best(Search)
    for i in range(running):
        display.on_trial_begin(Search, trials + i, {"preset": "realmlp", **MANY}, 64)
    if running > 1:
        display.on_trial_waits(Search, Ended(trials + running - 1, -0.45))
    console.print(display._view())
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 160])
def test_the_table_fits_the_terminal(width):
    lines = shown(width)
    assert all(len(line) <= width for line in lines)
    text = "\n".join(lines)
    assert "\x1b" not in text
    assert "best 0.2500 (the mean" in text or width == 40
    assert "75 %" in text and "trial 3: compiling" in text
    assert "0.3000" in text and "0.4000" in text, "of numbers nothing is cut"
    assert "layers" not in lines[1] or "0.123" in text, "nor of settings that have columns of their own"


def test_a_table_of_many_trials_shows_the_averaged_and_the_newest():
    lines = shown(100, height=14, trials=60)
    numbers = [int(line.split()[0]) for line in lines if line.split() and line.split()[0].isdecimal()]
    assert numbers == [0, 1, 56, 57, 58, 59, 60]
    assert any("54 more that are neither averaged nor new" in line for line in lines)


def test_the_table_shows_trials_that_run_and_one_that_waits():
    lines = shown(100, running=3)
    numbers = [int(line.split()[0]) for line in lines if line.split() and line.split()[0].isdecimal()]
    assert numbers == [0, 1, 2, 3, 4, 5]
    assert next(line for line in lines if line.strip().startswith("5 ")).split()[:3] == ["5", "0.4500", "2.0"]
    assert lines[-1].startswith("trial 3: compiling …, trial 4: compiling …; best 0.2500")


@pytest.mark.slow
def test_a_limit_that_is_exceeded_is_told_of(tmp_path, cli, monkeypatch):
    passed = iter(range(1000))
    monkeypatch.setattr("lamina.cli._train_table.since_start", lambda: float(next(passed)))
    code, _, err = cli(
        "train", PEOPLE, "-t", "income", "--time-limit", "2s", "-o", tmp_path / "run", "--json"
    )
    assert code == 0
    assert re.search(r"--time-limit is exceeded by [0-9.]+ s: of [0-9.]+ s, the search took [0-9.]+ s", err)
