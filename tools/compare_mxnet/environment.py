"""An environment with real MXNet: made once beside the script, never part of lamina's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["python_with_mxnet"]

_VENV = Path(__file__).resolve().parent / ".venv"
_PACKAGES = ("mxnet==1.9.1", "numpy==1.23.5")
"""MXNet's last release, and the last NumPy that it imports with."""


def python_with_mxnet(chosen: str | None) -> str:
    """An interpreter that imports MXNet: the one that was chosen, else that of ``tools/compare_mxnet/.venv``."""
    if chosen is not None:
        return chosen
    python = _VENV / "bin" / "python"
    if not python.exists():
        base = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
        if base is None:
            raise SystemExit(
                "MXNet 1.9.1 needs Python 3.11: install it, or name an interpreter with --python"
            )
        print("installing MXNet into tools/compare_mxnet/.venv", file=sys.stderr)
        subprocess.run([base, "-m", "venv", _VENV], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *_PACKAGES], check=True)
    return str(python)
