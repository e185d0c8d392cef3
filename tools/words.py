"""Phrases that plain English does without, looked for in comments, docstrings and texts.

    python tools/words.py   # every use; exit 1 if there is one

`tools/words.toml` lists the phrases with what to write instead, and uses that are right, with the reason.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "tools/words.toml"
_TEXTS = (tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))


class Use(NamedTuple):
    """A phrase where it stands."""

    place: str
    phrase: str


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Comments and strings of a program, the lines of another file, with their line numbers."""
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in _TEXTS:
            yield from enumerate(token.string.splitlines(), token.start[0])


def files(root: Path) -> Iterator[Path]:
    """What is read: lamina's source, and what documents it."""
    yield from sorted((root / "src/lamina").rglob("*.py"))
    yield from sorted((root / "docs").rglob("*.md"))
    yield from (root / name for name in ("README.md", "CONTRIBUTING.md"))


def uses(phrases: dict[str, str], allowed: dict[str, str]) -> Iterator[Use]:
    """Every use of a phrase, but those that are allowed."""
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, phrases))})\b", re.IGNORECASE)
    right = re.compile("|".join(map(re.escape, allowed)) or r"(?!)", re.IGNORECASE)
    for path in files(ROOT):
        for number, line in texts(path):
            for found in pattern.finditer(right.sub("", line)):
                yield Use(f"{path.relative_to(ROOT)}:{number}", found[1].lower())


def main() -> int:
    """Print every use, with what to write instead."""
    settings = tomllib.loads(FILE.read_text("utf-8"))
    found = list(uses(settings["phrases"], settings["allowed"]))
    for use in found:
        print(f"{use.place}: {use.phrase!r}: {settings['phrases'][use.phrase]}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
