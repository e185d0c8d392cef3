"""In a notebook a training shows a bar, a fitted estimator its curves; and `explain` is readable."""

import re
import warnings

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = [
    "import numpy as np, lamina\nfrom lamina import nd\nX = np.random.default_rng(0).normal(size=(100, 2))",
    "model = lamina.MLPRegressor(preset='fast', max_iter=2, verbose=True, random_state=0).fit(X, X[:, 0])",
    "model",
    "step = lamina.compile(nd.relu)\nstep(nd.ones(3))\nstep.explain()",
]


@pytest.fixture(scope="module")
def outputs():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the notebook's own machinery
        NotebookClient(notebook, timeout=120).execute()
    return [cell.outputs for cell in notebook.cells]


@pytest.mark.slow
@pytest.mark.compiles  # `explain` is among it
def test_a_notebook_shows_what_people_look_for(outputs):
    _, training, model, explained = ([output.get("data", {}) for output in cell] for cell in outputs)
    assert any("application/vnd.jupyter.widget-view+json" in data for data in training)
    assert "Learning curves" in model[0]["text/html"]
    assert explained[0]["text/html"].startswith("<pre>1 kernel")


@pytest.mark.slow
def test_a_line_with_the_final_loss_is_left(outputs):
    printed = "".join(output["text"] for output in outputs[1] if output.output_type == "stream")
    assert re.fullmatch(
        r"2 epochs in [\d.]+ s: loss \d+\.\d{4}; kept epoch \d, validation loss \d+\.\d{4}\n", printed
    )
