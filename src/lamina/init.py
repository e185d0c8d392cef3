"""Initializers under MXNet's short name, ``mx.init.Xavier()``; see `lamina.initializer`."""

from typing import Any

from lamina.initializer import (
    Constant,
    InitDesc,
    Initializer,
    Load,
    Mixed,
    MSRAPrelu,
    Normal,
    One,
    Orthogonal,
    Uniform,
    Xavier,
    Zero,
    alias,
    create,
    register,
)
from lamina.outside import no_attribute

__all__ = [
    "Constant",
    "InitDesc",
    "Initializer",
    "Load",
    "MSRAPrelu",
    "Mixed",
    "Normal",
    "One",
    "Orthogonal",
    "Uniform",
    "Xavier",
    "Zero",
    "alias",
    "create",
    "register",
]


def __getattr__(name: str) -> Any:
    raise no_attribute("lamina.init", name)
