"""The contents of MXNet's ``gluon.contrib`` that are useful for dense networks."""

from typing import Any

from lamina.gluon.contrib import data, nn
from lamina.support.unsupported import no_attribute

__all__ = ["data", "nn"]


def __getattr__(name: str) -> Any:
    raise no_attribute("lamina.gluon.contrib", name)
