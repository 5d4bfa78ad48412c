"""Looking closely at a dataset: are its images there and do its annotations make sense."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from detic.datasets.annotation_file import AnnotationFile, read_annotation_file
from detic.datasets.registration import load_records
from detic.datasets.segmentation import NO_AREA_PX2, mask_problem, polygon_area
from detic.datasets.table import DatasetSpec
from detic.datasets.tar_collection import TarCollection, index_tar
from detic.errors import InputError
from detic.images import IMAGE_ERRORS, read_image_size
from detic.preparation.output import in_words
from detic.preparation.sources import TAR_INDEX
from detic.progress import track

NUM_EXAMPLES = 3
MARGIN_PX = 1.5  # annotators' tools let boxes and polygons end a pixel outside
LABEL_LISTS = ("pos_category_ids", "neg_category_ids")

Problem = tuple[str, str]  # its kind, where it is


@dataclass
class Findings:
    """What was found in a dataset.

    Problems stop training or make it wrong; peculiarities are worth knowing, and published
    datasets have some.
    """

    num_images: int = 0
    num_annotations: int = 0
    num_labels: int = 0  # classes that images are said to show, boxes aside
    num_classes: int = 0  # with annotations or image labels
    problems: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    peculiarities: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def lines(self) -> Iterator[str]:
        """Yield a line of counts, then one for each kind of finding, with examples."""
        yield in_words(
            {
                "images": self.num_images,
                "annotations": self.num_annotations,
                "image labels": self.num_labels,
                "classes in use": self.num_classes,
            }
        )
        for word, found in (("problem", self.problems), ("note", self.peculiarities)):
            for kind, where in found.items():
                yield f"{word}: {kind}: {len(where)}, such as {', '.join(where[:NUM_EXAMPLES])}"


def verify_dataset(spec: DatasetSpec, root: Path, workers: int = 8) -> Findings:
    """Return what is found when each annotation and image of a dataset is looked at.

    Annotations are judged as the file has them, before the loader leaves any out.

    Args:
        spec: the dataset; its annotation file exists.
        root: the datasets root.
        workers: images or tar files that are opened at the same time.

    Raises:
        InputError: the annotation file is not as it should be.
    """
    findings = Findings()
    # Malformed masks are counted here; the loader stops at the first.
    content = read_annotation_file(root / spec.annotation_file, with_masks_checked=False)
    _check_content(spec, content, findings)
    try:
        records = load_records(spec, root)
    except InputError as error:
        findings.problems["the dataset cannot be loaded, its images were not looked at"] += [
            str(error)
        ]
        return findings
    for kind, where in _image_problems(spec.name, records, workers):
        findings.problems[kind].append(where)
    for kind, where in _tar_problems(spec.name, records, root, workers):
        findings.problems[kind].append(where)
    return findings


def _check_content(spec: DatasetSpec, content: AnnotationFile, findings: Findings) -> None:
    classes: set[int] = set()
    bar = track(
        content.images_with_annotations(),
        description=f"{spec.name} annotations",
        total=len(content.images),
        unit="image",
    )
    is_oid = spec.evaluator == "oid"
    for image, annotations in bar:
        present = {annotation["category_id"] for annotation in annotations}
        check_annotations(image, annotations, findings)
        classes |= check_image_labels(content, image, present, findings, is_oid=is_oid)
        findings.num_annotations += len(annotations)
        labels = image.get("pos_category_ids")
        findings.num_labels += len(labels) if isinstance(labels, list) else 0
    findings.num_images = len(content.images)
    findings.num_classes = len(classes)


def check_annotations(image: dict, annotations: Iterable[dict], findings: Findings) -> None:
    """Add what is wrong or peculiar with the boxes and masks of an image to the findings."""
    size_hw = (image["height"], image["width"])
    where = f"image {image['id']}"
    for annotation in annotations:
        _check_box(annotation["bbox"], size_hw, where, findings)
        if segmentation := annotation.get("segmentation"):
            has_area = min(annotation["bbox"][2:]) > 0
            _check_mask(segmentation, size_hw, has_area, where, findings)


def _check_box(
    box_xywh: Sequence[float], size_hw: tuple[int, int], where: str, findings: Findings
) -> None:
    height, width = size_hw
    x, y, w, h = box_xywh
    if w <= 0 or h <= 0:
        findings.peculiarities["boxes without area"].append(where)
    elif x >= width or y >= height or x + w <= 0 or y + h <= 0:
        findings.problems["boxes wholly outside their image"].append(where)
    elif _is_outside((x, x + w), width) or _is_outside((y, y + h), height):
        findings.peculiarities["boxes that leave the image"].append(where)


def _check_mask(
    segmentation: list | dict,
    size_hw: tuple[int, int],
    box_has_area: bool,
    where: str,
    findings: Findings,
) -> None:
    problem = mask_problem(segmentation, size_hw)
    height, width = size_hw
    # COCO has a few flat boxes; their masks are as flat and told with them.
    if problem == "polygons without area" and not box_has_area:
        return
    if problem:
        findings.problems[problem].append(where)
    elif isinstance(segmentation, list):
        if any(polygon_area(polygon) < NO_AREA_PX2 for polygon in segmentation):
            findings.peculiarities["masks with a polygon without area"].append(where)
        if any(_is_outside(p[0::2], width) or _is_outside(p[1::2], height) for p in segmentation):
            findings.peculiarities["polygons that leave the image"].append(where)


def _is_outside(coordinates: Iterable[float], size: int) -> bool:
    return min(coordinates) < -MARGIN_PX or max(coordinates) > size + MARGIN_PX


def check_image_labels(
    content: AnnotationFile, image: dict, present: set[int], findings: Findings, *, is_oid: bool
) -> set[int]:
    """Return the ids of the classes that an image shows, and add what is wrong with its labels.

    Args:
        content: the file.
        image: one of its images.
        present: category ids of the image's boxes.
        findings: what to add to.
        is_oid: whether detections are scored as in OpenImages: on verified classes alone, so that
            each image needs both lists, and the classes of its boxes in the list of present ones.
    """
    where = f"image {image['id']}"
    for name in filter(image.__contains__, LABEL_LISTS):
        try:
            content.class_indices(image, image[name])
        except InputError:
            findings.problems[f"{name} that are no ids of the file's categories"].append(where)
            return present
    labels = image.get("pos_category_ids", ())
    if is_oid and not all(field in image for field in LABEL_LISTS):
        findings.problems[f"images without {' or '.join(LABEL_LISTS)}"].append(where)
    elif is_oid and not present.issubset(labels):
        findings.problems["boxes of classes that are not in pos_category_ids"].append(where)
    return present.union(labels)


def _image_problems(name: str, records: Sequence[dict], workers: int) -> Iterator[Problem]:
    """Yield what is wrong with images that are files."""
    with_file = [record for record in records if "file_name" in record]
    with ThreadPoolExecutor(workers) as pool:
        checked = pool.map(_image_problem, with_file)
        bar = track(checked, description=f"{name} images", total=len(with_file), unit="image")
        yield from filter(None, bar)


def _image_problem(record: dict) -> Problem | None:
    try:
        size_hw = read_image_size(record["file_name"])
    except FileNotFoundError:
        return "missing images", record["file_name"]
    except IMAGE_ERRORS as error:
        return "images that cannot be opened", f"{record['file_name']} ({error})"
    return _size_problem(record, size_hw, record["file_name"])


def _size_problem(record: dict, size_hw: tuple[int, int], where: str) -> Problem | None:
    expected_hw = (record["height"], record["width"])
    if size_hw == expected_hw:
        return None
    is_turned = size_hw == expected_hw[::-1]
    kind = "images with width and height exchanged (EXIF?)" if is_turned else "other image sizes"
    found, expected = (f"{w}x{h}" for h, w in (size_hw, expected_hw))
    return kind, f"{where} is {found}, not {expected}"


def _tar_problems(
    name: str, records: Sequence[dict], root: Path, workers: int
) -> Iterator[Problem]:
    """Yield what tar files lack of the images that are numbers in them; sizes are remembered."""
    numbered = [record for record in records if "tar_index" in record]
    if not numbered:
        return
    list_file = root / TAR_INDEX
    index_dir = list_file.with_name("tarindex_npy")
    collection = TarCollection(list_file, index_dir)
    in_tar: dict[int, list[tuple[int, dict]]] = defaultdict(list)
    for record in numbered:
        number = record["tar_index"]
        if not isinstance(number, int) or not 0 <= number < len(collection):
            yield "numbers beyond the images of the tar index", str(number)
            continue
        tar, position = collection.locate(number)
        in_tar[tar].append((position, record))
    yield from (("missing tar files", str(t)) for t in collection.tar_paths if not t.is_file())
    paths = [collection.tar_paths[tar] for tar in in_tar]
    with ThreadPoolExecutor(workers) as pool:
        checked = pool.map(partial(_problems_in_tar, index_dir), paths, in_tar.values())
        for problems in track(
            checked, description=f"{name} tar files", total=len(paths), unit="tar"
        ):
            yield from problems


def _problems_in_tar(
    index_dir: Path, tar: Path, images: Iterable[tuple[int, dict]]
) -> list[Problem]:
    """Return what is wrong with images in a tar file, given their positions there."""
    if not tar.is_file():
        return []  # told with the other missing ones
    try:
        sizes_hw = index_tar(tar, index_dir, with_sizes=True).sizes.tolist()
    except (OSError, InputError) as error:
        return [("tar files that cannot be indexed", f"{tar} ({error})")]
    problems: list[Problem | None] = []
    for position, record in images:
        where = f"number {record['tar_index']}, image {position} of {tar},"
        if position >= len(sizes_hw):
            problems.append(("numbers beyond the images of a changed tar file", where))
        elif min(sizes_hw[position]) < 0:
            problems.append(("images that cannot be opened", where))
        else:
            problems.append(_size_problem(record, tuple(sizes_hw[position]), where))
    return [problem for problem in problems if problem is not None]
