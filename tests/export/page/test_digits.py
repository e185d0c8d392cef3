"""The page to draw digits on, in a real browser."""

import base64

import numpy as np
import pytest

from lamina import nd
from lamina.cli import main
from lamina.datasets import mnist, normalize_digit
from lamina.recipes._training import pixel_rows
from lamina.recipes.run import network_of_run

SEVEN = [(0.28, 0.27), (0.5, 0.25), (0.72, 0.26), (0.6, 0.5), (0.52, 0.68), (0.47, 0.8)]
DECODED = "text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0))"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that reads digits fairly well."""
    folder = tmp_path_factory.mktemp("digits") / "run"
    with pytest.raises(SystemExit) as ended:
        main(["train", "mnist", "--hidden", "64", "--epochs", "1", "--out", str(folder)])
    assert ended.value.code == 0
    return folder


@pytest.fixture
def page(run, opened):
    return opened(run / "page.html")


def draw(page, points):
    box = page.locator("#paper").bounding_box()
    spots = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=6)
    page.mouse.up()


def shown(page):
    """The digit that the page reads, once it has caught up."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.text_content("#digit")


@pytest.mark.slow
def test_a_seven_drawn_with_the_mouse_is_read_and_can_be_undone(page, run):
    assert shown(page) == "?"
    draw(page, SEVEN)
    assert shown(page) == "7"
    assert page.locator("#bars .best .name").text_content() == "7"
    pixels = np.array(page.evaluate("Array.from(lamina.drawing.pixels())"), np.uint8).reshape(1, 28, 28)
    expected = nd.softmax(network_of_run(run)(pixel_rows(pixels))).asnumpy()[0]
    found = page.evaluate("lamina.network.predict([lamina.drawing.pixels()])[0]")
    assert np.abs(expected - found).max() < 1e-5
    draw(page, [(0.3, 0.6), (0.8, 0.6)])
    page.click("#undo")
    assert shown(page) == "7"
    page.click("#clear")
    assert shown(page) == "?"
    page.click("#undo")
    assert shown(page) == "7"


@pytest.mark.slow
def test_a_one_drawn_with_the_keyboard(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "paper"
    for _ in range(12):
        page.keyboard.press("ArrowUp")
    page.keyboard.press(" ")
    for _ in range(24):
        page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    assert shown(page) == "1"
    page.locator("#status", has_text="The network reads 1").wait_for(state="attached")
    page.keyboard.press("Backspace")
    assert shown(page) == "?"


@pytest.mark.slow
def test_a_seven_drawn_with_a_finger(run, opened):
    page = opened(run / "page.html", 360, 740, has_touch=True, is_mobile=True)
    touch = page.context.new_cdp_session(page)
    page.locator("#paper").scroll_into_view_if_needed()
    box = page.locator("#paper").bounding_box()
    for kind, (x, y) in zip(["touchStart", *["touchMove"] * 5], SEVEN, strict=True):
        spot = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [spot]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert shown(page) == "7"


@pytest.mark.slow
def test_examples_are_read_as_they_are(page):
    for digit in (0, 3):
        page.click(f"button[aria-label='Test digit {digit}']")
        shown(page)
        assert page.locator("[aria-pressed=true]").get_attribute("aria-label") == f"Test digit {digit}"
        first = mnist().test_images[np.argmax(mnist().test_labels == digit)]
        assert page.evaluate("Array.from(lamina.drawing.pixels())") == first.ravel().tolist()


@pytest.mark.slow
def test_a_thousand_test_digits_have_the_probabilities_that_python_gives(page, run):
    images = mnist().test_images[:1000]
    expected = nd.softmax(network_of_run(run)(pixel_rows(images))).asnumpy()
    found, milliseconds = page.evaluate(
        f"""text => {{
            const bytes = ({DECODED})(text), {{ network }} = lamina;
            const rows = Array.from({{ length: bytes.length / 784 }}, (_, i) => bytes.subarray(784 * i, 784 * (i + 1)));
            const start = performance.now(), found = network.predict(rows);
            return [found, (performance.now() - start) / rows.length];
        }}""",
        base64.b64encode(images.tobytes()).decode(),
    )
    assert np.abs(expected - found).max() < 1e-5
    assert milliseconds < 5


@pytest.mark.slow
def test_drawings_come_to_the_form_that_python_gives_them(page):
    rng = np.random.default_rng(0)
    pictures = [np.kron(image, np.ones((5, 5), np.uint8)) for image in mnist().test_images[:20]]
    pictures += [np.pad(image, ((9, 0), (0, 31))) for image in mnist().test_images[20:30]]
    noisy = rng.integers(0, 25, (100, 60), dtype=np.uint8)
    noisy[20:75, 22:29], noisy[68:75, 22:50] = 200, 210  # an L on uneven paper
    pictures += [*mnist().test_images[30:35], noisy]
    for picture in (*pictures, 255 - pictures[0], 255 - noisy):
        found = page.evaluate(
            f"([text, height, width]) => Array.from(lamina.normalizeDigit(({DECODED})(text), height, width))",
            [base64.b64encode(picture.tobytes()).decode(), *picture.shape],
        )
        difference = np.abs(normalize_digit(picture).ravel().astype(int) - found)
        assert difference.max() <= 1 and np.count_nonzero(difference) <= 1, picture.shape
    assert page.evaluate("lamina.normalizeDigit(new Uint8Array(900).fill(7), 30, 30)") is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "width, scheme", [pytest.param(1200, "light", marks=pytest.mark.slow), (360, "dark")]
)
def test_anybody_can_use_it(run, opened, accessible, width, scheme):
    page = opened(run / "page.html", width, color_scheme=scheme)
    accessible(page)
    draw(page, SEVEN)
    assert shown(page) == "7"
    accessible(page)


def test_the_page_is_not_much_larger_than_the_weights(run):
    weights = 4 * sum(array.size for array in network_of_run(run).arrays().values())
    code = 64 << 10
    assert (run / "page.html").stat().st_size < 4 / 3 * weights + code


@pytest.mark.slow
def test_nothing_else_runs_in_the_page(page, opened):
    page.evaluate(
        "document.head.append(Object.assign(document.createElement('style'), { textContent: 'p {}' }))"
    )
    with pytest.raises(Exception, match="Trusted"):
        page.evaluate("document.body.innerHTML = '<p>'")
    page.wait_for_timeout(50)
    assert any("Content Security Policy" in text for text in opened.troubles)
    opened.troubles.clear()
