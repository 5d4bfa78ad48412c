import base64
import re
import tarfile
from html.parser import HTMLParser
from io import BytesIO

import pytest
from PIL import Image

from detic.errors import InputError
from tests.detic.labelling.conftest import label
from tests.quick_labeller import found_in

CAPTION = re.compile(r"<figcaption><b>([\d.]+)</b> (.*?)</figcaption>")


class Resources(HTMLParser):
    """The addresses that a page would fetch or lead to."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [v for name, v in attributes if name in ("src", "href", "srcset", "action")]


@pytest.fixture
def sheet(job, merged):
    def sheet(*flags, of=job):
        return merged(of, "html", f"{len(flags)}.html", *flags).read_text(encoding="utf-8")

    return sheet


def test_each_class_shows_its_lowest_scores_first(photos, sheet):
    _, cups, mugs = sheet().split("<h2 id=")
    assert cups.startswith('"class-1">cup</h2>')
    assert mugs.startswith('"class-2">mug</h2>')
    scores = sorted((found_in(name).scores[0], name) for name in photos if len(found_in(name)))
    expected = [(f"{score:.2f}", name) for score, name in scores]
    assert CAPTION.findall(cups) == expected
    assert {score for score, _ in CAPTION.findall(mugs)} == {"0.60"}
    assert f"{len(scores)} objects, mean score 0.90" in cups


def test_a_class_has_at_most_so_many_thumbnails(sheet):
    _, cups, mugs = sheet("--per-class", "1").split("<h2 id=")
    assert len(CAPTION.findall(cups)) == len(CAPTION.findall(mugs)) == 1
    assert "2 objects" in mugs


def test_thumbnails_are_images_within_the_page(sheet):
    text = sheet()
    page = Resources()
    page.feed(text)
    images = [address for address in page.found if not address.startswith("#class-")]
    assert images
    for address in images:
        kind, _, content = address.partition(",")
        assert kind == "data:image/jpeg;base64"
        assert max(Image.open(BytesIO(base64.b64decode(content))).size) == 200
    assert "@import" not in text
    assert "url(" not in text


def test_names_are_text_and_no_markup(plan, write_image, sheet):
    names = [f'photos/{i}<img src=x onerror="go()">.png' for i in range(9)]
    for name in names:
        write_image(name, 64, 48)
    job = plan("photos", folder="<b>job")
    label(job)
    page = sheet(of=job)
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
    assert "<title>&lt;b&gt;job</title>" in page


def test_images_that_are_gone_or_have_changed_are_left_out(
    photos, sheet, tmp_path, write_image, caplog
):
    whole = CAPTION.findall(sheet())
    (tmp_path / photos[0]).unlink()
    write_image(photos[2], 10, 10)
    left = CAPTION.findall(sheet("--per-class", "9"))
    assert left == [entry for entry in whole if entry[1] not in (photos[0], photos[2])]
    assert "the page lacks 2 images" in caplog.text
    for name in photos:
        (tmp_path / name).unlink(missing_ok=True)
    with pytest.raises(InputError, match="none of the images is as it was"):
        sheet("--boxes-only")


def test_shards_that_hold_fewer_images_than_before_are_named(plan, photos, sheet, tmp_path):
    names = [f"{number}.png" for number in range(20)]
    names.sort(key=lambda name: len(found_in(f"photos.tar/{name}")))
    with tarfile.open(tmp_path / "photos.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        for name in (names[0], names[-1]):  # without objects, and with some
            tar.add(tmp_path / photos[0], name)
        second = tar.getmember(names[-1]).offset
    job = plan("photos.tar", folder="packed")
    label(job)
    content = (tmp_path / "photos.tar").read_bytes()
    (tmp_path / "photos.tar").write_bytes(content[:second].ljust(len(content), b"\0"))
    with pytest.raises(InputError, match=rf"none of the images is as it was .*tar/{names[-1]}"):
        sheet(of=job)


def test_a_shard_that_is_gone_takes_its_images_alone(plan, photos, sheet, tmp_path, caplog):
    for folder in ("one", "two"):
        with tarfile.open(tmp_path / f"{folder}.tar", "w") as tar:
            for number in range(4):
                tar.add(tmp_path / photos[0], f"{folder}-{number}.png")
    job = plan("one.tar", "two.tar", folder="packed")
    label(job)
    (tmp_path / "one.tar").unlink()
    page = sheet(of=job)
    assert "one.tar/" in caplog.text
    assert "two.tar/" not in caplog.text
    assert "two-" in page


def test_a_job_that_found_nothing_has_a_page(plan, write_image, sheet):
    [empty] = [n for n in ("b.png", "a.png") if not len(found_in(f"photos/{n}"))][:1]
    write_image(f"photos/{empty}", 64, 48)
    job = plan(f"photos/{empty}", folder="empty")
    label(job)
    assert "Nothing was found." in sheet(of=job)
