"""The command ``detic``: which commands there are, and how a command line finds its own."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import NoReturn

from detic_commands import __version__
from detic_commands.running import USER_ERROR, run


@dataclass(frozen=True)
class Command:
    """One command, whose module has ``argument_parser(prog)`` and ``main(arguments)``."""

    module: str  # below detic_commands
    summary: str  # one line of the help page of its group
    # Modules that take over, by the flag that asks for them
    modules_by_flag: Mapping[str, str] | None = None

    def module_for(self, argv: Sequence[str]) -> str:
        """Return the name of the module that answers a command line."""
        given = {word.partition("=")[0] for word in argv}
        asked = (name for flag, name in (self.modules_by_flag or {}).items() if flag in given)
        return next(asked, self.module)


Group = dict[str, "Command | Group"]

PREPARATIONS = {
    name: Command(f"data.{name}", summary)
    for name, summary in {
        "remove_lvis_rare": "LVIS without the boxes of rare classes",
        "merge_lvis_coco": "LVIS with the boxes that COCO has in addition",
        "get_lvis_cat_info": "class frequencies of an annotation file",
        "create_lvis_21k": "one class list for LVIS and ImageNet-21K",
        "unzip_imagenet_lvis": "ImageNet's images of LVIS's classes, unpacked",
        "create_imagenetlvis_json": "the list of these images, with labels",
        "preprocess_imagenet22k": "an index of ImageNet-21K's tar files",
        "get_imagenet_21k_full_tar_json": "the list of the images in them, with labels",
        "get_coco_zeroshot": "COCO split into seen and unseen classes",
        "get_coco_zeroshot_oriorder": "a file of this split with all 80 classes",
        "download_cc": "images of Conceptual Captions",
        "get_cc_tags": "image labels out of captions",
        "fix_o365_names": "Objects365 with its names corrected",
        "fix_o365_path": "Objects365 without the images that are missing",
        "convert_openimages": "annotation files out of OpenImages' tables",
        "shapes": "a world of drawn images, for the embedded benchmark",
    }.items()
}
COMMANDS: Group = {
    "detect": Command("detect", "find the objects of any vocabulary in images and videos"),
    "serve": Command("serve", "answer over HTTP, with a page to try it in the browser"),
    "train": Command(
        "train", "train a recipe; with --data, teach your own classes", {"--data": "train_data"}
    ),
    "evaluate": Command(
        "evaluate",
        "evaluate weights; with --predictions, a file of detections",
        {
            "--predictions": "evaluate_predictions",
            "--before": "forgetting_report",
            "--after": "forgetting_report",
        },
    ),
    "label": {
        "run": Command("label.run", "label any number of images, by any number of workers"),
        "status": Command("label.status", "say how far that is"),
        "merge": Command("label.merge", "write the labels to one file, also for review tools"),
        "import": Command("label.import_labels", "read what people have corrected, to train on it"),
    },
    "vocabulary": {
        "embed": Command("vocabulary.embed", "embed class names: the files of classifiers"),
        "join": Command("vocabulary.join", "join class lists into one vocabulary file"),
        "tune": Command("vocabulary.tune", "fit classes to a few boxes or images, in seconds"),
        "calibrate": Command("vocabulary.calibrate", "score thresholds by class, from images"),
        "hypernyms": Command("vocabulary.hypernyms", "extract from WordNet what is a kind of what"),
    },
    "data": {
        "check": Command("data.check", "say which datasets are ready and how to get the others"),
        "prepare": dict(PREPARATIONS),
    },
    "export": Command("export", "export a detector to a file that other programs run"),
    "convert": Command("convert", "convert a checkpoint to or from mmdetection's names"),
    "quickstart": Command("quickstart", "detect and train on drawn images, in minutes"),
    "doctor": Command("doctor", "look at the installation and say what is wrong with it"),
}
HELP = {"-h", "--help"}
SUMMARIES = {
    "label": "label millions of images: the work can be shared, killed and gone on with",
    "vocabulary": "class names and their embeddings",
    "data": "datasets: what is missing, and how it is made",
    "prepare": "make a file of a dataset out of what was fetched",
}
# The module behind each program of tools/
TOOLS = {name: entry.module for name, entry in PREPARATIONS.items() if name != "shapes"} | {
    "calibrate_vocabulary": "vocabulary.calibrate",
    "check_data": "data.check",
    "convert_checkpoint": "convert",
    "dump_clip_features": "vocabulary.embed",
    "export_model": "export",
    "evaluate_predictions": "evaluate_predictions",
    "forgetting_report": "forgetting_report",
    "join_vocabularies": "vocabulary.join",
    "make_wordnet_hypernyms": "vocabulary.hypernyms",
    "tune_vocabulary": "vocabulary.tune",
}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run what a command line asks for, and leave with its exit status.

    Args:
        argv: the words after ``detic``, by default those of this process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["--version"]:
        print(f"detic {__version__}")
        sys.exit(0)
    prog = "detic"
    found: Command | Group = COMMANDS
    while isinstance(found, dict):
        if not words or words[0] in HELP:
            print(_group_help(prog, found))
            sys.exit(0 if words else USER_ERROR)
        name = words.pop(0)
        if name not in found:
            sys.stderr.write(f"{prog}: error: {_unknown(name, found)}\n")
            sys.exit(USER_ERROR)
        prog, found = f"{prog} {name}", found[name]
    module = found.module_for(words)
    # Otherwise `--predictions --help` would be a flag without its value
    run_module(module, prog, ["--help"] if HELP & set(words) else words)


def run_module(name: str, prog: str, argv: Sequence[str] | None = None) -> NoReturn:
    """Parse a command line, run the module that it is for, and leave with its exit status.

    Args:
        name: of the module, below detic_commands.
        prog: how the user called it, which its help page repeats.
        argv: the words after ``prog``, by default those of this process.
    """
    module = import_module(f"detic_commands.{name}")
    arguments = module.argument_parser(prog).parse_args(argv)
    if getattr(module, "STANDALONE", False):
        sys.exit(module.main(arguments))
    run(module.main, arguments)


def command_of(module: str, prog: str = "detic", group: Group = COMMANDS) -> str | None:
    """Return the words that call a module, such as ``detic data check``; None if none do."""
    for name, entry in group.items():
        words = f"{prog} {name}"
        if isinstance(entry, Command):
            found = words if entry.module == module else None
        else:
            found = command_of(module, words, entry)
        if found:
            return found
    return None


def _group_help(prog: str, group: Group) -> str:
    width = max(map(len, group))
    lines = [f"  {name:{width}}  {_summary(name, entry)}" for name, entry in group.items()]
    more = f"`{prog} COMMAND --help` explains a command."
    version = "\n\n  --version  print the version" if prog == "detic" else ""
    return "\n".join([f"usage: {prog} COMMAND ...", "", *lines]) + f"{version}\n\n{more}"


def _summary(name: str, entry: "Command | Group") -> str:
    return entry.summary if isinstance(entry, Command) else SUMMARIES[name]


def _unknown(name: str, group: Group) -> str:
    nearest = get_close_matches(name, group, n=1)
    suggestion = f" (did you mean '{nearest[0]}'?)" if nearest else ""
    return f"unknown command '{name}'; choose {', '.join(group)}{suggestion}"
