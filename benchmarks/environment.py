"""The peers' environment: made once beside the scripts, never part of lamina's own.

`enter(packages)` at the top of a script makes sure that it runs there: in ``benchmarks/.venv``, with lamina (editable)
and the packages of the peers. ``LAMINA_BENCHMARK_PYTHON`` names another interpreter that has them already.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

__all__ = ["PEERS", "enter", "worker_environment"]

PEERS = ("torch", "jax", "scikit-learn", "tinygrad", "onnx", "onnxruntime")

_HERE = Path(__file__).resolve().parent
_VENV = _HERE / ".venv"
_INTERPRETER = "LAMINA_BENCHMARK_PYTHON"


def enter(packages: Sequence[str] = PEERS) -> None:
    """Continue this script in the peers' environment, which is made or completed first. Returns once inside."""
    chosen = os.environ.get(_INTERPRETER)
    python = Path(chosen) if chosen else _VENV / "bin" / "python"
    if Path(sys.executable).absolute() == python.absolute():
        return
    if not chosen:
        _make(python, packages)
    os.execv(python, [str(python), *sys.argv])


def _make(python: Path, packages: Sequence[str]) -> None:
    """Create the environment if there is none, and install what a former call did not."""
    if not python.exists():
        venv.create(_VENV, with_pip=True)
    noted = _VENV / "installed.txt"
    installed = noted.read_text().split() if noted.exists() else []
    missing = [name for name in packages if name not in installed]
    if not missing and installed:
        return
    print(f"installing lamina, {', '.join(missing)} into {_VENV} (once; torch is large)", file=sys.stderr)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--editable", f"{_HERE.parent}[plot]", *missing], check=True)
    noted.write_text("\n".join([*installed, "lamina", *missing]) + "\n")


def worker_environment(threads: int) -> dict[str, str]:
    """This process's environment for a contestant: so many threads in every library, BLAS kernels chosen freely."""
    environment = dict(os.environ)
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # they would hold NumPy's BLAS to older kernels
        environment.pop(name, None)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LAMINA_NUM_THREADS"):
        environment[name] = str(threads)
    environment["PYTHONUNBUFFERED"] = "1"
    return environment
