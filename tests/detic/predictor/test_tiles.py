import tracemalloc
from dataclasses import replace

import cv2
import numpy as np
import pytest

from detic.compact_masks import CompactMasks
from detic.detections import Detections
from detic.errors import InputError
from detic.image_windows import ArrayWindows, open_windows
from detic.predictor import tiles as tiles_module
from detic.predictor.tiles import Tiles, chosen_tiles, detect_in_tiles, tile_windows
from tests.tiny_detector import noise

TILES = Tiles(side_px=40, overlap=0.25)


def bright_parts(images):
    """Find connected bright pixels, which a perfect detector sees in each image alone."""
    return [bright_parts_of(image) for image in images]


def bright_parts_of(image):
    count, labelled, stats, _ = cv2.connectedComponentsWithStats(
        (image[:, :, 0] > 0).view(np.uint8)
    )
    boxes = np.hstack((stats[1:, :2], stats[1:, :2] + stats[1:, 2:4])).astype(np.float32)
    return Detections(
        boxes_xyxy=boxes,
        scores=np.linspace(0.9, 0.5, count - 1).astype(np.float32),
        labels=np.zeros(count - 1, int),
        names=np.full(count - 1, "part"),
        image_size_hw=image.shape[:2],
        masks=np.array([labelled == i for i in range(1, count)]).reshape(-1, *image.shape[:2]),
        region_embeddings=boxes[:, :2],
    )


@pytest.fixture
def image():
    """Squares everywhere, a ring that is larger than a tile, a bar along the border."""
    image = np.zeros((150, 170, 3), np.uint8)
    for y, x in ((3, 5), (20, 33), (28, 60), (5, 100), (61, 158), (140, 20)):
        image[y : y + 8, x : x + 9] = 255
    cv2.circle(image, (90, 90), 35, (255, 255, 255), 3)
    image[146:, 70:] = 255
    return image


@pytest.mark.parametrize(
    ("size_hw", "count"), [((30, 30), 1), ((40, 40), 1), ((41, 40), 2), ((150, 170), 30)]
)
def test_tiles_cover_the_image_and_overlap(size_hw, count):
    windows = tile_windows(size_hw, 40, 0.25)
    assert len(windows) == count
    assert len({(x2 - x1, y2 - y1) for x1, y1, x2, y2 in windows}) == 1
    seen = np.zeros(size_hw, int)
    for x1, y1, x2, y2 in windows:
        seen[y1:y2, x1:x2] += 1
    assert seen.min() == 1
    starts = sorted({x1 for x1, *_ in windows})
    assert all(step <= 30 for step in np.diff(starts))


def test_each_object_is_found_once_with_its_mask(image):
    found = detect_in_tiles(bright_parts, ArrayWindows(image), TILES)
    expected = bright_parts_of(image)
    assert (np.diff(found.scores) <= 0).all()
    order, expected_order = (np.lexsort(d.boxes_xyxy.T) for d in (found, expected))
    found, expected = found[order], expected[expected_order]
    assert found.boxes_xyxy.tolist() == expected.boxes_xyxy.tolist()
    np.testing.assert_array_equal(found.masks, expected.masks)
    assert found.region_embeddings.shape == (len(expected), 2)
    assert found.image_size_hw == (150, 170)


def test_masks_of_huge_images_are_compact(image, monkeypatch):
    usual = detect_in_tiles(bright_parts, ArrayWindows(image), TILES)
    monkeypatch.setattr(tiles_module, "_LARGEST_MASK_ARRAY", usual.masks.size - 1)
    found = detect_in_tiles(bright_parts, ArrayWindows(image), TILES)
    assert isinstance(found.masks, CompactMasks)
    np.testing.assert_array_equal(np.asarray(found.masks), usual.masks)
    assert len(found[:2].masks) == 2


def test_images_without_objects_and_detectors_without_masks(image):
    def boxes_alone(images):
        return [replace(found, masks=None) for found in bright_parts(images)]

    nothing = detect_in_tiles(bright_parts, ArrayWindows(np.zeros_like(image)), TILES)
    assert len(nothing) == 0
    assert nothing.masks.shape == (0, 150, 170)
    assert detect_in_tiles(boxes_alone, ArrayWindows(image), TILES).masks is None


def test_tiles_are_computed_in_batches(image):
    sizes = []

    def counting(images):
        sizes.append(len(images))
        return bright_parts(images)

    detect_in_tiles(counting, ArrayWindows(image), replace(TILES, batch_size=8))
    assert sizes == [8, 8, 8, 6]


def test_an_image_in_one_tile_is_as_without_tiles(detector):
    whole = detector(noise(60, 80))
    tiled = detector(noise(60, 80), tiles=80)
    assert tiled.boxes_xyxy.tolist() == whole.boxes_xyxy.tolist()
    np.testing.assert_array_equal(tiled.masks, whole.masks)


def test_files_are_read_in_tiles(detector, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), noise(100, 120))
    of_file, of_pixels = detector([tmp_path / "a.png", noise(100, 120)], tiles=64, features=True)
    assert of_file.boxes_xyxy.tolist() == of_pixels.boxes_xyxy.tolist()
    assert of_file.region_embeddings.shape == (len(of_file), 8)
    assert of_file.image_size_hw == (100, 120)
    with pytest.raises(InputError, match=r"there is no image '.*b\.png'"):
        detector(tmp_path / "b.png", tiles=64)


def test_results_know_the_image_and_not_its_tiles(detector, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), noise(100, 120))
    found = detector(tmp_path / "a.png", tiles=64, max_detections=1)
    assert len(found) == 1
    assert found.image.name == str(tmp_path / "a.png")
    assert found.image.content is None
    assert found.plot().shape == (100, 120, 3)


def test_the_default_side_is_that_of_training(detector):
    assert chosen_tiles(True, 128) == Tiles(128)
    assert chosen_tiles(np.int64(64), 128) == Tiles(64)
    assert chosen_tiles(Tiles(overlap=0.5), 128) == Tiles(128, overlap=0.5)
    assert chosen_tiles(False, 128) is None
    assert detector.input_format.training_side_px == 640


@pytest.mark.parametrize(
    ("tiles", "message"),
    [
        (8, "a side of 16 pixels or more, not 8"),
        ("large", "tiles are a side in pixels, True or Tiles"),
        ({"overlap": 0.9}, "tiles overlap by 0 to 0.75 of their side, not by 0.9"),
        ({"batch_size": 0}, "1 tile or more is computed at once, not 0"),
    ],
)
def test_wrong_tiles_are_refused(tiles, message):
    with pytest.raises(InputError, match=message):
        chosen_tiles(Tiles(**tiles) if isinstance(tiles, dict) else tiles, 128)


def test_memory_does_not_grow_with_the_image(tmp_path, monkeypatch):
    """A file of 8 MB, whose masks would be 20 MB as an array, is read by windows."""
    monkeypatch.setattr(tiles_module, "_LARGEST_MASK_ARRAY", 0)
    image = np.zeros((1600, 1600, 3), np.uint8)
    for place in range(0, 1600, 200):
        image[place : place + 50, place : place + 40] = 255
    cv2.imwrite(str(tmp_path / "large.ppm"), image)
    tracemalloc.start()
    found = detect_in_tiles(bright_parts, open_windows(tmp_path / "large.ppm"), Tiles(side_px=400))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sorted(found.boxes_xyxy[:, 0].tolist()) == list(range(0, 1600, 200))
    assert found.masks.areas.tolist() == [2000] * 8
    assert peak < 5e6
