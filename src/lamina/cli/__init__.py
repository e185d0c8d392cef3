"""The command line: ``lamina train``, ``evaluate``, ``predict``, ``doctor``. One module a command."""

from lamina.cli._app import main

__all__ = ["main"]
