"""What commands import: each module that is not needed costs every command its time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]
TABLE, RUN = FOLDER / "estimators/files/table.csv", FOLDER / "runs/files/regression"

_NOT_FOR_HELP = {
    "numpy",
    "polars",
    "narwhals",
    "msgspec",
    "llvmlite",
    "sklearn",
    "scipy",
    "pandas",
    "matplotlib",
}
_DECLARATIONS = {
    f"lamina.estimators.{name}" for name in ("declaring", "option_values", "presets", "settings")
}
_NOT_FOR_A_PREDICTION = {
    "sklearn", "scipy", "pandas", "pyarrow", "matplotlib", "joblib", "rich", "onnx", "starlette", "asyncio",
    "multiprocessing", "ssl", "unittest", "pydoc",
}  # fmt: skip


def _imported(program: str) -> set[str]:
    """The modules there are in a new process that has run a program, which may exit with 0."""
    told = "import atexit, sys; atexit.register(lambda: print(*sys.modules, sep='\\n', file=sys.stderr))\n"
    command = [sys.executable, "-c", told + program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines())


def _command(*arguments: object) -> set[str]:
    return _imported(
        f"import sys; sys.argv = {['lamina', *map(str, arguments)]}\nfrom lamina.cli import main; main()"
    )


@pytest.mark.few(1)
@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["predict", "--help"], ["--version"]])
def test_help_needs_no_arrays(arguments: list[str]) -> None:
    found = _command(*arguments)
    assert "typer" in found
    assert not found & _NOT_FOR_HELP
    computing = ("lamina.nd", "lamina.compiler", "lamina.estimators.")
    assert not {name for name in found if name.startswith(computing)} - _DECLARATIONS


@pytest.mark.untraced
@pytest.mark.parametrize("run", ["classification", "regression"])
def test_a_prediction_needs_no_more_than_it_uses(run: str, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    found = _command("predict", RUN.parent / run, TABLE, "--out", out)
    assert out.read_text().splitlines()[0].count("prediction") == 1
    assert {"numpy", "polars", "lamina.compiler"} <= found
    assert not found & _NOT_FOR_A_PREDICTION


@pytest.mark.slow
def test_importing_lamina_imports_nothing_else_and_its_modules_are_there_all_the_same() -> None:
    assert not _imported("import lamina") & (_NOT_FOR_HELP | {"lamina.nd", "typer", "rich"})
    program = "import lamina as mx; assert mx.nd.ones((2,)).sum() == 2 and mx.ndarray is mx.nd and mx.rnd is mx.random"
    assert "lamina.compiler.deferral" in _imported(program)


def test_the_thread_that_imported_lamina_defers_whichever_uses_arrays_first() -> None:
    program = """
import threading, lamina

def use():
    lamina.nd.ones((2,)).asnumpy()
    assert lamina.core.state.state.queue is None

thread = threading.Thread(target=use)
thread.start()
thread.join()
assert lamina.core.state.state.queue is not None, "this thread does not defer"
"""
    assert "lamina.nd" in _imported(program)


@pytest.mark.slow
def test_timings_say_where_the_time_of_a_command_went(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lamina", "--timings", "predict", str(RUN), str(TABLE)]
    environment = os.environ | {"LAMINA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out.csv")],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    lines = done.stderr.splitlines()
    seconds = {
        name: float(time)
        for time, name in (line.strip().split(" s  ", 1) for line in lines if " s  " in line)
    }
    whole = seconds.pop("in all")
    assert {
        "starting Python and lamina",
        "importing",
        "reading",
        "encoding",
        "compiling",
        "computing",
        "writing",
    } <= set(seconds)
    assert sum(seconds.values()) == pytest.approx(whole, abs=0.0005 * (len(seconds) + 1))
    assert min(seconds.values()) >= 0 and lines[-1].startswith("kernels compiled: ")
