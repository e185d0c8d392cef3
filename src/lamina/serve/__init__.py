"""Trained networks behind HTTP: ``lamina serve``.

A request passes through these modules: `_server` (connections) → `_app` (routes) → `_bodies` (reads a body's format) →
`_rows` (checks the values) → `_batching` (joins the rows of several requests) → `_model` (computes the answer).

* `_errors` has the limits on requests, and the errors for requests that exceed a limit or are invalid.
* `_registry` holds the versions of each model; `_openapi` describes the API, `_metrics` counts requests.
* `_workers` runs several processes on one port; `_log` writes events, and a line for each request; `_traces` makes
  OpenTelemetry spans of requests.
"""

from lamina.serve._errors import Limits
from lamina.serve._log import EVENTS, logging_to_stderr
from lamina.serve._server import Settings, serve

__all__ = ["EVENTS", "Limits", "Settings", "logging_to_stderr", "serve"]
