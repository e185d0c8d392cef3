"""A real browser for the tests of pages; without one they are skipped."""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window. Of a module: its event loop would be in the way of other tests that have one."""
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None or importlib.util.find_spec("playwright") is None:
        pytest.skip(
            "NOT TESTED: pages in a browser, without Chromium (Debian: chromium) and playwright (in the extra 'dev')"
        )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser) -> Callable:
    """Opens a page from its file; what went wrong in it, or was asked of any server, fails the test at the end."""
    contexts, troubles = [], []

    def opened(path: Path, width: int = 1200, height: int = 900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "request", lambda request: None if request.url == path.as_uri() else troubles.append(request.url)
        )
        page.goto(path.as_uri())
        return page

    opened.troubles = troubles
    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def violations(page) -> list[str]:
    """What axe, the usual checker, has against a page, at any width and in any state it is in."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]


@pytest.fixture
def accessible():
    """Fails for what hinders people who cannot see or point."""

    def check(page) -> None:
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    return check
