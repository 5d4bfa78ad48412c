"""The program from its parsed arguments to its exit status."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TextIO

from detic.cli import USER_ERROR
from detic.demo.arguments import (
    chosen_categories,
    chosen_model,
    chosen_vocabulary,
    data_files,
    named_device,
)
from detic.demo.destination import Destination, plan_destination, plan_recording
from detic.demo.detection_run import DetectionRun, RunOptions, Tally
from detic.demo.inputs import (
    FoundInputs,
    InputFile,
    find_inputs,
    image_ids,
    is_stream,
    video_file,
)
from detic.demo.live import check_display, open_live
from detic.demo.output_checks import DataFile, check_clashes, check_data_files
from detic.demo.run_images import run_images
from detic.demo.run_videos import run_live, run_videos
from detic.errors import InputError
from detic.image_sources import is_address
from detic.outputs import FORMATS_WITH_MASKS, WRITERS
from detic.predictor import Detector, Tiles
from detic.predictor.tracking import tracker_maker
from detic.rendering import DrawStyle
from detic.videos import Reconnection
from detic.videos.streams import shown_address
from detic.vocabulary.vocabulary_reader import VocabularyLike

LEFT_OUT = 3  # exit status: an input could not be read, with --strict
_STDOUT = ("-", "/dev/stdout")  # as a file of results

logger = logging.getLogger(__name__)


def run_demo(args: argparse.Namespace) -> int:
    """Run the program; return its exit status.

    Args:
        args: of ``demo.py``.

    Raises:
        InputError: the arguments contradict each other, or what they name does not fit.
    """
    vocabulary = chosen_vocabulary(args)
    style = _style(args)
    make_tracker = tracker_maker(args.track or False)
    tiles = None if args.tiles is None else Tiles(args.tiles or None, batch_size=args.batch_size)
    outputs = data_files(args)
    check_data_files(outputs, args.overwrite)
    has_window = args.output is None and not outputs
    if has_window:
        check_display()
    with ExitStack() as stack:
        detect_all, destination, unreadable = _plan(args, outputs, stack)
        detector = build_detector(args, vocabulary)
        categories = chosen_categories(vocabulary, detector.vocabulary)
        options = RunOptions(
            style=style.for_vocabulary(detector.vocabulary),
            destination=destination,
            sinks=[stack.enter_context(WRITERS[name](path, categories)) for name, path in outputs],
            has_window=has_window,
            batch_size=args.batch_size if tiles is None else 1,
            tiles=tiles,
            masks=_needs_masks(args, style, outputs),
            features=args.features is not None,
            all_scores=args.all_scores,
            make_tracker=make_tracker and partial(make_tracker, detector.lowest_score),
        )
        run = DetectionRun(detector, options)
        run.tally.unreadable += unreadable
        failure = _failure_of(detect_all, run)
    # Here all files of results are complete.
    status = _report(run.tally, sys.stderr if _is_stdout_taken(outputs) else sys.stdout)
    if failure is not None:
        raise failure
    return LEFT_OUT if args.strict and run.tally.unreadable and not status else status


def _failure_of(
    detect_all: Callable[[DetectionRun], None], run: DetectionRun
) -> KeyboardInterrupt | Exception | None:
    """Return what ended a run too early; what was found before is written all the same.

    Raises:
        Exception: a file of results could not be written to.
    """
    try:
        detect_all(run)
    except (KeyboardInterrupt, Exception) as error:
        if not run.is_whole:
            raise
        logger.warning("the run has ended early; what was found so far is kept")
        return error
    return None


def _is_stdout_taken(outputs: Sequence[DataFile]) -> bool:
    return any(str(path) in _STDOUT for _, path in outputs)


def _plan(
    args: argparse.Namespace, outputs: Sequence[DataFile], stack: ExitStack
) -> tuple[Callable[[DetectionRun], None], Destination | None, list[str]]:
    """Return what to run, where the drawings of files go, and what cannot be looked into.

    Args:
        outputs: the files of results, which must replace nothing of these.
        stack: closes the camera if there is one.
    """
    live = _live_source(args)
    if live is not None:
        recording = plan_recording(args.output, overwrite=args.overwrite)
        video = stack.enter_context(open_live(live, Reconnection(args.reconnect)))
        address = shown_address(live) if is_address(live) else None
        return partial(run_live, video=video, path=recording, address=address), None, []
    if args.video_input is not None:
        found = FoundInputs([video_file(args.video_input)])
    else:
        found = find_inputs(args.input, recursive=args.recursive, output=args.output)
    files = found.files
    if found.left_out:
        logger.info(found.omission())
    if all(map(_is_missing, files)):  # before any weights are fetched
        raise InputError(f"there is no file {', '.join(file.source for file in files[:3])}")
    destination = plan_destination(args.output, files, overwrite=args.overwrite)
    check_clashes(outputs, files, destination.paths.values() if destination else ())
    return partial(_run_files, files=files), destination, found.unreadable


def _live_source(args: argparse.Namespace) -> str | None:
    """Return the camera or the stream to look at, None if files are."""
    if args.video_input is not None and is_stream(args.video_input):
        return args.video_input
    return args.webcam


def _is_missing(file: InputFile) -> bool:
    if file.address is not None:  # fetching it will tell
        return False
    try:
        os.lstat(file.path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # reading the file will say what is wrong
        return False
    return False


def _run_files(run: DetectionRun, files: Sequence[InputFile]) -> None:
    images = [file for file in files if not file.is_video]
    ids = image_ids(images)
    run_images(run, list(zip(images, ids, strict=True)))
    videos = [file for file in files if file.is_video]
    run_videos(run, videos, first_id=max(ids, default=0) + 1)


def build_detector(
    args: argparse.Namespace,
    vocabulary: VocabularyLike,
    *,
    device: str | None = None,
    masks: bool = True,
) -> Detector:
    """Return the detector that the arguments of ``detic_commands.detect.add_detector`` name.

    Args:
        device: where it computes; None: as the arguments say.
        masks: are predicted where the model knows them.
    """
    model = chosen_model(args)
    return Detector.from_config(
        model.recipe,
        model.weights,
        vocabulary,
        device=device or named_device(args),
        score_threshold=args.confidence_threshold,
        one_class_per_proposal=not args.pred_all_class,
        masks=masks,
        precision=args.precision,
        half=args.half,
        compile=args.compile,
        overrides=args.opts,
        text_weights=None if "MODEL.TEXT_ENCODER.WEIGHTS" in args.opts[::2] else model.text_weights,
    )


def _style(args: argparse.Namespace) -> DrawStyle:
    return DrawStyle(
        masks=not (args.hide_masks or args.boxes_only),
        boxes=not args.masks_only,
        labels=not (args.boxes_only or args.masks_only),
        scores=not args.no_scores,
        mask_opacity=args.mask_opacity,
        line_px=args.line_width,
        palette=args.palette,
        upscale=args.upscale,
        font_file=args.font,
    )


def _needs_masks(args: argparse.Namespace, style: DrawStyle, outputs: Sequence[DataFile]) -> bool:
    """Return whether masks are drawn or written."""
    is_drawn = args.output is not None or not outputs
    return (is_drawn and style.masks) or any(name in FORMATS_WITH_MASKS for name, _ in outputs)


def _report(tally: Tally, stream: TextIO) -> int:
    """Say what the run came to, in one line on a stream after what is logged; return the status."""
    for reason in tally.unreadable:
        logger.warning("skipped: %s", reason)
    if tally.num_kept:
        logger.info("%d drawings exist and were kept; --overwrite replaces them", tally.num_kept)
    if tally.unreadable and not (tally.num_read or tally.num_kept):
        logger.error("no input could be read")
        return USER_ERROR
    counts = ", ".join(f"{count} {name}" for name, count in tally.objects.most_common(10))
    total = tally.objects.total()
    inputs = "1 input" if tally.num_read == 1 else f"{tally.num_read} inputs"
    objects = "1 object" if total == 1 else f"{total} objects"
    stream.write(f"{objects} in {inputs}{counts and f': {counts}'}\n")
    return 0
