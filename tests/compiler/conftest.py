"""What all tests of the compiler share: the graph is verified after each pass, and threads are as they were."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import lamina
from lamina.compiler import program


@pytest.fixture(autouse=True)
def verified_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "VERIFY", True)


@pytest.fixture(autouse=True)
def threads_restored() -> Iterator[None]:
    before = lamina.get_num_threads()
    yield
    lamina.set_num_threads(before)
