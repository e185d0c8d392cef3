"""The site's search, in a browser: what people type leads to the page that answers it.

`make docs` builds the site and names its folder in ``LAMINA_SITE``.
"""

import os
from pathlib import Path

import pytest

SITE = os.environ.get("LAMINA_SITE")
pytestmark = pytest.mark.skipif(SITE is None, reason="the site's search is tried by make docs")

FIRST = {
    "resume": "how-to/save-and-resume",
    "save model": "how-to/save-and-resume",
    "load model": "how-to/save-and-resume",
    "class_weight": "how-to/rare-classes",
    "text column": "estimators",
    "early stopping": "estimators",
    "missing values": "estimators",
    "ONNX": "deploy",
    "GPU": "guide",
    "import mxnet": "how-to/mxnet-programs",
    "NDArrayIter": "from-mxnet",
    "custom loss": "how-to/losses",
    "custom layer": "how-to/layers",
    "quantile": "how-to/quantiles",
    "confidence interval": "how-to/quantiles",
    "KServe": "how-to/open-inference",
    "Docker": "how-to/install",
    "feature importance": "how-to/explain-predictions",
    "SHAP": "how-to/explain-predictions",
    "larger than memory": "scale",
    "PyTorch weights": "how-to/pytorch-weights",
    "scikit-learn pipeline": "how-to/sklearn-pipelines",
    "learning rate schedule": "estimators",
    "distillation": "how-to/distill",
    "benchmarks": "benchmarks",
    "NaN": "how-to/debugging",
}
"""The first result of each query."""
AMONG_THREE = {
    "C library": "deploy",
    "HTTP server": "deploy",
    "callbacks": "how-to/callbacks",
    "dates": "estimators",
    "hyperparameter search": "how-to/search",
    "imbalanced": "how-to/rare-classes",
    "time series": "estimators",
}


@pytest.fixture(scope="module")
def found(browser):
    """The pages of a query's first three results."""
    site = Path(str(SITE)).resolve()
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    box = page.locator("input.md-search__input")
    box.click()

    def search(query):
        for typed, count in (("zzqq", "== 0"), (query, "> 0")):  # the second results can't be the first ones
            box.press("Control+a")
            page.keyboard.type(typed)
            page.wait_for_function(
                "document.querySelector('.md-search-result__meta').innerText.includes('matching document')"
                f" && document.querySelectorAll('.md-search-result__item').length {count}",
                timeout=60_000,
            )
        page.wait_for_timeout(300)  # results are shown in steps
        links = page.locator(".md-search-result__item > a:first-child").evaluate_all(
            "all => all.map(a => a.href)"
        )
        return [link.partition("?")[0].removeprefix(f"{site.as_uri()}/") for link in links[:3]]

    yield search
    page.close()


@pytest.mark.parametrize(("query", "page"), FIRST.items())
def test_the_first_result(query, page, found):
    assert found(query)[:1] == [f"{page}.html"], found(query)


@pytest.mark.parametrize(("query", "page"), AMONG_THREE.items())
def test_one_of_three_results(query, page, found):
    assert f"{page}.html" in found(query)
