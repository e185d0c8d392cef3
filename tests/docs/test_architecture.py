"""docs/architecture.md: each path it names exists, each package of lamina is named, and additions touch few files."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text()
PATH = re.compile(r"`(src/[\w./]+|pyproject\.toml)`")
SETTLED = {"__init__", "__main__", "__pycache__", "py"}
"""The package itself."""


def test_every_path_exists() -> None:
    named = PATH.findall(DOCUMENT)
    assert len(named) > 30
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_package_is_named() -> None:
    inside = {path.stem for path in (ROOT / "src" / "lamina").iterdir()} - SETTLED
    assert {name for name in inside if not re.search(rf"`src/lamina/{name}(\.py)?`", DOCUMENT)} == set()


def test_the_ground_floor_has_at_most_twenty_packages() -> None:
    inside = {path.stem for path in (ROOT / "src" / "lamina").iterdir()} - SETTLED
    assert len(inside) <= 20


def test_additions_touch_at_most_three_files() -> None:
    table = DOCUMENT.partition("## Where things are added")[2]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("|")][2:]
    assert len(rows) >= 10
    # what is only sometimes needed stands after a semicolon
    many = [what.strip() for what, files in rows if len(PATH.findall(files.partition(";")[0])) > 3]
    assert many == []


@pytest.mark.slow
def test_modules_with_an_underscore_are_imported_by_their_own_package_only() -> None:
    source = ROOT / "src"
    foreign: list[str] = []
    for path in source.rglob("*.py"):
        package = path.parent.relative_to(source).as_posix().replace("/", ".")
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            for name in [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]:
                owner, _, module = name.rpartition(".")
                is_module = (source / name.replace(".", "/")).with_suffix(".py").exists()
                if is_module and module.startswith("_") and owner != package:
                    foreign.append(f"{path.relative_to(source)} imports {name}")
    assert foreign == []


def test_modules_of_a_package_alone_have_no_list_of_names() -> None:
    source = ROOT / "src"
    texts = {path: path.read_text() for path in source.rglob("*.py")}
    handed_on = set(re.findall(r"^from (lamina\S+) import \*$", "\n".join(texts.values()), re.MULTILINE))
    listing = {
        path.relative_to(source).with_suffix("").as_posix().replace("/", ".")
        for path, text in texts.items()
        if re.match(r"_[a-z]", path.name) and re.search(r"^__all__ ", text, re.MULTILINE)
    }
    assert listing - handed_on == set()
