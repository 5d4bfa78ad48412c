from dataclasses import replace

import numpy as np

from detic.outputs import WRITERS, Category, ImageRecord


def test_features_of_all_images_are_one_table(tmp_path, found, image, categories):
    path = tmp_path / "found.npz"
    features = np.eye(2, 4, dtype=np.float32)
    with WRITERS["npz"](path, categories) as write:
        write(image, replace(found, region_embeddings=features))
        write(image, replace(found, region_embeddings=features)[[]])
        clip = ImageRecord("clip.mp4", 8, "clip_000003", frame=3)
        write(clip, replace(found, region_embeddings=features)[1])
    table = np.load(path, allow_pickle=False)
    np.testing.assert_array_equal(table["features"], features[[0, 1, 1]])
    assert table["features"].dtype == np.float16
    assert table["file_names"].tolist() == ["photos/desk.jpg", "photos/desk.jpg", "clip.mp4"]
    assert table["frames"].tolist() == [0, 0, 3]
    assert table["names"].tolist() == ["café, large", "cat", "cat"]
    assert table["boxes_xyxy"].shape == (3, 4)
    assert table["class_names"].tolist() == ["cat", "café, large"]
    assert not {"class_scores", "parents"} & set(table)


def test_parents_come_along_if_there_are_any(tmp_path, found_kinds, image, categories):
    with WRITERS["npz"](tmp_path / "f.npz", categories) as write:
        write(image, replace(found_kinds, region_embeddings=np.eye(2)))
    assert np.load(tmp_path / "f.npz")["parents"].tolist() == ["drink", ""]


def test_class_scores_come_along_if_there_are_any(tmp_path, found, image, categories):
    scored = replace(found, region_embeddings=np.eye(2), class_scores=np.eye(2))
    with WRITERS["npz"](tmp_path / "f.npz", categories) as write:
        write(image, scored)
    np.testing.assert_array_equal(np.load(tmp_path / "f.npz")["class_scores"], np.eye(2))


def test_table_of_no_image_has_all_arrays(tmp_path, found_kinds, image):
    categories = [Category(1, "cat"), Category(2, "tea", parent="drink")]
    for name, detections_of in (
        ("none", []),
        ("one", [replace(found_kinds, region_embeddings=np.eye(2))]),
    ):
        with WRITERS["npz"](tmp_path / f"{name}.npz", categories) as write:
            for detections in detections_of:
                write(image, detections)
    none, one = (np.load(tmp_path / f"{name}.npz") for name in ("none", "one"))
    assert none.keys() == one.keys()
    assert {len(none[name]) for name in none if name != "class_names"} == {0}
    assert none["features"].shape == (0, 0)
