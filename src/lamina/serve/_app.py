"""The server's routes, which turn a request into a response or an error response."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lamina.serve._batching import Batch, Batcher
from lamina.serve._bodies import Reader
from lamina.serve._errors import Admission, Held, RequestError, busy
from lamina.serve._inference import HEADER, InferenceCall, metadata
from lamina.serve._log import EVENTS as _LOG
from lamina.serve._log import SEEN, Seen, request_id, traced
from lamina.serve._metrics import Metrics
from lamina.serve._model import Model
from lamina.serve._openapi import description, docs_page, docs_policy
from lamina.serve._registry import Place, Registry
from lamina.serve._rows import Inputs

T = TypeVar("T")

_SMALL = 1 << 16
"""Maximum bytes of a JSON body parsed in the event loop; larger bodies are parsed in a thread, to not block others."""

_FEW_ROWS = 256
_OPEN_TO_ALL = ("/", "/docs", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")


class Service:
    """The web application: models, the queue of prediction requests, and the routes.

    Args:
        registry: the models.
        token: the bearer token that requests need; None: no token.
        look: the seconds between checks for new versions of the models.
    """

    def __init__(self, registry: Registry, token: str | None = None, look: float = 1.0) -> None:
        from lamina import __version__

        self._registry, self.limits, self._token, self._look = registry, registry.limits, token, look
        self.metrics = Metrics()
        self.admission = Admission(self.limits)
        self.batcher = Batcher(self._note_batch, self.metrics.waiting.set)
        self.is_ready = self.is_ending = False
        self._readers = ThreadPoolExecutor(2, "lamina-bodies")
        self._loader = ThreadPoolExecutor(1, "lamina-models")
        about = {"name": "lamina", "version": __version__, "extensions": ["binary_tensor_data"]}
        routes: list[Route] = []  # those of most requests first, since they are tried in this order
        for model in ("models/{name}", "models/{name}/versions/{version}"):
            routes += [
                Route(f"/v1/{model}/predict", self._predict, methods=["POST"]),
                Route(f"/v2/{model}/infer", self._infer, methods=["POST"]),
                Route(f"/v1/{model}", self._about),
                Route(f"/v1/{model}/example", self._example),
                Route(f"/v2/{model}", self._model_metadata),
                Route(f"/v2/{model}/ready", self._model_ready),
            ]
        routes += [
            Route("/", self._docs),
            Route("/docs", self._docs),
            Route("/healthz", self._says({"status": "alive"})),
            Route("/readyz", self._says({"status": "ready"}, if_ready=True)),
            Route("/metrics", self._show_metrics),
            Route("/openapi.json", self._openapi),
            Route("/v1/models", self._list),
            Route("/v2", self._says(about)),
            Route("/v2/", self._says(about)),
            Route("/v2/health/live", self._says({"live": True})),
            Route("/v2/health/ready", self._says({"ready": True}, if_ready=True)),
        ]
        handlers: dict[Any, Any] = {RequestError: _refused, HTTPException: _refused_by_route}
        routed = Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers)
        self.app = traced(_Outermost(routed, self))

    # --- start and end -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncGenerator[None]:
        self._show_versions()
        watching = asyncio.create_task(self._watch())
        self.is_ready = True
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await asyncio.to_thread(self.end)

    def end(self) -> None:
        """Process the requests in the queue, and stop the threads."""
        self.batcher.end()
        self._readers.shutdown(cancel_futures=True)
        self._loader.shutdown(cancel_futures=True)

    async def _watch(self) -> None:
        """Check repeatedly for new versions, until cancelled.

        A thread loads the new versions, so that requests don't wait.
        """
        while True:
            await asyncio.sleep(self._look)
            for place, found in await self._in(self._loader, lambda: [*self._registry.changes()]):
                self._tell(place, found)

    def _tell(self, place: Place, found: Model | Exception | None) -> None:
        if found is None:
            _LOG.info("%s is no longer served", place)
        elif isinstance(found, Exception):
            _LOG.error(
                "%s: the new version can't be loaded, so the old version is still served: %s", place, found
            )
        else:
            _LOG.info("%s: now version %s", place, found.digest)
        if found is not None:
            result = "failed" if isinstance(found, Exception) else "loaded"
            self.metrics.loads(place.name, result).inc()
        self._show_versions()

    def _show_versions(self) -> None:
        models = self._registry.by_address().values()
        self.metrics.show_versions({(model.name, model.version) for model in models})

    @staticmethod
    async def _in(threads: ThreadPoolExecutor, do: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, do)

    # --- routes about the server ---------------------------------------------------------------------------------

    def _says(self, content: object, *, if_ready: bool = False) -> Callable[[Request], Awaitable[Response]]:
        """Create a handler that returns a constant; with `if_ready`, it returns 503 unless the server is ready."""

        async def answer(_request: Request) -> Response:
            if if_ready:
                self._require_ready()
            return _json(content)

        return answer

    def _require_ready(self) -> None:
        if not self.is_ready or self.is_ending:
            what = "shutting down" if self.is_ending else "starting"
            raise RequestError(
                503, f"the server is {what}", headers={"Retry-After": "1"}, closes=self.is_ending
            )

    async def _docs(self, _request: Request) -> Response:
        return Response(docs_page(), headers=docs_policy(), media_type="text/html")

    async def _show_metrics(self, _request: Request) -> Response:
        return Response(self.metrics.text(), media_type=self.metrics.content_type)

    async def _openapi(self, _request: Request) -> Response:
        return _json(description(self._registry.by_address(), token=self._token is not None))

    # --- routes about models -------------------------------------------------------------------------------------

    def _model(self, request: Request) -> Model:
        return self._registry.model(request.path_params["name"], request.path_params.get("version"))

    def _said_of(self, model: Model) -> dict[str, Any]:
        return _about(model, self._registry.versions(model.name))

    async def _list(self, _request: Request) -> Response:
        return _json({"models": [self._said_of(model) for model in self._registry.defaults()]})

    async def _about(self, request: Request) -> Response:
        return _json(self._said_of(self._model(request)))

    async def _example(self, request: Request) -> Response:
        return _json(self._model(request).example())

    # --- predictions ---------------------------------------------------------------------------------------------

    def _note_batch(self, batch: Batch) -> None:
        self.metrics.observe_batch(batch.requests, batch.rows)
        _LOG.debug("computed %d rows of %d requests at a time", batch.rows, batch.requests)

    async def _predict(self, request: Request) -> Response:
        model = self._model(request)
        bodies = model.bodies
        kind = _media_type(request, bodies.readers)
        read, is_slow = bodies.readers[kind], kind in bodies.apart
        return await self._answered(request, model, read, partial(_answer, model), apart=is_slow)

    async def _answered(
        self,
        request: Request,
        model: Model,
        read: Reader,
        answer: Callable[[Inputs, Any], Response],
        *,
        apart: bool = False,
    ) -> Response:
        """Process a prediction request with the version of the model that was current when the request arrived.

        `read` parses the body; `answer` makes the response from the inputs and the model's outputs. `apart`: whether
        even a small body is parsed in a thread, since its format is slow.
        """
        seen: Seen = request.scope[SEEN]
        self._require_ready()
        with self.admission.admitted() as held, self.metrics.under_way.track_inprogress():
            body = await self._body(request, held)
            if apart or len(body) > _SMALL:
                reading = self._in(self._readers, lambda: read(body, model.most_rows))
                inputs = await self._in_time(reading)
            else:
                inputs = read(body, model.most_rows)
            outputs, seen.batch = await self._in_time(self.batcher.outputs(model, inputs))
            make = lambda: answer(inputs, outputs)  # noqa: E731
            response = make() if inputs.rows <= _FEW_ROWS else await self._in(self._readers, make)
        seen.model, seen.version, seen.rows = model.name, model.version, inputs.rows
        self.metrics.rows(model.name).inc(inputs.rows)
        self.metrics.seconds(model.name).observe(time.perf_counter() - seen.begun)
        return response

    async def _body(self, request: Request, held: Held) -> bytes:
        """Receive the request's body; raise `RequestError` if it is too large or too slow."""
        most = self.limits.body
        too_large = RequestError(413, f"the body is larger than {most:,} bytes", closes=True)
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > most and "expect" in request.headers:
            raise too_large  # the client sends the body only after permission
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self.limits.seconds):
                async for part in request.stream():
                    held.add(len(part))
                    parts.append(part)
                    if held.bytes > most:
                        break
        except TimeoutError:
            raise RequestError(
                408, f"the body did not arrive within {self.limits.seconds:g} seconds", closes=True
            ) from None
        if held.bytes > most:
            parts.clear()
            await _drain(request)
            raise too_large
        return b"".join(parts)

    async def _in_time(self, work: Any) -> Any:
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await work
        except TimeoutError:
            raise busy(f"the request was not computed within {self.limits.seconds:g} seconds") from None

    # --- the Open Inference Protocol -----------------------------------------------------------------------------

    async def _model_metadata(self, request: Request) -> Response:
        model = self._model(request)
        return _json(metadata(model, self._registry.versions(model.name)))

    async def _model_ready(self, request: Request) -> Response:
        name = self._model(request).name
        self._require_ready()
        return _json({"name": name, "ready": True})

    async def _infer(self, request: Request) -> Response:
        model = self._model(request)
        # Triton's client sends no content type, or a generic one.
        _media_type(request, ("application/json", "application/octet-stream", ""))
        call = InferenceCall(model, request.headers.get(HEADER))
        return await self._answered(request, model, call.read, call.answer)

    # --- authorization -------------------------------------------------------------------------------------------

    def is_allowed(self, scope: Scope) -> bool:
        """Whether a request has the right bearer token, or needs none."""
        if self._token is None or scope["path"] in _OPEN_TO_ALL:
            return True
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        kind, _, token = given.partition(b" ")
        return kind.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token.encode())


class _Outermost:
    """Middleware around all routes: checks tokens, adds ids, counts and logs requests, handles internal errors."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        seen = scope[SEEN] = Seen(request_id(given), method)

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", seen.id.encode())]
                if self._service.is_ending:
                    message["headers"].append((b"connection", b"close"))
            else:
                seen.sent += len(message.get("body", b""))
            await send(message)

        try:
            if self._service.is_allowed(scope):
                await self._app(scope, receive, counted)
            else:
                headers = {"WWW-Authenticate": "Bearer"}
                error = RequestError(
                    401, "the bearer token is missing or wrong", headers=headers, closes=True
                )
                await _refusal(error, scope)(scope, receive, counted)
        except ClientDisconnect:
            seen.status = 499
        except Exception:
            _LOG.exception("an internal error of the server, in request %s", seen.id)
            if not seen.status:
                error = RequestError(
                    500, "an internal error of the server; see the server's log", closes=True
                )
                await _refusal(error, scope)(scope, receive, counted)
        finally:
            seen.route = getattr(scope.get("route"), "path", "other")
            self._service.metrics.requests(seen.route, method, str(seen.status)).inc()
            seen.log(scope["client"], scope["method"], scope["raw_path"].decode("ascii", "backslashreplace"))


_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}


def _media_type(request: Request, taken: Collection[str]) -> str:
    """The content type of the request's body; raises `RequestError` unless it is in `taken`."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        raise RequestError(
            415, "the body is compressed; send it uncompressed (Parquet and Arrow compress internally)",
            headers={"Accept-Encoding": "identity"}, closes=True,
        )  # fmt: skip
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    if kind not in taken:
        known = ", ".join(filter(None, taken))
        found = f"the content type {kind[:100]!r} is unknown" if kind else "the request has no Content-Type"
        raise RequestError(
            415, f"{found}; this model takes {known}", headers={"Accept-Post": known}, closes=True
        )
    charset = rest.lower().partition("charset=")[2].split(";")[0].strip(" \"'")
    if charset not in ("", "utf-8", "utf8", "us-ascii", "ascii"):
        raise RequestError(415, f"the charset {charset[:40]!r} is unsupported; send UTF-8", closes=True)
    return kind


async def _drain(request: Request) -> None:
    """Read the rest of the body for at most a second.

    A client that is still sending then gets the error response, instead of a reset connection.
    """
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(1.0):
            async for _ in request.stream():
                pass


def _about(model: Model, versions: Iterable[str]) -> dict[str, Any]:
    about: dict[str, Any] = {
        "model": model.name, "version": model.version, "versions": [*versions],
        "content_types": list(model.bodies.readers), "most_rows": model.most_rows,
    }  # fmt: skip
    about |= {"task": model.target.task, "target": model.target.name}
    if model.is_classification:
        about["classes"] = list(model.target.classes)
    return about | model.schema.row_form.listing()


def _answer(model: Model, inputs: Inputs, outputs: Any) -> Response:
    predictions = model.answers(outputs)
    return _json(
        {"model": model.name, "version": model.version, "predictions": predictions, "notes": inputs.notes}
    )


def _json(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")


def _refusal(error: RequestError, scope: Scope) -> Response:
    content: Any = error.answer(scope[SEEN].id)
    status = error.status
    if scope["path"].startswith("/v2"):  # errors are texts there, and invalid requests have status 400
        content, status = {"error": str(error)}, 400 if status == 422 else status
    return Response(msgspec.json.encode(content), status, error.headers, "application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return _refusal(error, request.scope)


async def _refused_by_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    messages = {404: "there is nothing at this address; see /openapi.json", 405: "the method is not allowed"}
    message = messages.get(error.status_code, error.detail)
    return _refusal(RequestError(error.status_code, message, headers=headers), request.scope)
