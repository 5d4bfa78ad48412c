"""Add to LVIS's training set the boxes that COCO has in addition.

    %(prog)s

writes datasets/lvis/lvis_v1_train+coco_mask.json.
"""

from argparse import ArgumentParser, Namespace

from detic_commands.parsing import add_overwrite, command_parser


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--lvis_path",
        default="datasets/lvis/lvis_v1_train.json",
        help="LVIS annotation file (default: %(default)s)",
    )
    parser.add_argument(
        "--coco_path",
        default="datasets/coco/annotations/instances_train2017.json",
        help="COCO annotation file (default: %(default)s)",
    )
    parser.add_argument(
        "--no_mask", action="store_true", help="leave out all masks; the name ends in _box.json"
    )
    add_overwrite(parser)
    return parser


def main(arguments: Namespace) -> None:
    from detic.datasets.annotation_file import read_checked_document
    from detic.paths import dataset_path
    from detic.preparation.fields import check_records
    from detic.preparation.lvis_variants import (
        ABSENT_CLASSES,
        IMAGE_NAMES,
        merge_coco,
        without_masks,
    )
    from detic.preparation.output import free_place, marked, save
    from detic.preparation.tables import coco_to_lvis

    sections = ("images", "annotations", "categories")
    source, other = dataset_path(arguments.lvis_path), dataset_path(arguments.coco_path)
    mark = "+coco_box" if arguments.no_mask else "+coco_mask"
    out = free_place(marked(source, mark), arguments.overwrite)
    lvis = read_checked_document(source, sections)
    coco = read_checked_document(other, sections)
    fields = IMAGE_NAMES | ABSENT_CLASSES
    check_records(source, "image", lvis["images"], {}, optional=fields)
    check_records(other, "image", coco["images"], {}, optional=fields)
    merged = merge_coco(lvis, coco, coco_to_lvis())
    if arguments.no_mask:
        merged = without_masks(merged)
    print(save(out, merged))
