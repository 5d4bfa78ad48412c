"""`ShapeSpec`: what is known about a feature map before it exists."""

from dataclasses import dataclass


@dataclass
class ShapeSpec:
    """The shape of a feature map; None where it is unknown or does not apply."""

    channels: int | None = None
    height: int | None = None
    width: int | None = None
    stride: int | None = None  # input pixels per cell
