"""`lamina train --replace`: the run that is there stays, whole, until the new one takes its place in one step."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import without_pictures

from lamina.cli import main
from lamina.files.atomic import exchange
from lamina.files.tensors import load_tensors
from lamina.training.run_folder import new_run

QUICK = ("-t", "income", "--preset", "fast", "--hidden", "8", "--seed", "3", "--epochs")
KILLED = """
import os, signal, sys
from lamina.cli import main
from lamina.training import checkpoint
from lamina.training.display import Display
checkpoint._SECONDS, checkpoint._COST = 0.0, float("inf")
Display.on_epoch = lambda self, loop, epoch: os.kill(os.getpid(), signal.SIGKILL) if epoch.number == 4 else None
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with a table and a run, which tests copy."""
    folder = tmp_path_factory.mktemp("begun")
    rng = np.random.default_rng(0)
    income = [">50K" if i % 2 else "<=50K" for i in range(120)]
    pl.DataFrame({"age": rng.integers(18, 80, 120), "income": income}).write_csv(folder / "people.csv")
    with without_pictures(), pytest.raises(SystemExit):
        main(["train", str(folder / "people.csv"), *QUICK, "2", "--out", str(folder / "run"), "--quiet"])
    (folder / "run/notes.txt").write_text("mine")
    return folder


@pytest.fixture
def data(begun, tmp_path):
    return Path(shutil.copy(begun / "people.csv", tmp_path))


@pytest.fixture
def run(begun, tmp_path):
    return Path(shutil.copytree(begun / "run", tmp_path / "run"))


def _content(run):
    return {name: (run / name).read_bytes() for name in os.listdir(run)}


def _beside(run):
    return sorted(path.name for path in run.parent.iterdir() if path.name.startswith("."))


@pytest.mark.slow
@pytest.mark.pictures
def test_a_new_run_takes_the_place_of_the_one_that_is_there(data, run, cli):
    old = _content(run)
    code, out, err = cli("train", data, *QUICK, "3", "--out", run, "--replace")
    assert (code, err) == (0, "")
    assert f"saved in {run}; the report is {run}/report.html" in out.replace("\n", " ")
    assert f"open {run}/page.html" in out
    assert "notes.txt" not in os.listdir(run)
    assert _content(run)["metrics.jsonl"].count(b"\n") == 3
    assert _content(run)["model.safetensors"] != old["model.safetensors"]
    assert _beside(run) == []
    assert cli("evaluate", run, data)[0] == 0


def test_without_a_run_it_is_a_new_one_and_other_folders_are_not_touched(data, tmp_path, cli):
    assert cli("train", data, *QUICK, "1", "--out", tmp_path / "new", "--replace", "--quiet")[0] == 0
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/thesis.txt").write_text("x")
    code, _, err = cli("train", data, *QUICK, "1", "--out", tmp_path / "precious", "--replace")
    assert code == 2 and "contains no run to replace; choose another --out" in err
    assert _content(tmp_path / "precious") == {"thesis.txt": b"x"}
    code, _, err = cli("train", data, *QUICK, "1", "--replace")
    assert code == 2 and "--replace needs --out with the run to replace" in err


@pytest.mark.slow
def test_what_is_killed_leaves_the_old_run_and_goes_on(data, run, tmp_path, cli):
    old = _content(run)
    arguments = ["train", data, *QUICK, "6", "--out", run, "--replace"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert _content(run) == old
    assert _beside(run) == [".run.replacement"]
    assert cli("evaluate", run, data)[0] == 0
    code, _, err = cli("train", "--resume", run, "--replace")
    assert code == 0 and f"{run} continues after 4 epochs" in err
    assert _beside(run) == []
    assert cli("train", data, *QUICK, "6", "--out", tmp_path / "whole", "--quiet")[0] == 0
    expected, found = (load_tensors(one / "model.safetensors")[0] for one in (tmp_path / "whole", run))
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
    code, _, err = cli("train", "--resume", run, "--replace")
    assert code == 2 and f"no training that replaces {run} was interrupted" in err


@pytest.mark.slow
def test_ctrl_c_leaves_the_old_run_and_says_how_to_go_on(data, run, cli, monkeypatch):
    from lamina.training.display import Display

    def interrupt(self, loop, epoch):
        if epoch.number == 3:
            os.kill(os.getpid(), signal.SIGINT)

    old = _content(run)
    with monkeypatch.context() as patched:
        patched.setattr(Display, "on_epoch", interrupt)
        code, _, err = cli("train", data, *QUICK, "5", "--out", run, "--replace")
    assert code == 130
    assert f"{run} stays as it was; continue with: lamina train --resume {run} --replace" in err
    assert _content(run) == old
    code, out, _ = cli("train", data, *QUICK, "1", "--out", run, "--replace", "--quiet")  # begins anew
    assert (code, out) == (0, f"{run}\n")
    assert _content(run)["metrics.jsonl"].count(b"\n") == 1
    assert _beside(run) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_of_two_that_replace_one_run_the_second_is_refused(data, run, cli):
    old = _content(run)
    with new_run(run, "y", replace=True) as folder:
        assert folder.path != run
        for options in (("--replace",), ()):
            code, _, err = cli("train", data, *QUICK, "1", "--out", run, *options)
            assert (code, err) == (2, f"lamina: another process is training the run in {run}\n")
        code, _, err = cli("train", "--resume", run, "--replace")
        assert code == 2 and "another process is training" in err
    assert _content(run) == old
    assert _beside(run) == []


def test_a_run_behind_a_link_is_replaced_where_it_is(data, run, tmp_path, cli):
    link = tmp_path / "current"
    link.symlink_to(run)
    assert cli("train", data, *QUICK, "1", "--out", link, "--replace", "--quiet")[:2] == (0, f"{link}\n")
    assert link.is_symlink()
    assert _content(run)["metrics.jsonl"].count(b"\n") == 1


def test_rows_that_were_read_from_the_disk_leave_nothing(data, run, cli):
    assert cli("train", data, *QUICK, "1", "--out", run, "--replace", "--stream", "--quiet")[0] == 0
    assert not [name for name in os.listdir(run) if name.startswith(".")]
    assert _beside(run) == []


@pytest.mark.skipif(sys.platform != "linux", reason="one step there alone")
def test_nobody_sees_a_name_missing_while_folders_are_exchanged(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / "model").write_text(folder.name)
    seen, stop = set(), threading.Event()

    def look():
        while not stop.is_set():
            seen.add((one / "model").read_text())

    looking = threading.Thread(target=look)
    looking.start()
    until = time.monotonic() + 30
    try:
        while seen != {"one", "other"} and time.monotonic() < until and looking.is_alive():
            exchange(one, other)
        for _ in range(2000):
            exchange(one, other)
        assert looking.is_alive()
    finally:
        stop.set()
        looking.join()
    assert seen == {"one", "other"}


def test_without_the_system_call_folders_are_exchanged_in_three_steps(tmp_path, monkeypatch):
    from lamina.files import atomic

    monkeypatch.setattr(atomic, "_exchanged", lambda one, other: False)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model").write_text(name)
    exchange(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "one/model").read_text() == "other"
    assert (tmp_path / "other/model").read_text() == "one"
    assert len(os.listdir(tmp_path)) == 2
