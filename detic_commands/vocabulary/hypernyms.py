"""Extract from WordNet which classes are kinds of what: the table behind parent queries.

    %(prog)s --wordnet WordNet-3.0/dict \\
        --out_path datasets/vocabularies/wordnet_hypernyms.json.gz

The table comes with the project; this is how it was made. WordNet 3.0 is at
https://wordnetcode.princeton.edu/3.0/WordNet-3.0.tar.gz and, as the package WNdb 3.0, on npm.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--wordnet",
        metavar="DIR",
        required=True,
        help="folder with data.noun and index.noun of WordNet 3.0",
    )
    parser.add_argument("--out_path", metavar="FILE", required=True, help="the .json.gz to write")
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    import gzip
    import json
    from dataclasses import asdict
    from pathlib import Path

    from detic.errors import some_of
    from detic.files import write_bytes
    from detic.paths import dataset_path
    from detic.preparation.output import free_place
    from detic.preparation.wordnet import read_nouns, with_ancestors
    from detic.vocabulary import builtin_categories

    out = free_place(dataset_path(arguments.out_path), arguments.overwrite)
    synsets = [category["synset"] for category in builtin_categories("imagenet21k")]
    nouns = with_ancestors(read_nouns(Path(arguments.wordnet)), synsets)
    content = json.dumps(asdict(nouns), ensure_ascii=False, separators=(",", ":"))
    write_bytes(out, gzip.compress(content.encode(), mtime=0))
    unknown = sorted(set(synsets) - nouns.hypernyms.keys())
    print(f"wrote {out}: {len(nouns.hypernyms)} synsets and {len(nouns.senses)} words")
    print(f"classes that WordNet lacks: {some_of(unknown) or 'none'}")
