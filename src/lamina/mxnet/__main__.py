"""Run a program written for MXNet unchanged: ``python -m lamina.mxnet PROGRAM [ARGUMENTS]``."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from lamina.mxnet import install


def main() -> None:
    """Run the program in ``sys.argv[1]``, which sees itself as the script, with `lamina` as ``mxnet``."""
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_file():
        missing = f"there is no file {sys.argv[1]}; " if len(sys.argv) > 1 else ""
        sys.exit(f"{missing}usage: python -m lamina.mxnet PROGRAM [ARGUMENTS]")
    install()
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
