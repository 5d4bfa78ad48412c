"""Score detections that are already in a file of COCO's result format, without a model.

    %(prog)s --predictions results.json --dataset lvis_v1_val --output output/scores
    %(prog)s --predictions results.json --annotations val.json --tasks bbox

The file is a json list of {"image_id", "category_id", "bbox": [x, y, width, height], "score"}
objects, with "segmentation" as a run-length encoded mask where masks are scored. Categories are
meant by their ids in the annotation file. The table is in percent. --output gets results.json (Open
Images: fractions), per_class.csv and report.html.
"""

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from detic_commands.parsing import command_parser


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--predictions", required=True, type=Path, metavar="JSON", help="the detections"
    )
    truth = parser.add_mutually_exclusive_group(required=True)
    truth.add_argument("--dataset", metavar="NAME", help="the registered dataset they are of")
    truth.add_argument(
        "--annotations", type=Path, metavar="JSON", help="or its annotation file, LVIS or COCO"
    )
    parser.add_argument(
        "--protocol",
        choices=("lvis", "coco", "oid"),
        help="how to score; by default as the dataset says, or lvis if the annotation file has "
        "class frequencies, else coco",
    )
    parser.add_argument(
        "--tasks",
        nargs="+",
        choices=("bbox", "segm"),
        help="what to score; by default what the detections have",
    )
    parser.add_argument(
        "--fixed-ap",
        action="store_true",
        help="add AP of the best 10000 detections of each class, without a limit per image (LVIS)",
    )
    parser.add_argument(
        "--hierarchy", type=Path, metavar="JSON", help="class hierarchy of Open Images"
    )
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="with --annotations: images for the report"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to write results")
    return parser


def main(args: Namespace) -> None:
    # Imported here so that --help is quick.
    from detic.evaluation.build import ScoreOptions, choose_protocol
    from detic.evaluation.evaluation_set import annotated_set, registered_set
    from detic.evaluation.evaluator import write_outputs
    from detic.evaluation.report import write_report
    from detic.evaluation.results_reader import read_results
    from detic.evaluation.summary import results_table

    check_arguments(args)
    if args.dataset is not None:
        scored = registered_set(args.dataset, args.protocol)
    else:
        scored = annotated_set(args.annotations, args.protocol, args.images)
    results = read_results(args.predictions)
    options = ScoreOptions(
        tasks=tuple(args.tasks or results.tasks),
        fixed_ap=args.fixed_ap,
        hierarchy_file=args.hierarchy,
    )
    protocol = choose_protocol(scored, options)
    evaluation = protocol.score(results)
    print(results_table(evaluation))
    if args.output:
        write_outputs(
            evaluation,
            results,
            args.output,
            dataset_name=scored.name,
            class_array_name=protocol.class_array_name,
            write_report=partial(
                write_report,
                dataset_name=scored.name,
                origin={"detections": str(args.predictions)},
                image_files=scored.image_files,
            ),
        )


def check_arguments(args: Namespace) -> None:
    """Refuse arguments that do not go together, before minutes are spent on scoring."""
    from detic.errors import InputError

    if args.dataset and args.images:
        raise InputError(
            f"--images goes with --annotations; dataset '{args.dataset}' knows where its images are"
        )
    if args.output:
        there = next(path for path in (args.output, *args.output.parents) if path.exists())
        if not there.is_dir():
            raise InputError(f"--output {args.output}: {there} is a file; name a folder")
