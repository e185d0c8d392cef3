"""JavaScript that is emitted from graphs, in a real browser, against lamina's operators."""

from importlib.resources import files

import numpy as np
import pytest

from lamina import nd
from lamina.core.primitive import bind
from lamina.errors import LaminaError
from lamina.export._javascript import script_of
from lamina.primitives.elementwise import BINARY, COMPARISON, UNARY

LACKING = {"digamma", "erfinv", "gammaln", "mod", "rint", "round"}
RUN = """([source, text, content, arrays, given, results]) => {
    const [prediction, ARRAYS] = new Function(`${source}; return [${text}, ARRAYS];`)();
    const memory = Uint8Array.from(content).buffer;
    const all = arrays.map(([type, size, begin]) =>
        begin === undefined ? new ARRAYS[type](size) : new ARRAYS[type](memory, begin, size));
    given.forEach((values, i) => all[i].set(values));
    prediction(all)();
    return results.map(i => Array.from(all[i]));
}"""


@pytest.fixture(scope="module")
def blank(browser):
    page = browser.new_page()
    yield page
    page.close()


def agrees(page, function, *arrays, rtol=1e-6):
    """The script computes what the function does; both give a list of arrays."""
    script = script_of(function, arrays)
    source = (files("lamina.export") / "page" / "network.js").read_text("utf-8")
    given = [array.asnumpy().ravel().tolist() for array in arrays]
    found = page.evaluate(
        RUN, [source, script.text, list(script.content), script.arrays, given, script.results]
    )
    for own, expected in zip(found, function(*arrays), strict=True):
        np.testing.assert_allclose(own, expected.asnumpy().ravel(), rtol=rtol, atol=rtol / 10)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_function_of_one_number(blank, dtype):
    x = nd.array([-2.5, -0.9, -0.3, -0.0, 0.2, 0.7, 1.0, 40.0], dtype=dtype)
    positive = nd.array([1.0, 1.5, 2.0, 3.0, 10.0], dtype=dtype)
    small = nd.array([-0.9, -0.1, 0.0, 0.3, 0.99], dtype=dtype)
    of_positive, of_small = (
        {"arccosh", "log", "log10", "log2", "rsqrt", "sqrt"},
        {"arctanh", "arcsin", "arccos", "log1p"},
    )
    kinds = {
        name: positive if name in of_positive else small if name in of_small else x
        for name in UNARY
        if name not in LACKING
    }
    for values in (x, positive, small):
        own = [UNARY[name] for name, of in kinds.items() if of is values]
        rtol = 5e-7 if dtype == "float32" else 1e-12
        exact = [primitive for primitive in own if primitive.name != "erf"]
        agrees(blank, lambda x, own=exact: [bind(primitive, x) for primitive in own], values, rtol=rtol)
    agrees(blank, lambda x: [bind(UNARY["erf"], x)], x, rtol=2e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_function_of_two_numbers(blank, dtype):
    x = nd.array([[-2.5, 0.0, 1.0, 3.0]], dtype=dtype)
    y = nd.array([[2.0], [1.0], [-0.5]], dtype=dtype)
    own = [p for p in (BINARY | COMPARISON).values() if p.name not in LACKING | {"power", "divide"}]
    agrees(blank, lambda x, y: [bind(p, x, y) for p in own] + [x / y, nd.abs(x) ** y.abs()], x, y)


def test_functions_without_a_form_are_named():
    for name in LACKING:
        primitive = (UNARY | BINARY)[name]
        with pytest.raises(LaminaError, match=f"the operator '{name}' cannot be exported to a page"):
            script_of(lambda *x, own=primitive: bind(own, *x), [nd.ones(3)] * (2 if name in BINARY else 1))


def test_movements_choices_and_sums_of_many_rows(blank):
    rng = np.random.default_rng(0)
    x, y = nd.array(rng.normal(size=(3, 4))), nd.array(rng.normal(size=(2, 4)))
    places = nd.array([2, 0, 7, -1], dtype="int32")
    agrees(
        blank,
        lambda x, y, places: [
            x.T,
            nd.concat(x, nd.exp(y), 2 * x, dim=0),
            nd.concat(x[:, 1:3], x, dim=1),
            nd.reshape(x.T * 2, (2, 6)),
            x[::2, ::-1],
            nd.take(x, places),
            nd.one_hot(places, 3),
            nd.where(x > 0, x, y[0:1]),
            nd.broadcast_to(nd.exp(y[:1]), (3, 4)) + x,
            *(
                reduce(nd.exp(x), axis=axis)
                for axis in (0, 1)
                for reduce in (nd.sum, nd.mean, nd.max, nd.min)
            ),
            *(place(x, axis=axis) for axis in (0, 1) for place in (nd.argmax, nd.argmin)),
            nd.softmax(x),
            nd.log_softmax(x, axis=0),
            (x - nd.mean(x, axis=1, keepdims=True)) * nd.rsqrt(nd.mean(x * x, axis=1, keepdims=True) + 1),
            x.astype("int32").astype("float64"),
            nd.arange(5) + 1,
        ],
        x,
        y,
        places,
    )


def test_products_of_matrices_and_of_batches(blank):
    rng = np.random.default_rng(0)
    weight, weights = nd.array(rng.normal(size=(5, 3))), nd.array(rng.normal(size=(4, 2, 5)))
    x = nd.array(rng.normal(size=(2, 5)) * (rng.uniform(size=(2, 5)) > 0.5))
    batch = nd.array(rng.normal(size=(4, 3, 2)))
    agrees(
        blank,
        lambda x, batch: [nd.dot(x, weight), nd.dot(nd.relu(x), weight * 2), nd.batch_dot(batch, weights)],
        x,
        batch,
    )


def test_what_depends_on_no_argument_is_computed_beforehand():
    weight = nd.array(np.arange(6.0).reshape(2, 3))
    script = script_of(lambda x: x * nd.exp(weight.T).reshape((1, 6)), [nd.ones((1, 6))])
    assert "exp" not in script.text and len(script.content) == 24
    np.testing.assert_allclose(
        np.frombuffer(script.content, "<f4"), np.exp(weight.asnumpy().T).ravel(), rtol=1e-6
    )
