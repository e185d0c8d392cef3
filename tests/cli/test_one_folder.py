"""Of two processes that train into one folder, the second is refused before it trains; a killed one holds nothing."""

import signal
import subprocess
import sys
import time

import pytest

from lamina.training.run_folder import held_run

ENDLESS = ("--epochs", "100000", "--hidden", "4")


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
@pytest.mark.slow  # that a folder is held is tested beside `--replace`, and of run folders
@pytest.mark.parametrize("asked", [("mnist",), ("table.csv", "--target", "y", "--preset", "fast")])
def test_two_processes_with_one_folder(tmp_path, asked):
    (tmp_path / "table.csv").write_text("x,y\n" + "".join(f"{i % 7},{i % 3 % 2}\n" for i in range(200)))
    command = [sys.executable, "-m", "lamina", "train", *asked, *ENDLESS, "--out", "same"]
    processes = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        until = time.monotonic() + 120
        while all(process.poll() is None for process in processes):
            assert time.monotonic() < until
            time.sleep(0.05)
        refused, training = sorted(processes, key=lambda process: process.poll() is None)
        assert refused.wait() == 2
        assert refused.stderr is not None
        assert refused.stderr.read() == "lamina: another process is training the run in same\n"
        assert training.poll() is None
    finally:
        for process in processes:
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()
    assert training.returncode == -signal.SIGKILL
    with held_run(tmp_path / "same"):
        pass
