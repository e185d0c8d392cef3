"""The server's OpenAPI 3.1 description at `/openapi.json`, with the columns of each model."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from lamina.serve._bodies import ARROW_FILE, ARROW_STREAM, CSV, JSON, PARQUET
from lamina.serve._model import Model

_MOST_CHOICES = 1000
"""Maximum number of classes listed."""

_REFUSALS = {
    400: "The body can't be read.",
    408: "The request took too long to arrive.",
    413: "The body is too large, or has too many rows.",
    415: "The content type or encoding is unsupported.",
    422: "Values are invalid; the answer names rows, counted from 0, and columns.",
    429: "The server is handling too many requests.",
    503: "The server is starting or shutting down.",
}


def description(models: Mapping[str, Model], *, token: bool) -> dict[str, Any]:
    """Build the OpenAPI document, as JSON values.

    Args:
        models: the models, by address below ``/v1/models/``.
        token: whether requests need a bearer token.
    """
    from lamina import __version__

    paths: dict[str, Any] = {
        "/docs": {"get": _page()},
        "/healthz": {"get": _plain("Whether the server is running.", "health", _STATUS)},
        "/readyz": {"get": _plain("Whether the server takes requests.", "readiness", _STATUS, 503)},
        "/metrics": {"get": _metrics()},
        "/v1/models": {"get": _plain("The served models.", "models", {"type": "object"})},
    }
    for address, model in models.items():
        paths[f"/v1/models/{address}"] = {"get": _plain(f"About {address}.", f"{address}.about", _ABOUT)}
        paths[f"/v1/models/{address}/example"] = {
            "get": _plain("An example of a body for predict.", f"{address}.example", _body_schema(model))
        }
        paths[f"/v1/models/{address}/predict"] = {"post": _predict(address, model)}
    components: dict[str, Any] = {"schemas": {"Refusal": _REFUSAL}}
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "lamina serve", "version": __version__, "description": _ABOUT_ALL},
        "paths": paths,
        "components": components,
    }
    if token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
        for path, operations in paths.items():
            if path in ("/docs", "/healthz", "/readyz"):
                operations["get"]["security"] = []
                continue
            for operation in operations.values():
                operation["responses"]["401"] = _refusal("The bearer token is missing or wrong.")
    return found


_ABOUT_ALL = (
    "Predictions of networks trained by lamina. Rows are counted from 0. The same models answer under /v2 by the "
    "Open Inference Protocol, which has its own description."
)
_STATUS = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}
_ABOUT = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "version": {"type": "string"},
        "versions": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["model", "version", "versions"],
}
_REFUSAL = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "status": {"type": "integer"},
                "message": {"type": "string"},
                "request_id": {
                    "type": "string",
                    "description": "The id in the header X-Request-ID, and in the log.",
                },
                "problems": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "row": {"type": ["integer", "null"]},
                            "column": {"type": ["string", "null"]},
                            "message": {"type": "string"},
                        },
                        "required": ["row", "column", "message"],
                    },
                },
            },
            "required": ["status", "message", "problems", "request_id"],
        }
    },
    "required": ["error"],
}


def _plain(summary: str, name: str, schema: dict[str, Any], *refusals: int) -> dict[str, Any]:
    responses = {"200": {"description": "OK", "content": {JSON: {"schema": schema}}}}
    responses |= {str(status): _refusal(_REFUSALS[status]) for status in refusals}
    return {"summary": summary, "operationId": name, "responses": responses}


def _page() -> dict[str, Any]:
    responses = {"200": {"description": "HTML.", "content": {"text/html": {"schema": {"type": "string"}}}}}
    return {
        "summary": "This description as a page, with forms for trying the models.",
        "operationId": "docs",
        "responses": responses,
    }


def _metrics() -> dict[str, Any]:
    content = {"text/plain": {"schema": {"type": "string"}}}
    responses = {"200": {"description": "Prometheus' text format.", "content": content}}
    return {"summary": "Counts and times.", "operationId": "metrics", "responses": responses}


def _refusal(what: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Refusal"}
    return {"description": what, "content": {JSON: {"schema": schema}}}


def _predict(address: str, model: Model) -> dict[str, Any]:
    content: dict[str, Any] = {
        JSON: {"schema": _body_schema(model), "example": model.example()},
    }
    content[CSV] = {
        "schema": {"type": "string", "description": "UTF-8; the first line has the columns' names."}
    }
    for kind in (ARROW_FILE, ARROW_STREAM, PARQUET):
        content[kind] = {"schema": {"type": "string", "contentMediaType": kind}}
    for kind, medium in model.schema.row_form.media.items():
        content[kind] = {
            "schema": {"type": "string", "contentMediaType": kind, "description": medium.description}
        }
    answer = {"description": "An answer for each row.", "content": {JSON: {"schema": _answer_schema(model)}}}
    return {
        "summary": f"Predicts {model.target.name!r}: {model.target.task}.",
        "operationId": f"{address}.predict",
        "requestBody": {"required": True, "content": content},
        "responses": {"200": answer, **{str(status): _refusal(what) for status, what in _REFUSALS.items()}},
    }


def _body_schema(model: Model) -> dict[str, Any]:
    form, most = model.schema.row_form, model.most_rows
    rows = _entry("rows", _array(form.json_schema(), most))
    arrays = {column.name: _array(column.type.json_schema(column), most) for column in form.columns}
    if not arrays:
        return rows
    columns = {"type": "object", "properties": arrays, "required": [*arrays]}
    columns["description"] = "Arrays of equal length."
    return {"oneOf": [rows, _entry("columns", columns)]}


def _array(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


def _entry(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}


def _answer_schema(model: Model) -> dict[str, Any]:
    if not model.is_classification:
        values = {"type": "array", "items": {"type": "number"}}
        answer = (
            _entry("values", values) if model.has_several_targets else _entry("value", {"type": "number"})
        )
        if model.quantiles:
            answer["properties"]["quantiles"] = {
                "type": "object",
                "properties": {name: {"type": "number"} for name in model.quantiles},
                "required": model.quantiles,
            }
            answer["required"] = ["value", "quantiles"]
    else:
        classes, several = model.target.classes, model.has_several_targets
        shares = {
            "type": "object",
            "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1.000001},
        }
        label = {"enum": list(classes[:_MOST_CHOICES])} if len(classes) <= _MOST_CHOICES else {}
        name = "labels" if several else "label"
        answer = _entry(name, {"type": "array", "items": label} if several else label)
        answer["properties"]["probabilities"] = shares
        answer["required"] = [name, "probabilities"]
    return {
        "type": "object",
        "properties": {
            "model": {"type": "string"},
            "version": {"type": "string", "description": "A name, or 16 digits of the file's SHA-256."},
            "predictions": {"type": "array", "items": answer},
            "notes": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["model", "version", "predictions", "notes"],
    }


# --- `/` and `/docs`: a page that shows `/openapi.json`, with a form to try each model -------------------------------
#
# The page loads only the description: style and script are inline, and the Content-Security-Policy permits no others.


def _source(name: str) -> str:
    return (files("lamina.serve") / "page" / name).read_text("utf-8")


@cache
def docs_page() -> bytes:
    """The HTML of the page at `/docs`."""
    parts = {"{{style}}": _source("docs.css"), "{{script}}": _source("docs.js")}
    page = _source("docs.html")
    for name, text in parts.items():
        page = page.replace(name, text)
    return page.encode()


@cache
def docs_policy() -> dict[str, str]:
    """The headers of the page at `/docs`, which allow only its script and style, and requests to this server."""
    script, style = (
        base64.b64encode(hashlib.sha256(_source(name).encode()).digest()).decode()
        for name in ("docs.js", "docs.css")
    )
    policy = (
        f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
