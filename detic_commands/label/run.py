"""Label any number of images, by any number of workers; the same command goes on after a kill.

    %(prog)s photos/ --job labels/ --model detic-r50 --custom-vocabulary "cup,paper cup"
    %(prog)s list.txt "s3://bucket/more/*.jpg" --job labels/ --vocabulary lvis --workers 8
    %(prog)s "shards/{000000..000999}.tar" --job labels/ --vocabulary-file things.yaml
    %(prog)s photos/ --job labels/ --plan-only
    %(prog)s --job labels/ --shard $SLURM_ARRAY_TASK_ID/64
    %(prog)s --job labels/ --engine ray --ray-address auto --workers 32

The folder of --job holds the plan and the labels of each shard, of at most 1000 images or one tar
file. A shard that is done is never done again. Without inputs, the job goes on as it was planned, and
takes no options of the plan. With them, it goes on if they, the weights, the vocabulary and the options
are the same, and else refuses.
`detic label status` looks at it from anywhere, `detic label merge` makes one file of it.
"""

import argparse
import logging

from detic_commands.detect import add_detector, add_parts_of_images, add_vocabulary
from detic_commands.parsing import DefaultsHelpFormatter, command_parser, positive_int

ENGINES = ("local", "ray")
MAX_IMAGES = 1000
# What each run may choose anew; all else belongs to the plan
_OF_A_RUN = (
    *("help", "inputs", "job", "plan_only", "retry_failed", "strict"),
    *("engine", "workers", "shard", "ray_address", "device", "cpu"),
)


def argument_parser(prog: str = "detic label run") -> argparse.ArgumentParser:
    parser = command_parser(prog, __doc__, DefaultsHelpFormatter)
    _add_inputs(parser)
    _add_engine(parser.add_argument_group("who does it"))
    add_vocabulary(parser.add_argument_group("what to look for"))
    model = parser.add_argument_group("the detector")
    add_detector(model)
    add_parts_of_images(model)
    model.add_argument(
        "--boxes-only", dest="masks", action="store_false", help="write no masks; faster"
    )
    model.add_argument(
        "--max-detections",
        type=positive_int,
        metavar="N",
        help="the most that an image may have, the best; by default the recipe's",
    )
    model.add_argument(
        "--labeller",
        metavar="MODULE:FUNCTION",
        help="what labels in place of a detector: a function of your own makes it (docs/label.md)",
    )
    return parser


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        nargs="*",
        metavar="INPUT",
        help="images, folders with their folders, quoted patterns, lists of paths or addresses (.txt, or - "
        "for standard input), tar files, Parquet files, also at addresses (http, https, s3, gs)",
    )
    parser.add_argument("--job", required=True, metavar="FOLDER", help="plan and labels")
    parser.add_argument(
        "--shard-size",
        type=_shard_size,
        default=MAX_IMAGES,
        metavar="N",
        help="images of a shard, at most; a kill costs the labels of as many at most",
    )
    parser.add_argument(
        "--image-column",
        metavar="NAME",
        help="of Parquet files: bytes, paths or addresses of images; by default image, jpg, url or the like",
    )
    parser.add_argument("--plan-only", action="store_true", help="plan the job and label nothing")
    parser.add_argument(
        "--retry-failed", action="store_true", help="label shards with failures once more"
    )
    parser.add_argument("--strict", action="store_true", help="end with status 3 if images failed")


def _add_engine(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--engine", choices=ENGINES, default="local", help="processes of this machine, or Ray's"
    )
    group.add_argument(
        "--workers",
        type=positive_int,
        metavar="N",
        help="processes, each with a detector; by default one a GPU, on CPUs one",
    )
    group.add_argument(
        "--shard",
        type=share,
        metavar="I/N",
        help="label one share of N, I from 0 to N - 1: for SLURM's and Kubernetes' arrays",
    )
    group.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="of a running cluster, or auto; by default Ray is started on this machine",
    )


def share(text: str) -> tuple[int, int]:
    """Return the place and the number of shares that an argument names.

    >>> share("3/16")
    (3, 16)

    Raises:
        ArgumentTypeError: it names none.
    """
    place, _, number = text.partition("/")
    if not (place.isdecimal() and number.isdecimal() and int(place) < int(number)):
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is no share; write I/N with I from 0 to N - 1, such as 3/16"
        )
    return int(place), int(number)


def _shard_size(text: str) -> int:
    number = positive_int(text)
    if number > MAX_IMAGES:
        raise argparse.ArgumentTypeError(f"{text} is too large; choose at most {MAX_IMAGES}")
    return number


def options_of_plan(arguments: argparse.Namespace) -> list[str]:
    """Return the options that were given and belong to the plan of a job."""
    parser = argument_parser()
    usual = vars(parser.parse_args(["--job", arguments.job]))
    return [
        action.option_strings[0]
        for action in parser._actions
        if action.dest not in _OF_A_RUN and getattr(arguments, action.dest) != usual[action.dest]
    ]


def main(arguments: argparse.Namespace) -> int:
    from detic.errors import InputError, some_of
    from detic.labelling.run import run_label

    if not arguments.inputs and (given := options_of_plan(arguments)):
        raise InputError(
            f"without inputs, a job goes on as it was planned; leave out {some_of(given)}, or name the inputs"
        )
    logging.basicConfig(format="%(message)s")
    for name in ("detic.labelling", "detic.released_models"):
        logging.getLogger(name).setLevel(logging.INFO)
    return run_label(arguments)
