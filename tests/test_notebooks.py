"""The notebooks run from top to bottom."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "docs" / "notebooks"
# A world and a training that are over in seconds
SHORT = """\
TRAIN_IMAGES, VAL_IMAGES, IMAGES_PER_CLASS = 40, 2, 1
OVERRIDES = "SOLVER.MAX_ITER 2 DATALOADER.NUM_WORKERS 0 TEST.DETECTIONS_PER_IMAGE 5"
"""


def read(name):
    nbformat = pytest.importorskip("nbformat", reason="pip install 'detic[notebook]'")
    return nbformat.read(NOTEBOOKS / name, as_version=4)


def texts(notebook):
    """Return what the cells print, joined."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "\n".join(output.get("text", "") for output in outputs)


def test_notebooks_are_kept_without_outputs():
    for path in NOTEBOOKS.glob("*.ipynb"):
        assert texts(read(path.name)) == ""


@pytest.mark.slow
def test_the_notebook_leads_to_a_detector_of_ones_own(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="pip install 'detic[notebook]'")
    pytest.importorskip("ipykernel", reason="pip install 'detic[notebook]'")
    paths = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*paths, str(ROOT)]))
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / "datasets"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = read("own_detector.ipynb")
    [parameters] = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", ())]
    parameters.source = SHORT
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=550, kernel_name="python3", resources=place).execute()
    assert "new classes with boxes" in texts(notebook)
    assert (tmp_path / "taught" / "training" / "model_final.pth").is_file()
