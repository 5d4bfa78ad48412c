"""Say which datasets are ready, what is missing, where to get it and how to make it.

    %(prog)s lvis_v1_train_norare imagenet_lvis_v1
    %(prog)s                           (all datasets)
    %(prog)s --deep coco_2017_val      (also look at every annotation and image)

Ends with status 0 if the datasets are ready, 1 if something is missing or wrong, 2 for an unknown
name. The datasets root is datasets, or the folder that the environment variable DETECTRON2_DATASETS
names.
"""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detic_commands.parsing import command_parser, positive_int

if TYPE_CHECKING:
    from detic.datasets.table import DatasetSpec


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument("datasets", nargs="*", metavar="DATASET", help="names (default: all)")
    parser.add_argument(
        "--deep",
        action="store_true",
        help="check the records of annotation files, that images exist and have the sizes the "
        "files say, also in tar files, and that boxes, masks and lists of verified classes are valid",
    )
    parser.add_argument(
        "--workers", type=positive_int, default=8, help="images at a time (default: 8)"
    )
    parser.set_defaults(in_checkout=prog.startswith("python "))
    return parser


def main(arguments: Namespace) -> int:
    from detic.datasets.table import SPECS, find_spec
    from detic.paths import datasets_root
    from detic.preparation.checklist import missing_files

    specs = [find_spec(name) for name in arguments.datasets or SPECS]
    root = datasets_root()
    print(f"datasets root: {root}")
    missing = {spec.name: missing_files(spec, root) for spec in specs}
    width = max(map(len, missing))
    for name, files in missing.items():
        print(f"{name:{width}}  {'missing ' + ', '.join(files) if files else 'ready'}")
    print_steps(missing, root, arguments.in_checkout)
    num_wrong = 0
    if arguments.deep:
        present = [spec for spec in specs if spec.annotation_file not in missing[spec.name]]
        num_wrong = sum(not looks_sound(spec, root, arguments.workers) for spec in present)
    return 1 if num_wrong or any(missing.values()) else 0


def print_steps(missing: Mapping[str, Sequence[str]], root: Path, in_checkout: bool) -> None:
    """Print what to fetch and which commands to run to get the missing files.

    Args:
        missing: files by dataset.
        root: the datasets root.
        in_checkout: name the programs of tools/, not the commands of ``detic``.
    """
    from detic.preparation.checklist import steps_to

    steps = steps_to([path for files in missing.values() for path in files], root)
    for number, step in enumerate(steps, start=1):
        instruction = step.source.instruction
        print(f"\n{number}. {instruction if in_checkout else with_commands(instruction)}")
        print(f"   for {', '.join(step.files)}")


def with_commands(instruction: str) -> str:
    """Return an instruction with the commands of ``detic`` in place of the programs of tools/."""
    from detic_commands.main import TOOLS, command_of

    def command(program: re.Match) -> str:
        return command_of(TOOLS[program[1]]) or program[0]

    return re.sub(r"python tools/(\w+)\.py", command, instruction)


def looks_sound(spec: "DatasetSpec", root: Path, workers: int) -> bool:
    """Print what a close look at a dataset finds; return whether there is no problem."""
    from detic.errors import InputError
    from detic.preparation.verification import verify_dataset

    print(f"\n{spec.name}")
    try:
        findings = verify_dataset(spec, root, workers)
    except InputError as error:
        print(f"   problem: {error}")
        return False
    for line in findings.lines():
        print(f"   {line}")
    return not findings.problems
