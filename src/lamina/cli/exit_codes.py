"""The exit codes of the command line, besides 0."""

__all__ = ["EXIT_ERROR", "EXIT_INTERRUPTED"]

EXIT_ERROR = 2
"""Something given was wrong, or training diverged; one line on stderr says what."""

EXIT_INTERRUPTED = 130
"""Ctrl-C: 128 + SIGINT, as shells have it; SIGTERM is treated alike."""
