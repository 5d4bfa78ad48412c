"""Regions of images as a detector sees them, remembered on disk."""

import numpy as np
from detectron2.config import CfgNode

from detic.config import with_values
from detic.errors import InputError
from detic.modeling.meta_arch import CustomRCNN
from detic.modeling.precision import Precision
from detic.modeling.regions import RegionFeatures
from detic.paths import cache_folder
from detic.predictor.input_format import InputFormat, load_image
from detic.tuning.examples import ExampleImage
from detic.tuning.region_cache import RegionCache, fingerprint_of, rounded
from detic.tuning.tune import DescribedImage

FOLDER = "regions"  # below that of the caches


class RegionReader:
    """Reader of images that computes the regions of each once.

    Args:
        model: a two-stage detector in evaluation mode, whose weights do not change any more.
        input_format: of the images it was trained on.
        precision: that it computes in.
        recipe: that it was built by, which says how many regions an image has; None: not known.

    Raises:
        InputError: the model has no regions.
    """

    def __init__(
        self,
        model: object,
        input_format: InputFormat,
        precision: Precision,
        recipe: CfgNode | None = None,
    ):
        if not isinstance(model, CustomRCNN):
            raise InputError(
                f"classes are tuned on regions, which {type(model).__name__} has not; choose a "
                "two-stage detector (META_ARCHITECTURE CustomRCNN)"
            )
        self.model = model
        self.input_format = input_format
        self.precision = precision
        options = f"{input_format!r} {precision} {_settings(recipe)}"
        self.cache = RegionCache(cache_folder() / FOLDER, fingerprint_of(model, options))

    def __call__(self, example: ExampleImage) -> DescribedImage:
        """Return the size and the regions of an image.

        Raises:
            InputError: it cannot be read.
        """
        image = load_image(example.image)
        return DescribedImage(image.shape[:2], self._regions(image))

    def _regions(self, image_bgr: np.ndarray) -> RegionFeatures:
        path = self.cache.path(image_bgr)
        regions = self.cache.load(path)
        if regions is None:
            inputs = [self.input_format.model_input(image_bgr)]
            regions = rounded(self.model.describe_regions(inputs, self.precision)[0])
            self.cache.store(path, regions)
        return regions


def _settings(recipe: CfgNode | None) -> str:
    """Return what a recipe says of its model, wherever the model is and runs."""
    if recipe is None:
        return ""
    return with_values(recipe, {"MODEL.WEIGHTS": "", "MODEL.DEVICE": ""}).MODEL.dump()
