"""Fit classes to a few boxes or images: a vocabulary file in seconds, no training.

    %(prog)s --model detic-r50 --vocabulary names.txt --out_path tuned.safetensors \\
        --boxes my/train.json --images my/images
    %(prog)s --model detic-r50 --vocabulary lvis --out_path tuned.safetensors \\
        --image_folders my/photos --classes "gull,puffin"
    %(prog)s --model detic-r50 --vocabulary things.yaml --out_path tuned.safetensors

The detector's weights stay as they are. Only the vectors of classes with examples change, so all other
classes are found as before. The third line takes the examples that the vocabulary file names itself.
Whatever takes a vocabulary file or a file of embeddings takes the result, with the same detector.
docs/tuning.md tells what to expect.
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from detic_commands.parsing import (
    add_imports,
    add_opts,
    add_overwrite,
    command_parser,
    count,
    positive_int,
    positive_number,
)

if TYPE_CHECKING:
    from detic.tuning import ExampleImage


def argument_parser(prog: str) -> argparse.ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--vocabulary",
        required=True,
        metavar="LIST",
        help="the classes: lvis, coco, objects365, openimages, imagenet21k or a file (.txt, .yaml, .json, "
        ".safetensors)",
    )
    parser.add_argument(
        "--out_path", required=True, metavar="FILE", help="the .safetensors file to write"
    )
    examples = parser.add_argument_group("examples")
    examples.add_argument(
        "--boxes", metavar="FILE", help="annotation file in the format of COCO or LVIS"
    )
    examples.add_argument(
        "--images", metavar="DIR", help="its images; by default the folder of the file"
    )
    examples.add_argument(
        "--image_folders",
        metavar="DIR",
        help="folders of images, each with the name of the class that its images show",
    )
    examples.add_argument(
        "--classes",
        metavar="A,B",
        help="tune these alone, the others' examples show what they are not; by default all with examples",
    )
    examples.add_argument(
        "--at_most",
        type=positive_int,
        metavar="N",
        help="take N boxes and N images of each class, drawn by --seed",
    )
    examples.add_argument(
        "--seed", type=count, default=0, help="draws what --at_most takes (default: %(default)s)"
    )
    examples.add_argument(
        "--prior",
        type=positive_number,
        default=10.0,
        metavar="W",
        help="weight of the classes' names, in regions on a box; more if the names are good (default: "
        "%(default)s)",
    )
    detector = parser.add_argument_group("the detector")
    chosen = detector.add_mutually_exclusive_group(required=True)
    chosen.add_argument(
        "--model", metavar="NAME", help="as `detic detect --model` takes it, such as detic-r50"
    )
    chosen.add_argument(
        "--config-file", metavar="FILE", help="recipe, such as configs/shapes/Detic.yaml"
    )
    add_imports(detector)
    detector.add_argument(
        "--device", help="cpu, cuda or cuda:N; by default the GPU if there is one"
    )
    add_overwrite(parser)
    add_opts(detector)
    return parser


def main(arguments: argparse.Namespace) -> None:
    import logging

    from detic.demo.arguments import chosen_model
    from detic.extensions import request_imports
    from detic.paths import dataset_path
    from detic.predictor import Detector
    from detic.preparation.output import free_place
    from detic.tuning import FitParams, few_of_each
    from detic.vocabulary import parse_names

    logging.basicConfig(format="%(message)s")
    logging.getLogger("detic.released_models").setLevel(logging.INFO)
    request_imports(arguments.imports)
    out = free_place(dataset_path(arguments.out_path), arguments.overwrite)
    _check(arguments)
    classes = None if arguments.classes is None else parse_names(arguments.classes)
    model = chosen_model(arguments)
    detector = Detector.from_config(
        model.recipe,
        model.weights,
        arguments.vocabulary,
        device=arguments.device,
        overrides=arguments.opts,
        text_weights=model.text_weights,
    )
    tuned, examples = detector.vocabulary, _examples(arguments, detector.vocabulary.names)
    if arguments.at_most is not None:
        examples = few_of_each(examples, arguments.at_most, arguments.seed)
    if examples:
        params = FitParams(prior=arguments.prior)
        tuned = detector.tune_vocabulary(examples, classes=classes, params=params)
    detector.write_vocabulary(out, tuned)
    print(f"wrote {out}: {len(tuned)} classes, {tuned.embeddings.shape[1]} wide")


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what would be noticed only after the work."""
    from pathlib import Path

    from detic.errors import InputError
    from detic.vocabulary import read_vocabulary_file
    from detic.vocabulary.vocabulary_file import LIST_READERS

    if Path(arguments.out_path).suffix != ".safetensors":
        raise InputError(
            f"--out_path is {arguments.out_path}; expected a .safetensors file, which knows its classes"
        )
    if arguments.boxes is not None or arguments.image_folders is not None:
        return
    listed = Path(arguments.vocabulary)
    has_own = listed.suffix in LIST_READERS and any(
        entry.examples for entry in read_vocabulary_file(listed).entries
    )
    if not has_own:
        raise InputError(
            "there are no examples; name them with --boxes or --image_folders, or in the vocabulary file"
        )


def _examples(arguments: argparse.Namespace, names: Sequence[str]) -> "list[ExampleImage]":
    """Return the examples that the arguments name."""
    from pathlib import Path

    from detic.paths import dataset_path
    from detic.tuning import boxed_examples, labelled_examples

    examples: list[ExampleImage] = []
    if arguments.boxes is not None:
        boxes = dataset_path(arguments.boxes)
        examples += boxed_examples(boxes, dataset_path(arguments.images or boxes.parent))
    if arguments.image_folders is not None:
        examples += labelled_examples(Path(dataset_path(arguments.image_folders)), names)
    return examples
