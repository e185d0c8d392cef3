"""What `/openapi.json` says of the routes of the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.serve._errors import REASONS
from lamina.serve._inference import metadata
from lamina.serve._model import Model
from lamina.serve._tensors import DATATYPES

__all__ = ["INFERENCE_SCHEMAS", "inference_paths", "refused"]

_JSON = "application/json"
_PARAMETERS = {"type": "object"}
_TEXT, _DATATYPE = {"type": "string"}, {"enum": list(DATATYPES)}


def _object(required: Mapping[str, Any], **optional: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


def _array(items: Any, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least}


def _tensor(least: int) -> dict[str, Any]:
    shape = _array({"type": "integer", "minimum": least})
    return {"name": _TEXT, "datatype": _DATATYPE, "shape": shape}


_VALUES = {"type": "array", "description": "In row-major order, flat or nested. null: missing."}

INFERENCE_SCHEMAS: dict[str, Any] = {
    "InferenceRefusal": _object({"error": _TEXT}),
    "InferenceServer": _object({"name": _TEXT, "version": _TEXT, "extensions": _array(_TEXT)}),
    "InferenceModel": _object(
        {
            "name": _TEXT, "versions": _array(_TEXT), "platform": _TEXT,
            "inputs": _array(_object(_tensor(-1))), "outputs": _array(_object(_tensor(-1))),
        }
    ),
    "InferenceResponse": _object(
        {
            "model_name": _TEXT, "model_version": _TEXT,
            "outputs": _array(_object(_tensor(0), data=_VALUES, parameters=_PARAMETERS)),
        },
        id=_TEXT,
        parameters=_PARAMETERS,
    ),
}  # fmt: skip
"""The answers of those routes."""


def inference_paths(models: Mapping[str, Model]) -> dict[str, Any]:
    """The routes, with each model's inputs and outputs."""
    live, ready = _object({"live": {"type": "boolean"}}), _object({"ready": {"type": "boolean"}})
    paths: dict[str, Any] = {
        "/v2": {
            "get": _get("The server's name, version and extensions.", "inference.server", "InferenceServer")
        },
        "/v2/health/live": {"get": _get("Whether the server lives.", "inference.live", live)},
        "/v2/health/ready": {"get": _get("Whether it takes requests.", "inference.ready", ready, 503)},
    }
    for name, model in models.items():
        path, prefix = f"/v2/models/{name}", f"{name}.inference"
        about = _get(f"The inputs and outputs of {name}.", f"{prefix}.about", "InferenceModel")
        paths[path] = {"get": about}
        is_ready = _get(f"Whether {name} takes requests.", f"{prefix}.ready", ready, 503)
        paths[f"{path}/ready"] = {"get": is_ready}
        paths[f"{path}/infer"] = {"post": _infer(name, model)}
    return paths


def _infer(name: str, model: Model) -> dict[str, Any]:
    about = metadata(name, model)
    inputs = _object(
        {"name": {"enum": [one["name"] for one in about["inputs"]]}, **_tensor(0), "data": _VALUES}
    )
    wanted = _object({"name": {"enum": [one["name"] for one in about["outputs"]]}}, parameters=_PARAMETERS)
    body = _object({"inputs": _array(inputs, 1)}, id=_TEXT, parameters=_PARAMETERS, outputs=_array(wanted))
    found = _get(f"Predictions of {name} as tensors.", f"{name}.infer", "InferenceResponse")
    found["requestBody"] = {"required": True, "content": {_JSON: {"schema": body}}}
    found["responses"] |= {str(status): refused(what) for status, what in _REFUSALS.items()}
    return found


_REFUSALS = {status: what for status, what in REASONS.items() if status != 422}
_REFUSALS[400] = "The body can't be read, or tensors are wrong; the answer says which."


def _get(summary: str, name: str, schema: Any, *refusals: int) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{schema}"} if isinstance(schema, str) else schema
    responses = {"200": {"description": "So it is.", "content": {_JSON: {"schema": schema}}}}
    responses |= {str(status): refused(_REFUSALS[status]) for status in refusals}
    return {"summary": summary, "operationId": name, "responses": responses}


def refused(what: str, schema: str = "InferenceRefusal") -> dict[str, Any]:
    """A response that says what is wrong."""
    content = {_JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": what, "content": content}
