"""The contents of MXNet's ``gluon.contrib`` that are useful for dense networks."""

from lamina.gluon.contrib import data, nn
from lamina.support.unsupported import names_of_others

__all__ = ["data", "nn"]


__getattr__ = names_of_others("lamina.gluon.contrib")
