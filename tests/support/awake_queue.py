"""A fixture for tests of what repeats: after thousands of other tests, the queue may sleep for thousands of events."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lamina import nd
from lamina.compiler.deferral._queue import DeferralQueue
from lamina.core.state import flush_pending, pending, state


@pytest.fixture(autouse=True)
def a_queue_that_is_awake(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One that has seen nothing yet, and so puts off what repeats in this test."""
    nd.waitall()
    queue = DeferralQueue() if state.queue is not None else None
    monkeypatch.setattr(state, "queue", queue)
    if queue is not None:
        monkeypatch.setattr(pending, "flush", queue.end)
    yield
    flush_pending()
