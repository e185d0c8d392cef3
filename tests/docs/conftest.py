"""Pages are tested in a browser."""

from browsing import browser, opened, pytest_terminal_summary

__all__ = ["browser", "opened", "pytest_terminal_summary"]
