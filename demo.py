"""Detect the objects of any vocabulary in images, videos and cameras: `python demo.py --help`."""

from functools import partial

from detic_commands.detect import argument_parser
from detic_commands.main import run_module

__all__ = ["argument_parser", "main"]

main = partial(run_module, "detect", "python demo.py")

if __name__ == "__main__":
    main()
