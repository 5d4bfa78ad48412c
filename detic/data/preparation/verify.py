"""Looking closely at a dataset: are its pictures there and do its annotations make sense."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from pycocotools import mask as mask_util
from tqdm import tqdm

from detic.data.picture_size import PICTURE_ERRORS, picture_size_hw
from detic.data.preparation.sources import TAR_INDEX
from detic.data.registration import load_records
from detic.data.specs import DatasetSpec
from detic.data.tar_collection import TarCollection

NUM_EXAMPLES = 3
MARGIN_PX = 1.5  # annotators' tools let boxes and polygons end a pixel outside


@dataclass
class Findings:
    """What was found in a dataset.

    Problems stop training or make it wrong; peculiarities are worth knowing, and published
    datasets have some.
    """

    num_images: int = 0
    num_annotations: int = 0
    num_classes: int = 0  # with annotations or image labels
    problems: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    peculiarities: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def lines(self) -> Iterator[str]:
        """Yield a line of counts, then one for each kind of finding, with examples."""
        yield (
            f"{self.num_images} images, {self.num_annotations} annotations, "
            f"{self.num_classes} classes in use"
        )
        for word, found in (("problem", self.problems), ("note", self.peculiarities)):
            for kind, where in found.items():
                yield f"{word}: {kind}: {len(where)}, such as {', '.join(where[:NUM_EXAMPLES])}"


def verify_dataset(spec: DatasetSpec, root: Path, workers: int = 8) -> Findings:
    """Return what is found when each record and picture of a dataset is looked at.

    Args:
        spec: the dataset; its annotation file exists.
        root: the datasets root.
        workers: pictures that are opened at the same time.

    Raises:
        InputError: the annotation file is not as it should be.
    """
    records = load_records(spec, root)
    findings = Findings(num_images=len(records))
    classes = set()
    for record in tqdm(records, desc=f"{spec.name} annotations", unit="image"):
        findings.num_annotations += len(record["annotations"])
        classes.update(annotation["category_id"] for annotation in record["annotations"])
        classes.update(record.get("pos_category_ids", ()))
        check_annotations(record, findings)
    findings.num_classes = len(classes)
    check_tar_numbers(records, root, findings)
    with_file = [record for record in records if "file_name" in record]
    with ThreadPoolExecutor(workers) as pool:
        checked = pool.map(_picture_problem, with_file)
        bar = tqdm(checked, desc=f"{spec.name} pictures", total=len(with_file), unit="picture")
        for kind, where in filter(None, bar):
            findings.problems[kind].append(where)
    return findings


def check_tar_numbers(records: list[dict], root: Path, findings: Findings) -> None:
    """Add to the findings what tar files lack of the records that are numbers in them."""
    numbered = [record for record in records if "tar_index" in record]
    if numbered:
        index = root / TAR_INDEX
        collection = TarCollection(index, index.with_name("tarindex_npy"))
        missing = [str(path) for path in collection.tar_paths if not path.is_file()]
        beyond = [str(r["tar_index"]) for r in numbered if r["tar_index"] >= len(collection)]
        if missing:
            findings.problems["missing tar files"] += missing
        if beyond:
            findings.problems["numbers beyond the pictures of the tar index"] += beyond


def check_annotations(record: dict, findings: Findings) -> None:
    """Add what is wrong or peculiar with the annotations of a record to the findings."""
    width, height = record["width"], record["height"]
    for annotation in record["annotations"]:
        where = f"image {record['image_id']}"
        x, y, w, h = annotation["bbox"]
        if w <= 0 or h <= 0:
            findings.peculiarities["boxes without area"].append(where)
        elif _is_outside((x, x + w), width) or _is_outside((y, y + h), height):
            findings.peculiarities["boxes that leave the image"].append(where)
        segmentation = annotation.get("segmentation", [])
        if isinstance(segmentation, dict):
            problem = _run_length_problem(segmentation, height, width)
        else:
            problem = _polygon_problem(segmentation)
            if any(
                _is_outside(p[0::2], width) or _is_outside(p[1::2], height) for p in segmentation
            ):
                findings.peculiarities["polygons that leave the image"].append(where)
        if problem:
            findings.problems[problem].append(where)


def _is_outside(coordinates: Iterable[float], size: int) -> bool:
    return min(coordinates) < -MARGIN_PX or max(coordinates) > size + MARGIN_PX


def _polygon_problem(polygons: list[list[float]]) -> str | None:
    if any(len(polygon) < 6 or len(polygon) % 2 for polygon in polygons):
        return "polygons with fewer than three points"
    return None


def _run_length_problem(mask: dict, height: int, width: int) -> str | None:
    if list(mask.get("size", ())) != [height, width]:
        return "run-length masks of another size than their image"
    if isinstance(mask["counts"], list):
        mask = mask_util.frPyObjects(mask, height, width)
    return "empty run-length masks" if mask_util.area(mask) == 0 else None


def _picture_problem(record: dict) -> tuple[str, str] | None:
    """Return the kind of problem with a picture and where it is."""
    try:
        with open(record["file_name"], "rb") as file:
            size_hw = picture_size_hw(file)
    except FileNotFoundError:
        return "missing pictures", record["file_name"]
    except PICTURE_ERRORS as error:
        return "pictures that cannot be opened", f"{record['file_name']} ({error})"
    expected_hw = (record["height"], record["width"])
    if size_hw == expected_hw:
        return None
    is_turned = size_hw == expected_hw[::-1]
    kind = (
        "pictures with width and height exchanged (EXIF?)" if is_turned else "other picture sizes"
    )
    found, expected = (f"{w}x{h}" for h, w in (size_hw, expected_hw))
    return kind, f"{record['file_name']} is {found}, not {expected}"
