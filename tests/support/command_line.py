"""The command line, for tests in any folder."""

import pytest

from lamina.cli import main


@pytest.fixture
def cli(capfdbinary):
    """Runs a command; returns its exit code, standard output and standard error."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capfdbinary.readouterr()
        return ended.value.code, captured.out.decode(), captured.err.decode()

    return run
