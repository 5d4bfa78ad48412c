"""Files of each format find what the detector finds, for any number of classes and size of image.

They need the packages of `pip install 'detic[export]'`; `make test-extras` runs them.
"""

from copy import deepcopy
from functools import cache
from importlib.util import find_spec

import cv2
import numpy as np
import pytest
import torch
from detectron2.layers import paste_masks_in_image

from detic.export.description import Origin, describe
from detic.export.exported_detector import open_exported
from detic.export.exporter import build_graph
from detic.export.formats import FORMATS, onnx_to_openvino
from detic.export.program import trace
from detic.export.reference import look_through
from detic.export.verification import compare
from detic.modeling.request import DetectionRequest, RequestedClasses
from detic.modeling.roi_heads.classifier import class_columns
from detic.paths import resource
from detic.vocabulary.builtin import builtin_vocabulary

pytestmark = pytest.mark.slow

THRESHOLD = 0.02
SHAPES = ["green gear", "yellow mug", "red star", "blue boat"]
SIZES_HW = ((128, 128), (128, 171), (33, 47), (200, 96))


@pytest.fixture(scope="module")
def program(shapes_detector):
    graph = build_graph(deepcopy(shapes_detector().model), masks=True)
    return trace(graph, 64, None).program


@pytest.fixture(scope="module")
def exported(program, shapes_detector, tmp_path_factory):
    """A function that returns the exported detector of a format."""
    metadata = describe(shapes_detector(), Origin("Detic", "ab12"), masks=True)

    @cache
    def export(name):
        for package in (*FORMATS[name].written_by, *FORMATS[name].run_by):
            if find_spec(package) is None:
                pytest.skip(f"needs the package {package}, of detic[export]")
        path = tmp_path_factory.mktemp(name) / f"m{FORMATS[name].suffix}"
        if name == "openvino":  # a program becomes ONNX once
            onnx_to_openvino(export("onnx").path, metadata, path)
        else:
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
    """Of names: random vectors have nearly the same scores in all boxes."""
    things = builtin_vocabulary("imagenet21k").names
    names = dict.fromkeys([*SHAPES, *things, *(f"small {name}" for name in things)])
    return detector.embed(list(names)[:count]).embeddings.float()


@cache
def reference_of(detector, count):
    images = [image_of(size) for size in SIZES_HW]
    return look_through(detector.model, images, embeddings_of(detector, count), THRESHOLD)


@pytest.mark.parametrize("count", [1, 96, 1203, 22047])
@pytest.mark.parametrize("name", FORMATS)
def test_all_objects_are_equal(exported, shapes_detector, name, count):
    run, reference = exported(name).run, reference_of(shapes_detector(), count)
    assert len(reference.embeddings) == count
    agreement = compare(reference, run)
    assert agreement.num_matched == agreement.num_objects > 0


@pytest.mark.parametrize("size", SIZES_HW)
@pytest.mark.parametrize("name", FORMATS)
def test_masks_are_equal(exported, shapes_detector, name, size):
    model, embeddings = shapes_detector().model, embeddings_of(shapes_detector(), len(SHAPES))
    image, thresholds = image_of(size), torch.full((len(SHAPES),), THRESHOLD)
    request = DetectionRequest(
        classes=RequestedClasses(class_columns(model.classifier, embeddings), thresholds)
    )
    inputs = [{"image": image.permute(2, 0, 1), "height": size[0], "width": size[1]}]
    expected = model.inference(inputs, request)[0]["instances"]
    found = exported(name).run(image.numpy(), embeddings.numpy(), thresholds.numpy())
    np.testing.assert_array_equal(found["classes"], expected.pred_classes)
    masks = paste_masks_in_image(
        torch.from_numpy(found["masks"]), torch.from_numpy(found["boxes"]), size
    )
    assert expected.pred_masks.any()
    assert (masks != expected.pred_masks).double().mean() <= 1e-5


@pytest.mark.parametrize(("threshold", "count"), [(1.0, 0), (0.5, 1)])
@pytest.mark.parametrize("name", FORMATS)
def test_outputs_of_no_object_and_of_one(exported, shapes_detector, name, threshold, count):
    red_star = embeddings_of(shapes_detector(), 3)[2:].numpy()
    image = image_of((128, 128)).numpy()
    found = exported(name)(image, red_star, np.full(1, threshold, np.float32))
    assert {key: x.shape for key, x in found.items()} == {
        "boxes": (count, 4),
        "scores": (count,),
        "classes": (count,),
        "region_embeddings": (count, 64),
        "masks": (count, 28, 28),
    }


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
