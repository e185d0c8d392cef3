"""The metrics at `/metrics`, in Prometheus' format."""

from __future__ import annotations

import os
from collections.abc import Iterable, Set
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from lamina.serve._workers import METRICS_FOLDER

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ROWS = tuple(4**power for power in range(8))


class Metrics:
    """The metrics of a server: in memory for a single process, or in files that all workers share.

    A metric with labels is a function from their values to a counter or histogram.

    >>> metrics = Metrics()
    >>> metrics.requests("/healthz", "GET", "200").inc()
    >>> b'lamina_requests_total{code="200",method="GET",path="/healthz"} 1.0' in metrics.text()
    True
    """

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        shared = os.environ.get(METRICS_FOLDER)
        self._shared = None if shared is None else Path(shared)
        if self._shared is None:
            ProcessCollector(registry=registry)
        own: Any = {"registry": registry}
        labels, said = ("path", "method", "code"), "Responses by route, method and status."
        self.requests = cache(Counter("lamina_requests", said, labels, **own).labels)
        said = "Seconds from a request's headers to its answer."
        seconds = Histogram("lamina_prediction_seconds", said, ("model",), buckets=_SECONDS, **own)
        self.seconds = cache(seconds.labels)
        self.rows = cache(Counter("lamina_predicted_rows", "Rows answered.", ("model",), **own).labels)
        own_rows: Any = {**own, "buckets": _ROWS}
        self.batch_rows = Histogram("lamina_batch_rows", "Number of rows per batch.", **own_rows)
        self.batch_requests = Histogram("lamina_batch_requests", "Number of requests per batch.", **own_rows)
        said = "1 for each served version of a model; with several workers, 0 for versions no longer served."
        labels = "model", "version"
        self.models = Gauge("lamina_model_info", said, labels, multiprocess_mode="livemax", **own)
        said = "Attempts to load new versions of models, by result."
        self.loads = cache(Counter("lamina_model_loads", said, ("model", "result"), **own).labels)
        own["multiprocess_mode"] = "livesum"
        said = "Predictions being read, waiting or computed."
        self.under_way = Gauge("lamina_predictions_under_way", said, **own)
        self.waiting = Gauge("lamina_predictions_waiting", "Requests waiting for the next batch.", **own)

    def observe_batch(self, requests: int, rows: int) -> None:
        """Count a computed batch of this many requests and rows."""
        self.batch_requests.observe(requests)
        self.batch_rows.observe(rows)

    def show_versions(self, served: Set[tuple[str, str]]) -> None:
        """Set the metric of served models, from their names and versions."""
        for labels in set(self.models._metrics) - served:
            if self._shared is None:
                self.models.remove(*labels)
            else:
                self.models.labels(*labels).set(0)
        for labels in served:
            self.models.labels(*labels).set(1)

    def text(self) -> bytes:
        """Format all metrics as Prometheus' text."""
        if self._shared is None:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        together.register(_Workers(self._shared))
        return generate_latest(together)


class _Workers(Collector):
    """A collector of the workers' counts, and of the memory, CPU time and open files per worker."""

    def __init__(self, shared: Path) -> None:
        self._shared = shared

    def collect(self) -> Iterable[Metric]:
        """The counts, summed over all workers' files, and the metrics of a `ProcessCollector` for each live worker."""
        # A file is empty while a worker creates it, and stays so if the worker is killed then.
        files = [f"{file}" for file in self._shared.glob("*.db") if _size(file)]
        yield from MultiProcessCollector.merge(files)
        found: dict[str, Metric] = {}
        for file in sorted(self._shared.glob("gauge_livesum_*.db")):
            worker = file.stem.rpartition("_")[2]
            for metric in ProcessCollector(pid=lambda worker=worker: int(worker), registry=None).collect():
                one = found.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
                for sample in metric.samples:
                    one.add_sample(sample.name, {**sample.labels, "worker": worker}, sample.value)
        yield from found.values()


def _size(file: Path) -> int:
    """The size of a file in bytes; 0 if it no longer exists."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
