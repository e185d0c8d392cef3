"""The command line, for tests in any folder."""

import sys
from contextlib import contextmanager

import pytest

from lamina.cli import main


@contextmanager
def without_pictures():
    """As without the extra 'plot': the figures of its report are most of a small training's time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, "matplotlib", None)
        yield


@pytest.fixture
def cli(capfdbinary):
    """Runs a command; returns its exit code, standard output and standard error."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capfdbinary.readouterr()
        return ended.value.code, captured.out.decode(), captured.err.decode()

    return run
