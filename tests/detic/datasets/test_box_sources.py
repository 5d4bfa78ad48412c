"""Data with boxes that a recipe names."""

import json
from dataclasses import replace

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from detic.datasets.box_sources import BoxSource, load_box_source, read_entry, register_box_sources
from detic.errors import InputError
from detic.vocabulary.model_classes import ModelClasses

NAMES = ("red fox", "barn owl", "elk")
IMAGES = [
    {"id": number, "file_name": f"{number}.jpg", "height": 9, "width": 9} for number in (1, 2)
]


def box(number, category_id, image_id=1, **fields):
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [1, 1, 4, 4],
    } | fields


@pytest.fixture
def write(tmp_path):
    """A function that writes an annotation file, categories given as {id: name}."""

    def write(categories, annotations, images=IMAGES):
        path = tmp_path / "boxes.json"
        content = {"images": images, "annotations": annotations}
        content["categories"] = [{"id": i, "name": name} for i, name in categories.items()]
        path.write_text(json.dumps(content))
        return BoxSource("mine", "coco", "coco", str(path), "ROOT")

    return write


@pytest.fixture
def named(cfg, catalogs, tmp_path):
    """A configuration whose model has the classes NAMES."""
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH = str(tmp_path / "names.txt")
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = len(NAMES)
    return cfg


def entry(**changes):
    return {"name": "mine", "format": "coco", "annotations": "a.json", "images": "pics"} | changes


def classes(records):
    return [[a["category_id"] for a in record["annotations"]] for record in records]


def test_classes_are_matched_by_name_whatever_ids_order_and_spelling(write):
    source = write({7: "Elk", 9: "barn_owl"}, [box(1, 9), box(2, 7, image_id=2)])
    assert classes(load_box_source(source, NAMES)) == [[1], [2]]


def test_an_unknown_class_is_named_with_the_nearest(write):
    source = write({7: "bran owl"}, [box(1, 7)])
    with pytest.raises(
        InputError,
        match=r"boxes.json, category 7: unknown class 'bran owl'.*did you mean 'barn owl'",
    ):
        load_box_source(source, NAMES)


def test_an_unknown_category_that_nothing_has_is_left_out(write):
    assert classes(load_box_source(write({1: "things", 2: "elk"}, [box(1, 2)]), NAMES)) == [[2], []]


def test_two_categories_cannot_be_one_class(write):
    with pytest.raises(
        InputError, match=r"category 2: 'Elk' is the model's class 'elk', and so is"
    ):
        load_box_source(write({1: "elk", 2: "Elk"}, [box(1, 2), box(2, 1)]), NAMES)


def test_an_unused_category_does_not_compete_with_its_namesake(write):
    root_first = write({0: "elk", 3: "elk", 4: "Elk"}, [box(1, 3)])
    assert classes(load_box_source(root_first, NAMES)) == [[2], []]


def test_names_are_compared_in_one_normal_form(write):
    source = write({7: "Gru\u0308ne Eule"}, [box(1, 7)])
    assert classes(load_box_source(source, ["elk", "Gr\u00fcne Eule"])) == [[1], []]


def test_names_of_coco_2014_are_cut_in_the_files_of_the_benchmark_alone(write):
    image = IMAGES[0] | {"file_name": "COCO_train2014_000000000007.jpg"}
    mine = replace(write({2: "elk"}, [], [image]), format="lvis")
    assert load_box_source(mine, NAMES)[0]["file_name"] == f"ROOT/{image['file_name']}"
    registered = read_entry({"name": "replay", "dataset": "lvis_v1_train+coco"})
    registered = replace(registered, annotations=mine.annotations, images="ROOT")
    assert load_box_source(registered, NAMES)[0]["file_name"] == "ROOT/000000000007.jpg"


def test_verified_absence_is_matched_too(write):
    images = [IMAGES[0] | {"neg_category_ids": [2, 1]}]
    source = write({1: "things", 2: "elk"}, [], images)
    assert load_box_source(source, NAMES)[0]["neg_category_ids"] == [2]


def test_a_recipe_names_a_source_and_its_files_are_opened_when_used(named, write, tmp_path):
    named.DATALOADER.BOX_SOURCES = [entry(annotations=str(tmp_path / "boxes.json"), images="P")]
    register_box_sources(named.DATALOADER.BOX_SOURCES, ModelClasses.from_config(named))
    register_box_sources(
        named.DATALOADER.BOX_SOURCES, ModelClasses.from_config(named)
    )  # the name may be registered from before
    write({5: "elk"}, [box(1, 5)])
    assert DatasetCatalog.get("mine")[0]["file_name"] == "P/1.jpg"
    metadata = MetadataCatalog.get("mine")
    assert metadata.thing_classes == NAMES
    assert dict(metadata.thing_dataset_id_to_contiguous_id) == {5: 2}
    assert metadata.evaluator_type == "coco"


def test_a_registered_dataset_gives_format_and_files(monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", "/data")
    source = read_entry({"name": "replay", "dataset": "coco_2017_val"})
    assert source == BoxSource(
        "replay",
        "coco",
        "coco",
        "/data/coco/annotations/instances_val2017.json",
        "/data/coco/val2017",
    )
    assert read_entry({"name": "replay", "dataset": "lvis_v1_train"}).format == "lvis"


def options(**given):
    """Return the fields of a source that an entry with options has."""
    source = read_entry(entry(**given))
    return {"selection": source.selection, "labelled_classes": source.labelled_classes}


def test_scores_and_doubt_reach_the_records_where_they_are_asked_for(write):
    found = [box(1, 2, score=0.9), box(2, 2, score=0.4), box(3, 2, score=0.1)]
    for style in ("coco", "lvis"):
        source = replace(write({2: "elk"}, found), format=style)
        plain = load_box_source(source, NAMES)[0]
        assert len(plain["annotations"]) == 3
        assert "score" not in plain["annotations"][0]
        chosen = options(min_score=0.5, uncertain_from=0.2, weigh_by_score=True)
        records = load_box_source(replace(source, **chosen), NAMES)
        assert [a["score"] for a in records[0]["annotations"]] == [0.9, 0.4]
        assert [a["iscrowd"] for a in records[0]["annotations"]] == [0, 1]
        assert records[0]["excludes_crowds"]
        assert records.boxes().is_crowd.tolist() == [False, True]  # and so it is counted


@pytest.mark.parametrize(
    ("labelled", "expected"),
    [
        ("categories", [True, False, True]),
        ("annotated", [False, False, True]),
        (["Barn_owl"], [False, True, False]),
    ],
)
def test_a_source_may_be_labelled_for_some_classes_only(write, labelled, expected):
    source = write({1: "red fox", 2: "elk", 3: "things"}, [box(1, 2)])
    assert "labelled_classes" not in load_box_source(source, NAMES)[0]
    records = load_box_source(replace(source, **options(labelled_classes=labelled)), NAMES)
    assert [record["labelled_classes"].tolist() for record in records] == [expected] * 2


def test_a_class_that_was_found_in_doubt_alone_is_not_annotated(write):
    source = write({1: "red fox", 2: "elk"}, [box(1, 2, score=0.9), box(2, 1, score=0.3)])
    chosen = options(min_score=0.5, uncertain_from=0.2, labelled_classes="annotated")
    records = load_box_source(replace(source, **chosen), NAMES)
    assert records[0]["labelled_classes"].tolist() == [False, False, True]


def test_registered_datasets_have_options_too():
    source = read_entry({"name": "r", "dataset": "lvis_v1_train", "labelled_classes": "annotated"})
    assert source.labelled_classes == "annotated"
    assert source.has_coco_2014_names


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("mine", "has 'mine'; expected mappings with name, format, annotations, images"),
        (entry(format="voc"), "BOX_SOURCES: unknown format 'voc'; choose coco or lvis"),
        (entry(image="x"), "unknown field 'image'; .*did you mean 'images'"),
        ({"name": "a", "format": "coco", "images": "x"}, "give it a text for annotations"),
        ({"name": "a", "dataset": "coco_2017_vall"}, "did you mean 'coco_2017_val'"),
        (
            {"name": "a", "dataset": "x", "images": "y"},
            "unknown field 'images'; choose name, dataset,",
        ),
        (entry(min_score=1.5), "'mine': min_score is 1.5; expected a number from 0 to 1"),
        (entry(min_score_of={"elk": 2}), "min_score_of is .*expected a mapping from names"),
        (entry(top_share=0), "top_share is 0; expected a number above 0, at most 1"),
        (entry(min_score=0.5, uncertain_from="x"), "uncertain_from is 'x'; expected a number"),
        (entry(uncertain_from=0.2), "has uncertain_from, .*choose by min_score, min_score_of, top"),
        (
            entry(min_score=0.5, uncertain_from=0.5),
            "uncertain_from is 0.5, min_score is 0.5; boxes",
        ),
        (entry(weigh_by_score=1), "weigh_by_score is 1; expected true or false"),
        (entry(labelled_classes="all"), "is 'all'; expected 'categories', 'annotated' or a list"),
        (entry(name="pets"), "there is another dataset 'pets'; choose another name"),
    ],
)
def test_an_unusable_entry_is_named(named, pets, wrong, message):
    named.DATALOADER.BOX_SOURCES = [wrong]
    with pytest.raises(InputError, match=message):
        register_box_sources(named.DATALOADER.BOX_SOURCES, ModelClasses.from_config(named))
