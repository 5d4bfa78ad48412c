"""What the programs say about files that are not as they should be."""

import json

import pytest

from detic.errors import InputError

CATEGORY = {"id": 1, "name": "cat", "synonyms": ["cat"], "frequency": "r", "synset": "cat.n.01"}
IMAGE = {"id": 7, "height": 4, "width": 6, "file_name": "a.jpg", "captions": ["a cat sleeps"]}
CAPTION = {"id": 1, "image_id": 7, "caption": "a cat sleeps"}


def document(image=None, category=None, annotation=None):
    annotations = [] if annotation is None else [annotation]
    return {
        "images": [IMAGE | (image or {})],
        "categories": [CATEGORY | (category or {})],
        "annotations": annotations,
    }


def without(record, field):
    return {key: value for key, value in record.items() if key != field}


TAGS = ("get_cc_tags", "--cc_ann", "datasets/a.json", "--out_path", "datasets/o.json")
PATHS = ("fix_o365_path", "--ann", "datasets/a.json", "--img_dir", "datasets")
RARE = ("remove_lvis_rare", "--ann", "datasets/a.json")
MERGE = ("merge_lvis_coco", "--lvis_path", "datasets/a.json", "--coco_path", "datasets/a.json")
JOIN_21K = ("create_lvis_21k", "--not_save_lvis", "--imagenet_path", "datasets/a.json")
JOIN_21K += ("--lvis_path", "datasets/lvis.json")
EMBED = ("dump_clip_features", "--ann", "datasets/a.json", "--out_path", "datasets/o.npy")


@pytest.mark.parametrize(
    ("program", "content", "message"),
    [
        (TAGS, document({"captions": 5}), r"image number 1 \(id 7\): 'captions' is 5; expected"),
        (TAGS, document({"captions": [5]}), r"'captions' is \[5\]; expected a list, each a text"),
        (TAGS, document({"captions": {"a": 1}}), "'captions' is .*; expected a list"),
        (TAGS, document({"id": [1]}), r"'id' is \[1\]; expected an integer or a text"),
        (TAGS, document({"id": True}), "'id' is True; expected an integer or a text"),
        (TAGS, document() | {"images": [5]}, "image number 1 is 5, not an object"),
        (TAGS, document(category={"synonyms": "cat"}), r"category number 1 \(id 1\): 'synonyms'"),
        (
            (*TAGS, "--convert_caption"),
            document(annotation=CAPTION | {"caption": None}),
            r"annotation number 1 \(id 1\): 'caption' is None; expected a text",
        ),
        (
            (*TAGS, "--convert_caption"),
            document(annotation=CAPTION | {"image_id": [7]}),
            r"annotation number 1 .*'image_id' is \[7\]",
        ),
        (
            (*TAGS, "--convert_caption"),
            document(annotation=without(CAPTION, "caption")),
            "'caption' is missing; expected a text",
        ),
        ((*TAGS, "--convert_caption"), document(annotation=5), "annotation number 1 is 5"),
        (PATHS, document({"file_name": 5}), r"image number 1 \(id 7\): 'file_name' is 5"),
        (PATHS, document({"file_name": None}), "'file_name' is missing; expected a text"),
        (RARE, document(category={"frequency": "x"}), "'frequency' is 'x'; expected r, c or f"),
        (RARE, document(category={"frequency": ["r"]}), r"'frequency' is \['r'\]"),
        (
            RARE,
            document() | {"categories": [without(CATEGORY, "frequency")]},
            r"category number 1 \(id 1\): 'frequency' is missing",
        ),
        (MERGE, document({"file_name": 5}), "'file_name' is 5; expected the path"),
        (MERGE, document({"coco_url": 5}), "'coco_url' is 5; expected a text"),
        (MERGE, document({"neg_category_ids": 5}), "5 is not a list of ids .*'neg_category_ids'"),
        (MERGE, document({"neg_category_ids": [[1]]}), "is not a list of ids .*'neg_category_ids'"),
        (
            JOIN_21K,
            document({"pos_category_ids": 5}),
            "5 is not a list of ids .*'pos_category_ids'",
        ),
        (
            JOIN_21K,
            document({"pos_category_ids": [[1]]}),
            "is not a list of ids .*'pos_category_ids'",
        ),
        (JOIN_21K, document(category={"synset": 5}), "'synset' is 5; expected a text"),
        (
            JOIN_21K,
            document() | {"categories": [without(CATEGORY, "synset")]},
            "'synset' is missing; expected a text",
        ),
        (EMBED, document(category={"synonyms": 5}), "'synonyms' is 5; expected a list"),
    ],
)
def test_records_are_named_with_file_and_field(
    run_tool, write_json, root, program, content, message
):
    write_json("a.json", content)
    write_json("lvis.json", document())
    with pytest.raises(InputError, match=rf"a\.json: .*{message}"):
        run_tool(*program)
    assert not [path for path in root.iterdir() if path.name.startswith("o.")]


def test_folders_with_names_that_cannot_be_are_named(run_tool, write_json):
    write_json("a.json", document({"file_name": "n" * 300 + "/a.jpg"}))
    with pytest.raises(InputError, match="nnn cannot be read: File name too long"):
        run_tool(*PATHS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1,Person", r"t\.csv, line 1: .*; expected id,released name,corrected name"),
        (b"1,a,b\nx,a,b", r"t\.csv, line 2: "),
        (b"1" * 5000 + b",a,b", r"t\.csv, line 1: "),
        (b"\xff\xfe", r"t\.csv is not UTF-8 text"),
        (b'1,a,b\n2,"' + b"x" * 200_000 + b'",b', r"t\.csv, line 2: .*field larger than"),
    ],
    ids=["columns", "id", "digits", "binary", "long"],
)
def test_tables_are_named_with_their_line(run_tool, write_json, root, content, message):
    (root / "t.csv").write_bytes(content)
    write_json("a.json", document())
    with pytest.raises(InputError, match=message):
        run_tool(
            *("fix_o365_names", "--ann", "datasets/a.json", "--fix_name_map", "datasets/t.csv")
        )


OID = {
    "challenge-2019-classes-description-500.csv": "/m/x,Thing",
    "train-images-boxable-with-rotation.csv": "ImageID\na1",
    "train_sizes-00000-of-00001.csv": "ImageID,width,height\na1,10,10",
    "challenge-2019-train-detection-human-imagelabels.csv": "ImageID,LabelName,Confidence",
    "challenge-2019-train-detection-bbox.csv": "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\n"
    "a1,/m/x,0,0.5,0,0.5,0",
}
CLASSES, IMAGES, SIZES, LABELS, BOXES = OID


@pytest.mark.parametrize(
    ("table", "content", "message"),
    [
        (CLASSES, "/m/x,Thing,more", "line 1: .*expected a freebase id and a name"),
        (IMAGES, "ImageID,Rotation\n,0", "line 2: .*'' is no id of an image"),
        (IMAGES, "ImageID\n../../a", "line 2: .* is no id of an image"),
        (SIZES, "ImageID,width,height\na1,0,5", "line 2: .*'0' is no size of an image"),
        (SIZES, "ImageID,width,height\na1,nan,5", "line 2: .*invalid literal"),
        (BOXES, OID[BOXES].replace("0.5", "nan"), "line 2: .*'nan' is no number"),
        (BOXES, OID[BOXES].replace("0.5", "1e999"), "line 2: .*'1e999' is no number"),
        (BOXES, OID[BOXES].replace(",0.5,0\n", ""), ""),
        (BOXES, "ImageID,LabelName", "has no column XMin"),
        (BOXES, OID[BOXES] + "\na1,/m/x", "line 3: .*list index out of range"),
        (LABELS, OID[LABELS] + "\na1,/m/x,yes", "line 2: .*could not convert"),
    ],
)
def test_openimages_tables_are_named_with_their_line(run_tool, root, table, content, message):
    folder = root / "oid/annotations"
    folder.mkdir(parents=True)
    for name, text in (OID | {table: content}).items():
        (folder / name).write_text(text)
    if not message:
        assert run_tool("convert_openimages", "--split", "train") == 0
        return
    with pytest.raises(InputError, match=message) as caught:
        run_tool("convert_openimages", "--split", "train")
    assert caught.match(table)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,frequency,bbox/AP,num_gt\ncat,,high,3", r"line 2: bbox/AP is 'high'; expected"),
        ("name,frequency,bbox/AP,num_gt\ncat,,inf,3", "line 2: bbox/AP is 'inf'; expected"),
        ("name,frequency,bbox/AP,num_gt\ncat,,5", "line 2 has 3 columns; expected 4"),
        ("name,frequency,bbox/AP,num_gt\ncat,,5,3,9", "line 2 has 5 columns; expected 4"),
        ("name,bbox/AP\n" + "c" * 200_000 + ",5", "line 2: .*field larger than field limit"),
        ("class,bbox/AP\ncat,5", "has no precisions of classes"),
        ("", "has no precisions of classes"),
        ("name,bbox/AP50\ncat,5", "unknown metric 'bbox/AP'; choose bbox/AP50"),
    ],
    ids=lambda value: value[:30],
)
def test_evaluations_are_named_with_their_line(run_tool, root, content, message):
    (root / "per_class.csv").write_text(content)
    names = root / "n.txt"
    names.write_text("cat\n")
    with pytest.raises(InputError, match=rf"per_class\.csv.*{message}"):
        run_tool(
            "forgetting_report", "--before", str(root), "--after", str(root), "--new", str(names)
        )


@pytest.mark.parametrize(
    ("program", "made"),
    [
        (RARE, "a_norare.json"),
        (TAGS, "o.json"),
        ((*TAGS, "--keep_images"), "o_full.json"),
        (PATHS, "a_fixmiss.json"),
        (("fix_o365_names", "--ann", "datasets/a.json"), "a_fixname.json"),
        (MERGE, "a+coco_mask.json"),
        (JOIN_21K, "a_lvis-22k.json"),
        (EMBED, "o.npy"),
        (("get_lvis_cat_info", "--ann", "datasets/a.json"), "a_cat_info.json"),
        (
            ("join_vocabularies", "--vocabularies", "coco", "--out_path", "datasets/o.json"),
            "o.json",
        ),
        (("get_coco_zeroshot", "--out_path", "datasets/"), "instances_val2017_all_2.json"),
        (("get_coco_zeroshot_oriorder", "--data_path", "datasets/a.json"), "a_oriorder.json"),
        (("download_cc", "--out_path", "datasets/o.json"), "o.json"),
        (("create_imagenetlvis_json", "--out_path", "datasets/o.json"), "o.json"),
        (("get_imagenet_21k_full_tar_json", "--out_path", "datasets/o.json"), "o.json"),
        (("make_wordnet_hypernyms", "--wordnet", "w", "--out_path", "datasets/o.gz"), "o.gz"),
        (("convert_openimages", "--split", "val", "--path", "datasets"), None),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_files_that_exist_are_kept(run_tool, write_json, root, program, made):
    write_json("a.json", document())
    made = made or "annotations/oid_challenge_2019_val_expanded.json"
    (root / made).parent.mkdir(exist_ok=True)
    (root / made).write_text("mine")
    with pytest.raises(InputError, match="exists and is kept; --overwrite replaces it"):
        run_tool(*program)
    assert (root / made).read_text() == "mine"


def test_a_file_is_replaced_if_that_is_asked_for(run_tool, write_json, root):
    write_json("a.json", document())
    (root / "a_norare.json").write_text("mine")
    assert run_tool(*RARE, "--overwrite") == 0
    assert json.loads((root / "a_norare.json").read_text())["annotations"] == []


@pytest.mark.parametrize("program", ["convert_openimages", "check_data", "download_cc"])
def test_workers_are_at_least_one(run_tool, program, capsys):
    split = ("--split", "val") if program == "convert_openimages" else ()
    for number, message in (("0", "0 is too small; choose at least 1"), ("x", "no whole number")):
        with pytest.raises(SystemExit) as stopped:
            run_tool(program, *split, "--workers", number)
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err


def test_a_missing_checkpoint_is_named_as_one(run_tool, tmp_path):
    with pytest.raises(InputError, match=r"^no checkpoint at .*none\.pth; looked for") as caught:
        run_tool("convert_checkpoint", f"{tmp_path}/none.pth", f"{tmp_path}/o.pth", "--to", "mmdet")
    assert "MODEL.WEIGHTS" not in str(caught.value)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (("dump_clip_features", "--names", "", *EMBED[3:]), "name 1 is empty"),
        (
            ("evaluate_predictions", "--dataset", "", "--predictions", "a.json"),
            "unknown dataset ''|no file of detections",
        ),
        (("remove_lvis_rare", "--ann", ""), "name an annotation file"),
    ],
)
def test_empty_arguments_are_mistakes(run_tool, program, message):
    with pytest.raises(InputError, match=message):
        run_tool(*program)
