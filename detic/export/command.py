"""The program behind ``detic export``."""

import argparse
from pathlib import Path

import torch

from detic.demo.arguments import chosen_model
from detic.export.description import Origin
from detic.export.exporter import ExportParams, check_export, export_detector
from detic.export.recipe import check_recipe
from detic.export.text_encoder import check_text_encoder_export, export_text_encoder
from detic.predictor import Detector
from detic.recipes import load_recipe
from detic.released_models import find_model
from detic.vocabulary.vocabulary import Vocabulary
from detic.weight_files import weights_sha256


def run_export(args: argparse.Namespace) -> str:
    """Export what the arguments name; return a sentence on how the file compares with the detector.

    Raises:
        InputError: as :func:`detic.export.exporter.export_detector` does.
    """
    path = Path(args.output)
    params = ExportParams(
        args.format,
        masks=not args.no_masks,
        fixed_size_hw=None if args.size is None else tuple(args.size),
        int8_images=args.int8,
        overwrite=args.overwrite,
    )
    check_export(path, params)  # mistakes show before weights are read
    if args.text_encoder:
        check_text_encoder_export(path, args.overwrite)
    recipe = args.config_file if args.model is None else find_model(args.model).recipe
    cfg = load_recipe(recipe, args.opts)
    check_recipe(cfg, params.fixed_size_hw)
    model = chosen_model(args)
    names_encoder = "MODEL.TEXT_ENCODER.WEIGHTS" in args.opts[::2]
    width = cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_DIM
    detector = Detector.from_config(
        model.recipe,
        model.weights,
        Vocabulary.from_names(["any"]).with_embeddings(torch.ones(1, width)),
        device="cpu",
        score_threshold=args.confidence_threshold,
        one_class_per_proposal=not args.all_classes,
        precision="fp32",
        overrides=args.opts,
        text_weights=None if names_encoder else model.text_weights,
    )
    origin = Origin(model.recipe.stem, weights_sha256(model.weights))
    agreement = export_detector(detector, path, params, origin)
    if args.text_encoder:
        export_text_encoder(detector.vocabulary_reader.text_weights, path)
    return f"wrote {path}: {agreement}"
