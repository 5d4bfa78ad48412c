"""Objects from descriptions: `{"_target_": callable or its name, **arguments}`."""

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

from detectron2.utils.registry import locate

logger = logging.getLogger(__name__)


def instantiate(cfg: Any) -> Any:
    """Return the object that a description describes.

    The target is called with the other entries as keyword arguments, after descriptions among
    them, and in lists among them, are instantiated. Anything without a target is returned as is,
    dataclasses as what they were before they became part of a configuration.

    Example:
        >>> instantiate({"_target_": "builtins.complex", "real": 1, "imag": 2})
        (1+2j)
    """
    if isinstance(cfg, list):
        return [instantiate(item) for item in cfg]
    if type(cfg).__name__ == "ListConfig":
        from omegaconf import ListConfig

        return ListConfig([instantiate(item) for item in cfg], flags={"allow_objects": True})
    if type(cfg).__name__ == "DictConfig":
        from omegaconf import OmegaConf

        if dataclasses.is_dataclass(OmegaConf.get_type(cfg)):  # one that omegaconf took apart
            return OmegaConf.to_object(cfg)
    if not isinstance(cfg, Mapping) or "_target_" not in cfg:
        return cfg
    arguments = {key: instantiate(value) for key, value in cfg.items()}
    target = arguments.pop("_target_")
    function = locate(target) if isinstance(target, str) else target
    if not callable(function):
        raise TypeError(f"_target_ is {target!r}, which cannot be called")
    try:
        return function(**arguments)
    except TypeError:
        logger.error("could not call %s with the arguments %s", target, sorted(arguments))
        raise
