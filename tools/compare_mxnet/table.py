"""Writes the tables of docs/from-mxnet.md: what the comparison settled, and what lamina leaves out.

python tools/compare_mxnet/table.py          # writes them between their marks
python tools/compare_mxnet/table.py --check  # says whether they are as they would be written
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE), str(_HERE.parents[1] / "src")]

from lamina.outside import OUTSIDE  # noqa: E402 - the path has been set

PAGE = _HERE.parents[1] / "docs/from-mxnet.md"
_OF_NETWORKS = (
    "mx.gluon",
    "mx.io",
    "mx.optimizer",
    "mx.init",
    "mx.operator",
    "mx.kv",
    "mx.mod",
    "mx.model",
    "mx.rnn",
)


def _table(first: str, second: str, settled: Mapping[str, str], left_out: Iterable[str] = ()) -> str:
    """A row for each reason, with all that it settles."""
    by_reason: dict[str, list[str]] = {}
    for subject, why in settled.items():
        if why not in left_out:
            by_reason.setdefault(why, []).append(f"`{subject}`".replace("|", "\\|"))
    rows = [f"| {', '.join(subjects)} | {why} |" for why, subjects in by_reason.items()]
    return "\n".join([f"| {first} | {second} |", "|---|---|", *rows])


def tables() -> dict[str, str]:
    """By mark."""
    networks = importlib.import_module("parts.networks")
    outside = {name: why for name, why in OUTSIDE.items() if name.startswith(_OF_NETWORKS)}
    return {
        "networks": _table("in MXNet", "in lamina", networks.SETTLED, networks.NOT_TOLD),
        "networks outside": _table("not there", "instead", outside),
    }


def written(text: str) -> str:
    """The page with its tables."""
    for mark, table in tables().items():
        begin, end = f"<!-- table: {mark} -->\n", "<!-- end -->"
        parts = re.split(f"({re.escape(begin)}).*?({re.escape(end)})", text, flags=re.S)
        text = f"{table}\n".join(["".join(parts[:2]), "".join(parts[2:])])
    return text


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        sys.exit(before != written(before) and f"{PAGE} is not as tools/compare_mxnet/table.py writes it")
    PAGE.write_text(written(before), encoding="utf-8")
