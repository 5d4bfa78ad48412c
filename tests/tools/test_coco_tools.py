"""Open-vocabulary COCO and captions."""

from detectron2.data import MetadataCatalog

from detic.datasets.coco_style import load_coco_style_json
from detic.vocabulary import builtin_categories

IMAGES = [
    {"id": i, "file_name": f"{i:012}.jpg", "height": 4, "width": 6, "license": 1} for i in (1, 2, 3)
]
PERSON, CAT, TRAFFIC_LIGHT = 1, 17, 10  # seen, unseen, in neither group


def coco():
    annotations = [
        {"id": i, "image_id": i, "category_id": c, "bbox": [0, 0, 2, 2], "iscrowd": 0}
        for i, c in enumerate((PERSON, CAT, TRAFFIC_LIGHT), start=1)
    ]
    return {"categories": builtin_categories("coco"), "images": IMAGES, "annotations": annotations}


def test_open_vocabulary_coco_from_coco_and_the_split(run_tool, root, write_json, read_json):
    write_json("coco/annotations/instances_train2017.json", coco())
    write_json("coco/annotations/instances_val2017.json", coco())
    run_tool("get_coco_zeroshot")
    folder = root / "coco/zero-shot"
    assert sorted(path.name for path in folder.iterdir()) == [
        "instances_train2017_seen_2.json",
        "instances_val2017_all_2.json",
        "instances_val2017_seen_2.json",
        "instances_val2017_unseen_2.json",
    ]
    for stem in ("instances_train2017_seen_2", "instances_val2017_all_2"):
        data_path = f"datasets/coco/zero-shot/{stem}.json"
        run_tool("get_coco_zeroshot_oriorder", "--data_path", data_path)
    oriorder = "datasets/coco/zero-shot/instances_train2017_seen_2_oriorder.json"
    run_tool("get_lvis_cat_info", "--ann", oriorder)

    expected = {
        "coco_zeroshot_train": [(1, "person")],
        "coco_zeroshot_val": [(2, "cat")],
        "coco_not_zeroshot_val": [(1, "person")],
        "coco_generalized_zeroshot_val": [(1, "person"), (2, "cat")],
        "coco_zeroshot_train_oriorder": [(1, "person")],
    }
    for name, objects in expected.items():
        metadata = MetadataCatalog.get(name)
        path = folder / metadata.json_file.rsplit("/", 1)[1]
        records = load_coco_style_json(str(path), "", name)
        found = [
            (r["image_id"], metadata.thing_classes[a["category_id"]])
            for r in records
            for a in r["annotations"]
        ]
        assert found == objects
    counts = read_json("coco/zero-shot/instances_train2017_seen_2_oriorder_cat_info.json")
    assert len(counts) == 80
    assert [c["name"] for c in counts if c["image_count"]] == ["person"]


def test_captions_of_coco_become_image_labels(run_tool, write_json, read_json):
    captions = ["a person here", "nothing", "one dog and more"]
    annotations = [{"id": i, "image_id": 1, "caption": c} for i, c in enumerate(captions)]
    write_json(
        "coco/annotations/captions_train2017.json", {"images": IMAGES, "annotations": annotations}
    )
    write_json("coco/annotations/instances_val2017.json", coco())
    out = "coco/annotations/captions_train2017_tags_allcaps.json"
    arguments = ["--cc_ann", "datasets/coco/annotations/captions_train2017.json"]
    arguments += ["--out_path", f"datasets/{out}", "--allcaps", "--convert_caption"]
    arguments += ["--cat_path", "datasets/coco/annotations/instances_val2017.json"]
    run_tool("get_cc_tags", *arguments)
    (image,) = read_json(out)["images"]
    assert image["pos_category_ids"] == [1, 18]  # COCO's ids of person and dog
    assert image["captions"] == captions
    run_tool("get_cc_tags", *arguments, "--keep_images")
    assert len(read_json(out.replace(".json", "_full.json"))["images"]) == 3


def test_captions_of_conceptual_captions_are_tagged_with_lvis(run_tool, root, read_json, jpeg):
    (root / "cc3m/training").mkdir(parents=True)
    (root / "cc3m/training/2.jpg").write_bytes(jpeg)
    (root / "cc3m/GCC-training.tsv").write_text("gone\thttp://x/1\na dog barks\thttp://x/2\n")
    run_tool("download_cc", "--not_download_image")
    arguments = ["--cc_ann", "datasets/cc3m/train_image_info.json"]
    run_tool("get_cc_tags", *arguments, "--out_path", "datasets/cc3m/train_image_info_tags.json")
    tagged = read_json("cc3m/train_image_info_tags.json")
    dog = next(c["id"] for c in builtin_categories("lvis") if c["name"] == "dog")
    assert tagged["images"][0]["pos_category_ids"] == [dog]
    assert (tagged["images"][0]["file_name"], tagged["images"][0]["width"]) == ("2.jpg", 6)
