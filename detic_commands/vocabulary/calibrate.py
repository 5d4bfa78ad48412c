"""Give each class of a vocabulary file the score from which on its detections are shown.

    %(prog)s --vocabulary my_names.txt --annotations held_out.json --images held_out/ \\
        --config-file my_recipe.yaml --out_path my_classes.json \\
        --opts MODEL.WEIGHTS output/model_final.pth

One common threshold suits few classes: some hide most of what they find, and others, often those that
were trained with images alone, are shown where nothing of them is. The detector looks at annotated
images (COCO or LVIS) that it was not trained on. Classes with ten objects or more get the
score_threshold with the highest F1, the harmonic mean of precision and recall. For others, such as those without
boxes, boxes of the others tell which detections are wrong; their threshold rises until few are. What is
printed was counted on these images; others will show a little less.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from detic_commands.parsing import Overrides, add_imports, add_overwrite, command_parser, share


def argument_parser(prog: str) -> ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument(
        "--vocabulary",
        required=True,
        metavar="FILE",
        help="class names (.txt, .yaml, .json), all that the detector will be asked for",
    )
    detector = parser.add_mutually_exclusive_group(required=True)
    detector.add_argument("--model", metavar="NAME", help="a detector with its weights")
    detector.add_argument(
        "--config-file", metavar="FILE", help="a recipe, with MODEL.WEIGHTS in --opts"
    )
    parser.add_argument(
        "--annotations",
        required=True,
        type=Path,
        metavar="JSON",
        help="boxes of held-out images, COCO or LVIS; categories are matched by name",
    )
    parser.add_argument(
        "--images",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder that their file names are relative to",
    )
    parser.add_argument(
        "--false-alarms",
        type=share,
        default=0.01,
        metavar="SHARE",
        help="how many wrong detections a class without boxes may show, as a share of the held-out "
        "objects (default: 0.01); 1 leaves these classes as they are",
    )
    parser.add_argument(
        "--confidence-threshold",
        type=share,
        default=0.5,
        metavar="SCORE",
        help="the common threshold, of classes that get none (default: 0.5)",
    )
    parser.add_argument(
        "--out_path", required=True, type=Path, metavar="FILE", help="file to write (.json)"
    )
    add_overwrite(parser)
    parser.add_argument("--device", help="cpu, cuda or cuda:N; by default the GPU if there is one")
    add_imports(parser)
    parser.add_argument(
        "--opts",
        nargs="*",
        action=Overrides,
        default=[],
        metavar="KEY VALUE",
        help="configuration keys and values to the end of the line",
    )
    return parser


def main(args: Namespace) -> None:
    # Imported here so that --help is quick.
    from detic.calibration.evidence import Evidence
    from detic.calibration.held_out import add_annotated_images, read_annotated_images
    from detic.calibration.summary import summary_of
    from detic.calibration.thresholds import with_thresholds, without_thresholds
    from detic.demo.arguments import chosen_model
    from detic.extensions import request_imports
    from detic.files import write_json
    from detic.predictor import Detector
    from detic.preparation.output import free_place
    from detic.vocabulary import read_vocabulary_file
    from detic.vocabulary.names import as_file_items

    out = free_place(args.out_path, args.overwrite)
    request_imports(args.imports)
    vocabulary = read_vocabulary_file(args.vocabulary)
    images = read_annotated_images(args.annotations, args.images, vocabulary.names)
    model = chosen_model(args)
    detector = Detector.from_config(
        model.recipe,
        model.weights,
        without_thresholds(vocabulary),
        device=args.device,
        score_threshold=args.confidence_threshold,
        overrides=args.opts,
        text_weights=model.text_weights,
    )
    evidence = Evidence(len(vocabulary))
    add_annotated_images(evidence, detector, images)
    common = args.confidence_threshold
    calibrated = with_thresholds(vocabulary, evidence.classes, common, args.false_alarms)
    write_json(out, as_file_items(calibrated))
    print(summary_of(vocabulary, calibrated, evidence.classes, common))
    print(f"wrote {out}")
