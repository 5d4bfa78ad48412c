"""Which boxes of a detector are taken."""

import json

import pytest

from detic.datasets.annotation_cache import read_annotation_table
from detic.datasets.score_selection import ScoreSelection, selected
from detic.errors import InputError

IMAGES = [{"id": i, "file_name": f"{i}.jpg", "height": 9, "width": 9} for i in (1, 2)]
CATEGORIES = [{"id": 1, "name": "Red Fox"}, {"id": 4, "name": "elk"}]
TRIANGLE = [0, 0, 4, 0, 4, 4]


@pytest.fixture
def read(tmp_path):
    """A function from (category, score) of boxes, which lie in both images in turn, to a table."""

    def read(*boxes):
        annotations = [
            {"id": i, "image_id": 1 + i % 2, "category_id": c, "bbox": [0, 0, 4, i], "score": s}
            for i, (c, s) in enumerate(boxes, start=1)
        ]
        for first in annotations[:1]:
            first["segmentation"] = [TRIANGLE]
        content = {"images": IMAGES, "categories": CATEGORIES, "annotations": annotations}
        (tmp_path / "found.json").write_text(json.dumps(content))
        return read_annotation_table(tmp_path / "found.json")

    return read


def kept(table, **selection):
    """Return the heights of the boxes that are kept, by image, those of crowds negative."""
    chosen = selected(table, ScoreSelection(**selection), "SOURCE")
    heights = chosen["boxes"][:, 3] * (1 - 2.0 * chosen["crowds"])
    return [heights[chosen.annotations_of(image)].tolist() for image in (0, 1)]


def test_boxes_need_a_score_which_may_be_that_of_their_category(read):
    table = read((1, 0.7), (1, 0.5), (4, 0.7), (4, 0.8))
    assert kept(table, min_score=0.7) == [[4.0], [1.0, 3.0]]  # 0.7 is enough
    assert kept(table, min_score=0.7, min_score_of={"red_fox": 0.5}) == [[2.0, 4.0], [1.0, 3.0]]
    assert kept(table, min_score_of={"elk": 0.75}) == [[2.0, 4.0], [1.0]]


def test_the_best_of_each_category_are_a_share_rounded_up(read):
    table = read((1, 0.9), (1, 0.2), (1, 0.3), (4, 0.1), (4, 0.05))
    assert kept(table, top_share=0.5) == [[4.0], [1.0, 3.0]]
    assert kept(table, top_share=0.5, min_score=0.25) == [[], [1.0, 3.0]]
    thirty = read(*((1, i / 100) for i in range(1, 31)))
    assert sum(map(len, kept(thirty, top_share=0.1))) == 3  # although 0.1 * 30 is above 3


def test_boxes_in_doubt_become_crowds(read):
    table = read((1, 0.9), (1, 0.3), (1, 0.2), (4, 0.6))
    assert kept(table, min_score=0.5, uncertain_from=0.3) == [[-2.0, 4.0], [1.0]]


def test_boxes_that_people_have_drawn_are_kept(read):
    table = read((1, None), (1, 0.2), (4, 0.9))
    assert kept(table, min_score=0.5) == [[], [1.0, 3.0]]
    assert kept(table, top_share=0.5, min_score=0.1) == [[2.0], [1.0, 3.0]]  # 1 of 1, not of 2


def test_masks_stay_with_their_boxes(read):
    table = selected(read((1, 0.9), (1, 0.1)), ScoreSelection(min_score=0.5), "")
    assert table.masks_of(table.annotations_of(1)) == [[TRIANGLE]]
    assert table.used_categories() == {1}


@pytest.mark.parametrize("score", ["0.9", 1.5, -0.1, True, 10**400])
def test_a_score_that_is_none_is_named_by_who_needs_it(read, score):
    table = read((1, 0.5), (1, score))
    with pytest.raises(InputError, match=r"found\.json: image 1: .*'score' is no number from 0 to"):
        selected(table, ScoreSelection(min_score=0.1), "")


def test_files_without_scores_and_unknown_categories_are_refused(read):
    with pytest.raises(InputError, match=r"SOURCE selects by scores, and no annotation of .*found"):
        selected(read((1, None)), ScoreSelection(min_score=0.1), "SOURCE")
    with pytest.raises(InputError, match=r"found\.json has no annotations; write .* a lower score"):
        selected(read(), ScoreSelection(min_score=0.1), "SOURCE")
    with pytest.raises(InputError, match=r"SOURCE, min_score_of: unknown class 'elf'.*mean 'elk'"):
        selected(read((1, 0.5)), ScoreSelection(min_score_of={"elf": 0.1}), "SOURCE")
