"""The page in a real browser, from an image to its results."""

import json
import re
import shutil
import threading
import time
from contextlib import contextmanager

import pytest

from detic.serving.service import Service, ServiceOptions

from .service_of_fakes import FakeDetector, image_file

uvicorn = pytest.importorskip(
    "uvicorn", reason="the packages of the extra `serve` are not installed"
)
pytest.importorskip("fastapi", reason="the packages of the extra `serve` are not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
IMAGE = {"name": "desk.png", "mimeType": "image/png", "buffer": image_file(80, 60)}


@contextmanager
def served(token=None):
    """The address of a service in a thread."""
    from detic.serving.app import create_app

    app = create_app(Service(FakeDetector(), ServiceOptions()), token=token)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def address():
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu"]
        chromium = driver.chromium.launch(executable_path=BROWSER, args=arguments)
        yield chromium
        chromium.close()


@contextmanager
def opened(browser, address, **options):
    """A tab of the page, in which nothing may go wrong."""
    with browser.new_context(**options) as context:
        page = context.new_page()
        page.set_default_timeout(60_000)
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        yield page
        assert errors == []


def wait_for_status(page, words):
    page.get_by_role("status").filter(has_text=re.compile(words)).wait_for()


def downloaded(page, button):
    with page.expect_download() as download:
        page.get_by_role("button", name=button, exact=True).click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def test_from_an_image_to_its_results(browser, address):
    with opened(browser, address) as page:
        asked = []
        page.on("request", lambda request: asked.append(request.method))
        page.get_by_label("Add a name").fill("red  star, blu mug,")
        page.get_by_label("Add a name").fill("key")
        page.get_by_label("Add a name").press("Enter")
        page.get_by_label("Remove key").click()
        page.locator("#file").set_input_files(IMAGE)
        wait_for_status(page, "^2 objects: red star, blu mug in")
        assert (
            page.get_by_role("img").get_attribute("aria-label")
            == "Image with 2 objects: red star, blu mug"
        )

        num_asked = len(asked)
        page.get_by_label("Score from").fill("0.9")
        assert page.get_by_text("Nothing at this score; 2 objects below it.").is_visible()
        page.get_by_label("Score from").fill("0.7")
        rows = page.locator("#objects").get_by_role("button")
        assert rows.all_inner_texts() == ["red star\n0.75", "blu mug\n0.75"]
        rows.first.focus()
        page.keyboard.press("ArrowDown")
        assert rows.last.evaluate(
            "row => row === document.activeElement && row.className === 'lit'"
        )
        page.locator("canvas").hover(position={"x": 1, "y": 1})
        assert rows.first.get_attribute("class") == "lit"
        assert len(asked) == num_asked

        name, content = downloaded(page, "JSON")
        assert name == "desk.json"
        found = json.loads(content)["detections"]
        assert [entry["name"] for entry in found] == ["red star", "blu mug"]
        coco = json.loads(downloaded(page, "COCO")[1])
        first = coco["annotations"][0]
        assert (first["bbox"], first["area"], first["category_id"]) == ([0, 0, 3, 2], 6, 1)
        assert first["segmentation"] == found[0]["mask"]
        assert downloaded(page, "PNG")[1].startswith(b"\x89PNG")

        page.get_by_label("Save these names as").fill("kitchen")
        page.get_by_role("button", name="Save", exact=True).click()
        wait_for_status(page, "Saved as kitchen")
        assert page.get_by_role("combobox", name="Look for").input_value() == "kitchen"
        assert page.get_by_text("red star, blu mug", exact=True).is_visible()
        page.get_by_role("combobox", name="Look for").select_option("default")
        wait_for_status(page, "^1 object: thing in")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser, address, scheme):
    phone = {"width": 340, "height": 700}
    with opened(browser, address, viewport=phone, color_scheme=scheme) as page:
        page.get_by_label("Add a name").fill(
            "a very long name that has no end and no meaning at all,"
        )
        page.locator("#file").set_input_files(IMAGE)
        wait_for_status(page, "^1 object")
        assert page.evaluate_handle("document.documentElement.scrollWidth").json_value() <= 340


def test_mistakes_and_tokens_are_told(browser):
    with served("right-token") as address, opened(browser, address) as page:
        page.get_by_role("textbox", name="This service asks for a token").fill("right-token")
        page.keyboard.press("Enter")
        page.get_by_text("fake · 1").wait_for()
        page.locator("#file").set_input_files(IMAGE | {"buffer": b"text"})
        wait_for_status(page, "cannot show that file")
        page.locator("#file").set_input_files(IMAGE)
        wait_for_status(page, "type what to look for")
        page.get_by_label("Add a name").fill("x" * 201 + ",")
        wait_for_status(page, "more than 200 characters")
