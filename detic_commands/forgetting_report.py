"""Compare two evaluations class by class: what new classes gained, what old ones lost.

    %(prog)s --before output/before --after output/OwnData --new my_names.txt

The folders are the OUTPUT_DIR of train_net.py, with or without --eval-only, or a folder
inference_<test set> of one. Both models must have been evaluated on the same test sets. The tables
are printed and written to forgetting.md, all classes to forgetting.json.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from detic_commands.parsing import command_parser


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--before", required=True, type=Path, metavar="DIR", help="evaluation of the model before"
    )
    parser.add_argument(
        "--after", required=True, type=Path, metavar="DIR", help="evaluation of the model after"
    )
    names = parser.add_mutually_exclusive_group(required=True)
    names.add_argument(
        "--old", metavar="FILE", help="vocabulary file of the old classes; the others are new"
    )
    names.add_argument(
        "--new", metavar="FILE", help="vocabulary file of the new classes; the others are old"
    )
    parser.add_argument(
        "--metric",
        default="bbox/AP",
        metavar="COLUMN",
        help="column of per_class.csv: bbox/AP, segm/AP, ... (default: %(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where to write; default: the folder of --after"
    )
    return parser


def main(args: Namespace) -> None:
    # Imported here so that --help is quick.
    from detic.evaluation.forgetting import (
        compare,
        old_and_new,
        read_evaluation,
        write_forgetting_report,
    )
    from detic.vocabulary import read_vocabulary_file

    before = read_evaluation(args.before, args.metric)
    after = read_evaluation(args.after, args.metric)
    group_of = old_and_new(
        [name for _, name in before],
        old=read_vocabulary_file(args.old).names if args.old else None,
        new=read_vocabulary_file(args.new).names if args.new else None,
    )
    report = compare(before, after, group_of, args.metric, ("old", "new"))
    print(report.as_markdown())
    write_forgetting_report(report, args.output or args.after)
