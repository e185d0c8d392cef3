"""Cut a version: `make release VERSION=0.2.0` in a clean tree sets it, dates the changelog's section, commits and tags.

python tools/release.py 0.2.0    # nothing leaves this machine: `git push --follow-tags` publishes
python tools/release.py --check  # whether every file names the same version
"""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
from pathlib import Path

SOURCE = Path("src/lamina/__init__.py")
PLACES = {
    SOURCE: r'(?m)^__version__ = "(.+)"$',
    Path("CITATION.cff"): r"(?m)^version: (.+)$",
    Path("docs/how-to/install.md"): r"dist/lamina-(.+?)-py3-none-any\.whl",
    Path("packaging/conda/recipe.yaml"): r'(?m)^  version: "(.+)"$',
    Path("README.md"): r"dist/lamina-(.+?)-py3-none-any\.whl",
}
"""Where a version stands, the first of which is what packages and `lamina --version` take it from."""
CHANGELOG = Path("CHANGELOG.md")
OPEN = "## Unreleased\n"


def stated() -> dict[Path, str]:
    """The version that each file names."""
    found: dict[Path, str] = {}
    for path, pattern in PLACES.items():
        match = re.search(pattern, path.read_text(encoding="utf-8"))
        if match is None:
            sys.exit(f"{path}: no version is found by {pattern}")
        found[path] = match[1]
    return found


def checked() -> str:
    """The version, where all files agree on it and the changelog knows it; ends the process otherwise."""
    found = stated()
    version = found[SOURCE]
    for path, other in found.items():
        if other != version:
            sys.exit(f"{path} says {other}, {SOURCE} says {version}")
    if not re.search(rf"(?m)^## {re.escape(version)}( |$)", CHANGELOG.read_text(encoding="utf-8")):
        sys.exit(f"{CHANGELOG}: no section of version {version}")
    return version


def git(*words: str) -> str:
    """What git answers."""
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout.strip()


def numbers(version: str) -> tuple[int, ...]:
    """The parts of MAJOR.MINOR.PATCH."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        sys.exit(f"{version!r} is no version: say MAJOR.MINOR.PATCH, as in 0.2.0")
    return tuple(map(int, version.split(".")))


def set_version(version: str) -> None:
    """Write a version into every file that names it."""
    for path, pattern in PLACES.items():
        text = path.read_text(encoding="utf-8")
        start, end = re.search(pattern, text).span(1)  # pyright: ignore[reportOptionalMemberAccess]  # `checked` found it
        path.write_text(text[:start] + version + text[end:], encoding="utf-8")


def close_section(version: str) -> None:
    """Give the changelog's open section a version and a date, and open an empty one above."""
    before, found, after = CHANGELOG.read_text(encoding="utf-8").partition(OPEN)
    if not found or not after.split("\n## ")[0].strip():
        sys.exit(f"{CHANGELOG}: nothing stands under {OPEN.strip()!r}, so there is nothing to release")
    section = f"## {version} ({datetime.datetime.now(datetime.UTC).date()})\n"
    CHANGELOG.write_text(f"{before}{OPEN}\n{section}{after}", encoding="utf-8")


def cut(version: str) -> None:
    """Set, date, commit and tag."""
    last = checked()
    if numbers(version) <= numbers(last):
        sys.exit(f"{version} is not above {last}, the version that is there")
    if changed := git("status", "--porcelain"):
        sys.exit(f"the tree is not clean; commit or remove first:\n{changed}")
    if git("tag", "--list", f"v{version}"):
        sys.exit(f"the tag v{version} exists")
    close_section(version)
    set_version(version)
    git("commit", "--all", "--quiet", "--message", f"lamina {version}")
    git("tag", "--annotate", f"v{version}", "--message", f"lamina {version}")
    print(f"v{version} is committed and tagged; `git push --follow-tags` publishes it, `git show` shows it")


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        print(f"every file says {checked()}")
    elif len(sys.argv) == 2:
        cut(sys.argv[1])
    else:
        sys.exit("usage: make release VERSION=0.2.0")
