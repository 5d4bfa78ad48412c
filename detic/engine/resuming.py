"""Going on with a training from the newest checkpoint that is whole."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectron2.utils import comm

from detic.engine.checkpoints import TrainingCheckpoints, load_training_state
from detic.engine.trainer import Trainer
from detic.errors import InputError
from detic.weight_files.torch_archive import DamagedFile, check_torch_archive

logger = logging.getLogger(__name__)

_NUM_TOLD = 3  # faults in a message


@dataclass(frozen=True, eq=False)
class WholeCheckpoint:
    """A checkpoint that can be gone on from."""

    path: Path
    state: dict[str, Any]
    faults: tuple[str, ...]  # of newer ones


def resume(trainer: Trainer) -> Path | None:
    """Put a trainer where the newest whole checkpoint in its folder was saved.

    All processes of the job call this together, and take the same checkpoint.

    Returns:
        The checkpoint; None if the folder has none.

    Raises:
        InputError: no checkpoint is whole, or the one to go on from is of another training.
    """
    whole = newest_whole(trainer.checkpoints) if comm.is_main_process() else None
    path = comm.all_gather(whole and whole.path)[0]
    if path is None:
        return None
    state = whole.state if whole else load_training_state(path)
    if whole and whole.faults:
        faults = "; ".join(whole.faults[:_NUM_TOLD])
        logger.warning("%s. Going on from %s, iteration %d", faults, path, state["iteration"])
    try:
        trainer.load_state_dict(state)
    except InputError as error:
        raise InputError(f"cannot go on from {path}: {error}") from error
    return path


def newest_whole(checkpoints: TrainingCheckpoints) -> WholeCheckpoint | None:
    """Return the newest whole checkpoint in a folder; None if there is none at all.

    It is the one that was saved last. If that is damaged, the newest by the time of its file takes
    its place.

    Raises:
        InputError: there are checkpoints and none of them is whole, or one cannot be read.
    """
    if not checkpoints.exist():
        return None
    faults: list[str] = []
    last = None
    try:
        last = checkpoints.newest()
    except DamagedFile as error:
        faults.append(str(error))
    others = [path for path in checkpoints.from_newest() if path != last]
    for path in others if last is None else [last, *others]:
        try:
            return WholeCheckpoint(path, load_training_state(path), tuple(faults))
        except DamagedFile as error:
            faults.append(str(error))
    raise InputError(
        f"{'; '.join(faults[:_NUM_TOLD])}. No other checkpoint in {checkpoints.folder} is whole: "
        "restore one from a copy, or start over without --resume"
    )


def last_to_evaluate(checkpoints: TrainingCheckpoints) -> Path:
    """Return the checkpoint that was saved last.

    Another one would give other numbers, so none takes its place.

    Raises:
        InputError: there is none, or it is damaged; then it names the newest whole one.
    """
    try:
        last = checkpoints.newest()
        if last is not None:
            check_torch_archive(last)
            return last
    except DamagedFile as error:
        whole = newest_whole(checkpoints)
        raise InputError(
            f"{error}; the newest whole checkpoint is {whole and whole.path}: evaluate it with "
            "MODEL.WEIGHTS, without --resume"
        ) from error
    raise InputError(
        f"no checkpoint to evaluate in {checkpoints.folder}; leave out --resume to evaluate "
        "MODEL.WEIGHTS"
    )
