"""Programs in documents and of examples, run in this process: starting Python and importing takes longer than most."""

import contextlib
import io
import re
import runpy
from pathlib import Path

import pytest

import lamina


def programs(text: str) -> list[str]:
    """The blocks of Python in a document."""
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def run_program(program: str, folder: Path) -> str:
    """Run a program in a folder; its standard output."""
    file = folder / "program.py"
    file.write_text(program, "utf-8")
    with contextlib.chdir(folder):
        return run_file(file)


def run_file(file: Path, *arguments: object) -> str:
    """Run a file as `__main__`, with random numbers as in a new process; its standard output."""
    lamina.random.seed(0)
    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(io.StringIO()) as printed:
        patched.setattr("sys.argv", [str(file), *map(str, arguments)])
        runpy.run_path(str(file), run_name="__main__")
    return printed.getvalue()
