"""An HTTP server for trained models, ``lamina serve``.

A request passes through these modules: `_server` (connections) → `_app` (routes) → `_bodies` (parses the body) →
`_rows` (checks the values) → `_batching` (combines the rows of several requests) → `_model` (predicts).

* `_errors` has the limits on requests, and the errors for requests that exceed a limit or are invalid.
* `_registry` has the versions of each model; `_openapi` describes the API, `_metrics` counts requests.
* `_workers` starts several processes on one port; `_log` writes events, and a line for each request; `_traces` makes
  OpenTelemetry spans of requests.
"""

from lamina.serve._errors import Limits
from lamina.serve._log import EVENTS, logging_to_stderr
from lamina.serve._server import Settings, serve

__all__ = ["EVENTS", "Limits", "Settings", "logging_to_stderr", "serve"]
