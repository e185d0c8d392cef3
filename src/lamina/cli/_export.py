"""``lamina export``: write a run's network as files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from lamina.cli._console import note, warnings_as_lines
from lamina.cli._options import ModelArgument, choosing, option, said
from lamina.errors import LaminaError

_TARGETS = ("host", "x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64")  # those of lamina.export.library
_WEIGHTS = ("float32", "int8")


def export(
    run: ModelArgument,
    onnx: Annotated[
        Path | None, option("ONNX, for ONNX Runtime and other tools; see docs/deploy.md.", False)
    ] = None,
    html: Annotated[
        Path | None, option("A page to try the network in a browser: one file, no data leaves it.", False)
    ] = None,
    library: Annotated[
        Path | None,
        option(
            "Machine code for C, FILE.so (or FILE.o alone), and its header FILE.h; see docs/deploy.md.", False
        ),
    ] = None,
    target: Annotated[str | None, choosing("The library's processor: {}.", _TARGETS, shown="host")] = None,
    name: Annotated[str | None, option("Prefix of the library's symbols.", "the file's name")] = None,
    weights: Annotated[
        str | None, choosing("Type of the library's weights: {}.", _WEIGHTS, shown="float32")
    ] = None,
) -> None:
    """Write a trained network, complete for prediction, as a file for other programs.

    One call may write several files.

    Example:

    \b
      lamina export runs/income-1 --onnx income.onnx --html income.html
      lamina export runs/income-1 --library income.so --target x86-64-v3
    """
    from lamina.export.ways import export as write
    from lamina.runs.data import read_examples

    options: dict[str, dict[str, Any]] = {"library": said(target=target, name=name, weights=weights)}
    if library is None and options["library"]:
        raise LaminaError("--target, --name and --weights are for a library: add --library FILE")
    if html is not None:
        options["html"] = {"examples": read_examples(run)}
    with warnings_as_lines():
        written = write(run, {"onnx": onnx, "html": html, "library": library}, options)
    for path in written:
        note(f"wrote {path} ({-(-path.stat().st_size // 1024):,} KiB)")
