"""Looking closely at a dataset: are its images there and do its annotations make sense."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tqdm import tqdm

from detic.datasets.annotation_file import AnnotationFile, read_annotation_file
from detic.datasets.registration import load_records
from detic.datasets.table import DatasetSpec
from detic.datasets.tar_collection import TarCollection, index_tar
from detic.errors import InputError
from detic.images import IMAGE_ERRORS, read_image_size
from detic.preparation.annotation_checks import check_annotations, check_image_labels
from detic.preparation.findings import Findings
from detic.preparation.sources import TAR_INDEX

Problem = tuple[str, str]  # its kind, where it is


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
    _check_content(spec, read_annotation_file(root / spec.annotation_file), findings)
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
    bar = tqdm(
        content.images_with_annotations(),
        desc=f"{spec.name} annotations",
        total=len(content.images),
        unit="image",
    )
    is_oid = spec.evaluator == "oid"
    for image, annotations in bar:
        present = {annotation["category_id"] for annotation in annotations}
        check_annotations(image, annotations, findings)
        classes |= check_image_labels(content, image, present, findings, is_oid=is_oid)
        findings.num_annotations += len(annotations)
    findings.num_images = len(content.images)
    findings.num_classes = len(classes)


def _image_problems(name: str, records: list[dict], workers: int) -> Iterator[Problem]:
    """Yield what is wrong with images that are files."""
    with_file = [record for record in records if "file_name" in record]
    with ThreadPoolExecutor(workers) as pool:
        checked = pool.map(_image_problem, with_file)
        bar = tqdm(checked, desc=f"{name} images", total=len(with_file), unit="image")
        yield from filter(None, bar)


def _image_problem(record: dict) -> Problem | None:
    try:
        with open(record["file_name"], "rb") as file:
            size_hw = read_image_size(file)
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


def _tar_problems(name: str, records: list[dict], root: Path, workers: int) -> Iterator[Problem]:
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
        for problems in tqdm(checked, desc=f"{name} tar files", total=len(paths), unit="tar"):
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
    problems = []
    for position, record in images:
        where = f"number {record['tar_index']}, image {position} of {tar},"
        if position >= len(sizes_hw):
            problems.append(("numbers beyond the images of a changed tar file", where))
        elif min(sizes_hw[position]) < 0:
            problems.append(("images that cannot be opened", where))
        else:
            problems.append(_size_problem(record, tuple(sizes_hw[position]), where))
    return [problem for problem in problems if problem is not None]
