"""Programs in documents, run in this process: starting Python and importing takes longer than most of them."""

import contextlib
import io
import re
import runpy
from pathlib import Path


def programs(text: str) -> list[str]:
    """The blocks of Python in a document."""
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def run_program(program: str, folder: Path) -> str:
    """Run a program as `__main__` in a folder, with names of its own; its standard output."""
    file = folder / "program.py"
    file.write_text(program, "utf-8")
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as printed:
        runpy.run_path(str(file), run_name="__main__")
    return printed.getvalue()
