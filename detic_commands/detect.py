"""Detect the objects of any vocabulary in images, videos and cameras.

    %(prog)s --input desk.jpg --output out.jpg --vocabulary lvis
    %(prog)s --input desk.jpg --output out.jpg --custom-vocabulary "headphone,paper cup"
    %(prog)s --model shapes-detic --input scene.png --output out.png --custom-vocabulary "red star"
    %(prog)s --input photos/ --recursive --output drawn/ --json found.json
    %(prog)s --input table.jpg --output out.jpg --custom-vocabulary fruit --expand-parents
    %(prog)s --video-input street.mp4 --output drawn/ --vocabulary coco
    %(prog)s --video-input rtsp://camera/1 --output street.mp4 --vocabulary coco --track
    %(prog)s --webcam --vocabulary-file kitchen.yaml
    find . -name "*.png" | %(prog)s --input - --format csv --save-to found.csv
    %(prog)s --config-file configs/Detic_LI_CLIP_R5021k_640b64_4x_ft4x_max-size.yaml \\
        --input desk.jpg --output out.jpg --opts MODEL.WEIGHTS models/my_weights.pth

Without --output, --json, --save-to or --features, results are shown in a window; q or Esc quits.
Results of several inputs keep their names below the folder that the inputs share.
"""

import argparse
import logging

from detic_commands.parsing import (
    DefaultsHelpFormatter,
    add_imports,
    add_opts,
    command_parser,
    positive_int,
)

MAIN_RECIPE = "configs/Detic_LCOCOI21k_CLIP_SwinB_896b32_4x_ft4x_max-size.yaml"
FORMATS = ("jsonl", "csv", "coco", "lvis", "yolo", "voc", "mot")
PALETTES = ("vivid", "pastel", "colorblind")
TRACKERS = ("bytetrack", "botsort")
PRECISIONS = ("fp32", "fp16", "bf16")
CANDIDATE_LISTS = ("lvis", "imagenet21k")


def argument_parser(prog: str = "detic detect") -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Args:
        prog: how the program is called.
    """
    parser = command_parser(prog, __doc__, DefaultsHelpFormatter)
    _add_inputs(parser.add_argument_group("what to look at (one of these)"))
    add_vocabulary(parser.add_argument_group("what to look for"))
    _add_results(parser.add_argument_group("where results go"))
    _add_drawing(parser.add_argument_group("how they are drawn"))
    add_detector(detector := parser.add_argument_group("the detector"))
    add_parts_of_images(detector)
    return parser


def _add_inputs(group: argparse._ArgumentGroup) -> None:
    source = group.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--input",
        nargs="+",
        metavar="PATH",
        help="images, videos, addresses (http, https, s3, gs), folders or quoted patterns; - reads paths "
        "from standard input",
    )
    source.add_argument(
        "--video-input",
        metavar="FILE",
        help="a video, whatever its suffix, or the address of one or of a stream: rtsp://..., http://...",
    )
    source.add_argument(
        "--webcam",
        nargs="?",
        const="0",
        metavar="N",
        help="a camera, 0 if no number is given, 'screen', or the address of a stream",
    )
    group.add_argument(
        "--track",
        nargs="?",
        const="bytetrack",
        choices=TRACKERS,
        help="follow the objects of videos from frame to frame: ids in JSON, CSV and MOT, trails in "
        "drawings; bytetrack if none is given, botsort makes up for motion of the camera",
    )
    group.add_argument(
        "--reconnect",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long a stream that sends nothing more is asked again before it counts as ended",
    )
    group.add_argument(
        "--recursive",
        action="store_true",
        help="look into folders of folders, but not into that of --output",
    )


def add_vocabulary(group: argparse._ArgumentGroup) -> None:
    """Add what chooses a vocabulary, for ``detic.demo.arguments``."""
    group.add_argument(
        "--vocabulary",
        metavar="NAME",
        help="lvis (the default, but for saved detectors), coco, objects365, openimages, imagenet21k, "
        "custom, or a vocabulary file",
    )
    group.add_argument(
        "--custom-vocabulary",
        "--custom_vocabulary",
        metavar="NAMES",
        help="class names separated by commas",
    )
    group.add_argument(
        "--vocabulary-file", metavar="FILE", help="class names: .txt, .yaml, .json or .safetensors"
    )
    group.add_argument(
        "--expand-parents",
        nargs="?",
        const="lvis",
        choices=CANDIDATE_LISTS,
        help="also look for all kinds of the classes that this class list has, as 'fruit (banana)' "
        "for fruit; lvis if none is given",
    )
    group.add_argument(
        "--confidence-threshold",
        type=float,
        default=0.5,
        metavar="SCORE",
        help="lowest score reported, 0 to 1",
    )
    group.add_argument(
        "--pred-all-class",
        "--pred_all_class",
        action="store_true",
        help="report an object as every class above the threshold, not as the likeliest alone",
    )


def _add_results(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--output",
        metavar="PATH",
        help="drawings: a file for one input, or a folder, where they are called as their "
        "inputs, videos with .mp4; of a.gif and a.png, the first becomes a.gif.png",
    )
    group.add_argument("--json", metavar="FILE", help="one JSON document")
    group.add_argument("--format", choices=FORMATS, help="format of --save-to")
    group.add_argument(
        "--save-to",
        metavar="PATH",
        help="results in --format: a file; a folder for yolo, voc and mot",
    )
    group.add_argument("--features", metavar="FILE", help="a .npz file of the objects' embeddings")
    group.add_argument(
        "--all-scores",
        action="store_true",
        help="also write every object's score for every class (JSON and --features)",
    )
    group.add_argument("--overwrite", action="store_true", help="replace results that exist")
    group.add_argument(
        "--strict",
        action="store_true",
        help="end with status 3 if an input was left out because it cannot be read",
    )


def _add_drawing(group: argparse._ArgumentGroup) -> None:
    parts = group.add_mutually_exclusive_group()
    parts.add_argument("--hide-masks", action="store_true", help="draw boxes and labels; faster")
    parts.add_argument(
        "--boxes-only", action="store_true", help="draw boxes without labels; faster"
    )
    parts.add_argument("--masks-only", action="store_true", help="draw masks alone")
    group.add_argument(
        "--mask-opacity",
        type=float,
        default=0.15,
        metavar="SHARE",
        help="of the inside of masks, 0 to 1; it grows towards their outlines",
    )
    group.add_argument(
        "--line-width",
        type=positive_int,
        metavar="PX",
        help="of outlines and boxes; by default as suits the image",
    )
    group.add_argument("--no-scores", action="store_true", help="draw labels without scores")
    group.add_argument("--palette", choices=PALETTES, default="vivid", help="colours of classes")
    group.add_argument(
        "--upscale",
        type=positive_int,
        default=1,
        metavar="K",
        help="enlarge small images K times",
    )
    group.add_argument("--font", metavar="FILE", help="a .ttf font for scripts that show as codes")


def add_detector(group: argparse._ArgumentGroup) -> None:
    """Add what a detector is built from, for ``detic.demo.run``."""
    detector = group.add_mutually_exclusive_group()
    detector.add_argument(
        "--model",
        metavar="NAME",
        help="a detector with its weights: detic-swin-b, detic-r50, shapes-detic, which comes with the "
        "project, ... (a name that is none lists them), the folder of a saved one, or hf://organisation/name",
    )
    detector.add_argument(
        "--config-file",
        default=MAIN_RECIPE,
        metavar="FILE",
        help="recipe; weights of a released one are looked for in $DETIC_MODELS and models/, else "
        "downloaded, unless --opts names others",
    )
    add_imports(group)
    place = group.add_mutually_exclusive_group()
    place.add_argument("--device", help="cpu, cuda or cuda:N; by default the GPU if there is one")
    place.add_argument("--cpu", action="store_true", help="the same as --device cpu")
    numbers = group.add_mutually_exclusive_group()
    numbers.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="bf16 is faster and changes scores a little, on CPUs with AVX512-BF16 or AMX and on GPUs; "
        "by default the recipe's MODEL.INFERENCE_PRECISION",
    )
    numbers.add_argument(
        "--half",
        action="store_true",
        help="the same as --precision fp16: the backbone alone, on a GPU",
    )
    group.add_argument(
        "--compile",
        action="store_true",
        help="compile backbone and heads, which the first image waits minutes for; a CPU gains little",
    )
    add_opts(group)


def add_parts_of_images(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--batch-size",
        type=positive_int,
        default=1,
        metavar="N",
        help="images, or tiles, computed together",
    )
    group.add_argument(
        "--tiles",
        nargs="?",
        type=positive_int,
        const=0,
        metavar="SIDE",
        help="cut larger images into overlapping tiles of this side in pixels, which finds the small "
        "objects of large images; if none is given, of the side of the images in training",
    )


def main(arguments: argparse.Namespace) -> int:
    """Run the program; return its exit status."""
    from detic.demo import run_demo
    from detic.extensions import request_imports

    logging.basicConfig(format="%(message)s")
    for name in ("detic.demo", "detic.released_models", "detic.videos", "detic.vocabulary.parents"):
        logging.getLogger(name).setLevel(logging.INFO)
    request_imports(arguments.imports)
    return run_demo(arguments)
