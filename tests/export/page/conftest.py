"""Pages are tested in a browser."""

from browsing import accessible, browser, opened, pytest_terminal_summary

__all__ = ["accessible", "browser", "opened", "pytest_terminal_summary"]
