"""Addresses of models."""

from detectron2.utils.file_io import Detectron2Handler, PathManager


def test_model_names_are_addresses_in_the_public_storage(monkeypatch, tmp_path):
    local = tmp_path / "R-50.pkl"
    local.write_bytes(b"weights")
    asked = []

    def get_local_path(url, **kwargs):
        asked.append(url)
        return str(local)

    handler = Detectron2Handler()
    monkeypatch.setattr(PathManager, "get_local_path", get_local_path)
    assert handler._get_local_path("detectron2://ImageNetPretrained/MSRA/R-50.pkl") == str(local)
    assert asked == ["https://dl.fbaipublicfiles.com/detectron2/ImageNetPretrained/MSRA/R-50.pkl"]
    with handler._open("detectron2://x.pkl", "rb") as f:
        assert f.read() == b"weights"


def test_names_are_recognised_and_local_paths_stay(tmp_path):
    path = str(tmp_path / "x.pth")
    assert PathManager.get_local_path(path) == path
    assert not PathManager.exists(path)
