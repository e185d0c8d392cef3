"""``lamina export``: a run's network as files that other programs use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from lamina.cli._console import say
from lamina.cli._options import RunArgument, option

__all__ = ["export"]


def export(
    run: RunArgument,
    onnx: Annotated[
        Path | None, option("ONNX, for ONNX Runtime and what else reads it; see docs/deploy.md.", False)
    ] = None,
    html: Annotated[
        Path | None, option("A page to try the network in a browser: one file, nothing is sent.", False)
    ] = None,
) -> None:
    """Write a trained network, with all that its predictions need, as a file for other programs.

    Several files may be asked for at once.

    Example:

    \b
      lamina export runs/income-1 --onnx income.onnx
    """
    from lamina.export.ways import export as write
    from lamina.runs.examples import read_examples

    options = {"html": {"examples": read_examples(run)}} if html else {}
    for path in write(run, {"onnx": onnx, "html": html}, options):
        say(f"lamina: wrote {path} ({-(-path.stat().st_size // 1024):,} KiB)", error=True)
