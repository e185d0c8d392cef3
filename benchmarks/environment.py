"""The benchmarks' environment: made once beside the scripts, never part of lamina's own."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

__all__ = ["GPU_PEERS", "PEERS", "enter", "prepare", "processor", "worker_environment"]

PEERS = ("torch", "jax", "scikit-learn", "tinygrad", "onnx", "onnxruntime", "matplotlib")
GPU_PEERS = ("torch", "jax[cuda12]", "cupy-cuda12x", "matplotlib")

_HERE = Path(__file__).resolve().parent
_VENV = _HERE / ".venv"
_WITHOUT = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONDONTWRITEBYTECODE")
"""Variables that contestants do not see: two would hold NumPy's BLAS to the kernels of another processor; the last one
keeps lamina in its checkout without the byte code that installed packages have."""
_INTERPRETER = "LAMINA_BENCHMARK_PYTHON"
"""Names an interpreter that has lamina and the peers already."""


def enter(*packages: str) -> None:
    """Continue this script in the benchmarks' environment, made or completed first. Returns once inside."""
    chosen = os.environ.get(_INTERPRETER)
    python = Path(chosen) if chosen else prepare(*packages)
    if Path(sys.executable).absolute() != python.absolute():
        os.execv(python, [str(python), *sys.argv])


def prepare(*packages: str) -> Path:
    """The Python of ``benchmarks/.venv``, made on first use, with lamina (from this checkout) and `packages`."""
    python = _VENV / "bin" / "python"
    if not python.exists():
        print("setting up benchmarks/.venv", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", _VENV], check=True)
    done = _VENV / "installed.json"
    installed: list[str] = json.loads(done.read_text()) if done.exists() else []
    wanted = [name for name in ("lamina", *packages) if name not in installed]
    if wanted:
        print(f"installing {', '.join(wanted)} into benchmarks/.venv", file=sys.stderr)
        sources = [part for name in wanted for part in (["-e", _HERE.parent] if name == "lamina" else [name])]
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *sources], check=True)
        done.write_text(json.dumps([*installed, *wanted]))
    return python


def worker_environment(threads: int, cache: Path) -> dict[str, str]:
    """The environment variables of a contestant: its threads in every library; what it compiles is kept in `cache`."""
    environment = {name: value for name, value in os.environ.items() if name not in _WITHOUT}
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


def processor() -> str:
    """The processor's name, as the system knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
