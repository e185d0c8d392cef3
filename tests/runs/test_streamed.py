"""`lamina train` on tables that are streamed: as on tables in memory, in bounded memory, also after it was killed."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from any_texts import sentences
from named_pipes import pipe_with

import lamina
from lamina.files.tensors import load_tensors
from lamina.runs import streamed
from lamina.runs.data import Request
from lamina.runs.run_folder import open_run
from lamina.runs.streamed import prepare_streamed, why_streamed
from lamina.table.messages import DataWarning
from lamina.table.stream import cache, memory

QUICK = ("--preset", "fast", "--hidden", "8", "--epochs", "4", "--stream")
SUPPORT = Path(__file__).parents[1] / "support"
rng = np.random.default_rng(0)
N = 2000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three Parquet files of a table, where the tests are at work."""
    monkeypatch.chdir(tmp_path)
    x = rng.normal(size=(N, 2))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "word": [f"w{i % 12}" for i in range(N)]})
    frame = frame.with_columns(y=pl.Series(np.where(x.sum(axis=1) > 0, "yes", "no")))
    Path("rows").mkdir()
    for i, part in enumerate(frame.iter_slices(700)):
        part.write_parquet(f"rows/{i}.parquet")
    return tmp_path


def network(run):
    return load_tensors(Path(run, "model.safetensors"))[0]


def same(a, b):
    return all(np.array_equal(x, network(b)[name]) for name, x in network(a).items())


@pytest.mark.slow
@pytest.mark.pictures
def test_a_run_is_complete_and_used_as_any_other(folder, cli):
    code, out, err = cli("train", "rows/*.parquet", "-t", "y", *QUICK, "-o", "run")
    assert code == 0 and err == ""
    assert "1,440 training, 160 validation, 400 test" in out
    assert sorted(os.listdir("run")) == [
        "examples.jsonl", "metrics.jsonl", "model.safetensors", "page.html", "report.html", "settings.json",
    ]  # fmt: skip
    assert json.loads(Path("run/settings.json").read_text())["stream"] is True
    code, out, _ = cli("evaluate", "run", "rows/*.parquet", "--json")
    assert code == 0 and json.loads(out)["metrics"]["accuracy"] > 0.8
    assert cli("predict", "run", "rows/*.parquet", "-o", "new.csv")[0] == 0
    assert len(pl.read_csv("new.csv")) == N
    assert cli("inspect", "run")[0] == 0


def test_shares_and_files_of_validation_and_test(folder, cli):
    code, out, _ = cli(
        "train", "rows/0.parquet", "-t", "y", *QUICK, "--validation", "0", "--test", "rows/1.parquet", "-o", "run",
        "--json",
    )  # fmt: skip
    results = json.loads(out)
    assert code == 0 and results["rows"] == {"training": 700, "test": 700}
    assert results["metrics"]["lamina"]["accuracy"] > 0.8


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
def test_after_kill_9_it_goes_on_to_the_same_bits(folder, cli, monkeypatch):
    frame, days = pl.read_parquet("rows/*.parquet"), np.datetime64("2020-01-01") + np.arange(N) * 7919 % 700
    told, shop = sentences(N, 1), np.random.default_rng(1).integers(0, 60, N)
    level = np.array([text.count("a") for text in told]) + 4 * np.random.default_rng(2).normal(size=60)[shop]
    frame = frame.with_columns(
        told=pl.Series(told),
        day=pl.Series(days).dt.strftime("%d.%m.%Y"),
        tags=pl.Series(["|".join(rng.choice([*"stuvwxyz"], 1 + i % 4, replace=False)) for i in range(N)]),
        shop=pl.Series(shop * 7 + 3),
        y=pl.Series(np.where(level > np.median(level), "yes", "no")),
    )
    for i, part in enumerate(frame.iter_slices(700)):
        part.write_parquet(f"rows/{i}.parquet")
    monkeypatch.setattr(cache, "_WINDOW_BYTES", 1 << 12)
    monkeypatch.setattr(cache, "_GROUP_BYTES", 1 << 10)
    code, _, err = cli("train", "rows/*.parquet", "-t", "y", *QUICK, "-o", "whole")
    assert code == 0, err
    slow = (
        "import sys, time\nfrom lamina.cli import main\nfrom lamina.table.stream import cache\n"
        "from lamina.training import loop\n"
        "cache._WINDOW_BYTES, cache._GROUP_BYTES = 1 << 12, 1 << 10\n"
        "is_best = loop.Loop._is_best\n"
        "def slowly(self, number, *rest):\n"
        "    for _ in range(60 if number == 2 else 0):\n        time.sleep(1)\n"  # not less, if both are stopped
        "    return is_best(self, number, *rest)\n"
        "loop.Loop._is_best = slowly\nmain(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", slow, "train", "rows/*.parquet", "-t", "y", *QUICK, "-o", "run"]
    source = str(Path(lamina.__file__).parents[1])
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": source})
    while not Path("run/checkpoint.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert any(name.startswith(".lamina-run-") for name in os.listdir("run"))  # the cache
    code, _, err = cli("train", "--resume", "run")
    assert code == 0 and "continues after 1 epoch" in err
    learned = {one.name: one.type.tag for one in open_run(Path("whole"))[0].schema.columns}
    assert learned | {"told": "text", "day": "calendar", "tags": "list", "shop": "category"} == learned
    assert same("run", "whole") and sorted(os.listdir("run")) == sorted(os.listdir("whole"))


@pytest.mark.slow
def test_rows_that_are_others_do_not_go_on(folder, cli):
    request = Request(("rows/*.parquet",), "y", stream=True)
    with prepare_streamed(request, folder) as prepared:
        first = prepared.streamed.survey.statistics.rows
    assert first == N
    shutil.copy("rows/0.parquet", "rows/3.parquet")
    with prepare_streamed(request, folder) as prepared:
        assert prepared.streamed.survey.statistics.rows == N + 700


def test_a_table_that_would_not_fit_is_streamed_by_itself(folder, cli, monkeypatch):
    request = Request(("rows/*.parquet",), "y")
    assert why_streamed(request, 1 << 30) is None
    why = why_streamed(request, N * 4 * 32 - 1)
    assert why is not None and re.fullmatch(
        r"in memory the table would take about .* MiB, more than the allowed .* MiB", why
    )
    monkeypatch.setattr(streamed, "memory_to_hold", lambda *_: 1 << 50)
    code, _, err = cli("train", "rows/*.parquet", "-t", "y", *QUICK[:-1], "-o", "run", "--quiet")
    assert code == 0 and "iB: rows are read from the disk" in err
    assert json.loads(Path("run/settings.json").read_text())["stream"] is True


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "feather"])
def test_what_a_table_would_take_is_about_told_by_its_files(folder, suffix):
    from lamina.table.source import ReadOptions, open_sources
    from lamina.table.write import write

    frame = pl.read_parquet("rows/*.parquet")
    write(frame, f"rows.{suffix}")
    with open_sources([f"rows.{suffix}"]) as sources:
        told = memory.memory_to_hold(sources, ReadOptions())
    assert 0.5 < told / (N * 4 * 32) < 6


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_a_pipe_is_not_looked_at_before_it_is_read(folder, cli):
    """As of a shell's ``lamina train <(zcat rows.csv.gz)``; it gives its rows once."""
    pipe_with(Path("pipe"), pl.read_parquet("rows/0.parquet").write_csv().encode())
    code, out, error = cli("train", "pipe", "-t", "y", *QUICK[:-1], "-o", "run", "--json")
    assert code == 0, error
    assert sum(json.loads(out)["rows"].values()) == 700


def test_too_little_memory_is_told(folder, cli):
    code, _, err = cli("train", "rows/*.parquet", "-t", "y", *QUICK, "--memory", "20M", "-o", "run")
    assert code == 2 and re.fullmatch(
        r"lamina: training on this table takes at least [\d.]+ [MG]iB of memory, even if few rows are in memory at a "
        r"time, but only 20 MiB is allowed; allow more with --memory, or leave columns out with --drop\n",
        err,
    )
    assert not Path("run").exists()
    code, _, err = cli("train", "rows/*.parquet", "-t", "y", *QUICK, "--memory", "much")
    assert code == 2 and err == "lamina: --memory much: a size is written like 800M or 4G\n"


def test_a_disk_that_is_full_is_told(folder, cli, monkeypatch):
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    code, _, err = cli("train", "rows/*.parquet", "-t", "y", *QUICK, "-o", "run", "--quiet")
    assert code == 2 and re.fullmatch(
        r"lamina: the encoded rows take 0 MiB on the disk of .*, where 0 MiB are free; .*\n", err
    )
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # as a full disk, it ends in an OSError
    try:
        code, _, err = cli("train", "rows/*.parquet", "-t", "y", *QUICK, "-o", "run", "--quiet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 2 and err.count("\n") == 1 and "File too large" in err and "Traceback" not in err
    assert not Path("run").exists()


def test_files_of_other_columns_are_told(folder, cli):
    pl.DataFrame({"a": [1.0], "y": ["no"]}).write_parquet("rows/3.parquet")
    code, _, err = cli("train", "rows/*.parquet", "-t", "y", *QUICK, "-o", "run", "--quiet")
    assert (
        code == 2
        and err == "lamina: rows/3.parquet has different columns than rows/0.parquet: it lacks 'b', 'word'\n"
    )


def test_a_file_to_test_on_without_rows_is_told(folder, cli):
    pl.read_parquet("rows/0.parquet")[:0].write_parquet("none.parquet")
    code, _, err = cli(
        "train", "rows/*.parquet", "-t", "y", *QUICK, "--test", "none.parquet", "-o", "run", "--quiet"
    )
    assert code == 2 and err == "lamina: none.parquet has no rows\n"


def test_a_row_with_a_wrong_value_is_named_by_its_place(folder):
    frame = pl.read_parquet("rows/2.parquet")
    frame.with_columns(a=pl.when(pl.int_range(len(frame)) == 50).then(np.inf).otherwise("a")).write_parquet(
        "rows/2.parquet"
    )
    with (
        pytest.warns(
            DataWarning, match=r"column 'a' has infinite values, such as inf in row 50 .* of rows/2\.parquet"
        ),
        prepare_streamed(Request(("rows/*.parquet",), "y", stream=True), folder),
    ):
        pass


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_is_bounded_and_does_not_depend_on_the_number_of_rows(tmp_path):
    command = [sys.executable, SUPPORT / "streaming.py", tmp_path]
    said = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    told, few, many = map(int, said.split()[-3:])
    assert told < 1 << 30  # as --memory says
    y = 2 * 4 * 800_000  # what the script itself holds, and lamina's view of it
    assert many - few < (16 << 20) + y, (
        few >> 20,
        many >> 20,
    )  # all rows, encoded, would take 39 MiB
