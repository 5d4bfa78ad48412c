"""Join class lists into one vocabulary file: the classes of a model, then those of one's own data.

    %(prog)s --vocabularies lvis my_names.txt --out_path datasets/my/vocabulary.json

Each is a built-in list or a vocabulary file. Of classes whose names differ in capitals, underscores
and spaces only, the first is taken.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--vocabularies",
        required=True,
        nargs="+",
        metavar="LIST",
        help="lvis, coco, objects365, openimages, imagenet21k or a file (.txt, .yaml, .json)",
    )
    parser.add_argument(
        "--out_path", required=True, metavar="FILE", help="vocabulary file to write (.json)"
    )
    add_overwrite(parser)
    return parser


def main(args: Namespace) -> None:
    # Imported here so that --help is quick.
    from detic.files import write_json
    from detic.paths import dataset_path
    from detic.preparation.output import free_place
    from detic.vocabulary import builtin_vocabulary, read_vocabulary_file
    from detic.vocabulary.builtin import FILES
    from detic.vocabulary.names import as_file_items, join_vocabularies

    out = free_place(dataset_path(args.out_path), args.overwrite)
    lists = [
        builtin_vocabulary(source) if source in FILES else read_vocabulary_file(source)
        for source in args.vocabularies
    ]
    joined = join_vocabularies(lists)
    write_json(out, as_file_items(joined))
    print(f"wrote {out}: {len(joined)} classes (MODEL.ROI_HEADS.NUM_CLASSES)")
