"""A run's folder: held by one process, filled with files that are complete, and never written over."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.errors import LaminaError
from lamina.training.run_folder import held_run, new_run

HOLDING = """
import sys
from pathlib import Path
from lamina.training.run_folder import new_run
with new_run(Path(sys.argv[1]), "y"):
    print("holding", flush=True)
    sys.stdin.read()
"""


def _model(folder):
    (folder / "model.safetensors").write_bytes(b"whole")


def test_a_folder_that_stays_empty_is_gone_with_its_parents(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for out, told in ((None, "runs/y-1"), (tmp_path / "a/b/c", "a/b/c")):
        with new_run(out, "y") as folder:
            assert str(folder.path).endswith(told) and folder.path.is_dir()
        assert not list(tmp_path.iterdir())
    (tmp_path / "mine").mkdir()
    with new_run(tmp_path / "mine", "y"):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]


def test_an_empty_folder_is_no_run_and_stays(tmp_path):
    with held_run(tmp_path):
        pass
    assert tmp_path.is_dir()
    with pytest.raises(LaminaError, match="there is no run"), held_run(tmp_path / "absent"):
        pass


def test_a_full_disk_changes_nothing_and_is_told_of_the_run(tmp_path):
    def fail(folder):
        _model(folder)
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(OSError, match=r"No space left on device: '.*run'"),
        new_run(tmp_path / "run", "y") as run,
    ):
        run.put(fail)
    assert not list(tmp_path.iterdir())


def test_a_training_that_a_full_disk_cannot_take_is_put_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()

    def fill(folder, full=("run",)):
        _model(folder)
        if {*folder.parts} & {*full}:
            raise OSError(28, "No space left on device", str(folder / "report.html"))

    told = r"/run: No space left on device; .* is in (.*/elsewhere/lamina-run-\w+) instead"
    with pytest.raises(LaminaError, match=told) as error, new_run(tmp_path / "run", "y") as run:
        run.put_trained(fill)
    (saved,) = (tmp_path / "elsewhere").iterdir()
    assert str(saved) in str(error.value) and (saved / "model.safetensors").read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [tmp_path / "elsewhere"]
    with pytest.raises(OSError, match="No space left"), new_run(tmp_path / "run", "y") as run:
        run.put_trained(lambda folder: fill(folder, ("run", "elsewhere")))
    assert [*tmp_path.rglob("*")] == [tmp_path / "elsewhere", saved, saved / "model.safetensors"]


def test_a_run_that_fails_before_there_is_a_model_leaves_nothing(tmp_path):
    with pytest.raises(OSError), new_run(tmp_path / "run", "y") as run:
        run.put(lambda folder: (folder / "settings.json").touch())
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_folders_are_numbered_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("runs/y-17", "runs/y-copy", "runs/99", "runs/yy-20"):
        (tmp_path / name).mkdir(parents=True)
    paths = []
    for _ in range(2):
        with new_run(None, "y") as run:
            run.put(_model)
        paths.append(str(run.path))
    assert paths == ["runs/y-18", "runs/y-19"]


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(LaminaError, match="is not empty; choose another --out"), new_run(tmp_path, "y"):
        pass
    with pytest.raises(LaminaError, match="is a file"), new_run(tmp_path / "thesis.txt", "y"):
        pass
    for name, told in (("model", "a run already"), ("checkpoint", "an unfinished run")):
        out = tmp_path / name
        with new_run(out, "y") as run:
            run.put(lambda folder, name=name: (folder / f"{name}.safetensors").touch())
        with pytest.raises(LaminaError, match=rf"contains {told}; .*--resume {out}"), new_run(out, "y"):
            pass
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_the_model_comes_last(tmp_path, monkeypatch):
    names = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: (names.append(Path(new).name), replace(old, new)))

    def fill(folder):
        for name in ("settings.json", "model.safetensors", "metrics.jsonl", "report.html"):
            (folder / name).touch()

    with new_run(tmp_path / "run", "y") as run:
        run.put(fill)
    assert len(names) == 4 and names[-1] == "model.safetensors"
    assert sorted(os.listdir(tmp_path / "run")) == sorted(names)


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_one_process_at_a_time_and_a_killed_one_holds_nothing(tmp_path):
    out, link = tmp_path / "run", tmp_path / "link"
    link.symlink_to(out)
    command = [sys.executable, "-c", HOLDING, str(out)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline() == b"holding\n"
        for path in (out, link):
            for hold in (lambda path=path: new_run(path, "y"), lambda path=path: held_run(path)):
                with (
                    pytest.raises(LaminaError, match=f"another process is training the run in {path}"),
                    hold(),
                ):
                    pass
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
    assert process.returncode == -signal.SIGKILL
    (out / ".lamina-run-0123456789ab.tmp").mkdir()  # as if it had been killed while it wrote
    with new_run(out, "y") as run:
        run.put(_model)
    assert os.listdir(out) == ["model.safetensors"]
    with held_run(link), pytest.raises(LaminaError, match="another process"), held_run(out):
        pass
