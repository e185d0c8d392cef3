"""The size of the source, by package, beside an earlier commit, and held under ceilings that only fall.

    python tools/size.py                   # the table, with the difference to the commit before
    python tools/size.py --against v0.1.0  # to another commit
    python tools/size.py --check           # exit 1 if something is above its ceiling in tools/ceilings.toml

A line of code holds at least one token that is no comment and no docstring. Public names are the functions, classes
and constants of modules that do not begin with an underscore. `Any` counts annotations that name it. Circles are sets
of modules that import each other, also inside functions. Exceptions are the imports that the contracts ignore. Alike
lines are those of four and more that stand in two modules to the letter, by pylint's `symilar`; signatures, imports,
comments and docstrings don't count.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CEILINGS = "tools/ceilings.toml"
REASONS = "docs/adr/ceilings.md"
_COUNTED_WITH = "counted with"
_UNCOUNTED = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
    tokenize.ENCODING,
}  # fmt: skip

Sizes = dict[str, int]
"""Figures by name: `lines cli` are the lines of a package, `lines` those of all."""


def measure(root: Path) -> Sizes:
    """All figures of the source tree under `root`, whose package must be the one that Python imports."""
    sizes: Counter[str] = Counter()
    for path in sorted((root / "src" / "lamina").rglob("*.py")):
        package, *inner = path.relative_to(root / "src" / "lamina").parts
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        lines = _lines_of_code(text, tree)
        sizes["lines"] += lines
        sizes[f"lines {package if inner else 'of single modules'}"] += lines
        sizes["files"] += 1
        sizes["public names"] += sum(1 for _ in _public_names(tree))
        sizes["Any"] += _any_annotations(tree)
    sizes["modules in circles"] = _modules_in_circles()
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    sizes["exceptions of contracts"] = sum(len(one.get("ignore_imports", ())) for one in contracts)
    sizes["alike lines"] = _alike_lines(root)
    return dict(sizes)


def _alike_lines(root: Path) -> int:
    kinds = ("comments", "docstrings", "imports", "signatures")
    files = sorted(str(path) for path in (root / "src" / "lamina").rglob("*.py"))
    command = [
        Path(sys.executable).with_name("symilar"),
        "-d",
        "4",
        *(f"--ignore-{kind}" for kind in kinds),
        *files,
    ]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"^TOTAL .*duplicates=(\d+)", report, re.MULTILINE)
    assert found is not None, report
    return int(found[1])


def _lines_of_code(text: str, tree: ast.Module) -> int:
    counted: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _UNCOUNTED:
            counted.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):  # strings that stand alone, among them the docstrings
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            counted.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(counted)


def _public_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
        else:
            names = []
        yield from (name for name in names if not name.startswith("_"))


def _any_annotations(tree: ast.Module) -> int:
    annotations = [
        getattr(node, field, None) for node in ast.walk(tree) for field in ("annotation", "returns")
    ]
    return sum(
        any(isinstance(part, ast.Name) and part.id == "Any" for part in ast.walk(annotation))
        for annotation in annotations
        if annotation is not None
    )


def _modules_in_circles() -> int:
    import grimp
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = grimp.build_graph("lamina", exclude_type_checking_imports=True, cache_dir=None)
    numbers = {module: i for i, module in enumerate(sorted(graph.modules))}
    edges = [(numbers[a], numbers[b]) for a in numbers for b in graph.find_modules_directly_imported_by(a)]
    rows, columns = zip(*edges, strict=True)
    matrix = coo_array(([1] * len(edges), (rows, columns)), shape=(len(numbers), len(numbers)))
    _, labels = connected_components(matrix, directed=True, connection="strong")
    return sum(count for count in Counter(labels.tolist()).values() if count > 1)


# --- another commit, and the ceilings ---------------------------------------------------------------------------------


def measured_elsewhere(root: Path) -> Sizes:
    """`measure` of another tree, in a process that imports its package."""
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    command = [sys.executable, __file__, "--json", str(root)]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)


def unpack(commit: str, folder: Path) -> None:
    """The source of a commit, and its ceilings, in a folder."""
    command = ["git", "-C", str(ROOT), "archive", commit]
    archive = subprocess.run(command, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def ceilings(root: Path) -> Sizes:
    """The ceilings of a tree, by the figures' names; none where it has no such file."""
    return {name: value for name, value in _ceilings_file(root).items() if name != _COUNTED_WITH}


def counted_with(root: Path) -> str | None:
    """The versions that the ceilings of instructions are of; see tools/instructions.py."""
    return _ceilings_file(root).get(_COUNTED_WITH)


def _ceilings_file(root: Path) -> dict[str, Any]:
    path = root / CEILINGS
    return tomllib.loads(path.read_text()) if path.exists() else {}


def complaints(now: Sizes, limits: Sizes, earlier: Sizes, reasons: str) -> list[str]:
    """What is above its ceiling, has none, or has one that was raised without a reason."""
    found = [
        f"{name}: {now.get(name, 0):,} is above its ceiling of {limit:,} ({CEILINGS})"
        for name, limit in limits.items()
        if now.get(name, 0) > limit
    ]
    found += [f"{name}: has no ceiling in {CEILINGS}" for name in now if name not in limits]
    for name, limit in limits.items():
        is_raised = name in earlier and limit > earlier[name]
        has_reason = re.search(rf"^\| {re.escape(name)} \| {limit} \| .+\|", reasons, re.MULTILINE)
        if is_raised and not has_reason:
            found.append(
                f"{name}: its ceiling was raised from {earlier[name]} to {limit} without a row in {REASONS}"
            )
    return found


def show(now: Sizes, before: Sizes, limits: Sizes) -> None:
    """The table."""
    print(f"{'':32}{'now':>8}{'change':>8}{'ceiling':>9}")
    for name in sorted(now.keys() | before.keys(), key=lambda name: (not name.startswith("lines"), name)):
        change, limit = now.get(name, 0) - before.get(name, 0), limits.get(name)
        print(f"{name:32}{now.get(name, 0):8,}{change:+8,}{'' if limit is None else f'{limit:,}':>9}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--against", default="HEAD~1", help="the commit to compare with")
    parser.add_argument("--check", action="store_true", help="exit 1 if something is above its ceiling")
    parser.add_argument("--json", type=Path, metavar="ROOT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.json:
        print(json.dumps(measure(options.json)))
        return 0
    limits = ceilings(ROOT)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as side_by_side:
        unpack(options.against, Path(folder))
        now, before = side_by_side.map(measured_elsewhere, (ROOT, Path(folder)))
        earlier = ceilings(Path(folder))
    show(now, before, limits)
    reasons = ROOT / REASONS
    wrong = complaints(now, limits, earlier, reasons.read_text() if reasons.exists() else "")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if options.check and wrong else 0


if __name__ == "__main__":
    sys.exit(main())
