"""What pyproject.toml cannot say: wheels carry the recipes, class lists and weights of the checkout.

They lie beside the packages there, where users look for them. A wheel has them in
``detic/_resources``, where ``detic.paths`` finds them. An editable installation uses the checkout.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
# Files and folders, relative to the checkout; MANIFEST.in puts the same into source distributions
RESOURCES = (
    "configs",
    "datasets/vocabularies",
    "models/shapes",
    "docs/pictures/scene.png",
    "docs/things.yaml",
)


class BuildWithResources(build_py):
    """The packages, and the files that they read."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "detic", "_resources")
        shutil.rmtree(target, ignore_errors=True)  # of an older build
        for name in RESOURCES:
            self._copy(ROOT / name, target / name)

    def _copy(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)


setup(cmdclass={"build_py": BuildWithResources})
