"""Pages are tested in a browser."""

from browsing import accessible, browser, opened

__all__ = ["accessible", "browser", "opened"]
