"""Trained networks behind HTTP: ``lamina serve``.

A request goes through

`_server` (connections) → `_app` (routes) → `_bodies` (a body's format) → `_rows` (checked values) → `_batching`
(rows of many requests at once) → `_model` (the network) → an answer.

* `_limits` bounds untrusted requests; `_errors` has the responses to requests that are too large or wrong.
* `_slots` keeps each model's newest version; `_openapi`, `_docs` and `_metrics` describe the server and its state.
* `_workers` runs several processes on one port; `_log` writes events, and a line for each request.
"""

from lamina.serve._limits import Limits
from lamina.serve._log import EVENTS, logging_to_stderr
from lamina.serve._server import Settings, serve

__all__ = ["EVENTS", "Limits", "Settings", "logging_to_stderr", "serve"]
