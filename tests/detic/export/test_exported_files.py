"""Files of each format find what the detector finds, for any number of classes and size of image.

They need the packages of `pip install 'detic[export]'`; `make test-extras` runs them.
"""

from functools import cache
from importlib.util import find_spec

import cv2
import numpy as np
import pytest
import torch

from detic.export.description import Origin, describe
from detic.export.exported_detector import open_exported
from detic.export.exporter import build_graph
from detic.export.formats import FORMATS
from detic.export.program import trace
from detic.export.verification import compare
from detic.paths import resource

pytestmark = pytest.mark.slow

THRESHOLD = 0.02
SIZES_HW = ((128, 128), (128, 171), (33, 47), (200, 96))


@pytest.fixture(scope="module")
def program(shapes_detector):
    from copy import deepcopy

    graph = build_graph(deepcopy(shapes_detector().model), masks=True)
    return trace(graph, 64, None).program


@pytest.fixture(scope="module")
def exported(program, shapes_detector, tmp_path_factory):
    """A function that returns the exported detector of a format."""

    @cache
    def export(name):
        for package in FORMATS[name].packages:
            if find_spec(package) is None:
                pytest.skip(f"needs the package {package}, of detic[export]")
        path = tmp_path_factory.mktemp(name) / f"m{FORMATS[name].suffix}"
        metadata = describe(shapes_detector(), Origin("Detic", "ab12"), masks=True)
        FORMATS[name].write(program, metadata, path)
        return open_exported(path)

    return export


@cache
def image_of(size_hw):
    scene = cv2.imread(str(resource("docs/pictures/scene.png")))[:, :, ::-1]
    height, width = size_hw
    return torch.from_numpy(cv2.resize(scene, (width, height)))


@cache
def embeddings_of(detector, count):
    names = ["green gear", "yellow mug", "red star", "blue boat"][:count]
    names += [f"{i} things" for i in range(count - len(names))]
    return detector.embed(names).embeddings.float()


@pytest.mark.parametrize("count", [1, 96, 1203])
@pytest.mark.parametrize("name", FORMATS)
def test_all_objects_are_equal(exported, shapes_detector, name, count):
    detector, run = shapes_detector(), exported(name).run
    images = [image_of(size) for size in SIZES_HW]
    agreement = compare(detector.model, run, images, embeddings_of(detector, count), THRESHOLD)
    assert agreement.num_matched == agreement.num_objects > 0


@pytest.mark.parametrize("name", FORMATS)
def test_no_object_gives_empty_outputs(exported, shapes_detector, name):
    embeddings = embeddings_of(shapes_detector(), 4).numpy()
    image = np.zeros((64, 96, 3), np.uint8)
    found = exported(name)(image, embeddings, np.ones(4, np.float32))
    assert found["boxes"].shape == (0, 4)
    assert found["masks"].shape == (0, 28, 28)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_says_what_it_is_and_nothing_of_this_machine(exported, name):
    found = exported(name)
    assert found.metadata.weights_sha256 == "ab12"
    files = list(found.path.parent.iterdir())
    content = b"".join(file.read_bytes() for file in files)
    for trace_of_us in (b"/work", b"/home", b".py", str(found.path.parent).encode()):
        assert trace_of_us not in content
    assert len(content) < 1.1 * 2**20 * 10  # 2.3 million weights


def test_axes_have_names(exported):
    import onnx

    model = onnx.load(exported("onnx").path)
    axes = [
        [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    ]
    assert axes == [
        ["height", "width", 3],
        ["classes", 64],
        ["classes"],
        ["detections", 4],
        ["detections"],
        ["detections"],
        ["detections", 64],
        ["detections", 28, 28],
    ]
