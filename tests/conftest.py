"""Settings for all tests."""

import os
import shutil
import tempfile

import pytest
from hypothesis import settings

# No deadline for one example: on a busy machine it would fail tests that are right.
settings.register_profile("lamina", deadline=None)
settings.load_profile("lamina")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the machine code of this run to itself, out of the user's cache; `LAMINA_CACHE_DIR` keeps it longer."""
    if "LAMINA_CACHE_DIR" not in os.environ:
        folder = os.environ["LAMINA_CACHE_DIR"] = tempfile.mkdtemp(prefix="lamina-tests-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
