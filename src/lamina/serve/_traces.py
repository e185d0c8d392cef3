"""OpenTelemetry spans of requests, if OpenTelemetry is set up, e.g. by ``opentelemetry-instrument lamina serve …``.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from lamina.serve._log import SEEN, Seen


def traced(app: ASGIApp) -> ASGIApp:
    """Wrap the application to make a span for each request, if OpenTelemetry is set up."""
    try:
        from opentelemetry import trace
    except ImportError:
        return app
    return app if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider) else _Traced(app)


class _Traced:
    """Middleware that makes a span for each request in the client's trace, and a child span for the computation."""

    def __init__(self, app: ASGIApp) -> None:
        from opentelemetry import propagate, trace

        self._app, self._context_of, self._trace = app, propagate.extract, trace
        self._tracer = trace.get_tracer("lamina.serve")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with self._tracer.start_as_current_span(
            "request", self._context_of(headers), self._trace.SpanKind.SERVER
        ) as span:
            await self._app(scope, receive, send)
            seen: Seen = scope[SEEN]
            span.update_name(f"{seen.method} {seen.route}")
            found = {
                "http.request.method": seen.method, "http.route": seen.route, "url.path": scope["path"],
                "url.scheme": scope["scheme"], "http.response.status_code": seen.status, "lamina.request_id": seen.id,
            }  # fmt: skip
            if seen.rows:
                found |= {
                    "lamina.model": seen.model,
                    "lamina.version": seen.version,
                    "lamina.rows": seen.rows,
                }
            span.set_attributes(found)
            if seen.status >= 500:
                span.set_status(self._trace.StatusCode.ERROR)
            if batch := seen.batch:
                size = {"lamina.batch.requests": batch.requests, "lamina.batch.rows": batch.rows}
                self._tracer.start_span("compute", attributes=size, start_time=batch.begin).end(batch.end)
