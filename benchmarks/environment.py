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
_OPENBLAS_CHOICES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""They would hold NumPy's BLAS to the kernels of another processor."""
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


def worker_environment(threads: int, cache: Path) -> dict[str, str]:
    """The environment variables of a contestant: its threads in every library; what it compiles is kept in `cache`."""
    environment = {name: value for name, value in os.environ.items() if name not in _OPENBLAS_CHOICES}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LAMINA_NUM_THREADS"):
        environment[name] = str(threads)
    return environment | {
        "LAMINA_CACHE_DIR": str(cache),
        "TORCHINDUCTOR_CACHE_DIR": str(cache),
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "CACHEDB": str(cache / "tinygrad.db"),
        "PYTHONUNBUFFERED": "1",
    }
