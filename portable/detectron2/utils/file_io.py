"""`PathManager`: local paths, http(s) addresses and `detectron2://` model names, all as files."""

from iopath.common.file_io import HTTPURLHandler, PathHandler
from iopath.common.file_io import PathManager as _PathManager


class Detectron2Handler(PathHandler):
    """Downloads `detectron2://NAME` from Detectron2's public model storage, once per machine."""

    PREFIX = "detectron2://"
    S3_DETECTRON2_PREFIX = "https://dl.fbaipublicfiles.com/detectron2/"

    def _get_supported_prefixes(self) -> list[str]:
        return [self.PREFIX]

    def _get_local_path(self, path: str, **kwargs) -> str:
        url = self.S3_DETECTRON2_PREFIX + path.removeprefix(self.PREFIX)
        return PathManager.get_local_path(url, **kwargs)

    def _open(self, path: str, mode: str = "r", buffering: int = -1, **kwargs):
        return PathManager.open(self._get_local_path(path), mode, buffering, **kwargs)


PathManager = _PathManager()
PathManager.register_handler(HTTPURLHandler())
PathManager.register_handler(Detectron2Handler())
