"""The demonstration program: images, videos and cameras through the detector to files."""

from detic.demo.run import run_demo

__all__ = ["run_demo"]
