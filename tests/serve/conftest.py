"""Servers for the tests."""

import shutil
from pathlib import Path

import pytest
from browsing import accessible, browser
from serving import RUNS, Server

__all__ = ["accessible", "browser"]


@pytest.fixture(scope="session")
def server():
    """One that serves all `RUNS`."""
    one = Server(*(f"{name}={path}" for name, path in RUNS.items()))
    yield one
    code, error = one.end()
    assert code == 0
    assert error == "lamina: ended; all requests under way were answered\n"


@pytest.fixture(scope="session")
def limited():
    """One of small limits."""
    one = Server(RUNS["prices"], "--max-queue", 2, "--timeout", 5, "--max-body", 1, "--max-rows", 3)
    yield one
    assert one.end()[0] == 0


@pytest.fixture
def serving():
    """Starts servers that end with the test."""
    begun = []

    def start(*arguments, **options):
        begun.append(Server(*arguments, **options))
        return begun[-1]

    yield start
    for one in begun:
        one.end()
        one.process.stdout.close()
        one.process.stderr.close()


@pytest.fixture
def run_copy(tmp_path):
    """A run's folder that a test may change."""

    def copy(name, to="run"):
        return Path(shutil.copytree(RUNS[name], tmp_path / to))

    return copy
