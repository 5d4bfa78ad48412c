"""What the arguments of the program choose: vocabulary, weights, data files."""

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detic.demo.output_checks import DataFile
from detic.errors import InputError
from detic.outputs import Category, numbered_categories, result_paths
from detic.paths import at_home, find_file
from detic.recipes import load_recipe
from detic.released_models import find_model, model_of_recipe
from detic.vocabulary import Vocabulary, builtin_categories, expand_parents, parse_names
from detic.vocabulary.builtin import FILES as BUILTIN
from detic.vocabulary.vocabulary_reader import VocabularyLike, read_classes

_CUSTOM = "custom"
_WITH_CLASS_SCORES = ("json", "jsonl", "npz")


def chosen_vocabulary(args: argparse.Namespace) -> VocabularyLike:
    """Return the vocabulary that the arguments name, with the kinds of its classes if asked for.

    Raises:
        InputError: the arguments name two, or ``custom`` without names, or ask for kinds of what
            has embeddings already.
    """
    source = _named_vocabulary(args)
    if args.expand_parents is None:
        return source
    classes = read_classes(source)
    expanded = expand_parents(classes, args.expand_parents)
    # A built-in list that gains nothing keeps the ids and embeddings of its dataset.
    return expanded if len(expanded) > len(classes) else source


def _named_vocabulary(args: argparse.Namespace) -> VocabularyLike:
    """Return the names, the name of a built-in list or the file that the arguments choose."""
    own = [v for v in (args.custom_vocabulary, args.vocabulary_file) if v is not None]
    if len(own) > 1 or (own and args.vocabulary not in (None, _CUSTOM)):
        raise InputError(
            "--vocabulary, --custom-vocabulary and --vocabulary-file name several vocabularies; "
            "keep one of them"
        )
    if args.custom_vocabulary is not None:
        return parse_names(args.custom_vocabulary)
    if args.vocabulary_file is not None:
        return Path(args.vocabulary_file)
    if args.vocabulary == _CUSTOM:
        raise InputError(
            "--vocabulary custom needs the names: --custom-vocabulary headphone,webcam"
        )
    return args.vocabulary or _default_vocabulary(args.model)


def _default_vocabulary(model: str | None) -> VocabularyLike:
    """Return what a detector looks for unless told otherwise."""
    return "lvis" if model is None else find_model(model).vocabulary


def chosen_categories(source: VocabularyLike, vocabulary: Vocabulary) -> list[Category]:
    """Return the ids and names of the classes: a dataset's own ids for its built-in list."""
    if isinstance(source, str) and source in BUILTIN:
        return [Category(c["id"], c["name"]) for c in builtin_categories(source)]
    return numbered_categories(vocabulary)


@dataclass(frozen=True)
class ChosenModel:
    """What a detector is built from."""

    recipe: Path
    weights: str | Path
    text_weights: Path | None = None  # its text encoder; None: the recipe's


def chosen_model(args: argparse.Namespace) -> ChosenModel:
    """Return the recipe and the weights that the arguments name.

    Raises:
        InputError: there is no such model or recipe, or its weights cannot be fetched.
    """
    if args.model is None:
        return ChosenModel(find_file(args.config_file), chosen_weights(args.config_file, args.opts))
    model = find_model(args.model)
    cfg = load_recipe(model.recipe, args.opts)  # mistakes show before anything is fetched
    is_named = "MODEL.WEIGHTS" in args.opts[::2]
    weights = cfg.MODEL.WEIGHTS if is_named else model.find_weights()
    return ChosenModel(model.recipe, weights, model.text_weights)


def named_device(args: argparse.Namespace) -> str | None:
    """Return the device that ``--device`` or ``--cpu`` names."""
    return "cpu" if args.cpu else args.device


def chosen_weights(config_file: str | os.PathLike, overrides: Sequence[str]) -> str | Path:
    """Return MODEL.WEIGHTS of the overrides, else the weights released with the recipe.

    Recipes of no released model end at their own MODEL.WEIGHTS.
    """
    cfg = load_recipe(config_file, overrides)  # mistakes show before anything is fetched
    released = model_of_recipe(config_file)
    if released is None or "MODEL.WEIGHTS" in overrides[::2]:
        return cfg.MODEL.WEIGHTS
    return released.find_weights()


def data_files(args: argparse.Namespace) -> list[DataFile]:
    """Return format and path of each file of results that is asked for.

    Raises:
        InputError: a format comes without a path or a path without a format, a file would be
            written twice, or none of them can hold all scores, which are asked for.
    """
    if (args.format is None) != (args.save_to is None):
        raise InputError("--format and --save-to belong together; name both")
    if args.format == "mot" and args.track is None:
        raise InputError("--format mot holds tracks; add --track")
    wanted = (("json", args.json), ("npz", args.features), (args.format, args.save_to))
    outputs = [(name, at_home(path)) for name, path in wanted if path is not None]
    _refuse_shared_paths(args.output, outputs)
    if args.all_scores and not any(name in _WITH_CLASS_SCORES for name, _ in outputs):
        raise InputError("--all-scores needs --json, --features or --format jsonl to be written to")
    return outputs


def _refuse_shared_paths(drawings: str | None, outputs: Sequence[DataFile]) -> None:
    paths = [path for output in outputs for path in result_paths(*output)]
    if drawings is not None:
        paths.append(at_home(drawings))
    uses = Counter(os.path.abspath(path) for path in paths)
    twice = [path for path, count in uses.items() if count > 1]
    if twice:
        raise InputError(
            f"{twice[0]} would be written twice; name different files with --output, --json, "
            "--features and --save-to (coco and lvis also write .images.json beside theirs)"
        )
