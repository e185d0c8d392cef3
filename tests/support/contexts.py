"""Coverage that knows which test ran a line, with ``LAMINA_CONTEXTS=1``; a plugin for pytest.

Processes that a test starts take the test's name from the variable ``LAMINA_CONTEXT``, which pyproject.toml reads.
"""

import os
from collections.abc import Generator
from typing import Any

import coverage
import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Name the test while it runs, for this process's coverage and for that of its children."""
    measuring = coverage.Coverage.current()
    if measuring is None or not os.environ.get("LAMINA_CONTEXTS"):
        return (yield)
    name = os.environ["LAMINA_CONTEXT"] = item.nodeid.replace("$", "")
    measuring.switch_context(name)
    try:
        return (yield)
    finally:
        measuring.switch_context("")
