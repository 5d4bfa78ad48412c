"""What takes long with millions of records shows its progress."""

import pytest

from detic.preparation.caption_tags import captions_by_image, tag_images
from detic.preparation.coco_zeroshot import keep_group
from detic.preparation.imagenet21k import with_merged_ids
from detic.preparation.lvis_variants import count_classes, merge_coco, without_rare
from detic.preparation.objects365 import without_missing_images

IMAGE = {"id": 1, "file_name": "000000000001.jpg", "captions": ["a cat"]}
ANNOTATION = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "caption": "a cat"}
CATEGORY = {"id": 1, "name": "cat", "synset": "cat.n.01", "synonyms": ["cat"], "frequency": "f"}
DOCUMENT = {"images": [IMAGE], "annotations": [ANNOTATION], "categories": [CATEGORY]}


@pytest.mark.parametrize(
    ("transform", "work"),
    [
        (lambda: captions_by_image(DOCUMENT), "captions"),
        (
            lambda: tag_images([IMAGE], [CATEGORY], all_captions=True, keep_untagged=True),
            "classes in captions",
        ),
        (lambda: with_merged_ids([IMAGE], [CATEGORY]), "joint classes"),
        (lambda: without_rare(DOCUMENT), "without rare classes"),
        (lambda: count_classes(DOCUMENT), "counts"),
        (lambda: merge_coco(DOCUMENT, DOCUMENT, {}), "boxes of COCO"),
        (lambda: keep_group(DOCUMENT, "seen"), "seen classes"),
        (lambda: without_missing_images(DOCUMENT, "nowhere"), "images on disk"),
    ],
)
def test_records_are_counted(transform, work, capsys, monkeypatch):
    monkeypatch.setattr("detic.progress.MIN_DURATION", 0)
    transform()
    assert f"{work}: 1/1, " in capsys.readouterr().err
