"""Export of a network as a self-contained web page, for drawing digits or filling in a table row."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from html import escape
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamina.export._describe import describe
from lamina.export._page_model import page_model, readers_of, shown
from lamina.export._prediction import Classes, Prediction
from lamina.export.warnings import warn_of_texts
from lamina.support.files.atomic import atomic_write
from lamina.table.types import Composite

_START = """
const model = JSON.parse(textOf("model"));
const network = new Network(model, bytesOf(textOf("weights")).buffer);
"""
_TABLE_READERS = """
const { dates, numbers } = JSON.parse(textOf("model"));
const readDate = dateReader(dates), readNumber = numberReader(numbers);"""


class Page(NamedTuple):
    """A kind of page, whose body has its name.

    Attributes:
        scripts: the JavaScript files.
        start: the program that shows the page.
        title: the title; {target} is the target.
        act: what a person does with it, as a verb.
        examples: examples that all such pages have; None: a run's rows.
    """

    scripts: tuple[str, ...]
    start: str
    title: str
    act: str
    examples: Callable[[], list[dict[str, str]]] | None = None


def _digits() -> list[dict[str, str]]:
    """The first of MNIST's test images of each digit."""
    from lamina.support.datasets import mnist

    data = mnist()
    firsts = [int(np.argmax(data.test_labels == digit)) for digit in range(10)]
    return [
        {"label": str(digit), "pixels": _base64(data.test_images[i].tobytes())}
        for digit, i in enumerate(firsts)
    ]


PAGES = {
    "digits": Page(
        ("network.js", "common.js", "digits.js"),
        f"{_START}window.lamina = {{ model, network, normalizeDigit, drawing: digitsPage(model, network) }};",
        "Draw a digit",
        "draw",
        _digits,
    ),
    "table": Page(
        ("network.js", "common.js", "dates.js", "numbers.js", "table.js"),
        f"{_TABLE_READERS}{_START}window.lamina = {{ model, network, form: tablePage(model, network) }};",
        "Predict {target}",
        "enter",
    ),
}
"""The kinds of pages, by `RowForm.page`."""


def export_page(
    model: Any, path: str | os.PathLike[str], *, examples: Iterable[Mapping[str, Any]] | None = None
) -> None:
    """Write a page for trying a model: one self-contained file that opens without a server.

    For a run on MNIST the page has a canvas to draw on; for a table a form with a field per column, the prediction, its
    dependence on the most important columns, and example rows to start from. The network runs in the page and matches
    `predict_proba` and `predict` to 1e-5.

    Args:
        model: a run's folder or model file, or a fitted estimator; see `describe`.
        path: the file to write.
        examples: for a table, rows to start from, as dictionaries by column; a target value is shown as
            the truth. The page contains them in readable form. None: a run's ``examples.jsonl``.

    Raises:
        LaminaError: unsupported model, or an operator without a form in JavaScript.
        OSError: the file cannot be written.

    >>> import pathlib, tempfile, numpy as np
    >>> from lamina import MLPRegressor
    >>> X = np.linspace(0, 1, 50).reshape(-1, 1)
    >>> model = MLPRegressor(preset="fast", max_iter=2, random_state=0).fit(X, X.ravel())
    >>> path = pathlib.Path(tempfile.mkdtemp(), "page.html")
    >>> export_page(model, path, examples=[{"x0": 0.5}])
    >>> path.read_text("utf-8").splitlines()[0]
    '<!doctype html>'
    """
    write_page(describe(model), path, examples=examples_of(model) if examples is None else examples)


def write_page(
    prediction: Prediction, path: str | os.PathLike[str], *, examples: Iterable[Mapping[str, Any]] = ()
) -> None:
    """Write the page of a prediction; see `export_page`."""
    warn_of_texts(
        prediction, "a page", lambda one: not isinstance(one.type, Composite) or bool(one.type.page_script)
    )
    content = page_of(prediction, examples)
    with atomic_write(path, "w") as file:
        file.write(content)


def examples_of(model: Any) -> list[dict[str, Any]]:
    """The example rows that are stored with a run on a table; empty for other models."""
    from lamina.runs.examples import read_examples

    return read_examples(model) if isinstance(model, str | os.PathLike) else []


def page_of(prediction: Prediction, examples: Iterable[Mapping[str, Any]] = ()) -> str:
    """Build the page's HTML; see `export_page`."""
    content, computed = page_model(prediction, examples)
    name = prediction.inputs.form.page
    page = PAGES[name]
    if page.examples is not None:
        content["examples"] = page.examples()
    readers = (f"READERS[{_json(tag)}] = {script};" for tag, script in readers_of(prediction.inputs).items())
    sources = "\n".join((*map(_source, page.scripts), *readers)) + f"\nconst prediction = {computed.text};\n"
    script = f"(() => {{\n{sources}{page.start}\n}})();\n"
    style = _source("style.css")
    body = _filled(_source(f"{name}.html"), _texts(prediction, page))
    parts = {
        "policy": escape(_policy(script, style)),
        "title": escape(page.title.format(target=_target(prediction))),
        "style": style,
        "body": body,
        "model": _json(content),
        "weights": _base64(computed.content),
        "script": script,
    }
    return _filled(_source("page.html"), parts)


# --- assembly ----------------------------------------------------------------------------------------------------


def _source(name: str) -> str:
    return (files("lamina.export") / "page" / name).read_text("utf-8")


def _filled(template: str, parts: Mapping[str, str]) -> str:
    """Replace each {{name}} in a template once; inserted text is not expanded again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _policy(script: str, style: str) -> str:
    """The content security policy: the page runs only this script and this style, and loads or sends nothing."""
    script_hash, style_hash = (
        f"'sha256-{_base64(hashlib.sha256(text.encode()).digest())}'" for text in (script, style)
    )
    return (
        f"default-src 'none'; script-src {script_hash}; style-src {style_hash}; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _json(content: Any) -> str:
    """Serialize JSON in ASCII, without characters that HTML could interpret as markup."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


# --- texts --------------------------------------------------------------------------------------------------------


def _target(prediction: Prediction) -> str:
    return shown(prediction.target or "a row")


def _texts(prediction: Prediction, page: Page) -> dict[str, str]:
    from lamina.runs.wording import networks_in_words

    networks = networks_in_words(prediction.network.widths, prediction.network.candidates)
    promise = f"The network runs in this page: nothing that you {page.act} leaves it."
    texts = {
        "about": f"{networks}{_quality(prediction)} {promise}",
        "footer": f"Made by lamina {prediction.version}.",
        "task": "classification" if isinstance(prediction.output, Classes) else "regression",
        "target": _target(prediction),
        "order": "The most important columns come first." if prediction.importance else "",
    }
    return {name: escape(text) for name, text in texts.items()}


def _quality(prediction: Prediction) -> str:
    """The measured quality, as the end of a sentence; only a full stop if the quality is unknown."""
    from lamina.runs.metrics import METRIC_NAMES, format_metric

    if (accuracy := prediction.metrics.get("test_accuracy")) is not None:
        return f" that reads {100 * accuracy:.2f} % of MNIST’s test digits."

    told = [
        f"{METRIC_NAMES[name]} {format_metric(value, name)}" for name, value in prediction.metrics.items()
    ]
    return f": {', '.join(told)}." if told else "."


PAGE = "page.html"

_MOST_BYTES, _MOST_COLUMNS = 24 << 20, 2000
"""Maximum bytes of weights and number of columns for a default page, since browsers are slow with more."""


def write_run_page(folder: Path, to: Path | None = None) -> Path | None:
    """Write the page of a complete run into its folder; return the page's path.

    The result is None, and no page is written, if the page would be too large.

    Args:
        folder: the run's folder.
        to: another folder for the page.

    Raises:
        OSError: the folder is not writable.
    """
    prediction = describe(folder)
    if _is_large(prediction):
        return None
    page = (to or folder) / PAGE
    write_page(prediction, page, examples=examples_of(folder))
    return page


def _is_large(prediction: Prediction) -> bool:
    size = sum(
        4 * inputs * units for widths in prediction.network.widths for inputs, units in pairwise(widths)
    )
    return size > _MOST_BYTES or len(prediction.inputs.columns) > _MOST_COLUMNS
