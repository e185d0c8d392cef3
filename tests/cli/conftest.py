"""What the tests of the command line share."""

from command_line import cli

__all__ = ["cli"]
