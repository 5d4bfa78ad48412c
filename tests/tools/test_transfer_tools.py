"""Objects365, OpenImages and class embeddings."""

import numpy as np
import pytest
from safetensors.torch import save_file

from detic.datasets.coco_style import load_coco_style_json
from detic.errors import InputError
from detic.vocabulary import (
    CLIPTextEncoder,
    builtin_categories,
    builtin_vocabulary,
    read_embeddings,
    weights_fingerprint,
)


def objects365():
    names = {53: "Bakset", 365: "Table Tennis "}
    categories = [
        {"id": c["id"], "name": names.get(c["id"], c["name"])}
        for c in builtin_categories("objects365")
    ]
    released = {38: "Moniter/TV", 99: "Dinning Table"}
    for category in categories:
        category["name"] = released.get(category["id"], category["name"])
    images = [
        {"id": i, "file_name": f"images/v1/patch0/{i}.jpg", "height": 4, "width": 6} for i in (1, 2)
    ]
    annotations = [
        {"id": i, "image_id": i, "category_id": 53, "bbox": [0, 0, 2, 2], "iscrowd": 0}
        for i in (1, 2)
    ]
    return {"categories": categories, "images": images, "annotations": annotations}


def test_objects365_names_and_missing_images(run_tool, root, write_json):
    folder = "objects365/annotations/zhiyuan_objv2_train"
    write_json(f"{folder}.json", objects365())
    image = root / "objects365/train/images/v1/patch0/2.jpg"
    image.parent.mkdir(parents=True)
    image.touch()
    run_tool("fix_o365_names", "--ann", f"datasets/{folder}.json")
    run_tool("fix_o365_path", "--ann", f"datasets/{folder}_fixname.json")
    path = root / f"{folder}_fixname_fixmiss.json"
    (record,) = load_coco_style_json(str(path), "", "objects365_v2_train")
    assert (record["image_id"], len(record["annotations"])) == (2, 1)


def test_objects365_without_any_image_is_a_wrong_folder(run_tool, root, write_json):
    write_json("objects365/annotations/zhiyuan_objv2_train_fixname.json", objects365())
    with pytest.raises(InputError, match=r"none of the 2 images is in .*objects365/train"):
        run_tool("fix_o365_path")


def test_openimages(run_tool, root):
    folder = root / "oid/annotations"
    folder.mkdir(parents=True)
    for name, lines in {
        "challenge-2019-classes-description-500.csv": ["/m/x,Thing"],
        "train-images-boxable-with-rotation.csv": ["ImageID", "a1"],
        "train_sizes-00000-of-00001.csv": ["ImageID,width,height", "a1,10,10"],
        "challenge-2019-train-detection-human-imagelabels.csv": ["ImageID,LabelName,Confidence"],
        "challenge-2019-train-detection-bbox.csv": [
            "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf",
            "a1,/m/x,0,0.5,0,0.5,0",
        ],
    }.items():
        (folder / name).write_text("\n".join(lines))
    run_tool("convert_openimages", "--split", "train")
    (record,) = load_coco_style_json(str(folder / "oid_challenge_2019_train_bbox.json"), "oid")
    assert record["file_name"] == "oid/a/a1.jpg"
    assert record["annotations"][0]["bbox"] == [0, 0, 5, 5]


@pytest.fixture
def weights(tmp_path):
    """A file with a tiny text encoder."""
    encoder = CLIPTextEncoder(
        context_length=16, vocab_size=600, width=64, heads=1, layers=1, embed_dim=8
    )
    save_file(encoder.state_dict(), tmp_path / "clip.safetensors")
    return str(tmp_path / "clip.safetensors")


def test_embeddings_of_a_vocabulary_of_names_and_of_a_file(run_tool, root, write_json, weights):
    write_json("a.json", {"categories": [{"id": 2, "name": "dog"}, {"id": 1, "name": "cat"}]})
    for name, arguments in {
        "file": ["--ann", "datasets/a.json"],
        "names": ["--names", "cat, dog"],
        "coco": ["--vocabulary", "coco"],
    }.items():
        out = ["--out_path", f"datasets/metadata/{name}.npy", "--clip_model", weights]
        run_tool("dump_clip_features", *arguments, *out)
    file, names, coco = (
        np.load(root / f"metadata/{name}.npy") for name in ("file", "names", "coco")
    )
    assert (coco.shape, coco.dtype) == ((80, 8), np.float16)
    np.testing.assert_array_equal(file, names)
    cat, dog = (builtin_vocabulary("coco").names.index(name) for name in ("cat", "dog"))
    np.testing.assert_allclose(coco[[cat, dog]], names, atol=2e-3)


def test_synonyms_can_be_averaged(run_tool, root, write_json, weights):
    categories = [{"id": 1, "name": "x", "synonyms": ["cat", "dog"]}]
    write_json("a.json", {"categories": categories})
    common = ["--clip_model", weights, "--prompt", "none", "--out_path"]
    run_tool(
        "dump_clip_features",
        "--ann",
        "datasets/a.json",
        "--avg_synonyms",
        *common,
        "datasets/m.npy",
    )
    run_tool("dump_clip_features", "--names", "cat,dog", *common, "datasets/n.npy")
    mean = np.load(root / "n.npy").astype(np.float32).mean(axis=0)
    np.testing.assert_allclose(np.load(root / "m.npy")[0], mean, atol=2e-3)


def test_embeddings_with_names_know_the_text_encoder(run_tool, root, weights):
    out = ["--out_path", "datasets/v.safetensors", "--clip_model", weights]
    run_tool("dump_clip_features", "--names", "cat,dog", *out)
    table = read_embeddings(root / "v.safetensors", 8, 2, text_weights=weights)
    assert (table.model, table.fingerprint) == ("clip.safetensors", weights_fingerprint(weights))
    assert table.names == ("cat", "dog")
