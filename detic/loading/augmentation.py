"""Random resizing, cropping and flipping of images with their boxes and masks.

Images are (H, W) or (H, W, C) arrays, points (N, 2) rows of (x, y) in pixels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from fvcore.transforms.transform import NoOpTransform, Transform
from PIL import Image

from detic.errors import InputError, unknown_choice
from detic.loading.train_source import TrainSource


def resize_window(
    image: Image.Image,
    size_wh: tuple[int, int],
    window_xyxy: tuple[int, int, int, int],
    interp: Image.Resampling = Image.Resampling.BILINEAR,
) -> Image.Image:
    """Return ``image.resize(size_wh, interp).crop(window_xyxy)``, bit by bit, with less work.

    Where an image grows, Pillow first resizes its rows, each by itself, and rounds; then its columns.
    So only the rows that reach into the window are resized, and of the result only the window's
    columns. Cutting the image itself before would round the places that are mixed otherwise. (Where
    an image shrinks there is less to save, and Pillow 13 resizes the columns of some first.)
    """
    (width, height), (left, top, right, bottom) = size_wh, window_xyxy
    if window_xyxy == (0, 0, *size_wh):
        return image.resize(size_wh, interp)
    grows = width >= image.width and height >= image.height
    if not grows or interp != Image.Resampling.BILINEAR:
        return image.resize(size_wh, interp).crop(window_xyxy)
    step = image.height / height  # rows of the image per row of the result
    # Bilinear weights end one row away; one more for rounding
    first = max(0, int((top + 0.5) * step) - 2)
    last = min(image.height, int((bottom - 0.5) * step) + 3)
    rows = image.crop((0, first, image.width, last)).resize((width, last - first), interp)
    columns = rows.crop((left, -first, right, image.height - first))  # in their places again
    return columns.resize((right - left, height), interp).crop((0, top, right - left, bottom))


class ResizeCropTransform(Transform):
    """A resize of an image and a window cut out of it; nothing is padded.

    Args:
        scaled_h, scaled_w: size after the resize, pixels.
        offset_y, offset_x: first row and column of the window in the resized image.
        img_scale: the drawn scale before sizes were cut to whole pixels.
        size: side of the window; the window ends where the image does.
    """

    def __init__(
        self,
        scaled_h: int,
        scaled_w: int,
        offset_y: int,
        offset_x: int,
        img_scale: float,
        size: int,
    ):
        super().__init__()
        self.scaled_h, self.scaled_w = scaled_h, scaled_w
        self.offset_y, self.offset_x = offset_y, offset_x
        self.img_scale = img_scale
        self.size = size

    def apply_image(
        self, img: np.ndarray, interp: Image.Resampling = Image.Resampling.BILINEAR
    ) -> np.ndarray:
        """Return the window of the resized image, of the type of ``img``.

        8-bit images are resized by PIL, others by torch's interpolation without antialiasing.
        """
        if img.dtype == np.uint8 and (img.ndim == 2 or img.shape[2] == 3):
            return np.asarray(self.resize_window(Image.fromarray(img), interp))
        left, top, right, bottom = self._window
        resize = T.ResizeTransform(*img.shape[:2], self.scaled_h, self.scaled_w, interp)
        return resize.apply_image(img)[top:bottom, left:right]

    def resize_window(
        self, image: Image.Image, interp: Image.Resampling = Image.Resampling.BILINEAR
    ) -> Image.Image:
        """Return the window of the resized image."""
        return resize_window(image, (self.scaled_w, self.scaled_h), self._window, interp)

    @property
    def _window(self) -> tuple[int, int, int, int]:
        """The first column and row of the window, and those behind its last."""
        right = min(self.scaled_w, self.offset_x + self.size)
        bottom = min(self.scaled_h, self.offset_y + self.size)
        return self.offset_x, self.offset_y, right, bottom

    @property
    def window_size_hw(self) -> tuple[int, int]:
        """The size of the result, pixels."""
        left, top, right, bottom = self._window
        return bottom - top, right - left

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Return the window of a resized map of labels, which are not mixed."""
        return self.apply_image(segmentation, interp=Image.Resampling.NEAREST)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Return the points (N, 2) moved along with the image; ``coords`` itself changes.

        The released models were trained with points scaled by the drawn scale, although the image
        is scaled to whole pixels, so points lie up to a pixel off the image.
        """
        coords[:, 0] = coords[:, 0] * self.img_scale - self.offset_x
        coords[:, 1] = coords[:, 1] * self.img_scale - self.offset_y
        return coords

    def inverse_apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Return points (N, 2) of the window as points of the image; ``coords`` itself changes."""
        coords[:, 0] = (coords[:, 0] + self.offset_x) / self.img_scale
        coords[:, 1] = (coords[:, 1] + self.offset_y) / self.img_scale
        return coords


def output_size_hw(transform: Transform, size_hw: tuple[int, int]) -> tuple[int, int]:
    """Return the size, pixels, that a transform gives an image of a size, without such an image."""
    if isinstance(transform, NoOpTransform):
        return size_hw
    if isinstance(transform, T.ResizeTransform):
        return transform.new_h, transform.new_w
    if isinstance(transform, ResizeCropTransform):
        return transform.window_size_hw
    return transform.apply_image(np.zeros((*size_hw, 3), np.uint8)).shape[:2]


class KeepSides(T.Augmentation):
    """Another resize, after which an image is at least one pixel wide and high.

    Detectron2's rounds the short side of a very long image to nothing: 2 x 30 000 becomes 0 x 1333.

    Args:
        resize: gives a ResizeTransform, or none that changes the size.
    """

    def __init__(self, resize: T.ResizeShortestEdge | T.ResizeScale):
        super().__init__()
        self.resize = resize

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return the resize of an image of this size."""
        transform = self.resize.get_transform(image)
        if not isinstance(transform, T.ResizeTransform):
            return transform
        new_h, new_w = max(1, transform.new_h), max(1, transform.new_w)
        return T.ResizeTransform(transform.h, transform.w, new_h, new_w, transform.interp)


class EfficientDetResizeCrop(T.Augmentation):
    """A fit into a square of random side, then a random window of a fixed side.

    Args:
        size: side of the window, pixels.
        scale: range of the factor on ``size`` that gives the square's side.

    Source: Tan et al., EfficientDet, arXiv 1911.09070, section 5.1 (multi-scale jitter).
    """

    def __init__(self, size: int, scale: tuple[float, float]):
        super().__init__()
        self.size = size
        self.scale = scale

    def get_transform(self, image: np.ndarray) -> ResizeCropTransform:
        """Return a transform drawn for an image of this size."""
        height, width = image.shape[:2]
        target = np.random.uniform(*self.scale) * self.size
        img_scale = min(target / height, target / width)
        # Very long images would vanish in one direction.
        scaled_h = max(1, int(height * img_scale))
        scaled_w = max(1, int(width * img_scale))
        offset_y = int(max(0, scaled_h - self.size) * np.random.uniform(0, 1))
        offset_x = int(max(0, scaled_w - self.size) * np.random.uniform(0, 1))
        return ResizeCropTransform(scaled_h, scaled_w, offset_y, offset_x, img_scale, self.size)


class EitherOf(T.Augmentation):
    """One of two lists of augmentations, drawn with equal chances for each image."""

    def __init__(self, first: Sequence[T.Augmentation], second: Sequence[T.Augmentation]):
        super().__init__()
        self.choices = [T.AugmentationList(steps) for steps in (first, second)]

    def __call__(self, aug_input: T.AugInput) -> Transform:
        """Return the transforms drawn, after transforming the input in place with them."""
        first, second = self.choices
        return first(aug_input) if np.random.rand() > 0.5 else second(aug_input)


def _resize_crop(params: "AugmentationParams", source: TrainSource) -> list[T.Augmentation]:
    return [EfficientDetResizeCrop(source.input_size, source.input_scale), *params.flips()]


def _large_scale_jitter(params: "AugmentationParams", source: TrainSource) -> list[T.Augmentation]:
    """Return a fit into a square of random side, then a square window filled up with grey, a flip.

    Source: Ghiasi et al., Copy-Paste, arXiv 2012.07177, section 3 (large scale jittering).
    """
    side = source.input_size
    return [
        KeepSides(T.ResizeScale(*source.input_scale, side, side)),
        T.FixedSizeCrop((side, side)),
        *params.flips(),
    ]


def _resize_shortest_edge(
    params: "AugmentationParams", source: TrainSource
) -> list[T.Augmentation]:
    return [_shortest_edge(params, source), *params.flips()]


def _detr(params: "AugmentationParams", source: TrainSource) -> list[T.Augmentation]:
    """Return a flip and a resize; if images are cropped, every other one to a part of it first.

    Source: Carion et al., DETR, arXiv 2005.12872, section 4.
    """
    resize = _shortest_edge(params, source)
    whole = [*params.flips(), resize]
    if params.crop is None:
        return whole
    before = KeepSides(
        T.ResizeShortestEdge(_SIDES_BEFORE_CROP, _LONGEST_BEFORE_CROP, sample_style="choice")
    )
    return [EitherOf(whole, [*params.flips(), before, params.crop, resize])]


def _shortest_edge(params: "AugmentationParams", source: TrainSource) -> T.Augmentation:
    style = params.size_sampling
    if style == "range" and len(source.min_sizes) != 2:
        raise InputError(
            f"INPUT.MIN_SIZE_TRAIN_SAMPLING is 'range', so sizes of {source.name!r} must be the "
            f"lowest and the highest, not {list(source.min_sizes)}; or set it to 'choice'"
        )
    return KeepSides(T.ResizeShortestEdge(source.min_sizes, source.max_size, style))


# By INPUT.CUSTOM_AUG: a resize and the flip, in their order
RESIZES: dict[str, Callable[["AugmentationParams", TrainSource], list[T.Augmentation]]] = {
    "EfficientDetResizeCrop": _resize_crop,
    "ResizeShortestEdge": _resize_shortest_edge,
    "LargeScaleJitter": _large_scale_jitter,
    "DETR": _detr,
}

# Keys of RESIZES with which INPUT.CROP means nothing
WITHOUT_CROP = ("EfficientDetResizeCrop", "ResizeShortestEdge", "LargeScaleJitter")

_SIDES_BEFORE_CROP = (400, 500, 600)  # shorter side, pixels; one is drawn
_LONGEST_BEFORE_CROP = 10_000  # pixels, which only strips reach

# By INPUT.RANDOM_FLIP: arguments of detectron2's RandomFlip
FLIPS: dict[str, dict[str, bool] | None] = {
    "horizontal": {"horizontal": True},
    "vertical": {"horizontal": False, "vertical": True},
    "none": None,
}


@dataclass(frozen=True)
class AugmentationParams:
    """What is done to training images: a resize and a flip; or what detectron2 does."""

    resize: str = "EfficientDetResizeCrop"  # a key of RESIZES
    flip: str = "horizontal"  # a key of FLIPS
    size_sampling: str = "choice"  # of the shortest edge: choice of the sizes, or range
    crop: T.Augmentation | None = None  # of DETR
    detectron2: tuple[T.Augmentation, ...] | None = None  # its own, in place of the above

    @classmethod
    def from_config(cls, cfg) -> "AugmentationParams":
        """Return those of a recipe; an empty ``INPUT.CUSTOM_AUG`` stands for detectron2's own.

        Raises:
            InputError: the resize or the flip is not known, or cannot have a size per dataset, or a
                crop is asked for that the resize leaves no place for.
        """
        node = cfg.INPUT
        crop = T.RandomCrop(node.CROP.TYPE, node.CROP.SIZE) if node.CROP.ENABLED else None
        if node.CUSTOM_AUG == "" and not cfg.DATALOADER.USE_DIFF_BS_SIZE:
            crops = [] if crop is None else [crop]
            return cls(detectron2=(*crops, *_detectron2_steps(cfg, is_train=True)))
        if node.CUSTOM_AUG not in RESIZES:
            raise unknown_choice("resize", node.CUSTOM_AUG, RESIZES, where="INPUT.CUSTOM_AUG")
        if node.RANDOM_FLIP not in FLIPS:
            raise unknown_choice("flip", node.RANDOM_FLIP, FLIPS, where="INPUT.RANDOM_FLIP")
        if node.CROP.ENABLED and node.CUSTOM_AUG in WITHOUT_CROP:
            raise InputError(
                f"INPUT.CROP.ENABLED has no effect with INPUT.CUSTOM_AUG {node.CUSTOM_AUG!r}; set one "
                "of them, CROP.ENABLED to False or CUSTOM_AUG to ''"
            )
        return cls(node.CUSTOM_AUG, node.RANDOM_FLIP, node.MIN_SIZE_TRAIN_SAMPLING, crop)

    def flips(self) -> list[T.Augmentation]:
        """Return the random flip, if there is one."""
        flip = FLIPS[self.flip]
        return [] if flip is None else [T.RandomFlip(**flip)]


def build_train_augmentations(
    params: AugmentationParams, source: TrainSource
) -> list[T.Augmentation]:
    """Return what is done to the training images of a source.

    Raises:
        InputError: the sizes of the source do not suit the resize.
    """
    if params.detectron2 is not None:
        return list(params.detectron2)
    return RESIZES[params.resize](params, source)


def check_polygons_can_be_cut(steps: Sequence[T.Augmentation]) -> None:
    """Check that crops among the steps can cut polygons: upstream's need shapely for that.

    Raises:
        InputError: it is missing.
    """
    if not any(isinstance(step, T.RandomCrop | T.FixedSizeCrop) for step in _flat(steps)):
        return
    try:
        T.CropTransform(0, 0, 1, 1).apply_polygons([])
    except ModuleNotFoundError as error:
        raise InputError(
            f"crops cut polygons by the package {error.name}, which is missing; install it with "
            f"`pip install {error.name}`"
        ) from error


def _flat(steps: Sequence[T.Augmentation]) -> Iterator[T.Augmentation]:
    """Yield the steps, and those that are drawn from."""
    for step in steps:
        yield step
        if isinstance(step, EitherOf):
            for choice in step.choices:
                yield from _flat(choice.augs)


def build_test_augmentations(cfg: CfgNode) -> list[T.Augmentation]:
    """Return what is done to test images.

    It is detectron2's resize, unless ``INPUT.TEST_INPUT_TYPE`` is other than ``default`` and
    training images are resized to fit a square: then test images are, too.
    """
    if cfg.INPUT.TEST_INPUT_TYPE == "default" or cfg.INPUT.CUSTOM_AUG != "EfficientDetResizeCrop":
        return _detectron2_steps(cfg, is_train=False)
    return [EfficientDetResizeCrop(cfg.INPUT.TEST_SIZE, (1, 1))]


def _detectron2_steps(cfg: CfgNode, *, is_train: bool) -> list[T.Augmentation]:
    """Return detectron2's own resize and flip."""
    steps = utils.build_augmentation(cfg, is_train)
    return [KeepSides(step) if isinstance(step, T.ResizeShortestEdge) else step for step in steps]
