"""Whether results can be written where they are wanted, checked before anything is computed."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from detic.demo.inputs import InputFile
from detic.errors import InputError
from detic.files import check_place, refuse_existing
from detic.outputs import FOLDER_FORMATS, check_images, result_paths

DataFile = tuple[str, Path]  # format and path


def check_data_files(outputs: Sequence[DataFile], overwrite: bool) -> None:
    """Raise if files of results cannot be written, or exist and may not be replaced."""
    for name, path in outputs:
        for result in result_paths(name, path):
            check_place(result, is_folder=name in FOLDER_FORMATS)
            refuse_existing(result, overwrite)


def check_clashes(
    outputs: Sequence[DataFile], files: Sequence[InputFile], drawings: Iterable[Path]
) -> None:
    """Raise if files of results would replace inputs, drawings or each other.

    Args:
        files: the inputs.
        drawings: the images and videos that are written.
    """
    others = {os.path.abspath(path) for path in (*(file.path for file in files), *drawings)}
    for name, path in outputs:
        for result in result_paths(name, path):
            if os.path.abspath(result) in others:
                raise InputError(f"{result} is an input or a drawing; name another file for data")
        firsts = (file.record(1, frame=1 if file.is_video else None) for file in files)
        check_images(name, path, firsts)
