"""Reading Python recipes, and what their section ``train`` says of a run."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from pprint import pformat
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
import yaml
from detectron2.config import LazyConfig

from detic.errors import InputError, in_short, unknown_choice
from detic.extensions import import_extensions
from detic.paths import at_home, find_file, looked_for
from detic.plan.optimization import CheckpointParams, LoopParams, PrecisionParams
from detic.recipes.rules import FLAG, SEED, TEXT
from detic.value_rules import Rule, is_whole, one_of, whole

if TYPE_CHECKING:
    from omegaconf import DictConfig

SECTIONS = ("model", "dataloader", "optimizer", "lr_multiplier", "train")
_CHECKPOINT_MINUTES = 20.0  # between rolling checkpoints, besides those of checkpointer.period
_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Option:
    """An entry of ``train``."""

    default: Any
    rule: Rule


# By key below ``train``. Defaults are those of Detectron2's own files.
OPTIONS = {
    "output_dir": Option("./output", TEXT),
    "init_checkpoint": Option("", TEXT),
    "max_iter": Option(90000, whole(1)),
    "eval_period": Option(5000, Rule(is_whole, "a whole number")),  # not above 0: at the end only
    "checkpointer.period": Option(5000, whole(1)),
    "checkpointer.max_to_keep": Option(0, whole(0)),  # the last so many of each period; 0: all
    "device": Option("cuda", TEXT),
    "seed": Option(-1, SEED),
    "amp.enabled": Option(False, FLAG),
    "amp.dtype": Option("float16", one_of(*_DTYPES)),
    "ddp.broadcast_buffers": Option(False, FLAG),
    "ddp.find_unused_parameters": Option(False, FLAG),
    "ddp.fp16_compression": Option(False, FLAG),  # exchange gradients in half precision
}


@dataclass(frozen=True)
class RunParams:
    """What ``train`` says of a run."""

    output_dir: Path
    weights: str  # to start from, or to evaluate; "": none
    device: str
    seed: int  # negative: one that is drawn
    loop: LoopParams
    checkpoints: CheckpointParams
    precision: PrecisionParams
    parallel: dict[str, bool] = field(default_factory=dict)  # arguments of create_ddp_model

    @classmethod
    def from_recipe(cls, cfg: "DictConfig", device: Callable[[str], str] = str) -> "RunParams":
        """Return what a recipe says.

        Args:
            device: from the recipe's device to that of the run.

        Raises:
            InputError: a value cannot be, or a section has an entry that is not known.
        """
        _check_sections(cfg)
        options = {key: _value(cfg, key, option) for key, option in OPTIONS.items()}
        place = device(options["device"])
        half, dtype = options["amp.enabled"], _DTYPES[options["amp.dtype"]]
        needs_scale = half and dtype is torch.float16 and place.startswith("cuda")
        return cls(
            output_dir=at_home(options["output_dir"]),
            weights=options["init_checkpoint"],
            device=place,
            seed=options["seed"],
            loop=LoopParams(options["max_iter"], options["eval_period"]),
            checkpoints=CheckpointParams(
                period=options["checkpointer.period"],
                minutes=_CHECKPOINT_MINUTES,
                keep=options["checkpointer.max_to_keep"],
            ),
            precision=PrecisionParams(half, dtype, needs_scale),
            parallel={
                key.removeprefix("ddp."): value
                for key, value in options.items()
                if key.startswith("ddp.")
            },
        )


def is_python_recipe(path: str | os.PathLike) -> bool:
    """Return whether a recipe is a Python file, which is run, in place of YAML, which is read."""
    return Path(path).suffix == ".py"


def load_python_recipe(path: str | os.PathLike, overrides: Sequence[str] = ()) -> "DictConfig":
    """Run a Python recipe, and return its sections with what overrides change in them.

    Args:
        path: found as ``detic.paths.places`` says.
        overrides: such as ``train.max_iter=100``; values are written as in YAML.

    Raises:
        InputError: omegaconf is missing, the file is not there, is no Python or imports what is not
            there, lacks a section, or an override cannot be.
    """
    import_extensions()
    check_omegaconf()
    named, path = Path(path), find_file(path)
    where = f"recipe {str(path)!r}"
    if not path.is_file():
        raise InputError(f"recipe {str(named)!r} not found; {looked_for(named)}")
    try:
        cfg = LazyConfig.load(str(path))
    except SyntaxError as error:
        raise InputError(f"{where} is no Python: {in_short(str(error))}") from error
    except ImportError as error:
        raise InputError(f"{where} imports what is not there: {in_short(str(error))}") from error
    missing = [name for name in SECTIONS if name not in cfg]
    if missing:
        raise InputError(f"{where} has no {' and no '.join(missing)}; docs/train.md shows one")
    try:
        return LazyConfig.apply_overrides(cfg, list(overrides))
    except Exception as error:  # omegaconf and Hydra each have exceptions of their own
        reason = in_short(str(error.args[0] if error.args else error))
        raise InputError(f"{reason}; write overrides as in train.max_iter=100") from error


def check_omegaconf() -> None:
    """Check that the package is there that Python recipes need.

    Raises:
        InputError: it is missing.
    """
    if find_spec("omegaconf") is None:
        raise InputError(
            "recipes in Python need the package omegaconf; install it with `pip install omegaconf`"
        )


def as_yaml(cfg: "DictConfig") -> str:
    """Return a recipe as YAML; as comments for people to read where something in it has no name."""
    from omegaconf import OmegaConf

    with TemporaryDirectory() as folder, suppress(ValueError, yaml.YAMLError):
        path = Path(folder, "recipe.yaml")
        LazyConfig.save(cfg, str(path))
        text = path.read_text(encoding="utf-8")
        yaml.safe_load(text)  # upstream's writes what nobody can read
        return text
    lines = pformat(OmegaConf.to_container(cfg), sort_dicts=False).splitlines()
    return "".join(f"# {line}\n" for line in lines)


def _check_sections(cfg: "DictConfig") -> None:
    """Check that the sections below ``train`` have only entries that are read."""
    for section in ("checkpointer", "amp", "ddp"):
        entries = _selected(cfg, f"train.{section}", {})
        known = [k.partition(".")[2] for k in OPTIONS if k.startswith(f"{section}.")]
        if not isinstance(entries, Mapping):
            raise InputError(
                f"train.{section} is {str(entries)[:60]!r}; expected a section with "
                f"{', '.join(known)}"
            )
        for entry in entries:
            if entry not in known:
                raise unknown_choice(f"entry of train.{section}", entry, known)


def _value(cfg: "DictConfig", key: str, option: Option) -> Any:
    value = _selected(cfg, f"train.{key}", option.default)
    if not option.rule.holds(value):
        raise InputError(f"train.{key} is {str(value)[:60]!r}; expected {option.rule.expected}")
    return value


def _selected(cfg: "DictConfig", key: str, default: Any) -> Any:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        value = OmegaConf.select(cfg, key, default=default)
    except OmegaConfBaseException as error:
        raise InputError(f"{key} cannot be worked out: {in_short(str(error))}") from error
    return default if value is None else value
