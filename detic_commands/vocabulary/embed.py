"""Embed class names with CLIP's text encoder: the .npy files of the classifiers.

    %(prog)s --ann datasets/lvis/lvis_v1_val.json \\
        --out_path datasets/metadata/lvis_v1_clip_a+cname.npy
    %(prog)s --vocabulary imagenet21k \\
        --out_path datasets/metadata/lvis-21k_clip_a+cname.npy
    %(prog)s --names "traffic light,zebra crossing" --out_path street.npy

The result is float16 and not normalised, classes in rows by id, as in the released files.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--ann", metavar="FILE", help="annotation file with the categories")
    source.add_argument("--vocabulary", help="lvis, coco, objects365, openimages or imagenet21k")
    source.add_argument("--names", metavar="A,B", help="class names")
    parser.add_argument(
        "--out_path", required=True, metavar="FILE", help=".npy, or .safetensors with names"
    )
    parser.add_argument(
        "--prompt",
        default="a",
        help="a, none, photo, scene, or a text with {} in it (default: %(default)s)",
    )
    parser.add_argument(
        "--clip_model",
        default="openai",
        metavar="WEIGHTS",
        help="openai (ViT-B/32), a file with a text encoder's weights, or open_clip:MODEL:TAG "
        "(default: %(default)s)",
    )
    parser.add_argument("--fix_space", action="store_true", help="spaces for underscores in names")
    parser.add_argument(
        "--use_underscore", action="store_true", help="underscores for spaces in names"
    )
    parser.add_argument(
        "--avg_synonyms", action="store_true", help="average over the synonyms of each class"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document
    from detic.devices import choose_device
    from detic.paths import dataset_path
    from detic.preparation.embeddings import class_embeddings, class_sentences
    from detic.preparation.fields import TEXTS, check_records
    from detic.preparation.output import free_place
    from detic.vocabulary import (
        EmbeddingTable,
        TextEmbedder,
        builtin_categories,
        parse_names,
        write_embeddings,
    )
    from detic.vocabulary.prompts import resolve_template

    out = free_place(dataset_path(arguments.out_path), arguments.overwrite)
    if arguments.names is not None:
        categories = [{"name": name} for name in parse_names(arguments.names)]
    elif arguments.vocabulary is not None:
        categories = builtin_categories(arguments.vocabulary)
    else:
        source = dataset_path(arguments.ann)
        document = read_checked_document(source, ("categories",))
        check_records(source, "category", document["categories"], {}, optional={"synonyms": TEXTS})
        categories = sorted(document["categories"], key=lambda category: category["id"])
    rewrites = ["fix_space"] * arguments.fix_space + ["underscore"] * arguments.use_underscore
    sentences = class_sentences(
        categories, arguments.prompt, rewrites, all_synonyms=arguments.avg_synonyms
    )
    device = str(choose_device(arguments.device))
    embedder = TextEmbedder(arguments.clip_model, device=device)
    table = EmbeddingTable(
        embeddings=class_embeddings(sentences, embedder.text_encoder),
        names=tuple(category["name"] for category in categories),
        model=embedder.model,
        templates=(resolve_template(arguments.prompt),),
        fingerprint=embedder.fingerprint,
    )
    write_embeddings(out, table)
    print(f"wrote {out}: {len(categories)} classes, {table.embeddings.shape[1]} wide")
