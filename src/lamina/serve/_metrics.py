"""What `/metrics` says, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.process_collector import ProcessCollector

if TYPE_CHECKING:
    from lamina.serve._slots import Slot

__all__ = ["Metrics"]

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ROWS = tuple(4**power for power in range(8))


class Metrics:
    """Counts of one server, in a registry of its own.

    >>> metrics = Metrics(lambda: 0, lambda: 0)
    >>> metrics.requests.labels("/healthz", "GET", "200").inc()
    >>> b'lamina_requests_total{code="200",method="GET",path="/healthz"} 1.0' in metrics.text()
    True
    """

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, under_way: Callable[[], float], waiting: Callable[[], float]) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "lamina_requests",
            "Responses by route, method and status.",
            ("path", "method", "code"),
            registry=registry,
        )
        self.seconds = Histogram(
            "lamina_prediction_seconds", "From a request's headers to its answer.", ("model",),
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.rows = Counter("lamina_predicted_rows", "Rows answered.", ("model",), registry=registry)
        self.batch_rows = Histogram(
            "lamina_batch_rows", "Rows computed at a time.", buckets=_ROWS, registry=registry
        )
        self.batch_requests = Histogram(
            "lamina_batch_requests", "Requests computed at a time.", buckets=_ROWS, registry=registry
        )
        self.models = Gauge(
            "lamina_model_info",
            "The version of each model that is served: 1.",
            ("model", "version"),
            registry=registry,
        )
        self.loads = Counter(
            "lamina_model_loads", "New versions of models, by what became of them.", ("model", "result"),
            registry=registry,
        )  # fmt: skip
        under = Gauge(
            "lamina_predictions_under_way", "Predictions being read, waiting or computed.", registry=registry
        )
        under.set_function(under_way)
        queue = Gauge(
            "lamina_predictions_waiting", "Requests that wait for the next batch.", registry=registry
        )
        queue.set_function(waiting)

    def observe_batch(self, requests: int, rows: int) -> None:
        """Count a batch."""
        self.batch_requests.observe(requests)
        self.batch_rows.observe(rows)

    def show_version(self, slot: Slot) -> None:
        """A model is served in another version than before."""
        for labels in [labels for labels in self.models._metrics if labels[0] == slot.name]:
            self.models.remove(*labels)
        self.models.labels(slot.name, slot.model.version).set(1)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)
