"""Phrases that plain English does without, counted in comments, docstrings and texts, and held under a ceiling.

    python tools/words.py           # each use above its ceiling; exit 1 if there is one
    python tools/words.py --list    # every use
    python tools/words.py --write   # lower the ceilings to what there is

`tools/words.toml` lists the phrases with what to write instead, uses that are right, with the reason, and the number of
uses that a package still has. A package that is not listed there has none. Ceilings only fall.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "tools/words.toml"
_TEXTS = (tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))


class Use(NamedTuple):
    """A phrase where it stands."""

    package: str
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


def package_of(path: Path) -> str:
    """What a file is counted with: its package of lamina, or the folder of documentation."""
    parts = path.relative_to(ROOT).parts
    return "/".join(parts[1:3]) if parts[0] == "src" else "/".join(parts[:-1]) or path.name


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
                yield Use(package_of(path), f"{path.relative_to(ROOT)}:{number}", found[1].lower())


def main() -> int:
    """Count, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--list", action="store_true", help="every use")
    parser.add_argument("--write", action="store_true", help="lower the ceilings to what there is")
    options = parser.parse_args()
    text = FILE.read_text("utf-8")
    settings = tomllib.loads(text)
    found = list(uses(settings["phrases"], settings["allowed"]))
    counts, ceilings = Counter(use.package for use in found), settings["ceilings"]
    above = sorted(package for package in counts if counts[package] > ceilings.get(package, 0))
    for use in found:
        if options.list or use.package in above:
            instead = settings["phrases"][use.phrase]
            print(f"{use.place}: {use.phrase!r}: {instead}")
    for package in above:
        print(
            f"{package}: {counts[package]} uses, above its ceiling of {ceilings.get(package, 0)} ({FILE.name})"
        )
    if options.write and not above:
        lines = [f'"{package}" = {counts[package]}' for package in sorted(ceilings) if counts[package]]
        FILE.write_text(text.partition("[ceilings]\n")[0] + "[ceilings]\n" + "\n".join(lines) + "\n", "utf-8")
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
