"""The released detectors: which recipe each belongs to and where its weights are."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from detic.downloads import fetch, sha256_of
from detic.errors import InputError, unknown_choice
from detic.paths import find_file, model_folders, resource
from detic.vocabulary.text_weights import SHAPES_ENCODER

logger = logging.getLogger(__name__)

PUBLISHED = "https://dl.fbaipublicfiles.com/detic"


@dataclass(frozen=True)
class ReleasedModel:
    """A detector whose weights were published."""

    name: str
    recipe: Path
    file_name: str  # of the weights, below a folder of models
    url: str | None  # where they can be fetched; None: they come with the project
    # Of the weights. Facebook gives no digests of its files, so None: they are not verified.
    sha256: str | None = None
    text_weights: Path | None = None  # its text encoder; None: the recipe's

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
            return fetch(self.url, self.sha256)
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
        if found != self.sha256:
            raise InputError(
                f"{path} is damaged or another file: its SHA-256 is {found}, expected "
                f"{self.sha256}; delete it and fetch it again"
            )


def find_model(name: str) -> ReleasedModel:
    """Return the released model of a name.

    Raises:
        InputError: there is none; the message has all names and the nearest.
    """
    if name not in RELEASED_MODELS:
        raise unknown_choice("released model", name, RELEASED_MODELS)
    return RELEASED_MODELS[name]


def model_of_recipe(recipe: str | os.PathLike) -> ReleasedModel | None:
    """Return the model that was trained by a recipe file, None if none was released.

    A copy of the recipe counts, such as that of another checkout.
    """
    path = find_file(recipe)
    named = (m for m in RELEASED_MODELS.values() if m.recipe.name == path.name)
    return next((m for m in named if _are_equal(m.recipe, path)), None)


def _published(name: str) -> ReleasedModel:
    file_name = f"{name}.pth"
    return ReleasedModel(
        name, resource(f"configs/{name}.yaml"), file_name, f"{PUBLISHED}/{file_name}"
    )


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
    )
}


def _are_equal(recipe: Path, other: Path) -> bool:
    if recipe == other.resolve():
        return True
    return other.is_file() and other.read_bytes() == recipe.read_bytes()
