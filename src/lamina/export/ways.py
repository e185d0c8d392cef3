"""The export formats, `WAYS`, and `export`, which writes several files at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from lamina.errors import LaminaError
from lamina.export._describe import describe
from lamina.support.extras import require

__all__ = ["WAYS", "Way", "export"]


@dataclass(frozen=True)
class Way:
    """A kind of file.

    Attributes:
        purpose: what writing it is, a gerund: "writing ONNX".
        module: where `function` is, which is imported when it is used.
        function: called with a `Prediction`, the path, and the options of its own; it writes the file aside and
            renames it. Where there are other files than that one, it returns all.
        packages: what it needs besides lamina, by the names on PyPI.
    """

    purpose: str
    module: str
    function: str
    packages: tuple[str, ...] = ()

    def write(self, prediction: Any, path: Path, **options: Any) -> list[Path]:
        """Write the file and those that belong to it; returns their paths."""
        written = getattr(import_module(self.module), self.function)(prediction, path, **options)
        return [path] if written is None else written


WAYS: dict[str, Way] = {
    "onnx": Way("writing ONNX", "lamina.export.onnx_file", "write_onnx", ("onnx",)),
    "html": Way("writing a page", "lamina.export.page_file", "write_page"),
    "library": Way("writing a library", "lamina.export.library", "write_library"),
}
"""By the name of the option of `lamina export`."""


def export(
    model: Any, paths: Mapping[str, Path | None], options: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Path]:
    """Write a model as files, and say which.

    Args:
        model: see `describe`.
        paths: by the names in `WAYS`, where to; None: not at all.
        options: by the same names, further arguments of the functions.

    Raises:
        LaminaError: no path is given, or the model can't be written in one of the formats.
        MissingPackageError: a package is not installed; nothing has been written then.
        OSError: a file cannot be written.
    """
    wanted = {name: path for name, path in paths.items() if path is not None}
    if not wanted:
        known = " or ".join(f"--{name} FILE" for name in WAYS)
        raise LaminaError(f"say what to make of the run: {known}")
    for name in wanted:
        require(WAYS[name].purpose, *WAYS[name].packages)
    prediction = describe(model)
    written: list[Path] = []
    for name, path in wanted.items():
        written += WAYS[name].write(prediction, path, **(options or {}).get(name, {}))
    return written
