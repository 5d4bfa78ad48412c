import signal
from dataclasses import replace

import cv2
import numpy as np
import pytest

from detic.demo import detection_run
from detic.demo.destination import plan_destination
from detic.demo.inputs import find_inputs
from detic.demo.run_images import run_images
from detic.errors import InputError
from detic.predictor.detector import OutOfMemory
from tests.detic.demo.conftest import CatDetector


def numbered(folder, **options):
    return [
        (file, i) for i, file in enumerate(find_inputs([str(folder)], **options).files, start=1)
    ]


def destination(folder, images, overwrite=False):
    return plan_destination(str(folder), [file for file, _ in images], overwrite=overwrite)


def test_images_are_drawn_under_their_names(make_run, photos, tmp_path):
    images = numbered(photos, recursive=True)
    run = make_run(destination=destination(tmp_path / "out", images))
    run_images(run, images)
    drawn = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*")}
    assert drawn == {"a.png", "b.JPG", "more/c.png"}
    before, after = (cv2.imread(str(f / "a.png")) for f in (photos, tmp_path / "out"))
    assert before.shape == after.shape
    assert (before != after).any()


def test_unreadable_images_are_noted_and_passed_over(make_run, photos):
    run = make_run()
    run_images(run, numbered(photos))
    assert run.tally.num_read == 2
    (reason,) = run.tally.unreadable
    assert "broken.jpg' is not an image" in reason
    assert run.tally.objects == {"cat": 2}


def test_sinks_get_the_name_as_given_and_the_id(make_run, photos):
    records = []
    run = make_run(sinks=[lambda image, found: records.append(image)])
    run_images(run, numbered(photos, recursive=True))
    assert [r.file_name for r in records] == [
        (photos / name).as_posix() for name in ("a.png", "b.JPG", "more/c.png")
    ]
    assert [r.image_id for r in records] == [1, 2, 4]  # 3 is broken
    assert [r.stem for r in records] == ["a", "b", "more/c"]


def test_existing_drawings_are_kept_without_detecting(make_run, photos, tmp_path):
    (tmp_path / "a.png").write_text("mine")
    images = numbered(photos)[:1]
    run = make_run(destination=destination(tmp_path, images))
    run_images(run, images)
    assert run.detector.batch_sizes == []
    assert run.tally.num_kept == 1
    assert (tmp_path / "a.png").read_text() == "mine"


def test_kept_drawings_still_give_data(make_run, photos, tmp_path):
    (tmp_path / "a.png").write_text("mine")
    images, records = numbered(photos)[:1], []
    run = make_run(destination=destination(tmp_path, images), sinks=[lambda *r: records.append(r)])
    run_images(run, images)
    assert len(records) == 1
    assert (tmp_path / "a.png").read_text() == "mine"


def test_overwriting_replaces_drawings(make_run, photos, tmp_path):
    (tmp_path / "a.png").write_text("mine")
    images = numbered(photos)[:1]
    run = make_run(destination=destination(tmp_path, images, overwrite=True))
    run_images(run, images)
    assert cv2.imread(str(tmp_path / "a.png")) is not None


def test_images_go_through_in_batches(make_run, photos):
    run = make_run(batch_size=2)
    run_images(run, numbered(photos, recursive=True))
    assert run.detector.batch_sizes == [2, 1]


def test_an_image_that_needs_too_much_memory_is_noted_and_passed_over(make_run, photos):
    class SmallDetector(CatDetector):
        def __call__(self, images, **options):
            if any(image.shape[1] > 64 for image in images):
                raise OutOfMemory([image.shape[:2] for image in images])
            return super().__call__(images, **options)

    cv2.imwrite(str(photos / "b.JPG"), np.zeros((48, 65, 3), np.uint8))
    records = []
    run = make_run(sinks=[lambda image, found: records.append(image.stem)], batch_size=3)
    run.detector = SmallDetector()
    run_images(run, [entry for entry in numbered(photos, recursive=True) if entry[1] != 3])
    assert records == ["a", "more/c"]
    assert run.tally.num_read == 2
    (reason,) = run.tally.unreadable
    assert "b.JPG: detection in 65 x 48 pixels needs more memory than there is" in reason


def test_results_that_need_too_much_memory_are_noted_and_passed_over(make_run, photos):
    def write(image, found):
        if image.stem == "a":
            raise MemoryError

    run = make_run(sinks=[write])
    run_images(run, numbered(photos))
    assert run.tally.num_read == 1
    assert "a.png: results of 64 x 48 pixels need more memory" in run.tally.unreadable[0]
    assert run.is_whole


def test_ctrl_c_waits_until_a_record_is_written(make_run, photos):
    written = []

    def write(image, found):
        signal.raise_signal(signal.SIGINT)
        written.append(image.stem)

    run = make_run(sinks=[write])
    with pytest.raises(KeyboardInterrupt):
        run_images(run, numbered(photos))
    assert written == ["a"]
    assert run.is_whole


def test_a_record_that_cannot_be_written_is_told_apart(make_run, photos):
    def write(image, found):
        raise InputError("the disk is full")

    run = make_run(sinks=[write])
    with pytest.raises(InputError):
        run_images(run, numbered(photos))
    assert not run.is_whole


def test_closing_the_window_ends_the_run(make_run, photos, monkeypatch):
    shown = []
    monkeypatch.setattr(detection_run, "show", lambda image, wait_ms: shown.append(wait_ms))
    run = make_run(has_window=True)  # show returns None: the user quits
    run_images(run, numbered(photos, recursive=True))
    assert shown == [0]


def test_drawing_shows_the_detections(make_run):
    run = make_run()
    image = np.zeros((48, 64, 3), np.uint8)
    (found,) = run.detect([image])
    assert run.draw(image, found).any()


def test_a_class_keeps_its_color_in_all_drawings(make_run):
    run = make_run()
    image = np.zeros((48, 64, 3), np.uint8)
    (cat,) = run.detect([image])
    first = run.draw(image, cat)
    for number in range(10):
        run.draw(image, replace(cat, names=np.array([f"class {number}"])))
    assert len(set(run.style.class_colors.values())) == 11
    np.testing.assert_array_equal(run.draw(image, cat), first)
