"""The command line: ``lamina train``, ``evaluate``, ``predict``, ``doctor`` etc., one module per command."""

from lamina.cli._app import main

__all__ = ["main"]
