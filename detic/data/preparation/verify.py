"""Looking closely at a dataset: are its pictures there and do its annotations make sense."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tqdm import tqdm

from detic.data.annotation_file import AnnotationFile, read_annotation_file
from detic.data.picture_size import PICTURE_ERRORS, picture_size_hw
from detic.data.preparation.annotation_checks import check_annotations, check_image_labels
from detic.data.preparation.findings import Findings
from detic.data.preparation.sources import TAR_INDEX
from detic.data.registration import load_records
from detic.data.specs import DatasetSpec
from detic.data.tar_collection import TarCollection, index_tar
from detic.errors import InputError

Problem = tuple[str, str]  # its kind, where it is


def verify_dataset(spec: DatasetSpec, root: Path, workers: int = 8) -> Findings:
    """Return what is found when each annotation and picture of a dataset is looked at.

    Annotations are judged as the file has them, before the loader leaves any out.

    Args:
        spec: the dataset; its annotation file exists.
        root: the datasets root.
        workers: pictures or tar files that are opened at the same time.

    Raises:
        InputError: the annotation file is not as it should be.
    """
    findings = Findings()
    _check_content(spec, read_annotation_file(root / spec.annotation_file), findings)
    try:
        records = load_records(spec, root)
    except InputError as error:
        findings.problems["the dataset cannot be loaded, its pictures were not looked at"] += [
            str(error)
        ]
        return findings
    for kind, where in _picture_problems(spec.name, records, workers):
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


def _picture_problems(name: str, records: list[dict], workers: int) -> Iterator[Problem]:
    """Yield what is wrong with pictures that are files."""
    with_file = [record for record in records if "file_name" in record]
    with ThreadPoolExecutor(workers) as pool:
        checked = pool.map(_picture_problem, with_file)
        bar = tqdm(checked, desc=f"{name} pictures", total=len(with_file), unit="picture")
        yield from filter(None, bar)


def _picture_problem(record: dict) -> Problem | None:
    try:
        with open(record["file_name"], "rb") as file:
            size_hw = picture_size_hw(file)
    except FileNotFoundError:
        return "missing pictures", record["file_name"]
    except PICTURE_ERRORS as error:
        return "pictures that cannot be opened", f"{record['file_name']} ({error})"
    return _size_problem(record, size_hw, record["file_name"])


def _size_problem(record: dict, size_hw: tuple[int, int], where: str) -> Problem | None:
    expected_hw = (record["height"], record["width"])
    if size_hw == expected_hw:
        return None
    is_turned = size_hw == expected_hw[::-1]
    kind = (
        "pictures with width and height exchanged (EXIF?)" if is_turned else "other picture sizes"
    )
    found, expected = (f"{w}x{h}" for h, w in (size_hw, expected_hw))
    return kind, f"{where} is {found}, not {expected}"


def _tar_problems(name: str, records: list[dict], root: Path, workers: int) -> Iterator[Problem]:
    """Yield what tar files lack of the pictures that are numbers in them; sizes are remembered."""
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
            yield "numbers beyond the pictures of the tar index", str(number)
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
    index_dir: Path, tar: Path, pictures: Iterable[tuple[int, dict]]
) -> list[Problem]:
    """Return what is wrong with pictures in a tar file, given their positions there."""
    if not tar.is_file():
        return []  # told with the other missing ones
    try:
        sizes_hw = index_tar(tar, index_dir, with_sizes=True).sizes.tolist()
    except (OSError, InputError) as error:
        return [("tar files that cannot be indexed", f"{tar} ({error})")]
    problems = []
    for position, record in pictures:
        where = f"number {record['tar_index']}, picture {position} of {tar},"
        if position >= len(sizes_hw):
            problems.append(("numbers beyond the pictures of a changed tar file", where))
        elif min(sizes_hw[position]) < 0:
            problems.append(("pictures that cannot be opened", where))
        else:
            problems.append(_size_problem(record, tuple(sizes_hw[position]), where))
    return [problem for problem in problems if problem is not None]
