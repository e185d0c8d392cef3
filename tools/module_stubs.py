"""src/lamina-stubs: for type checkers, the modules that `lamina.support.module_names` finds under other names.

python tools/module_stubs.py  # writes it

A checker runs no finder. A partial stub package (PEP 561) adds modules to `lamina` without adding them to its folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lamina.support.module_names import MXNET, real_name

FOLDER = Path(__file__).resolve().parents[1] / "src" / "lamina-stubs"
OTHERS = ("dask", "datasets", "mlflow", "neural_network", "recipes")
"""Names that the documentation uses, and MXNet does not have."""


def stubs() -> dict[str, str]:
    """The text of each file, by its name."""
    files = {f"{name}.pyi": f"from {real_name(f'lamina.{name}')} import *\n" for name in (*MXNET, *OTHERS)}
    return {"py.typed": "partial\n", **files}


def main() -> None:
    """Write the files, and no others."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    for name, text in stubs().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
