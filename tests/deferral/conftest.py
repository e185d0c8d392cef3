"""What is said of deferral here is said of compiled sequences, too."""

import pytest


@pytest.fixture(autouse=True)
def with_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever mode the other tests run in."""
    monkeypatch.setenv("LAMINA_COMPILE", "1")
