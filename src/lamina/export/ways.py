"""The export formats, `WAYS`, and `export`, which writes files in several formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from lamina.errors import LaminaError
from lamina.export._describe import describe
from lamina.support.extras import require


@dataclass(frozen=True)
class Way:
    """An export format.

    Attributes:
        purpose: the activity, as a gerund: "writing ONNX".
        module: the module of `function`, imported on first use.
        function: the name of the function that writes the file atomically. Its arguments are a `Prediction`, the path,
            and options of the format; it returns None, or the paths of several files.
        packages: additional packages, by their names on PyPI.
        suffixes: the ends of file names; empty if `function` itself checks the name.
    """

    purpose: str
    module: str
    function: str
    packages: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()

    def write(self, prediction: Any, path: Path, **options: Any) -> list[Path]:
        """Write the file, and any accompanying files; return all paths."""
        written = getattr(import_module(self.module), self.function)(prediction, path, **options)
        return [path] if written is None else written


WAYS: dict[str, Way] = {
    "onnx": Way("writing ONNX", "lamina.export.onnx_file", "write_onnx", ("onnx",), (".onnx",)),
    "html": Way("writing a page", "lamina.export.page_file", "write_page", suffixes=(".html", ".htm")),
    "library": Way("writing a library", "lamina.export.library", "write_library"),
}
"""The export formats, by the names of their options of `lamina export`."""


def export(
    model: Any, paths: Mapping[str, Path | None], options: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Path]:
    """Write a model in several formats; return the paths of all files.

    Args:
        model: see `describe`.
        paths: output paths by the names in `WAYS`; None: don't write this format.
        options: further arguments of each format's function, by the same names as `paths`.

    Raises:
        LaminaError: no path is given, a path has the suffix of another format, or a format can't represent the model.
        MissingPackageError: a package is not installed; nothing was written.
        OSError: a file cannot be written.
    """
    wanted = {name: path for name, path in paths.items() if path is not None}
    if not wanted:
        known = " or ".join(f"--{name} FILE" for name in WAYS)
        raise LaminaError(f"choose an export format: {known}")
    for name, path in wanted.items():
        way = WAYS[name]
        if way.suffixes and path.suffix.lower() not in ("", *way.suffixes):
            raise LaminaError(f"--{name} {path}: the name of this file ends in {' or '.join(way.suffixes)}")
        require(way.purpose, *way.packages)
    prediction = describe(model)
    written: list[Path] = []
    for name, path in wanted.items():
        written += WAYS[name].write(prediction, path, **(options or {}).get(name, {}))
    return written
