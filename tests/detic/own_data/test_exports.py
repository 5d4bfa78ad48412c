"""Each format of exports is recognised and read: what a tool wrote becomes annotated images."""

import json

import numpy as np
import pytest
from hotcoco import mask as run_lengths

from detic.detections import Detections
from detic.errors import InputError
from detic.outputs import WRITERS, ImageRecord
from detic.outputs.writer import Category
from detic.own_data.annotated import ImageFinder, Problems, split_of
from detic.own_data.brush import decode_brush, encode_brush
from detic.own_data.formats import FORMATS, read_export, recognise

BOX = (10.0, 5.0, 30.0, 15.0)  # XYWH in an image of 60 x 40
TRIANGLE = [10.0, 5.0, 40.0, 5.0, 10.0, 20.0]  # with the same box


def coco(file_name="a.jpg", **annotation):
    annotation = {"id": 1, "image_id": 7, "category_id": 3, "bbox": list(BOX)} | annotation
    return {
        "images": [{"id": 7, "file_name": file_name, "width": 60, "height": 40}],
        "annotations": [annotation],
        "categories": [{"id": 0, "name": "pets"}, {"id": 3, "name": "cat"}],
    }


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def the_object(images):
    """Return the one object of the one image."""
    [image] = images
    [found] = image.objects
    return found


def splits(images):
    return {image.path.name: image.split for image in images}


def test_coco_finds_the_folder_of_the_images(tmp_path, write_image):
    write_image("far/away/pictures/val/a.jpg")
    write_image("pictures/val/b.jpg")
    far, near = (
        write_json(tmp_path / "labels" / f"{name}.json", coco(f"val/{name}.jpg", iscrowd=1))
        for name in "ab"
    )
    assert recognise(near) == "coco"
    found = the_object(read_export(near))
    assert (found.name, found.box_xywh, found.is_crowd) == ("cat", BOX, True)
    with pytest.raises(InputError, match=r"first image 'val/a\.jpg' is neither .* --images"):
        read_export(far)
    assert the_object(read_export(far, tmp_path / "far" / "away" / "pictures")) == found


def test_coco_of_a_folder_takes_the_file_of_each_split(tmp_path, write_image):
    for split, name in (("train", "a.jpg"), ("val", "b.jpg")):
        write_image(f"{split}2017/{name}")
        write_json(tmp_path / "annotations" / f"instances_{split}2017.json", coco(name))
    write_json(tmp_path / "annotations" / "captions_val2017.json", coco("b.jpg"))
    assert recognise(tmp_path) == "coco"
    assert splits(read_export(tmp_path)) == {"a.jpg": "train", "b.jpg": "val"}


def test_coco_of_two_files_without_a_split_is_refused(tmp_path):
    for name in "ab":
        write_json(tmp_path / f"{name}.json", coco())
    with pytest.raises(InputError, match=r"several annotation files of one split, a\.json and b"):
        read_export(tmp_path)


def test_coco_names_an_image_that_is_missing(tmp_path, write_image):
    write_image("a.jpg")
    document = coco()
    document["images"].append({"id": 8, "file_name": "gone.jpg", "width": 1, "height": 1})
    file = write_json(tmp_path / "boxes.json", document)
    with pytest.raises(InputError, match=r"boxes\.json, image 8: there is no image .*gone\.jpg"):
        read_export(file)


def test_roboflow_has_a_folder_for_each_split(tmp_path, write_image):
    for folder, name in (("train", "a.jpg"), ("valid", "b.jpg"), ("test", "c.jpg")):
        write_image(f"{folder}/{name}")
        write_json(tmp_path / folder / "_annotations.coco.json", coco(name))
    assert recognise(tmp_path) == "roboflow"
    images = read_export(tmp_path)
    assert splits(images) == {"a.jpg": "train", "b.jpg": "val", "c.jpg": "test"}
    assert the_object(images[:1]).name == "cat"


def write_yolo(tmp_path, lines, **description):
    description = {"train": "../train/images", "names": ["dog", "cat"]} | description
    (tmp_path / "data.yaml").write_text(json.dumps(description))
    (tmp_path / "train" / "labels").mkdir(parents=True, exist_ok=True)
    (tmp_path / "train" / "labels" / "a.txt").write_text("\n".join(lines))


def test_yolo_reads_boxes_and_polygons_in_fractions(tmp_path, write_image):
    write_image("train/images/a.jpg")
    write_image("train/images/empty.jpg")
    polygon = [x / side for x, side in zip(TRIANGLE, (60, 40) * 3, strict=True)]
    write_yolo(tmp_path, ["1 0.41666667 0.3125 0.5 0.375", "0 " + " ".join(map(str, polygon)), ""])
    assert recognise(tmp_path) == recognise(tmp_path / "data.yaml") == "yolo"
    boxed, empty = read_export(tmp_path)
    box, mask = boxed.objects
    assert (box.name, box.mask) == ("cat", None)
    np.testing.assert_allclose(box.box_xywh, BOX, atol=1e-5)
    assert mask.name == "dog"
    np.testing.assert_allclose(mask.mask, [TRIANGLE])
    np.testing.assert_allclose(mask.box_xywh, BOX)
    assert (boxed.split, boxed.size_hw, empty.objects) == ("train", (40, 60), ())


def test_yolo_names_all_wrong_lines_at_once(tmp_path, write_image):
    write_image("train/images/a.jpg")
    write_yolo(
        tmp_path, ["2 0.5 0.5 0.1 0.1", "0 0.5 0.5 30 15", "0 0.5 0.5", "0 x", "1 0.5 0.5 0 1"]
    )
    with pytest.raises(InputError) as caught:
        read_export(tmp_path)
    message = str(caught.value)
    assert "5 records cannot be used" in message
    for line, problem in enumerate(
        (
            "class 2 is none of the 2 in data.yaml",
            "a number is not between 0 and 1",
            "2 numbers after the class",
            "'0 x' has other entries than numbers",
            "a box without area",
        ),
        start=1,
    ):
        assert f"a.txt, line {line}: {problem}" in message


def test_yolo_with_one_folder_for_both_splits_says_no_split(tmp_path, write_image):
    write_image("train/images/a.jpg")
    write_yolo(tmp_path, [], val="../train/images")
    assert splits(read_export(tmp_path)) == {"a.jpg": None}


@pytest.fixture
def found():
    """A cat with a mask, as a detector finds it."""
    mask = np.zeros((1, 40, 60), bool)
    mask[0, 5:20, 10:40] = True
    x, y, width, height = BOX
    return Detections(
        boxes_xyxy=np.array([[x, y, x + width, y + height]], np.float32),
        scores=np.array([0.9], np.float32),
        labels=np.array([0]),
        names=np.array(["cat"]),
        image_size_hw=(40, 60),
        masks=mask,
    )


def write_found(format, folder, found):
    with WRITERS[format](folder, [Category(1, "cat")]) as write:
        write(ImageRecord("images/a.jpg", 1, "a"), found)


def test_what_we_write_as_yolo_can_be_trained_on(tmp_path, write_image, found):
    write_image("images/a.jpg")
    write_found("yolo", tmp_path, found)
    read = the_object(read_export(tmp_path))
    assert read.name == "cat"
    np.testing.assert_allclose(read.box_xywh, BOX, atol=1.01)  # outlines go through pixels' centres
    [polygon] = read.mask
    area = run_lengths.area(run_lengths.fr_py_objects([polygon], 40, 60)[0])
    assert area == pytest.approx(found.masks.sum(), rel=0.1)


def test_what_we_write_as_voc_can_be_trained_on(tmp_path, write_image, found):
    write_image("images/a.jpg")
    write_found("voc", tmp_path / "xml", found)
    read = the_object(read_export(tmp_path / "xml", tmp_path / "images"))
    assert (read.name, read.box_xywh) == ("cat", BOX)


def voc(objects, filename="a.jpg"):
    return f"<annotation><filename>{filename}</filename>{objects}</annotation>"


def voc_object(box, more=""):
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    bounds = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object><name>cat</name>{more}<bndbox>{bounds}</bndbox></object>"


def write_voc(tmp_path, stem, text):
    (tmp_path / "Annotations").mkdir(exist_ok=True)
    (tmp_path / "Annotations" / f"{stem}.xml").write_text(text)


def test_voc_takes_splits_of_lists_and_leaves_difficult_objects_aside(tmp_path, write_image):
    for stem, split in (("a", "train"), ("b", "val")):
        write_image(f"JPEGImages/{stem}.jpg")
        hard = voc_object((11, 6, 40, 20), "<difficult>1</difficult>")
        write_voc(tmp_path, stem, voc(voc_object((11, 6, 40, 20)) + hard, f"{stem}.jpg"))
        (tmp_path / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
        (tmp_path / "ImageSets" / "Main" / f"{split}.txt").write_text(f"{stem}\n")
    assert recognise(tmp_path) == "voc"
    images = read_export(tmp_path)
    assert splits(images) == {"a.jpg": "train", "b.jpg": "val"}
    easy, hard = images[0].objects
    assert (easy.box_xywh, easy.is_crowd, hard.is_crowd) == (BOX, False, True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<annotation>", "no XML"),
        ("<a/>", "its root is <a>; expected <annotation>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', "it declares a document type"),
        (voc(voc_object((5, 5, 4, 9))), r"object 1: its box \[5, 5, 4, 9\] ends before it begins"),
        (voc(voc_object(("x", 5, 6, 9))), "object 1: its box .* expected xmin, ymin, xmax, ymax"),
        (voc("", "gone.jpg"), r"there is no image 'gone\.jpg' in .*JPEGImages"),
    ],
)
def test_voc_names_file_and_object(tmp_path, write_image, text, problem):
    write_image("JPEGImages/a.jpg")
    write_voc(tmp_path, "a", text)
    with pytest.raises(InputError, match=rf"a record cannot be used: .*a\.xml(, |: ){problem}"):
        read_export(tmp_path)


def task(result, image="/data/upload/1/0123abcd-a.jpg", **more):
    return {"id": 5, "data": {"image": image}, "annotations": [{"result": result} | more]}


def result(kind, **value):
    return {"id": "r", "type": kind, "original_width": 60, "original_height": 40, "value": value}


PERCENT_BOX = {"x": 100 / 6, "y": 12.5, "width": 50, "height": 37.5, "rotation": 0}


def test_label_studio_reads_rectangles_polygons_and_choices(tmp_path, write_image):
    write_image("images/a.jpg")
    points = [[x / 0.6, y / 0.4] for x, y in zip(TRIANGLE[::2], TRIANGLE[1::2], strict=True)]
    results = [
        result("rectanglelabels", **PERCENT_BOX, rectanglelabels=["cat"]),
        result("polygonlabels", points=points, polygonlabels=["dog"]),
        result("choices", choices=["indoors"]),
    ]
    nobody = {"id": 6, "data": {"image": "gone.jpg"}, "annotations": []}
    file = write_json(tmp_path / "export.json", [task(results), nobody])
    assert recognise(file) == recognise(tmp_path) == "label-studio"
    [image] = read_export(file)
    assert image.labels == ("indoors",)
    box, polygon = image.objects
    assert (box.name, polygon.name) == ("cat", "dog")
    np.testing.assert_allclose(box.box_xywh, BOX)
    np.testing.assert_allclose(polygon.mask, [TRIANGLE])


def test_label_studio_turns_rectangles_about_their_first_corner(tmp_path, write_image):
    write_image("a.jpg")
    quarter = PERCENT_BOX | {"rotation": 90}
    file = write_json(
        tmp_path / "e.json", [task([result("rectanglelabels", **quarter, rectanglelabels=["cat"])])]
    )
    x, y, width, height = BOX
    found = the_object(read_export(file))
    np.testing.assert_allclose(found.box_xywh, (x - height, y, height, width))


def brush_numbers(runs, count, value_bits=8, length_bits=(3, 7, 11, 15)):
    """Return a brush as Label Studio packs it: runs of (value, length) in 8 bits each."""
    bits = f"{count:032b}{value_bits - 1:05b}" + "".join(f"{n - 1:04b}" for n in length_bits)
    for values, length in runs:
        bits += "1" if isinstance(values, int) else "0"
        bits += f"{3:02b}{length - 1:0{length_bits[3]}b}"
        for value in [values] if isinstance(values, int) else values:
            bits += f"{value:0{value_bits}b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def test_brushes_are_runs_of_repeated_and_of_single_values():
    # Two pixels of four channels: the first clear, the second opaque.
    numbers = brush_numbers([(0, 4), ([1, 2, 3, 255], 4)], 8)
    assert decode_brush(numbers, (1, 2)).tolist() == [[0, 255]]
    with pytest.raises(ValueError, match="end early"):
        decode_brush(numbers[:-2], (1, 2))
    with pytest.raises(ValueError, match="8 values; expected 2 x 2 x 4"):
        decode_brush(numbers, (2, 2))


def test_label_studio_reads_brushes(tmp_path, write_image):
    write_image("a.jpg")
    # Opaque from the pixel (10, 5) to the end of its row of 60
    start = (5 * 60 + 10) * 4
    numbers = brush_numbers([(0, start), (255, 200), (0, 9600 - start - 200)], 9600)
    brush = result("brushlabels", format="rle", rle=numbers, brushlabels=["cat"])
    found = the_object(read_export(write_json(tmp_path / "e.json", [task([brush])])))
    assert found.box_xywh == (10, 5, 50, 1)
    assert run_lengths.area(found.mask) == 50


def test_label_studio_names_task_and_result(tmp_path, write_image):
    write_image("a.jpg")
    flat = result("rectanglelabels", **PERCENT_BOX | {"width": 0}, rectanglelabels=["cat"])
    odd = result("polygonlabels", points=[[0, 0]], polygonlabels=["cat"])
    file = write_json(tmp_path / "e.json", [task([flat, odd]), task([], image="x.jpg")])
    with pytest.raises(InputError, match=r"3 records cannot be used: .*e\.json, task 5, result r"):
        read_export(file)


@pytest.mark.parametrize(
    "change",
    [
        {"annotations": "none"},
        {"annotations": [3]},
        {"annotations": [{"result": 3}]},
        {"annotations": [{"result": ["box"]}]},
        {"annotations": [{"result": [{"type": ["box"]}]}]},
        {"data": ["a.jpg"]},
    ],
)
def test_tasks_of_another_form_are_named(tmp_path, change):
    file = write_json(tmp_path / "e.json", [task([]) | change])
    with pytest.raises(InputError, match=r"task 5: it has not the form of Label Studio's tasks"):
        read_export(file)


def test_label_studio_leaves_given_up_annotations_out(tmp_path):
    file = write_json(tmp_path / "e.json", [task([], was_cancelled=True)])
    with pytest.raises(InputError, match="has no annotated image"):
        read_export(file)


@pytest.mark.parametrize("seed", range(4))
def test_brushes_come_back_as_they_were(seed):
    random = np.random.default_rng(seed)
    mask = random.random((7, 9)) < (0, 0.5, 0.9, 1)[seed]
    np.testing.assert_array_equal(decode_brush(encode_brush(mask), (7, 9)) > 0, mask)


def test_long_runs_of_a_brush_are_cut_and_cost_little():
    mask = np.zeros((300, 300), bool)
    mask[100:250] = True
    numbers = encode_brush(mask)
    assert len(numbers) < 40
    np.testing.assert_array_equal(decode_brush(numbers, mask.shape) > 0, mask)


def cvat(shapes, name="a.jpg", subset=""):
    return f'<annotations><image id="3" name="{name}" {subset}>{shapes}</image></annotations>'


def test_cvat_reads_boxes_polygons_masks_and_tags(tmp_path, write_image, caplog):
    write_image("images/val/a.jpg")
    points = ";".join(f"{x},{y}" for x, y in zip(TRIANGLE[::2], TRIANGLE[1::2], strict=True))
    # Rows of three pixels: one inside, then three, then the last two
    runs = 'left="10" top="5" width="3" height="3" rle="1, 1, 1, 3, 1, 2"'
    shapes = (
        '<box label="cat" xtl="10" ytl="5" xbr="40" ybr="20"/>'
        f'<polygon label="dog" points="{points}"/><mask label="cat" {runs}/>'
        '<points label="cat" points="1,2"/><tag label="indoors"/>'
    )
    (tmp_path / "annotations.xml").write_text(cvat(shapes, "val/a.jpg", 'subset="Validation"'))
    assert recognise(tmp_path) == recognise(tmp_path / "annotations.xml") == "cvat"
    [image] = read_export(tmp_path, tmp_path / "images")
    assert (image.split, image.labels, image.size_hw) == ("val", ("indoors",), (40, 60))
    box, polygon, mask = image.objects
    assert (box.name, box.box_xywh, box.mask) == ("cat", BOX, None)
    assert (polygon.name, polygon.box_xywh, polygon.mask) == ("dog", BOX, [TRIANGLE])
    assert mask.box_xywh == (10, 5, 3, 3)
    pixels = run_lengths.decode(mask.mask)[5:8, 10:13]
    assert pixels.tolist() == [[0, 1, 0], [1, 1, 1], [0, 1, 1]]
    assert "left out what is neither box nor mask nor tag: 1 points" in caplog.text


def test_cvat_turns_boxes_and_ellipses_about_their_centre(tmp_path, write_image):
    write_image("a.jpg")
    box = '<box label="cat" xtl="10" ytl="5" xbr="40" ybr="15" rotation="90"/>'
    ellipse = '<ellipse label="cat" cx="25" cy="20" rx="15" ry="5" rotation="90"/>'
    (tmp_path / "a.xml").write_text(cvat(box + ellipse))
    [image] = read_export(tmp_path / "a.xml")
    for found, expected in zip(image.objects, [(20, -5, 10, 30), (20, 5, 10, 30)], strict=True):
        np.testing.assert_allclose(found.box_xywh, expected, atol=1e-9)


@pytest.mark.parametrize(
    "rle",
    [
        'left="58" top="0" width="3" height="1" rle="1,2"',
        'left="0" top="0" width="2" height="2" rle="3"',
    ],
)
def test_cvat_names_a_mask_that_does_not_fit(tmp_path, write_image, rle):
    write_image("a.jpg")
    (tmp_path / "a.xml").write_text(cvat(f'<mask label="cat" {rle}/>'))
    with pytest.raises(InputError, match=r"image 3, shape 1: its mask .* does not fit .* 60 x 40"):
        read_export(tmp_path / "a.xml")


def test_folders_are_classes_of_their_images(tmp_path, write_image):
    for name in ("red_bottle/a.jpg", "red_bottle/b.jpg", "cat/c.jpg"):
        write_image(f"train/{name}")
        write_image(f"val/{name}")
    write_image("flat/cat/c.jpg")
    assert recognise(tmp_path / "flat") == "folders"
    images = FORMATS["folders"].read(tmp_path / "train", None, Problems())
    assert [image.labels for image in images] == [("cat",), ("red bottle",), ("red bottle",)]
    assert {image.split for image in images} == {"train"}


def test_what_nothing_recognises_lists_what_would_be(tmp_path):
    (tmp_path / "notes.txt").write_text("cats")
    with pytest.raises(InputError, match=r"no format that is known .*data\.yaml"):
        recognise(tmp_path)
    with pytest.raises(InputError, match="is not there"):
        recognise(tmp_path / "gone")
    with pytest.raises(InputError, match=r"unknown format 'yollo'.*did you mean 'yolo'"):
        read_export(tmp_path, name="yollo")


@pytest.mark.parametrize(
    ("name", "split"), [("train2017", "train"), ("x_valid.json", "val"), ("trains.json", None)]
)
def test_names_tell_of_splits_by_whole_words(name, split):
    assert split_of(name) == split


def test_an_image_is_not_guessed_among_several_of_its_name(tmp_path, write_image):
    write_image("one/a.jpg")
    write_image("two/a.jpg")
    problems = Problems()
    assert ImageFinder([tmp_path]).find("elsewhere/a.jpg", "x.xml", problems) is None
    with pytest.raises(InputError, match=r"x\.xml: 2 images are called 'a\.jpg'"):
        problems.check(tmp_path)
