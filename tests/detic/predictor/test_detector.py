import multiprocessing
import pickle
import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from detic.checkpoint import load_weights
from detic.config import with_values
from detic.errors import InputError
from detic.modeling import build_detector
from detic.modeling.precision import PRECISIONS
from detic.modeling.request import DetectionRequest
from detic.predictor import detector as detector_module
from detic.predictor.inference_config import DetectionParams, inference_config
from detic.recipes import load_recipe
from detic.released_models import ReleasedModel
from detic.vocabulary import ClassEntry, Vocabulary, builtin_vocabulary, expand_parents
from detic.vocabulary.model_classes import KEY
from tests.stand_in_device import DEVICE, StandInDevice, needs_stand_in
from tests.tiny_detector import EMBEDDING_DIM, OVERRIDES, RECIPE, noise


def assert_same(found, expected):
    np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=1e-3)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    assert found.names.tolist() == expected.names.tolist()


def random_vocabulary(*entries):
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(len(entries), EMBEDDING_DIM, generator=generator)
    return Vocabulary(entries).with_embeddings(embeddings)


def test_detections_lie_in_the_image(detector):
    found = detector(noise(60, 80))
    assert len(found) > 5
    assert (np.diff(found.scores) <= 0).all()
    assert (found.boxes_xyxy >= 0).all()
    assert (found.boxes_xyxy <= (80, 60, 80, 60)).all()
    assert found.masks.shape == (len(found), 60, 80)
    assert found.masks.dtype == bool
    assert found.names.tolist() == [detector.vocabulary.names[label] for label in found.labels]


def test_masks_can_be_left_out(detector, monkeypatch):
    whole = detector(noise())
    boxes = detector(noise(), masks=False)
    assert boxes.masks is None
    assert boxes.boxes_xyxy.tolist() == whole.boxes_xyxy.tolist()
    monkeypatch.setattr(detector, "masks", False)
    assert detector(noise()).masks is None
    assert detector([noise()], masks=True)[0].masks.tolist() == whole.masks.tolist()


def test_a_path_gives_the_same_as_its_pixels(detector, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), noise())
    assert_same(detector(tmp_path / "a.png"), detector(noise()))


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_out_of_memory_names_the_sizes(detector, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(detector.model, "inference", fail)
    with pytest.raises(InputError, match="in 80 x 60, 90 x 70 pixels needs more memory than there"):
        detector([noise(60, 80), noise(70, 90)])


@pytest.mark.parametrize("size_hw", [(1, 3000), (3000, 1), (2, 30_000), (1, 1)])
def test_very_long_images_are_looked_at(detector, size_hw):
    found = detector(noise(*size_hw))
    assert found.image_size_hw == size_hw
    assert found.masks.shape[1:] == size_hw


def test_a_batch_gives_the_same_as_single_images(detector):
    images = [noise(seed=1), noise(seed=2)]
    for found, image in zip(detector(images), images, strict=True):
        assert_same(found, detector(image))
    assert detector([]) == []


def test_vocabulary_of_a_call_equals_the_vocabulary_of_the_model(detector, tiny_files, tmp_path):
    np.save(tmp_path / "own.npy", detector.vocabulary.embeddings)
    params = DetectionParams(score_threshold=0.0, one_class_per_proposal=True)
    cfg = inference_config(load_recipe(RECIPE, OVERRIDES), params, torch.device("cpu"))
    own = {KEY: str(tmp_path / "own.npy"), "MODEL.ROI_HEADS.NUM_CLASSES": 3}
    model = build_detector(with_values(cfg, own)).eval()
    load_weights(model, tiny_files.weights)
    expected = model([detector.input_format.model_input(noise())])[0]["instances"]
    found = detector(noise())
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
    assert found.labels.tolist() == expected.pred_classes.tolist()


def test_threads_never_see_a_mixture_of_vocabularies(detector):
    vocabularies = [detector.embed(names) for names in (["cat"], ["dog", "bird", "sofa"])]
    known = {vocabulary.names for vocabulary in vocabularies}
    detector.set_vocabulary(vocabularies[0])
    failures = []

    def detect():
        for _ in range(4):
            found = detector(noise(), all_scores=True)
            by_size = {len(names): names for names in known}
            names = by_size.get(found.class_scores.shape[1])
            if names is None or found.names.tolist() != [names[label] for label in found.labels]:
                failures.append(found)

    threads = [threading.Thread(target=detect) for _ in range(3)]
    for thread in threads:
        thread.start()
    turn = 0
    while any(thread.is_alive() for thread in threads):
        turn += 1
        detector.set_vocabulary(vocabularies[turn % 2])
    assert not failures


def test_negative_classes_take_their_boxes_and_are_never_shown(detector):
    entries = [ClassEntry(f"class {i}") for i in range(30)]
    detector.set_vocabulary(random_vocabulary(*entries))
    plain = detector(noise())
    negative = plain.labels[0]  # the winner of the best box
    entries[negative] = replace(entries[negative], negative=True)
    detector.set_vocabulary(random_vocabulary(*entries))
    expected = plain[plain.labels != negative]
    assert 0 < len(expected) < len(plain)
    assert_same(detector(noise()), expected)


def test_classes_have_score_thresholds_of_their_own(detector):
    entries = [ClassEntry(f"class {i}") for i in range(30)]
    detector.set_vocabulary(random_vocabulary(*entries))
    plain = detector(noise())
    label = plain.labels[0]
    threshold = float(np.median(plain.scores[plain.labels == label]))
    entries[label] = replace(entries[label], score_threshold=threshold)
    detector.set_vocabulary(random_vocabulary(*entries))
    expected = plain[(plain.labels != label) | (plain.scores > np.float32(threshold))]
    assert 0 < len(expected) < len(plain)
    assert_same(detector(noise()), expected)


def test_an_assigned_score_threshold_counts_at_once(detector):
    plain = detector(noise())
    detector.score_threshold = threshold = float(np.median(plain.scores))
    assert_same(detector(noise()), plain[plain.scores > np.float32(threshold)])
    detector.set_vocabulary(["zebra"])
    assert detector.score_threshold == threshold
    for wrong in (1.5, float("nan"), "0.3", None):
        with pytest.raises(InputError, match="choose a number from 0 to 1"):
            detector.score_threshold = wrong
    assert detector.score_threshold == threshold


def test_pickles_of_a_detector_hold_what_it_was_built_from(detector, tiny_files, monkeypatch):
    detector.score_threshold = threshold = float(np.median(detector(noise()).scores))
    monkeypatch.setattr(detector, "masks", False)
    pickled = pickle.dumps(detector)
    assert len(pickled) < 4000 < tiny_files.weights.stat().st_size / 100
    monkeypatch.chdir("/")
    copy = pickle.loads(pickled)
    assert copy.score_threshold == threshold
    assert_same(copy(noise()), detector(noise()))
    assert copy(noise()).masks is None
    copy.set_vocabulary(["dog", "unheard of"])
    detector.set_vocabulary(copy.vocabulary.names)
    assert_same(copy(noise()), detector(noise()))


def test_a_detector_of_a_model_in_memory_is_not_pickled(detector):
    made = detector_module.Detector(
        detector.model,
        detector.input_format,
        detector.vocabulary_reader,
        detector.vocabulary,
        score_threshold=0.5,
    )
    with pytest.raises(InputError, match="save it by save_pretrained"):
        pickle.dumps(made)


def test_what_a_call_names_counts_for_it_alone(detector):
    plain = detector(noise())
    threshold = float(np.median(plain.scores))
    certain = plain[plain.scores > np.float32(threshold)]
    assert 0 < len(certain) < len(plain)
    assert_same(detector(noise(), threshold=threshold), certain)
    assert_same(detector(noise(), max_detections=3), plain[:3])
    detector.set_vocabulary(["bird", "sofa"])
    birds = detector(noise())
    detector.set_vocabulary(["cat", "dog", "café"])
    assert_same(detector(noise(), vocabulary=["bird", "sofa"]), birds)
    prepared = detector.prepare_vocabulary(["bird", "sofa"])
    assert_same(detector([noise()], vocabulary=prepared)[0], birds)
    assert_same(detector(noise()), plain)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 2}, "the score threshold is 2; choose a number from 0 to 1"),
        ({"max_detections": 0}, "max_detections is 0; choose a whole number from 1"),
        ({"batch_size": 1.5}, r"batch_size is 1\.5; choose a whole number from 1"),
        ({"vocabulary": {"cat", "dog"}}, "the vocabulary is a set, which has no order"),
        ({"vocabulary": {"cat": 1}}, "the vocabulary is a dictionary, whose values say nothing"),
        ({"channels": "XYZ"}, "unknown order of channels 'XYZ'; choose BGR or RGB"),
    ],
)
def test_wrong_options_of_a_call_are_refused(detector, options, message):
    with pytest.raises(InputError, match=message):
        detector(noise(), **options)


def test_a_vocabulary_of_another_detector_is_refused(detector):
    prepared = detector.prepare_vocabulary(["cat"])
    wide = replace(prepared, columns=torch.zeros(EMBEDDING_DIM + 1, 2))
    with pytest.raises(InputError, match="its embeddings are 9 wide, those of this one 8"):
        detector(noise(), vocabulary=wide)


def test_threads_may_look_for_different_classes(detector):
    vocabularies = [detector.prepare_vocabulary(names) for names in (["cat"], ["dog", "sofa"])]
    expected = [detector(noise(), vocabulary=vocabulary) for vocabulary in vocabularies]
    found = [None] * 6

    def detect(i):
        found[i] = detector(noise(), vocabulary=vocabularies[i % 2])

    threads = [threading.Thread(target=detect, args=(i,)) for i in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, of_thread in enumerate(found):
        assert_same(of_thread, expected[i % 2])


def test_a_stream_is_read_as_its_results_are_asked_for(detector):
    asked = []

    def images():
        for seed in range(5):
            asked.append(seed)
            yield noise(seed=seed)

    stream = detector(images(), stream=True)
    assert asked == []
    assert_same(next(stream), detector(noise(seed=0)))
    assert asked == [0]
    in_pairs = detector(images(), stream=True, batch_size=2)
    next(in_pairs)
    assert asked == [0, 0, 1]
    assert len(list(in_pairs)) == 4
    assert len(list(detector(noise(), stream=True))) == 1


def test_generators_and_folders_give_lists(detector, tmp_path):
    for seed, name in enumerate(("a.png", "b.png")):
        cv2.imwrite(str(tmp_path / name), noise(seed=seed))
    in_folder = detector(tmp_path)
    assert [found.image.name for found in in_folder] == [
        str(tmp_path / n) for n in ("a.png", "b.png")
    ]
    generated = detector(noise(seed=seed) for seed in range(2))
    for found, expected in zip(in_folder, generated, strict=True):
        assert_same(found, expected)


def test_channels_of_arrays_may_be_named(detector):
    assert_same(detector(noise()[:, :, ::-1], channels="rgb"), detector(noise()))


def test_a_detector_says_where_it_is_and_moves(detector):
    assert detector.device == torch.device("cpu")
    assert detector.to("cpu") is detector
    with pytest.raises(InputError, match="unknown device 'gpu'; choose cpu, cuda or cuda:N"):
        detector.to("gpu")
    if not torch.backends.mps.is_available():
        with pytest.raises(InputError, match="device 'mps' cannot be used here"):
            detector.to("mps")


@needs_stand_in
def test_a_detector_works_where_it_was_moved_to(detector, monkeypatch):
    prepared = detector.prepare_vocabulary(["cat", "dog"])
    expected = detector(noise(), vocabulary=prepared)
    with StandInDevice():
        monkeypatch.setattr(detector_module, "choose_device", lambda _: torch.device(DEVICE))
        detector.to(DEVICE)
        assert detector.device.type == torch.device(DEVICE).type
        assert_same(detector(noise(), vocabulary=prepared), expected)
        monkeypatch.undo()
        detector.to("cpu")
    assert_same(detector(noise(), vocabulary=prepared), expected)


def test_forked_processes_can_use_a_detector_that_was_used(detector):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        expected = detector(noise(200, 200))
        context = multiprocessing.get_context("fork")
        found = context.SimpleQueue()
        child = context.Process(target=lambda: found.put(detector(noise(200, 200)).scores))
        child.start()
        child.join(20)
        child.kill()
        assert child.exitcode == 0
        np.testing.assert_allclose(found.get(), expected.scores, atol=1e-5)
    finally:
        torch.set_num_threads(threads)


def test_all_scores_and_features_belong_to_the_detections(detector):
    plain = detector(noise())
    assert plain.region_embeddings is None
    assert plain.class_scores is None
    found = detector(noise(), features=True, all_scores=True)
    assert_same(found, plain)
    assert found.region_embeddings.shape == (len(found), EMBEDDING_DIM)
    np.testing.assert_allclose(np.linalg.norm(found.region_embeddings, axis=1), 1, rtol=1e-5)
    assert found.class_scores.shape == (len(found), 3)
    np.testing.assert_array_equal(found.class_scores.max(axis=1), found.scores)
    np.testing.assert_array_equal(found.class_scores.argmax(axis=1), found.labels)


def test_a_box_may_have_several_classes_if_asked_for(tiny_files):
    found = tiny_files.detector(["cat", "dog"], one_class_per_proposal=False)(noise())
    boxes = found.boxes_xyxy.round(2)
    assert len(np.unique(boxes, axis=0)) < len(boxes)


def test_set_vocabulary_reports_what_is_looked_for(detector):
    detector.set_vocabulary([" zebra ", "gnu"])
    assert detector.vocabulary.names == ("zebra", "gnu")
    assert detector.vocabulary.embeddings.shape == (2, EMBEDDING_DIM)


def test_detections_know_the_parents_of_their_classes(detector):
    assert detector(noise()).parents is None
    detector.set_vocabulary(expand_parents(Vocabulary.from_names(["tool", "xyzzy"])))
    found = detector(noise())
    parent_of = {entry.name: entry.parent or "" for entry in detector.vocabulary.entries}
    assert found.parents.tolist() == [parent_of[name] for name in found.names]
    assert "tool" in found.parents


def test_parents_may_come_from_a_vocabulary_file(detector, tmp_path):
    (tmp_path / "v.yaml").write_text("- pet\n- {name: cat, parent: pet}\n")
    detector.set_vocabulary(tmp_path / "v.yaml")
    found = detector(noise())
    assert set(found.shown_names) <= {"pet", "pet (cat)"}
    assert "pet (cat)" in found.shown_names


def test_a_refused_vocabulary_leaves_the_old_one(detector):
    with pytest.raises(InputError, match="'cat' is both name 1 and name 2"):
        detector.set_vocabulary(["cat", "cat"])
    assert detector.vocabulary.names == ("cat", "dog", "café")


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        (None, "the vocabulary is None; expected a list of class names, a built-in list"),
        (5, "the vocabulary is 5; expected a list of class names"),
        (["a", 3], "class list: name 2 is 3; expected a text"),
    ],
)
def test_what_is_no_vocabulary_is_refused(detector, vocabulary, message):
    with pytest.raises(InputError, match=message):
        detector.set_vocabulary(vocabulary)


def test_wrong_names_show_before_the_weights_are_read(tiny_files):
    missing = replace(tiny_files, weights="missing.pth")
    with pytest.raises(InputError, match="'cat' is both name 1 and name 2"):
        missing.detector(["cat", "cat"])
    with pytest.raises(InputError, match=r"missing\.pth"):
        missing.detector(["cat"])


@pytest.fixture
def tiny_is_released(tiny_files, monkeypatch):
    monkeypatch.setenv("DETIC_MODELS", str(tiny_files.weights.parent))
    name, text_weights = tiny_files.weights.name, tiny_files.text_weights
    model = ReleasedModel("tiny", RECIPE, name, url=None, text_weights=text_weights)
    monkeypatch.setattr(detector_module, "find_model", {"tiny": model}.get)


@pytest.mark.usefixtures("tiny_is_released")
def test_pretrained_detector_comes_from_the_registry():
    detector = detector_module.Detector.from_pretrained(
        "tiny", ["cat"], device="cpu", overrides=OVERRIDES
    )
    assert detector.score_threshold == 0.5
    assert detector(noise()).image_size_hw == (60, 80)


@pytest.mark.usefixtures("tiny_is_released")
def test_pretrained_detector_looks_for_the_classes_of_lvis_unless_told_otherwise():
    detector = detector_module.Detector.from_pretrained("tiny", device="cpu", overrides=OVERRIDES)
    assert detector.vocabulary.names == builtin_vocabulary("lvis").names


def test_device_may_be_an_override(tiny_files):
    overrides = [*OVERRIDES, "MODEL.DEVICE", "cpu"]
    assert tiny_files.detector(["cat"], device=None, overrides=overrides).model.device.type == "cpu"


def test_half_precision_computes_the_backbone_in_it_and_returns_float32(detector):
    kinds = set()
    convolution = next(m for m in detector.model.backbone.modules() if isinstance(m, nn.Conv2d))
    handle = convolution.register_forward_hook(lambda module, inputs, out: kinds.add(out.dtype))
    images = detector.model.preprocess_image([detector.input_format.model_input(noise())])
    full = detector.model.backbone_features(images, None)
    half = detector.model.backbone_features(images, torch.bfloat16)
    handle.remove()
    assert kinds == {torch.float32, torch.bfloat16}
    for name, x in half.items():
        assert x.dtype == torch.float32
        torch.testing.assert_close(x, full[name], rtol=0.1, atol=0.1)


def test_precision_is_the_recipe_s_unless_it_is_named(tiny_files, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    overrides = [*OVERRIDES, "MODEL.INFERENCE_PRECISION", "bf16"]
    bf16, fp32 = PRECISIONS["bf16"], PRECISIONS["fp32"]
    assert tiny_files.detector(["cat"], overrides=overrides).precision == bf16
    assert tiny_files.detector(["cat"], precision="fp32", overrides=overrides).precision == fp32
    with pytest.raises(InputError, match="half precision needs a GPU"):
        tiny_files.detector(["cat"], half=True, overrides=overrides)
    with pytest.raises(InputError, match="half is precision fp16, but precision is 'bf16'"):
        tiny_files.detector(["cat"], half=True, precision="bf16")


def test_half_precision_is_asked_of_the_model_in_each_call(detector, monkeypatch):
    asked = []
    inference = detector.model.inference
    monkeypatch.setattr(
        detector.model, "inference", lambda x, request: asked.append(request) or inference(x)
    )
    monkeypatch.setattr(detector, "precision", PRECISIONS["fp16"])
    detector(noise())
    assert isinstance(asked[0], DetectionRequest)
    assert asked[0].precision.backbone == torch.float16
