"""The server's OpenAPI 3.1 description at `/openapi.json`: `page/openapi.json`, and the columns of each model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from lamina.serve._bodies import ARROW_FILE, ARROW_STREAM, CSV, JSON, PARQUET
from lamina.serve._errors import Refusal
from lamina.serve._model import Model
from lamina.support.html import content_policy, filled

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

    found: dict[str, Any] = msgspec.json.decode(_source("openapi.json"))
    found["info"]["version"] = __version__
    paths, components = found["paths"], found["components"]
    components["schemas"] |= _SCHEMAS
    for address, model in models.items():
        path, example = f"/v1/models/{address}", "An example of a body for predict."
        paths[path] = _get(f"About {address}.", f"{address}.about", _ref("About"))
        paths[f"{path}/example"] = _get(example, f"{address}.example", _body_schema(model))
        paths[f"{path}/predict"] = {"post": _predict(address, model)}
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


_PLACE = "#/components/schemas/{name}"
_SCHEMAS = msgspec.json.schema_components((Refusal,), ref_template=_PLACE)[1]


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": _PLACE.format(name=name)}


def _get(summary: str, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    responses = {"200": {"description": "OK", "content": {JSON: {"schema": schema}}}}
    return {"get": {"summary": summary, "operationId": name, "responses": responses}}


def _refusal(what: str) -> dict[str, Any]:
    return {"description": what, "content": {JSON: {"schema": _ref("Refusal")}}}


def _predict(address: str, model: Model) -> dict[str, Any]:
    content: dict[str, Any] = {JSON: {"schema": _body_schema(model), "example": model.example()}}
    text = {"type": "string", "description": "UTF-8; the first line has the columns' names."}
    content[CSV] = {"schema": text}
    for kind in (ARROW_FILE, ARROW_STREAM, PARQUET):
        content[kind] = {"schema": {"type": "string", "contentMediaType": kind}}
    for kind, medium in model.schema.row_form.media.items():
        schema = {"type": "string", "contentMediaType": kind, "description": medium.description}
        content[kind] = {"schema": schema}
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
    columns = _object(arrays, description="Arrays of equal length.")
    return {"oneOf": [rows, _entry("columns", columns)]}


def _array(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties], **more}


def _entry(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return _object({name: schema}, additionalProperties=False)


def _answer_schema(model: Model) -> dict[str, Any]:
    number, several = {"type": "number"}, model.has_several_targets
    further: dict[str, Any] = {}
    if not model.is_classification:
        name, of_one = "value", number
        if model.quantiles:
            quantiles = dict.fromkeys(model.quantiles, number)
            further["quantiles"] = {"type": "object", "properties": quantiles, "required": model.quantiles}
    else:
        name, classes = "label", model.target.classes
        of_one = {"enum": list(classes)} if len(classes) <= _MOST_CHOICES else {}
        share = {"type": "number", "minimum": 0, "maximum": 1.000001}
        further["probabilities"] = {"type": "object", "additionalProperties": share}
    name, said = (f"{name}s", {"type": "array", "items": of_one}) if several else (name, of_one)
    answer = _object({name: said, **further}, additionalProperties=False)
    version = {"type": "string", "description": "A name, or 16 digits of the file's SHA-256."}
    predictions = {"type": "array", "items": answer}
    notes = {"type": "array", "items": {"type": "string"}}
    return _object(
        {"model": {"type": "string"}, "version": version, "predictions": predictions, "notes": notes}
    )


# --- `/` and `/docs`: a page that shows `/openapi.json`, with a form to try each model -------------------------------
#
# The page loads only the description: style and script are inline, and the Content-Security-Policy permits no others.


def _source(name: str) -> str:
    return (files("lamina.serve") / "page" / name).read_text("utf-8")


@cache
def docs_page() -> bytes:
    """The HTML of the page at `/docs`."""
    parts = {"style": _source("docs.css"), "script": _source("docs.js")}
    return filled(_source("docs.html"), parts).encode()


@cache
def docs_policy() -> dict[str, str]:
    """The headers of the page at `/docs`, which allow only its script and style, and requests to this server."""
    more = "connect-src 'self'", "img-src data:", "frame-ancestors 'none'"
    policy = {"Content-Security-Policy": content_policy(_source("docs.js"), _source("docs.css"), *more)}
    return {**policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
