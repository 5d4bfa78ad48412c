"""The page in a real browser, from an image to its results.

It needs playwright and Chromium; `make test-extras` runs it.
"""

import base64
import json
import re
import shutil
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from detic.serving.service import Service, ServiceOptions

from .service_of_fakes import FakeDetector, image_file

uvicorn = pytest.importorskip(
    "uvicorn", reason="the packages of the extra `serve` are not installed"
)
pytest.importorskip("fastapi", reason="the packages of the extra `serve` are not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.slow
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
IMAGE = {"name": "desk.png", "mimeType": "image/png", "buffer": image_file(80, 60)}
FAKE_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


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
        found = next(filter(None, map(shutil.which, BROWSERS)), driver.chromium.executable_path)
        if not Path(found).exists():
            pytest.skip("no Chromium is installed: `apt install chromium` or `playwright install`")
        arguments = ["--no-sandbox", "--disable-gpu", *FAKE_CAMERA]
        chromium = driver.chromium.launch(executable_path=found, args=arguments)
        yield chromium
        chromium.close()


@contextmanager
def opened(browser, address, **options):
    """A tab of the page, in which nothing may go wrong, and which asks no one else."""
    with browser.new_context(**options) as context:
        page = context.new_page()
        page.set_default_timeout(60_000)
        errors, asked = [], []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        yield page
        assert errors == []
        assert asked
        assert all(url.startswith((address, "blob:", "data:")) for url in asked), asked


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


def test_it_looks_for_the_vocabulary_of_the_service_until_names_are_typed(browser, address):
    with opened(browser, address) as page:
        page.get_by_text("thing", exact=True).wait_for()
        vocabulary = page.get_by_role("combobox", name="Look for")
        assert vocabulary.input_value() == "default"
        page.locator("#file").set_input_files(IMAGE)
        wait_for_status(page, "^1 object: thing in")
        page.get_by_label("Add a name").fill("red star, mug,")
        wait_for_status(page, "^2 objects: red star, mug in")
        assert vocabulary.input_value() == ""
        vocabulary.select_option("default")
        wait_for_status(page, "^1 object: thing in")
        page.get_by_label("Add a name").press("Backspace")  # takes none of the hidden names
        page.get_by_label("Add a name").fill("key,")
        wait_for_status(page, "^3 objects: red star, mug, key in")


def test_a_copy_keeps_names_whole_and_tells_what_it_loses(browser, address):
    classes = [
        {"name": "wine, red", "synonyms": ["claret"]},
        'a "big" mug',
        {"name": "table", "negative": True, "score_threshold": 0.2},
    ]
    with opened(browser, address) as page:
        page.request.put(f"{address}v1/vocabularies/bar", data=classes)
        page.reload()
        page.get_by_text("thing", exact=True).wait_for()
        page.locator("#file").set_input_files(IMAGE)
        page.get_by_role("combobox", name="Look for").select_option("bar")
        page.get_by_role("button", name="Edit a copy").click()
        wait_for_status(page, '^2 objects: wine, red, a "big" mug in')
        lost = "names of bar alone, without its synonyms, negative classes and thresholds."
        assert page.get_by_text(lost).is_visible()
        page.get_by_label("Add a name").fill("key,")
        wait_for_status(page, '^3 objects: wine, red, a "big" mug, key in')
        page.get_by_label("Save these names as").fill("copy")
        page.get_by_role("button", name="Save", exact=True).click()
        wait_for_status(page, "Saved as copy")
        assert page.get_by_text(lost).count() == 0
        stored = page.request.get(f"{address}v1/vocabularies/copy").json()
        assert stored["classes"] == ["wine, red", 'a "big" mug', "key"]


def test_it_sends_as_many_names_as_the_service_takes(browser, address):
    with opened(browser, address) as page:
        page.locator("#file").set_input_files(IMAGE)
        page.get_by_label("Add a name").fill(",".join(f"{n:050}" for n in range(2000)))
        wait_for_status(page, "^2000 objects")


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


# A file of an image in an object of a browser's own class
AS_TRANSFER = """text => {
    const content = Uint8Array.from(atob(text), sign => sign.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([content], "desk.png", {type: "image/png"}));
    return transfer;
}"""


def transfer_of_image(page):
    return page.evaluate_handle(AS_TRANSFER, base64.b64encode(IMAGE["buffer"]).decode())


def test_an_image_is_dropped_or_pasted(browser, address):
    with opened(browser, address) as page:
        page.get_by_label("Add a name").fill("red star,")
        transfer = transfer_of_image(page)
        page.dispatch_event("#well", "dragover", {"dataTransfer": transfer})
        assert "over" in page.locator("#well").get_attribute("class")
        page.dispatch_event("#well", "drop", {"dataTransfer": transfer})
        wait_for_status(page, "^1 object: red star in")
        assert page.locator("#well").get_attribute("class") == "well"

        page.get_by_label("Add a name").fill("mug,")
        paste = (
            "event => document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: event}))"
        )
        page.evaluate(paste, transfer_of_image(page))
        wait_for_status(page, "^2 objects: red star, mug in")

        nothing = page.evaluate_handle("new DataTransfer()")
        page.dispatch_event("#well", "drop", {"dataTransfer": nothing})
        wait_for_status(page, "Drop the file of an image")


def test_the_camera_takes_an_image(browser, address):
    with opened(browser, address, permissions=["camera"]) as page:
        page.get_by_label("Add a name").fill("red star,")
        page.get_by_role("button", name="Camera").click()
        page.get_by_role("button", name="Take the image").click()  # enabled when the camera runs
        wait_for_status(page, "^1 object: red star in")
        assert page.get_by_role("dialog").count() == 0
        tracks = "video => video.srcObject.getTracks().map(track => track.readyState)"
        assert page.locator("#video").evaluate(tracks) == ["ended"]
        assert json.loads(downloaded(page, "JSON")[1])["image"] == {"width": 640, "height": 480}


def test_a_missing_camera_is_told(browser, address):
    with opened(browser, address) as page:
        page.evaluate(
            "() => { navigator.mediaDevices.getUserMedia = async () => { throw Error('none') } }"
        )
        page.get_by_role("button", name="Camera").click()
        wait_for_status(page, "There is no camera that this page may use")


def test_it_needs_no_mouse(browser, address):
    with opened(browser, address) as page:
        page.on("filechooser", lambda chooser: chooser.set_files(IMAGE))
        page.get_by_text("fake · 1").wait_for()
        reached = []
        for _ in range(12):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id"))
        assert reached[:5] == ["choose", "camera", "vocabulary", "copy", "name"]
        assert reached[5:9] == ["threshold", "masks", "boxes", "labels"]

        page.locator("#name").focus()
        page.keyboard.type("mug")
        page.keyboard.press("Enter")
        page.locator("#choose").focus()
        page.keyboard.press("Enter")
        wait_for_status(page, "^1 object: mug in")
        page.locator("#camera").focus()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Take the image").wait_for()
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.id") == "camera"


ROLES_WITH_NAMES = {
    "button",
    "textbox",
    "combobox",
    "slider",
    "checkbox",
    "image",
    "list",
    "region",
}


def test_screen_readers_have_names_for_all(browser, address):
    with opened(browser, address) as page:
        page.get_by_label("Add a name").fill("red star,")
        page.locator("#file").set_input_files(IMAGE)
        wait_for_status(page, "^1 object")
        tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
        found = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in tree
            if not node["ignored"]
        ]
        assert {role for role, _ in found} >= ROLES_WITH_NAMES
        assert [role for role, name in found if role in ROLES_WITH_NAMES and not name] == []
        assert ("button", "Remove red star") in found
        assert ("button", "red star 0.75") in found
        assert page.locator("[aria-live], [role=status]").count() == 2
        assert page.locator("html").get_attribute("lang") == "en"


# Pairs of colours of all texts that are seen: of the letters, and of what is behind them
CONTRASTS = """() => {
    const channel = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const rgba = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(c => channel(c / 255))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = element => {
        for (; element; element = element.parentElement) {
            const color = rgba(getComputedStyle(element).backgroundColor);
            if (color.length < 4 || color[3] === 1) return color;
        }
    };
    return [...document.querySelectorAll("body *")]
        .filter(e => e.checkVisibility() && !e.disabled && !e.closest("svg")
            && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
        .map(e => {
            const [one, other] = [light(rgba(getComputedStyle(e).color)), light(behind(e))];
            return [(Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05), e.textContent];
        });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out(browser, address, scheme):
    # Without motion: a colour on its way to another one stands out less
    with opened(browser, address, color_scheme=scheme, reduced_motion="reduce") as page:
        page.get_by_label("Add a name").fill("red star,")
        page.locator("#file").set_input_files(IMAGE)
        wait_for_status(page, "^1 object")
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 15
        assert [text for contrast, text in contrasts if contrast < 4.5] == []
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == {"light": "rgb(246, 245, 241)", "dark": "rgb(21, 25, 26)"}[scheme]


def test_names_are_texts_whatever_they_hold(browser, address):
    name = "<img src=x onerror=document.title=1>"
    with opened(browser, address) as page:
        page.get_by_label("Add a name").fill(f"{name},")
        page.locator("#file").set_input_files(IMAGE)
        wait_for_status(page, "^1 object: <img")
        assert page.locator("#objects .name").inner_text() == name
        page.get_by_label("Save these names as").fill("odd")
        page.get_by_role("button", name="Save", exact=True).click()
        wait_for_status(page, "Saved as odd")
        assert page.get_by_text(name, exact=True).first.is_visible()
        assert page.locator("img").count() == 0
        assert page.title() == "Detic"


def test_mistakes_and_tokens_are_told(browser):
    with served("right-token") as address, opened(browser, address) as page:
        page.get_by_role("textbox", name="This service asks for a token").fill("right-token")
        page.keyboard.press("Enter")
        page.get_by_text("fake · 1").wait_for()
        page.locator("#file").set_input_files(IMAGE | {"buffer": b"text"})
        wait_for_status(page, "cannot show that file")
        page.get_by_role("combobox", name="Look for").select_option("")
        page.locator("#file").set_input_files(IMAGE)
        wait_for_status(page, "type what to look for")
        page.get_by_label("Add a name").fill("x" * 201 + ",")
        wait_for_status(page, "more than 200 characters")
