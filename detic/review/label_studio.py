"""Labels as the predictions of Label Studio's tasks, which annotators correct."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from hotcoco import mask as rle

from detic.files import unfinished_folder, write_text
from detic.image_sources import is_address
from detic.labelling.labelled_images import Images
from detic.outputs.json_lines import json_list
from detic.own_data.brush import encode_brush
from detic.review.image_names import ImagePlaces, NamesBelow, copied_name, copy_images

_LOCAL_FILES = "/data/local-files/?d="  # relative to LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT
_COPIES = "images"
_PERCENT_DIGITS = 4


def write_label_studio(images: Images, path: Path, places: ImagePlaces) -> None:
    """Write a folder for Label Studio: the tasks, the labelling configuration, maybe images.

    Images at addresses keep these, unless they are copied.
    """
    name_of = NamesBelow(images.job, places.root(images.job))

    def address(image: dict) -> str:
        name = image["file_name"]
        if places.copies:
            name = f"{_COPIES}/{copied_name(image['image_id'], name)}"
        elif is_address(name):
            return name
        else:
            name = name_of(name)
        return _LOCAL_FILES + quote(name)

    class_names = [category.name for category in images.job.categories]
    with unfinished_folder(path) as folder:
        write_text(folder / "config.xml", labelling_config(class_names))
        with json_list(folder / "tasks.json") as append:
            for image in images:
                append(task(image, address(image), images.job.id))
        if places.copies:
            copy_images(images, folder / _COPIES)


def labelling_config(class_names: Sequence[str]) -> str:
    """Return the configuration of a project whose annotators draw boxes and brush masks."""
    labels = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in class_names)
    return (
        '<View>\n  <Image name="image" value="$image" zoom="true"/>\n'
        f'  <RectangleLabels name="box" toName="image">\n{labels}  </RectangleLabels>\n'
        f'  <BrushLabels name="mask" toName="image">\n{labels}  </BrushLabels>\n</View>\n'
    )


def task(image: dict, address: str, model_version: str) -> dict[str, Any]:
    """Return an image with its objects as predictions: those with masks as brushes, else rectangles.

    Args:
        image: an entry of a part.
        address: of the image, for browsers.
        model_version: of the predictions. Their score is the lowest of the objects.
    """
    found = image["detections"]
    prediction = {
        "model_version": model_version,
        "score": min((entry["score"] for entry in found), default=0.0),
        "result": [_result(number, entry, image) for number, entry in enumerate(found, start=1)],
    }
    return {"data": {"image": address}, "predictions": [prediction]}


def _result(number: int, found: dict, image: dict) -> dict[str, Any]:
    height, width = image["height"], image["width"]
    common = {
        "id": f"{image['image_id']}-{number}",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "score": found["score"],
    }
    if "mask" in found and rle.area(found["mask"]) > 0:
        brush = encode_brush(rle.decode(found["mask"]).astype(bool))
        value: dict[str, Any] = {"format": "rle", "rle": brush}
        return _labelled(common, "mask", "brushlabels", value, found["name"])
    left, top, right, bottom = found["box_xyxy"]
    shares = (left / width, top / height, (right - left) / width, (bottom - top) / height)
    percent = [round(100 * share, _PERCENT_DIGITS) for share in shares]
    value = dict(zip(("x", "y", "width", "height"), percent, strict=True)) | {"rotation": 0}
    return _labelled(common, "box", "rectanglelabels", value, found["name"])


def _labelled(common: dict, control: str, kind: str, value: dict, name: str) -> dict[str, Any]:
    """Return a result of one of the configuration's controls."""
    return {**common, "from_name": control, "type": kind, "value": {**value, kind: [name]}}
