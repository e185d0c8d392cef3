"""Pages are tested in a browser."""

from browsing import browser, opened

__all__ = ["browser", "opened"]
