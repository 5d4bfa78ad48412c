"""Label captioned images with the classes their captions mention.

    %(prog)s --cc_ann datasets/cc3m/train_image_info.json \\
        --out_path datasets/cc3m/train_image_info_tags.json

    %(prog)s --cc_ann datasets/coco/annotations/captions_train2017.json \\
        --out_path datasets/coco/annotations/captions_train2017_tags_allcaps.json \\
        --allcaps --convert_caption --cat_path datasets/coco/annotations/instances_val2017.json
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument("--cc_ann", required=True, metavar="FILE", help="captioned images")
    parser.add_argument("--out_path", required=True, metavar="FILE", help="file to write")
    parser.add_argument(
        "--keep_images",
        action="store_true",
        help="keep images without any class; the name of the file gets _full before .json",
    )
    parser.add_argument(
        "--allcaps", action="store_true", help="read all captions of an image, not the first alone"
    )
    parser.add_argument(
        "--convert_caption", action="store_true", help="captions are annotations, as in COCO"
    )
    parser.add_argument(
        "--cat_path",
        metavar="FILE",
        help="annotation file with the categories to look for (default: those of --cc_ann); COCO's "
        "get the synonyms of LVIS",
    )
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document, read_document
    from detic.paths import dataset_path
    from detic.preparation.caption_tags import (
        CAPTION,
        CAPTIONS,
        captions_by_image,
        tag_images,
        with_lvis_synonyms,
    )
    from detic.preparation.fields import IDENTIFIER, TEXTS, check_records
    from detic.preparation.output import free_place, marked, save
    from detic.preparation.tables import coco_to_lvis
    from detic.vocabulary import builtin_categories

    sections = ("images", "annotations") if arguments.convert_caption else ("images",)
    source, out = dataset_path(arguments.cc_ann), dataset_path(arguments.out_path)
    out = free_place(marked(out, "_full") if arguments.keep_images else out, arguments.overwrite)
    document = read_document(source, sections)
    check_records(source, "image", document["images"], {"id": IDENTIFIER}, optional=CAPTIONS)
    if arguments.convert_caption:
        check_records(source, "annotation", document["annotations"], CAPTION)
        document = captions_by_image(document)
    categories_file = dataset_path(arguments.cat_path or arguments.cc_ann)
    categories = read_checked_document(categories_file, ("categories",))["categories"]
    check_records(categories_file, "category", categories, {}, optional={"synonyms": TEXTS})
    if not all("synonyms" in category for category in categories):
        categories = with_lvis_synonyms(categories, builtin_categories("lvis"), coco_to_lvis())
    images = tag_images(
        document["images"],
        categories,
        all_captions=arguments.allcaps,
        keep_untagged=arguments.keep_images,
    )
    tagged = {"images": images, "categories": categories, "annotations": []}
    print(save(out, tagged))
