"""docs/walkthrough.md is executed: what it shows is what the code prints today.

Sizes, times and addresses may differ from machine to machine, so numbers are compared as numbers only in kind, and the
processor's machine code (blocks marked ``asm``) only in being there; PTX is the same on every machine. After a change
of the compiler the document is written anew by ``python tests/docs/test_walkthrough.py``.
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "walkthrough.md"
BLOCK = re.compile(r"^```(python|text|asm|ptx)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def executed(text: str) -> list[tuple[str, str, str]]:
    """(language, output in the document, output now) of each block of output."""
    namespace: dict[str, Any] = {"__name__": "walkthrough"}
    found: list[tuple[str, str, str]] = []
    printed = ""
    for language, content in BLOCK.findall(text):
        if language == "python":
            buffer = io.StringIO()
            with contextlib.redirect_stdout(buffer):
                exec(compile(content, str(DOCUMENT), "exec"), namespace)
            printed = buffer.getvalue()
        else:
            found.append((language, content, printed))
    return found


def structure(text: str) -> list[str]:
    """The words of a text; every number is the same number."""
    return re.sub(r"\d+(\.\d+)?(e[-+]?\d+)?", "0", text).split()


@pytest.mark.slow
def test_the_document_shows_what_the_code_prints() -> None:
    blocks = executed(DOCUMENT.read_text())
    assert len(blocks) >= 6
    for language, shown, printed in blocks:
        if language == "asm":
            assert printed.strip()
        else:
            assert structure(shown) == structure(printed)


def test_the_files_it_names_exist_and_are_about_six() -> None:
    named = re.findall(r"^## \d+\. .*`(src/\S+)`", DOCUMENT.read_text(), re.MULTILINE)
    assert 5 <= len(named) <= 8
    for name in named:
        assert (DOCUMENT.parents[1] / name).exists(), name


def rewrite() -> None:
    """Put today's output into the document."""
    text = DOCUMENT.read_text()
    outputs = iter(executed(text))

    def renewed(match: re.Match[str]) -> str:
        if match[1] == "python":
            return match[0]
        language, _, printed = next(outputs)
        lines = "".join(line.rstrip() + "\n" for line in printed.splitlines())
        return f"```{language}\n{lines}```"

    DOCUMENT.write_text(BLOCK.sub(renewed, text))


if __name__ == "__main__":
    rewrite()
