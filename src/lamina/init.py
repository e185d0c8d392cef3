"""Initializers under MXNet's short name, ``mx.init.Xavier()``; see `lamina.initializer`."""

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
    create,
    register,
)

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
    "create",
    "register",
]
