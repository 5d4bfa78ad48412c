"""Join class lists into one vocabulary file: the classes of a model, then those of one's own data.

    python tools/join_vocabularies.py --vocabularies lvis my_names.txt --out_path datasets/my/vocabulary.json

Each is a built-in list or a vocabulary file. Of classes whose names differ in capitals, underscores
and spaces only, the first is taken.
"""

from argparse import Namespace
from collections.abc import Sequence

from detic.cli import argument_parser, run


def main(args: Namespace) -> None:
    # Imported here so that --help is quick.
    from detic.files import write_json
    from detic.paths import dataset_path
    from detic.vocabulary import builtin_vocabulary, read_vocabulary_file
    from detic.vocabulary.builtin import FILES
    from detic.vocabulary.names import as_file_items, join_vocabularies

    lists = [
        builtin_vocabulary(source) if source in FILES else read_vocabulary_file(source)
        for source in args.vocabularies
    ]
    joined = join_vocabularies(lists)
    out = dataset_path(args.out_path)
    write_json(out, as_file_items(joined))
    print(f"wrote {out}: {len(joined)} classes (MODEL.ROI_HEADS.NUM_CLASSES)")


def parse_arguments(argv: Sequence[str] | None = None) -> Namespace:
    parser = argument_parser(__doc__)
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
    return parser.parse_args(argv)


if __name__ == "__main__":
    run(main, parse_arguments())
