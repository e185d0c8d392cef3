"""Trained networks behind HTTP: ``lamina serve``.

A request goes through

`_server` (connections) → `_app` (routes) → `_bodies` (a body's format) → `_rows` (checked values) → `_batching`
(rows of many requests at once) → `_model` (the network) → an answer.

* `_limits` bounds what strangers may send; `_errors` is the answer to what is too large or wrong.
* `_registry` has the versions of each model; `_openapi`, `_docs` and `_metrics` say what is served and how it goes.
* `_workers` has several processes serve one port; `_log` writes what happens, and a line for each request;
  `_traces` has its spans.
"""

from lamina.serve._limits import Limits
from lamina.serve._log import EVENTS, logging_to_stderr
from lamina.serve._server import Settings, serve

__all__ = ["EVENTS", "Limits", "Settings", "logging_to_stderr", "serve"]
