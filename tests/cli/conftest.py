"""What the tests of the command line share."""

from command_line import cli, no_pictures

__all__ = ["cli", "no_pictures"]
