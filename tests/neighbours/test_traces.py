"""Spans of requests, as OpenTelemetry's own SDK receives them."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from serving import RUNS, Server

sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="NOT TESTED: OpenTelemetry (make neighbours)")
httpx = pytest.importorskip("httpx", reason="NOT TESTED: OpenTelemetry (make neighbours)")

from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402
from opentelemetry.trace import SpanKind, StatusCode  # noqa: E402

from lamina.serve import Limits  # noqa: E402
from lamina.serve._app import Service  # noqa: E402
from lamina.serve._registry import Registry  # noqa: E402

ROW = {"x": 1.0, "gap": 2, "color": "red", "city": "city 4", "member": "yes"}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1", "X-Request-ID": "order-17"}
PREDICT = "/v1/models/prices/versions/1/predict"


@pytest.fixture(scope="module")
def registry():
    return Registry([f"prices@1={RUNS['prices']}"], Limits())


@pytest.fixture
def exporter(monkeypatch):
    """What the SDK's exporter was given; the provider is that of the process until the test's end."""
    exporter, provider = InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    return exporter


@pytest.fixture
def service(exporter, registry):
    one = Service(registry)
    one.is_ready = True
    yield one
    one.end()


def ask(service, method, path, **more):
    async def response():
        transport = httpx.ASGITransport(service.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://lamina") as client:
            return await client.request(method, path, **more)

    return asyncio.run(response())


def test_a_prediction_goes_on_with_the_clients_trace(service, exporter):
    answer = ask(service, "POST", PREDICT, json={"rows": [ROW, ROW]}, headers=HEADERS)
    assert answer.status_code == 200
    compute, request = exporter.get_finished_spans()
    assert (request.name, request.kind) == (
        "POST /v1/models/{name}/versions/{version}/predict",
        SpanKind.SERVER,
    )
    assert f"{request.context.trace_id:032x}" == TRACE
    assert f"{request.parent.span_id:016x}" == PARENT and request.parent.is_remote
    assert request.context.trace_state.get("vendor") == "1"
    assert dict(request.attributes) == {
        "http.request.method": "POST", "http.route": "/v1/models/{name}/versions/{version}/predict",
        "url.path": PREDICT, "url.scheme": "http", "http.response.status_code": 200,
        "lamina.request_id": "order-17", "lamina.model": "prices", "lamina.version": "1", "lamina.rows": 2,
    }  # fmt: skip
    assert compute.name == "compute"
    assert compute.parent.span_id == request.context.span_id
    assert compute.context.trace_id == request.context.trace_id
    assert dict(compute.attributes) == {"lamina.batch.requests": 1, "lamina.batch.rows": 2}
    assert request.start_time <= compute.start_time < compute.end_time <= request.end_time


def test_a_request_without_a_trace_begins_one_and_errors_are_the_servers_own(service, exporter):
    assert ask(service, "GET", "/v1/models/none").status_code == 404
    assert ask(service, "GET", "/healthz", headers={"traceparent": "damaged"}).status_code == 200
    service.is_ending = True
    assert ask(service, "POST", PREDICT, json={"rows": [ROW]}).status_code == 503
    missing, health, ending = exporter.get_finished_spans()
    assert missing.parent is None and health.parent is None
    assert (missing.name, missing.status.status_code) == ("GET /v1/models/{name}", StatusCode.UNSET)
    assert (health.name, health.status.status_code) == ("GET /healthz", StatusCode.UNSET)
    assert (ending.attributes["http.response.status_code"], ending.status.status_code) == (
        503,
        StatusCode.ERROR,
    )


def test_without_a_provider_the_application_is_as_it_is(registry):
    from lamina.serve._app import _Outermost

    service = Service(registry)
    service.end()
    assert isinstance(service.app, _Outermost)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_packages_own_command_sets_up_each_worker(workers):
    options = {"traces": "console", "metrics": "none", "logs": "none"}
    under = [Path(sys.executable).with_name("opentelemetry-instrument")]
    under += [part for name, value in options.items() for part in (f"--{name}_exporter", value)]
    server = Server(f"prices@1={RUNS['prices']}", "--workers", workers, under=under)
    assert server.predict("prices", {"rows": [ROW]}, **HEADERS).status == 200
    server.process.terminate()
    printed, error = server.process.communicate(timeout=60)
    assert (server.process.returncode, error) == (
        0,
        "lamina: ended; all requests under way were answered\n",
    )
    printed = f"\n{printed}"
    printed = printed[printed.index("\n{\n") :].replace("\n}\n{", "\n},\n{")
    spans = json.loads(f"[{printed}]")
    assert {span["name"]: span["context"]["trace_id"] for span in spans} == {
        "compute": f"0x{TRACE}", "POST /v1/models/{name}/predict": f"0x{TRACE}"
    }  # fmt: skip
