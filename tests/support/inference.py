"""Bodies of the Open Inference Protocol, as its clients write them."""

import json
import struct

import numpy as np

HEADER = "Inference-Header-Content-Length"


def tensor(name, values, datatype, shape=None, **more):
    """An input in JSON."""
    return {"name": name, "datatype": datatype, "shape": shape or [len(values)], "data": list(values), **more}


def texts(values):
    """Texts as bytes: each behind its length."""
    return b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in values)


def packed(*inputs, **more):
    """A body whose inputs, (name, datatype, shape, bytes), stand behind the JSON, and its headers."""
    head = [
        {"name": n, "datatype": d, "shape": s, "parameters": {"binary_data_size": len(c)}}
        for n, d, s, c in inputs
    ]
    body = json.dumps({"inputs": head, **more}).encode()
    return body + b"".join(content for *_, content in inputs), {HEADER: str(len(body))}


def unpacked(answer):
    """The outputs of an answer, by name."""
    length = int(answer.headers.get(HEADER, len(answer.content)))
    rest, found = answer.content[length:], {}
    for output in json.loads(answer.content[:length])["outputs"]:
        if size := output.get("parameters", {}).get("binary_data_size"):
            found[output["name"]] = np.frombuffer(rest[:size], "<f8").reshape(output["shape"])
            rest = rest[size:]
        else:
            found[output["name"]] = np.array(output["data"]).reshape(output["shape"])
    assert not rest
    return found
