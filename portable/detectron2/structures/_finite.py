"""What is said of boxes that are not numbers."""


def check_finite(finite: bool) -> None:
    """Raise ValueError unless all coordinates of some boxes are finite."""
    if not finite:
        raise ValueError("boxes contain infinite or NaN coordinates, so they cannot be clipped")
