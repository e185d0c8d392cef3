"""The page at / and /docs, in a real browser: it asks nobody but the server, and everybody can use it."""

import json
import subprocess

import numpy as np
import pytest
from serving import RUNS

import lamina

ROW = {"x": -0.5, "gap": 3, "color": "green", "city": "city 4", "member": "yes"}


@pytest.fixture
def opened(browser):
    """Opens an address of a server; what goes wrong in it, and requests to others, fail the test at the end."""
    contexts, troubles = [], []

    def opened(one, path="/docs", width=1200, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "request", lambda request: request.url.startswith(one.address) or troubles.append(request.url)
        )
        page.goto(one.address + path)
        return page

    opened.troubles = troubles
    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def _card(page, name):
    return page.get_by_role("region", name=f"The model {name}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1200, "light"),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in ((1200, "dark"), (360, "light"))),
    ],
)
def test_everybody_can_read_and_use_it(server, opened, accessible, width, scheme):
    page = opened(server, "/", width, scheme)
    page.locator("#routes li").first.wait_for()
    accessible(page)
    for name in RUNS:
        _card(page, name).get_by_role("button", name="Predict").click()
        _card(page, name).locator(".value").wait_for()
    for summary in page.locator("summary").all():
        summary.click()
    accessible(page)


@pytest.mark.slow
def test_a_form_predicts_what_the_route_does(server, opened):
    page = opened(server)
    card = _card(page, "kinds")
    card.get_by_label("x", exact=True).fill("-0.5")
    card.get_by_label("gap", exact=True).fill("3")
    card.get_by_label("color").select_option("green")
    card.get_by_label("city").select_option("city 4")
    card.get_by_label("member").select_option("yes")
    card.get_by_label("x", exact=True).press("Enter")
    [wanted] = server.predictions("kinds", {"rows": [ROW]})
    card.locator(".value").wait_for()
    assert card.locator(".value").inner_text() == wanted["label"]
    shares = sorted(wanted["probabilities"].items(), key=lambda pair: -pair[1])
    cells = [row.inner_text().split() for row in card.locator("tr").all()]
    assert cells == [[name, f"{100 * share:.1f}", "%"] for name, share in shares]
    card.get_by_text("The answer as JSON").click()
    assert json.loads(card.get_by_label("The answer as JSON").inner_text())["predictions"] == [wanted]
    card.get_by_text("The body as JSON").click()
    assert json.loads(card.locator("textarea").input_value()) == {"rows": [ROW]}


@pytest.mark.slow
def test_the_line_for_a_shell_works(server, opened):
    page = opened(server)
    for name, given in (("prices", "it's"), ("digits", None)):
        card = _card(page, name)
        if given is not None:
            card.get_by_label("color").select_option("red")
            card.get_by_text("The body as JSON").click()
            text = card.locator("textarea").input_value()
            card.locator("textarea").fill(text.replace('"red"', json.dumps(given)))
        card.get_by_text("From a shell").click()
        line = card.get_by_label(f"A line for a shell that asks {name}").inner_text()
        done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
        answer = json.loads(done.stdout)
        assert len(answer["predictions"]) == 1
        assert (given is None) or given in answer["notes"][0]


@pytest.mark.slow
def test_missing_values_and_refusals(server, opened):
    page = opened(server)
    card = _card(page, "prices")
    card.get_by_label("gap", exact=True).fill("")
    card.get_by_label("color").select_option("(missing)")
    card.get_by_role("button", name="Predict").click()
    [wanted] = server.predictions("prices", json.loads(card.locator("textarea").input_value()))
    card.locator(".value").wait_for()
    assert float(card.locator(".value").inner_text().replace(",", "")) == pytest.approx(
        wanted["value"], rel=1e-5
    )
    card.get_by_label("gap", exact=True).fill("many")
    card.get_by_role("button", name="Predict").click()
    card.get_by_role("alert").get_by_text("422: row 0, column 'gap': 'many' is not a number").wait_for()
    opened.troubles[:] = [one for one in opened.troubles if "422 (Unprocessable" not in one]


@pytest.mark.slow
def test_several_rows_and_pictures(server, opened, tmp_path):
    page = opened(server)
    card = _card(page, "prices")
    card.get_by_text("The body as JSON").click()
    card.locator("textarea").fill(json.dumps({"rows": [ROW, ROW]}))
    card.get_by_role("button", name="Predict").click()
    card.get_by_label("The answer as JSON").wait_for()
    assert len(json.loads(card.get_by_label("The answer as JSON").inner_text())["predictions"]) == 2
    from PIL import Image

    picture = np.full((28, 28), 255, np.uint8)
    picture[4:24, 13:15] = 0
    Image.fromarray(picture).save(tmp_path / "one.png")
    digits = _card(page, "digits")
    digits.get_by_label("Or a picture of a digit, PNG").set_input_files(tmp_path / "one.png")
    digits.locator(".value").wait_for()
    [wanted] = server.predictions("digits", (tmp_path / "one.png").read_bytes(), "image/png")
    assert digits.locator(".value").inner_text() == str(wanted["label"])


@pytest.mark.slow
def test_with_a_token_it_asks_for_it(serving, opened, accessible):
    one = serving(RUNS["prices"], environment={"LAMINA_SERVE_TOKEN": "secret"})
    page = opened(one)
    field = page.get_by_label("This server asks for a token")
    field.wait_for()
    accessible(page)
    field.fill("wrong")
    field.press("Enter")
    page.get_by_text("That is not the token.").wait_for()
    field.fill("secret")
    field.press("Enter")
    card = _card(page, "regression")
    card.get_by_role("button", name="Predict").click()
    card.locator(".value").wait_for()
    opened.troubles[:] = [said for said in opened.troubles if "401 (Unauthorized)" not in said]


@pytest.mark.slow
def test_names_and_categories_are_texts_never_markup(serving, opened, tmp_path):
    import polars as pl

    evil = "<img src=x onerror=alert(1)>"
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({evil: rng.normal(size=60), "__proto__": [evil, "b", "'\""] * 20})
    target = pl.Series("</script>", ["<b>yes</b>", "no"] * 30)
    model = lamina.MLPClassifier(preset="fast", members=1, hidden_layer_sizes=4, max_iter=1, random_state=0)
    lamina.save(model.fit(frame, target), tmp_path / "evil.safetensors")
    one = serving(tmp_path / "evil.safetensors")
    page = opened(one)
    card = _card(page, "evil")
    assert card.locator("label").first.inner_text() == evil
    card.get_by_role("button", name="Predict").click()
    card.locator(".value").wait_for()
    assert card.locator(".value").inner_text() in ("<b>yes</b>", "no")
    assert page.locator("img, b").count() == 0
