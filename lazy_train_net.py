#!/usr/bin/env python3
"""Another name of train_net.py, for Python recipes: `python lazy_train_net.py --help`."""

from functools import partial

from detic_commands.main import run_module
from detic_commands.train import argument_parser

__all__ = ["argument_parser", "main"]

main = partial(run_module, "train", "python lazy_train_net.py")

if __name__ == "__main__":
    main()
