"""LVIS: rare classes, counts, COCO's boxes, ImageNet-21K's classes."""

from detic.vocabulary import builtin_categories

IMAGE = {
    "id": 9,
    "height": 4,
    "width": 6,
    "coco_url": "http://images.cocodataset.org/train2017/000000000009.jpg",
    "neg_category_ids": [],
}


def lvis():
    """Two boxes: of a rare class (2 images in the builtin list's letter r) and of a frequent one."""
    categories = builtin_categories("lvis")
    rare = next(c["id"] for c in categories if c["frequency"] == "r")
    frequent = next(c["id"] for c in categories if c["frequency"] == "f")
    return {
        "categories": categories,
        "images": [IMAGE],
        "annotations": [
            {"id": i, "image_id": 9, "category_id": c, "bbox": [0, 0, 2, 2]}
            for i, c in enumerate((rare, frequent), start=1)
        ],
    }


def test_remove_lvis_rare(run_tool, write_json, read_json, capsys):
    write_json("lvis/lvis_v1_train.json", lvis())
    assert run_tool("remove_lvis_rare") == 0
    assert len(read_json("lvis/lvis_v1_train_norare.json")["annotations"]) == 1
    assert "1 images, 1 annotations, 1203 categories" in capsys.readouterr().out


def test_get_lvis_cat_info(run_tool, write_json, read_json):
    write_json("lvis/lvis_v1_train.json", lvis())
    run_tool("get_lvis_cat_info", "--ann", "datasets/lvis/lvis_v1_train.json", "--add_freq")
    info = read_json("lvis/lvis_v1_train_cat_info.json")
    assert [c["image_count"] for c in info].count(1) == 2
    assert {c["frequency"] for c in info} == {"r"}


def test_get_lvis_cat_info_without_a_download(run_tool, read_json):
    out = "metadata/lvis_v1_train_cat_info.json"
    run_tool("get_lvis_cat_info", "--builtin", "lvis", "--out_path", f"datasets/{out}")
    assert read_json(out) == builtin_categories("lvis")


def test_merge_lvis_coco(run_tool, write_json, read_json):
    write_json("lvis/lvis_v1_train.json", lvis())
    person = {"id": 5, "image_id": 9, "category_id": 1, "bbox": [0, 0, 2, 2], "segmentation": []}
    coco = {
        "categories": [{"id": 1, "name": "person"}],
        "images": [{"id": 9, "file_name": "000000000009.jpg", "height": 4, "width": 6}],
        "annotations": [person],
    }
    write_json("coco/annotations/instances_train2017.json", coco)
    run_tool("merge_lvis_coco")
    merged = read_json("lvis/lvis_v1_train+coco_mask.json")["annotations"]
    assert [a["id"] for a in merged] == [1, 2, 3]
    assert merged[2]["category_id"] == 793  # person in LVIS
    run_tool("merge_lvis_coco", "--no_mask")
    boxes = read_json("lvis/lvis_v1_train+coco_box.json")["annotations"]
    assert "segmentation" in merged[2]
    assert "segmentation" not in boxes[2]


def test_create_lvis_21k(run_tool, write_json, read_json, root):
    write_json("lvis/lvis_v1_train.json", lvis())
    imagenet = {
        "categories": [{"id": 1, "synset": "organism.n.01", "name": "organism"}],
        "images": [{"id": 1, "tar_index": 0, "height": 4, "width": 6, "pos_category_ids": [1]}],
        "annotations": [],
    }
    write_json("imagenet/annotations/imagenet-22k_image_info.json", imagenet)
    run_tool("create_lvis_21k", "--save_categories", "datasets/all.json")
    lvis_22k = read_json("lvis/lvis_v1_train_lvis-22k.json")
    merged = read_json("imagenet/annotations/imagenet-22k_image_info_lvis-22k.json")
    assert len(lvis_22k["categories"]) == len(merged["categories"]) == 22047
    assert lvis_22k["annotations"] == lvis()["annotations"]
    assert merged["images"][0]["pos_category_ids"] == [1204]
    assert read_json("all.json") == merged["categories"]


def test_create_lvis_21k_for_one_of_the_files(run_tool, write_json, root):
    write_json("lvis/lvis_v1_train.json", lvis())
    run_tool("create_lvis_21k", "--not_save_imagenet")
    assert (root / "lvis/lvis_v1_train_lvis-22k.json").is_file()
