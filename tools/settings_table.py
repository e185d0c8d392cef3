"""The table of settings in docs/estimators.md, from their declarations.

python tools/settings_table.py  # writes it into the document
"""

from __future__ import annotations

import re
from pathlib import Path

from lamina.estimators.declaring import About, ByTask, declared
from lamina.estimators.presets import KNOWN
from lamina.estimators.settings import Settings

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "estimators.md"
_SHOWN = [name for name in KNOWN if name not in ("best", "medium")]  # medium has default's values
_TABLE = re.compile(r"^\| parameter \|.*?\n\n", re.MULTILINE | re.DOTALL)


def table() -> str:
    """The table as Markdown: a row for each setting that presets have values of."""
    head = ["parameter", "default, medium", *_SHOWN[1:], "what it is"]
    rows = [
        [f"`{name}`", *(_value(about, preset) for preset in _SHOWN), about.meaning]
        for name, about in declared(Settings).items()
        if about.has_presets
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows]) + "\n"


def written(document: str) -> str:
    """The document with the table."""
    return _TABLE.sub(lambda _: table() + "\n", document, count=1)


def _value(about: About, preset: str) -> str:
    values = ByTask(*(about.value(preset, task) for task in ("classification", "regression")))
    if values.classification == values.regression:
        return f"`{values.classification!r}`"
    return f"`{values.classification!r}`; regression: `{values.regression!r}`"


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
