"""The part of Detectron2's public API that open-vocabulary detection needs, in pure Python."""

import importlib
import warnings

with warnings.catch_warnings():
    # fvcore compiles one of its losses on import, in a way that current torch warns about.
    warnings.filterwarnings("ignore", message=".*torch.jit.script.*", category=FutureWarning)
    importlib.import_module("fvcore.nn")

__version__ = "0.6+portable.1"
