"""The released detectors: which recipe each belongs to and where its weights are."""

import logging
import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from detic.downloads import fetch, sha256_of
from detic.errors import InputError, in_short
from detic.paths import find_file, model_folders, resource
from detic.saved_detector import HUB, SavedDetector, fetch_detector
from detic.vocabulary.text_weights import SHAPES_ENCODER

logger = logging.getLogger(__name__)

PUBLISHED = "https://dl.fbaipublicfiles.com/detic"
OPENMMLAB = "https://download.openmmlab.com/mmdetection/v3.0/detic"
MIRROR = "DETIC_MODEL_URL"  # environment variable: the address of a folder with files of weights


@dataclass(frozen=True)
class ReleasedModel:
    """A detector whose weights were published."""

    name: str
    recipe: Path
    file_name: str  # of the weights, below a folder of models
    url: str | None  # where they can be fetched; None: they come with the project
    # Of the weights, or its beginning. Facebook gives no digests of its files, so None: they are not
    # verified.
    sha256: str | None = None
    text_weights: Path | None = None  # its text encoder; None: the recipe's

    @property
    def vocabulary(self) -> str:
        """What it looks for unless told otherwise."""
        return "lvis"

    def find_weights(self) -> Path:
        """Return the local file of the weights, fetched into the download cache if need be.

        Raises:
            InputError: there is no copy and none can be fetched, or the copy is damaged.
        """
        path = self._local_copy() or self._fetch()
        self._verify(path)
        return path

    def _local_copy(self) -> Path | None:
        return next((p for p in map(self._inside, model_folders()) if p.is_file()), None)

    def _inside(self, folder: Path) -> Path:
        return folder / self.file_name

    def _fetch(self) -> Path:
        place = self._inside(next(model_folders()))
        if self.url is None:
            raise InputError(f"no weights of '{self.name}' at {place}; they come with the project")
        try:
            return fetch(_mirrored(self.url, self.file_name), self.sha256)
        except InputError as error:
            raise InputError(
                f"{error}, or to {place}, or to a folder that DETIC_MODELS names"
            ) from error

    def _verify(self, path: Path) -> None:
        if self.sha256 is None:
            logger.info("%s is not verified: its checksum is not known", path)
            return
        with path.open("rb") as file:
            found = sha256_of(file)
        if not found.startswith(self.sha256):
            raise InputError(
                f"{path} is damaged or another file: its SHA-256 is {found}, expected "
                f"{self.sha256}; delete it and fetch it again"
            )


def find_model(name: str | os.PathLike) -> ReleasedModel | SavedDetector:
    """Return the detector of a name.

    Args:
        name: a released model's or its short name; the folder of a saved detector; or the address of
            one on the Hugging Face hub, ``hf://organisation/name``.

    Raises:
        InputError: there is none; the message has the nearest names and the short ones.
    """
    name = os.fspath(name)
    if name.startswith(HUB):
        return fetch_detector(name)
    full_name = (SHORT_NAMES | _OTHER_SPELLINGS).get(name, name)
    if full_name in RELEASED_MODELS:
        return RELEASED_MODELS[full_name]
    if os.path.isdir(name):
        return SavedDetector(Path(name))
    raise InputError(
        f"unknown released model '{in_short(name)}'{_nearest(name)}; choose {', '.join(SHORT_NAMES)}, a "
        f"full name ({len(RELEASED_MODELS)} are in docs/models.md), the folder of a saved detector, or "
        f"{HUB}organisation/name"
    )


def _nearest(name: str) -> str:
    nearest = get_close_matches(name, [*SHORT_NAMES, *RELEASED_MODELS], n=2)
    return f" (did you mean {' or '.join(map(repr, nearest))}?)" if nearest else ""


def model_of_recipe(recipe: str | os.PathLike) -> ReleasedModel | None:
    """Return the model that was trained by a recipe file, None if none was released.

    A copy of the recipe counts, such as that of another checkout.
    """
    path = find_file(recipe)
    named = (m for m in RELEASED_MODELS.values() if m.recipe.name == path.name)
    return next((m for m in named if _are_equal(m.recipe, path)), None)


def _mirrored(url: str, file_name: str) -> str:
    """Return the address of a file at the mirror that the environment names, else its own."""
    mirror = os.environ.get(MIRROR)
    if not mirror:
        return url
    if not mirror.startswith(("http://", "https://")):
        raise InputError(
            f"{MIRROR} is {in_short(mirror)!r}; expected an address that starts with http:// or https://; "
            "a folder on this machine is named by DETIC_MODELS"
        )
    return f"{mirror.rstrip('/')}/{file_name}"


def _published(name: str) -> ReleasedModel:
    file_name = f"{name}.pth"
    return ReleasedModel(
        name, resource(f"configs/{name}.yaml"), file_name, f"{PUBLISHED}/{file_name}"
    )


def _openmmlab(stem: str, recipe: str) -> ReleasedModel:
    """Return a model of OpenMMLab.

    Args:
        stem: of its file: the name, the time of its training if there was one, and the beginning of
            the file's SHA-256.
        recipe: that it was trained by, or that the model was trained by which it was converted from.
    """
    name = re.sub(r"(_\d{8}(_\d{6})?)?-[0-9a-f]{8}$", "", stem)
    url = f"{OPENMMLAB}/{name}/{stem}.pth"
    digest = stem.rpartition("-")[2]
    return ReleasedModel(name, resource(f"configs/{recipe}.yaml"), f"{stem}.pth", url, digest)


def _shapes(kind: str, sha256: str) -> ReleasedModel:
    return ReleasedModel(
        f"shapes-{kind.lower()}",
        resource(f"configs/shapes/{kind}.yaml"),
        f"shapes/{kind.lower()}.pth",
        url=None,
        sha256=sha256,
        text_weights=resource(SHAPES_ENCODER),
    )


# Models with a closed vocabulary are left out: they know no other classes. Those of Deformable DETR
# are among them.
RELEASED_MODELS = {
    model.name: model
    for model in (
        _shapes("Detic", "7de736592a8e5c919dcb7fd1e74cfa719c3288be78d5a497d591f38631bb2c32"),
        _shapes("BoxSup", "4f84789da3755f383012fdd38fd794c65106260873a546ff349ff47d2b853ddd"),
        _published("Detic_LCOCOI21k_CLIP_SwinB_896b32_4x_ft4x_max-size"),
        _published("Detic_LCOCOI21k_CLIP_CXT21k_640b32_4x_ft4x_max-size"),
        _published("Detic_LCOCOI21k_CLIP_R5021k_640b32_4x_ft4x_max-size"),
        _published("Detic_LCOCOI21k_CLIP_R18_640b32_4x_ft4x_max-size"),
        _published("Detic_LI21k_CLIP_SwinB_896b32_4x_ft4x_max-size"),
        _published("BoxSup-C2_L_CLIP_R5021k_640b64_4x"),
        _published("BoxSup-C2_L_CLIP_SwinB_896b32_4x"),
        _published("Detic_LI_CLIP_R5021k_640b64_4x_ft4x_max-size"),
        _published("Detic_LI_CLIP_SwinB_896b32_4x_ft4x_max-size"),
        _published("BoxSup-C2_Lbase_CLIP_R5021k_640b64_4x"),
        _published("BoxSup-C2_Lbase_CLIP_SwinB_896b32_4x"),
        _published("Detic_LbaseI_CLIP_R5021k_640b64_4x_ft4x_max-size"),
        _published("Detic_LbaseI_CLIP_R5021k_640b64_4x_ft4x_predicted"),
        _published("Detic_LbaseI_CLIP_SwinB_896b32_4x_ft4x_max-size"),
        _published("Detic_LbaseCCimg_CLIP_R5021k_640b64_4x_ft4x_max-size"),
        _published("Detic_LbaseCCcapimg_CLIP_R5021k_640b64_4x_ft4x_max-size"),
        _published("BoxSup_OVCOCO_CLIP_R50_1x"),
        _published("Detic_OVCOCO_CLIP_R50_1x_max-size"),
        _published("Detic_OVCOCO_CLIP_R50_1x_caption"),
        _published("Detic_OVCOCO_CLIP_R50_1x_max-size_caption"),
        *(
            _openmmlab(f"detic_centernet2_{stem}", recipe)
            for stem, recipe in {
                "r50_fpn_4x_lvis_boxsup_20230911_233514-54116677": "BoxSup-C2_L_CLIP_R5021k_640b64_4x",
                "r50_fpn_4x_lvis_in21k-lvis_20230912_040619-9e7a3258": "Detic_LI_CLIP_R5021k_640b64_4x_ft4x_max-size",
                "swin-b_fpn_4x_lvis_boxsup_20230825_061737-328e85f9": "BoxSup-C2_L_CLIP_SwinB_896b32_4x",
                "swin-b_fpn_4x_lvis_in21k-lvis_20230926_235410-0c152391": "Detic_LI_CLIP_SwinB_896b32_4x_ft4x_max-size",
                "r50_fpn_4x_lvis-base_boxsup_20230921_180638-c1685ee2": "BoxSup-C2_Lbase_CLIP_R5021k_640b64_4x",
                "r50_fpn_4x_lvis-base_in21k-lvis_20230925_014315-2d2cc8b7": "Detic_LbaseI_CLIP_R5021k_640b64_4x_ft4x_max-size",
                "swin-b_fpn_4x_lvis-base_boxsup-481281c8": "BoxSup-C2_Lbase_CLIP_SwinB_896b32_4x",
                "swin-b_fpn_4x_lvis-base_in21k-lvis-ec91245d": "Detic_LbaseI_CLIP_SwinB_896b32_4x_ft4x_max-size",
                "swin-b_fpn_4x_lvis-coco-in21k_20230120-0d301978": "Detic_LCOCOI21k_CLIP_SwinB_896b32_4x_ft4x_max-size",
            }.items()
        ),
    )
}

SHORT_NAMES = {
    "shapes-detic": "shapes-detic",
    "shapes-boxsup": "shapes-boxsup",
    # The demo's: trained on boxes of LVIS and COCO and on ImageNet-21K
    "detic-swin-b": "Detic_LCOCOI21k_CLIP_SwinB_896b32_4x_ft4x_max-size",
    "detic-convnext": "Detic_LCOCOI21k_CLIP_CXT21k_640b32_4x_ft4x_max-size",
    "detic-r50": "Detic_LCOCOI21k_CLIP_R5021k_640b32_4x_ft4x_max-size",
    "detic-r18": "Detic_LCOCOI21k_CLIP_R18_640b32_4x_ft4x_max-size",
    # LVIS, and LVIS without boxes of its rare classes; of two trainings the one better at those
    "detic-lvis-swin-b": "Detic_LI_CLIP_SwinB_896b32_4x_ft4x_max-size",
    "detic-lvis-r50": "detic_centernet2_r50_fpn_4x_lvis_in21k-lvis",
    "detic-lvis-base-swin-b": "Detic_LbaseI_CLIP_SwinB_896b32_4x_ft4x_max-size",
    "detic-lvis-base-r50": "detic_centernet2_r50_fpn_4x_lvis-base_in21k-lvis",
    "detic-coco-r50": "Detic_OVCOCO_CLIP_R50_1x_max-size_caption",
}
# As its configuration is called there
_OTHER_SPELLINGS = {
    "detic_centernet2_swin-b_fpn_4x_lvis_coco_in21k": "detic_centernet2_swin-b_fpn_4x_lvis-coco-in21k"
}


def _are_equal(recipe: Path, other: Path) -> bool:
    if recipe == other.resolve():
        return True
    return other.is_file() and other.read_bytes() == recipe.read_bytes()
