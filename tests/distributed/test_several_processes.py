"""Training on several processes that mpirun starts: the same bits on any number of them, and one end for all."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from command_line import without_pictures
from several_processes import PROGRAMS

from lamina.cli import main
from lamina.files.tensors import load_tensors
from lamina.training.run_folder import CHECKPOINT, MODEL

pytest.importorskip("mpi4py", reason="NOT TESTED: MPI (pip: 'lamina[mpi]')")

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests/support/several_processes.py"
MPIRUN = shutil.which(
    "mpirun", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
)

pytestmark = pytest.mark.skipif(MPIRUN is None, reason="NOT TESTED: MPI (pip: 'lamina[mpi]')")


def started(processes, *arguments):
    """A job that mpirun starts; as root in a container, and with more processes than cores."""
    allowed = {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PYTHONWARNINGS": "error",
    }
    command = [MPIRUN, "--oversubscribe", "-n", str(processes), sys.executable, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        command, text=True, env={"HOME": tempfile.gettempdir(), **os.environ, **allowed}, **pipes
    )


def ended(job, seconds=100):
    """Its exit code, standard output and standard error."""
    try:
        out, error = job.communicate(timeout=seconds)
    finally:
        job.kill()
    return job.returncode, out, error


@pytest.mark.slow
@pytest.mark.parametrize("several", [3, 2])
def test_the_same_bits_on_any_number_of_processes(several):
    """Of this process alone, too."""
    code, out, error = ended(started(several, PROGRAM, "everything"))
    assert code == 0, error
    first = None
    for processes, said in ((1, json.dumps(PROGRAMS["everything"]())), (several, out)):
        found = json.loads(said)
        assert found.pop("sums") == {
            "wrong": [],
            "counted": [[processes * (processes + 1) / 2] * 2] * 2,
            "gathered": list(range(processes)),
            "first": [7.0],
            "size": processes,
        }
        assert found["all alike"]
        assert len(found["gluon"]["weights"]) == 1
        assert found["module"] == {"near": True, "all alike": True}
        assert found["regressor"][1] == 3  # epochs: it ended when the first process said so
        first = first or found
        assert found == first, processes


@pytest.mark.slow
def test_an_error_in_one_process_ends_all():
    code, _, error = ended(started(2, PROGRAM, "raises"))
    assert code != 0
    assert "process 1 of 2 failed:" in error
    assert "LaminaError: the disk of this machine is full" in error
    assert "process 0" not in error


@pytest.mark.slow
def test_an_error_that_all_have_is_told_once():
    code, _, error = ended(started(2, PROGRAM, "different_tables"))
    assert code != 0
    assert error.count("DataError: processes that share a training must all pass the same table") == 1
    assert re.search("process 1 has [0-9]+ training rows, which differ from the [0-9]+ of process 0", error)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table of three files, of which only the last says that a column is text."""
    folder, rng = tmp_path_factory.mktemp("table"), np.random.default_rng(0)
    (folder / "parts").mkdir()
    for part, rows in enumerate((70, 60, 50)):
        x, zone = rng.normal(size=rows), rng.integers(1, 4, rows)
        lines = [f"{a:.6f},0{z},{'yes' if a + z > 2 else 'no'}" for a, z in zip(x, zone, strict=True)]
        lines += ["0.5,north,no"] * 9 if part == 2 else []
        (folder / f"parts/{part}.csv").write_text("\n".join(["x,zone,y", *lines]) + "\n", "utf-8")
    return folder


def process_of(rank, out):
    """The process of this rank that trains the run in a folder."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command, said = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
            if str(out).encode() in command and f"OMPI_COMM_WORLD_RANK={rank}\0".encode() in said:
                return int(folder.name)
    raise AssertionError(f"there is no process of rank {rank}")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")
@pytest.mark.parametrize("others", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_killed_job_goes_on_with_another_number_of_processes(folder, monkeypatch, others):
    """The command of docs/scale.md, for some more epochs, so that it can be killed."""
    (line,) = re.findall(r"\$ mpirun (.*)", (ROOT / "docs/scale.md").read_text())
    _, processes, lamina, *rest = shlex.split(line)
    options, out = (
        [*rest[: rest.index("--out")], "--hidden", "4", "--epochs", "150"],
        folder / f"runs/{others}",
    )
    monkeypatch.chdir(folder)
    whole = folder / f"runs/whole-{others}"
    with without_pictures(), pytest.raises(SystemExit, match="0"):
        main([*options, "--quiet", "--out", str(whole)])
    job = started(int(processes), "-m", lamina, *options, "--out", out)
    while not (out / CHECKPOINT).exists():
        assert job.poll() is None, job.communicate()
        time.sleep(0.005)
    os.kill(process_of(1, out), signal.SIGKILL)
    code, _, error = ended(job, seconds=20)
    assert code != 0
    assert "signal 9 (Killed)" in error
    assert (out / CHECKPOINT).exists()
    assert not (out / MODEL).exists()
    if others == 1:
        with without_pictures(), pytest.raises(SystemExit, match="0"):
            main(["train", "--resume", str(out), "--quiet"])
    else:
        code, said, error = ended(started(others, "-m", lamina, "train", "--resume", out, "--json"))
        assert code == 0, error
        assert said.count("\n") == 1  # only the first process speaks
        assert "of the steps' time went into communication" in error
    whole, resumed = (load_tensors(run / MODEL)[0] for run in (whole, out))
    assert whole.keys() == resumed.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(array, resumed[name])


@pytest.mark.slow
def test_several_processes_need_shards(folder):
    out = folder / "none"
    job = started(2, "-m", "lamina", "train", folder / "parts/0.csv", "-t", "y", "-o", out)
    code, said, error = ended(job)
    assert (code, said) == (2, "")
    assert "lamina: 2 processes were started, and no --shards: give the number of parts" in error
    assert not out.exists()
