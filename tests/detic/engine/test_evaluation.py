"""Evaluation of a model that always sees right, on three images of pets."""

import json

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import Boxes, Instances
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from detic.engine.evaluation import evaluate_model, flat_metrics
from detic.engine.test_sets import check_test_sets
from detic.errors import InputError
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier
from detic.plan import EvaluationPlan
from detic.plan.test_classes import TestClasses, names_of_classes
from detic.recipes import load_recipe
from detic.vocabulary import (
    CLIPTextEncoder,
    EmbeddingTable,
    TextEmbedder,
    Vocabulary,
    builtin_vocabulary,
    write_embeddings,
)
from detic.vocabulary.class_order import in_class_order
from tests.detic.modeling.conftest import CONFIGS

NAMES = ["cat", "dog", "sea gull"]  # image i shows class i
DIM = 8
HERE = (10, 10, 30, 30)  # XYWH


class SeeingModel(nn.Module):
    """Finds the one object of an image, as the class whose embedding is nearest to its text."""

    device = torch.device("cpu")

    def __init__(self, texts):
        super().__init__()
        self.texts = texts
        self.classifier = ZeroShotClassifier(in_features=2, class_embeddings=texts)
        self.seen, self.limits = [], []  # image ids; the limits of detections that are asked for

    def inference(self, batch, request):
        self.limits.append(request.max_detections)
        classes = self.classifier.zs_weight.t()
        if request.classes is not None:
            classes = request.classes.columns.t()
        return [{"instances": self._instances(x["image_id"], classes)} for x in batch]

    def _instances(self, image_id, classes):
        self.seen.append(image_id)
        similarity = F.normalize(classes, dim=1) @ self.texts[image_id - 1]
        x, y, width, height = HERE
        return Instances(
            (50, 50),
            pred_boxes=Boxes(torch.tensor([[x, y, x + width, y + height]], dtype=torch.float32)),
            pred_classes=similarity.argmax()[None],
            scores=torch.tensor([0.9]),
        )


@pytest.fixture
def text_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(0)
    sizes = {"context_length": 12, "vocab_size": 1024, "width": 64, "heads": 1, "layers": 2}
    save_file(CLIPTextEncoder(**sizes, embed_dim=DIM).state_dict(), tmp_path / "clip.safetensors")
    return tmp_path / "clip.safetensors"


@pytest.fixture
def model(text_weights):
    return SeeingModel(TextEmbedder(text_weights).embed(Vocabulary.from_names(NAMES)).embeddings)


@pytest.fixture
def pets(tmp_path):
    """The name of a registered dataset."""
    records, annotations = [], []
    for number in range(1, len(NAMES) + 1):
        file_name = str(tmp_path / f"{number}.png")
        cv2.imwrite(file_name, np.full((50, 50, 3), 60 * number, np.uint8))
        records.append({"image_id": number, "file_name": file_name, "height": 50, "width": 50})
        box = {"bbox": list(HERE), "area": 900, "iscrowd": 0}
        annotations.append({"id": number, "image_id": number, "category_id": number, **box})
    images = [
        {"id": r["image_id"], "height": 50, "width": 50}
        | {"neg_category_ids": [], "not_exhaustive_category_ids": []}
        for r in records
    ]
    categories = [{"id": i, "name": n, "frequency": "f"} for i, n in enumerate(NAMES, start=1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "pets.json").write_text(json.dumps(content))
    DatasetCatalog.register("pets_seen", lambda: records)
    MetadataCatalog.get("pets_seen").set(
        json_file=str(tmp_path / "pets.json"), evaluator_type="lvis", thing_classes=NAMES
    )
    yield "pets_seen"
    DatasetCatalog.remove("pets_seen")
    MetadataCatalog.remove("pets_seen")


@pytest.fixture
def recipe(pets, text_weights, tmp_path):
    """A function from overrides to the configuration of an evaluation on the pets."""
    common = [
        *("MODEL.WEIGHTS", "", "MODEL.MASK_ON", "False", "DATASETS.TEST", f"('{pets}',)"),
        *("DATALOADER.NUM_WORKERS", "0", "OUTPUT_DIR", str(tmp_path / "output")),
        *("MODEL.TEXT_ENCODER.WEIGHTS", str(text_weights)),
        *("MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_DIM", str(DIM)),
    ]
    return lambda *options: load_recipe(CONFIGS / "shapes" / "Detic.yaml", [*common, *options])


@pytest.fixture
def vocabulary_file(tmp_path):
    """A function from class names to the override that evaluates on a file of them."""

    def write(*names):
        (tmp_path / "names.txt").write_text("\n".join(names))
        return "TEST.VOCABULARIES", f"['{tmp_path / 'names.txt'}']"

    return write


def evaluate(cfg, model, **options):
    return evaluate_model(EvaluationPlan.from_config(cfg), model, report=False, **options)


def precision(cfg, model, **options):
    return evaluate(cfg, model, **options)["pets_seen"]["bbox"]["AP"]


@pytest.mark.parametrize("names", [NAMES, NAMES[::-1], ["Sea_gull", "cat", "dog"]])
def test_vocabulary_takes_the_order_of_the_dataset(recipe, model, vocabulary_file, names):
    assert precision(recipe(*vocabulary_file(*names)), model) == pytest.approx(100)


def test_vocabulary_of_other_classes_is_refused(recipe, model, vocabulary_file):
    message = (
        r"TEST\.VOCABULARIES '.*names\.txt' for pets_seen: the vocabulary has 2 classes, the .* 3"
    )
    with pytest.raises(InputError, match=f"{message}; it lacks class number 3, 'sea gull'"):
        evaluate(recipe(*vocabulary_file("cat", "dog")), model)


def test_empty_vocabulary_means_the_classes_of_the_model(recipe, model):
    assert precision(recipe("TEST.VOCABULARIES", "['']"), model) == pytest.approx(100)


def test_every_test_set_needs_a_vocabulary(recipe, model):
    with pytest.raises(InputError, match=r"TEST\.VOCABULARIES has 2 entries for the 1 of DATASETS"):
        evaluate(recipe("TEST.VOCABULARIES", "['', '']"), model)


def test_mistakes_of_later_test_sets_show_before_the_first_is_run(recipe, model):
    sets = ("DATASETS.TEST", "('pets_seen', 'gone')", "TEST.VOCABULARIES", "['', 'lvis']")
    with pytest.raises(InputError, match="unknown dataset 'gone'"):
        evaluate(recipe(*sets), model)
    assert model.seen == []


def test_the_class_of_lvis_with_two_names_is_accepted_by_either():
    names = names_of_classes("lvis_v1_val")
    assert [pair for pair in names if pair[0] != pair[1]] == [("bull", "horned_cow")]
    for of_list in zip(*names, strict=True):
        vocabulary = Vocabulary.from_names(of_list).with_embeddings(torch.ones(1203, DIM))
        assert in_class_order(vocabulary, names, "lvis") is vocabulary


def classifier_options(path, num_classes=3):
    return (
        *("MODEL.RESET_CLS_TESTS", "True", "MODEL.TEST_CLASSIFIERS", f"['{path}']"),
        *("MODEL.TEST_NUM_CLASSES", f"[{num_classes}]"),
    )


def test_classifier_file_is_taken_as_it_is(recipe, model, tmp_path):
    write_embeddings(tmp_path / "v.npy", EmbeddingTable(model.texts.flip(0)))
    assert precision(recipe(*classifier_options(tmp_path / "v.npy")), model) < 50


def test_classifier_file_of_another_clip_is_refused(recipe, model, tmp_path):
    table = EmbeddingTable(model.texts, names=tuple(NAMES), model="x.pt", fingerprint="0" * 16)
    write_embeddings(tmp_path / "v.safetensors", table)
    with pytest.raises(InputError, match=r"v\.safetensors was made by a different CLIP"):
        evaluate(recipe(*classifier_options(tmp_path / "v.safetensors")), model)


def test_missing_classifier_file_is_replaced_by_embedding_the_names(recipe, model):
    assert precision(recipe(*classifier_options("gone.npy")), model) == pytest.approx(100)
    with pytest.raises(InputError, match="NUM_CLASSES says 4 for pets_seen, which has 3 classes"):
        evaluate(recipe(*classifier_options("gone.npy", 4)), model)


def test_missing_classifier_of_lvis_embeds_the_class_list(recipe, text_weights):
    lvis = ("DATASETS.TEST", "('lvis_v1_val',)")
    cfg = recipe(*lvis, *classifier_options("gone.npy", 1203))
    embeddings = TestClasses.from_config(cfg).embeddings(0)
    bull = builtin_vocabulary("lvis").names.index("bull")
    expected = TextEmbedder(text_weights).embed(Vocabulary.from_names(["bull"])).embeddings[0]
    torch.testing.assert_close(embeddings[bull], expected)


def test_resumed_evaluation_does_not_ask_how_images_are_loaded(recipe, model):
    before = precision(recipe(), model)
    assert sorted(model.seen) == [1, 2, 3]
    again = recipe("DATALOADER.NUM_WORKERS", "1", "SOLVER.BASE_LR", "7.0")
    assert precision(again, model, resume=True) == pytest.approx(before)
    assert len(model.seen) == 3  # nothing was predicted again


@pytest.mark.parametrize("damage", ["missing", "cut", "other size"])
def test_an_image_that_cannot_be_read_is_listed_and_scored_as_empty(
    recipe, model, tmp_path, caplog, damage
):
    image = tmp_path / "2.png"
    if damage == "missing":
        image.unlink()
    elif damage == "cut":
        image.write_bytes(image.read_bytes()[:60])
    else:
        cv2.imwrite(str(image), np.zeros((50, 51, 3), np.uint8))
    cfg = recipe("DATALOADER.MAX_BAD_FRACTION", "0.4")
    assert precision(cfg, model) == pytest.approx(100 * 2 / 3)
    assert model.seen == [1, 3]
    assert "1 of 3 images could not be read and were scored as images in" in caplog.messages[-1]
    assert str(image) in (tmp_path / "output" / "unreadable_images.txt").read_text()
    # A resumed evaluation tries it again.
    cv2.imwrite(str(image), np.full((50, 50, 3), 120, np.uint8))
    assert precision(cfg, model, resume=True) == pytest.approx(100)
    assert model.seen == [1, 3, 2]


def test_too_many_unreadable_images_end_an_evaluation(recipe, model, tmp_path):
    (tmp_path / "2.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"1 of 3 images cannot be read, more than .*2\.png"):
        evaluate(recipe(), model)
    assert "2.png" in (tmp_path / "output" / "unreadable_images.txt").read_text()


def test_missing_images_are_found_before_the_model_runs(recipe, tmp_path):
    plan = EvaluationPlan.from_config(recipe())
    check_test_sets(plan)
    (tmp_path / "2.png").unlink()
    with pytest.raises(InputError, match=r"1 of 3 images cannot be read.*2\.png \(FileNotFound"):
        check_test_sets(plan)


def test_out_of_memory_names_the_image(recipe, model, monkeypatch):
    def fail(batch, request):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model, "inference", fail)
    with pytest.raises(InputError, match=r"1\.png \(50 x 50\) needs more memory than there is"):
        evaluate(recipe(), model)


def test_resuming_with_another_configuration_names_the_key(recipe, model):
    precision(recipe(), model)
    changed = recipe("INPUT.MIN_SIZE_TEST", "99")
    with pytest.raises(InputError, match=r"with INPUT\.MIN_SIZE_TEST '128', now it is '99'"):
        precision(changed, model, resume=True)


def test_resuming_with_other_weights_is_refused(recipe, model, tmp_path):
    weights = tmp_path / "w.pth"
    cfg = recipe("MODEL.WEIGHTS", str(weights))
    weights.write_bytes(b"weights")
    precision(cfg, model)
    weights.write_bytes(b"trained on")
    with pytest.raises(InputError, match=r"with the file of MODEL\.WEIGHTS '7 bytes .*'10 bytes"):
        precision(cfg, model, resume=True)


def test_resuming_with_another_content_of_the_vocabulary_file_is_refused(
    recipe, model, vocabulary_file
):
    cfg = recipe(*vocabulary_file(*NAMES))
    precision(cfg, model)
    vocabulary_file(*NAMES[:2], "sea_gull")  # another text to embed
    with pytest.raises(InputError, match="were made with class embeddings '"):
        precision(cfg, model, resume=True)


def test_fixed_ap_lifts_the_limit_of_an_image_and_says_so(recipe, model, caplog):
    with caplog.at_level("INFO"):
        results = evaluate(recipe("TEST.FIXED_AP", "True"), model)
    assert results["pets_seen"]["bbox_fixed"]["AP"] == pytest.approx(100)
    assert set(model.limits) == {1000}
    assert "keeps 1000 detections of an image" in caplog.text


@pytest.mark.parametrize("limit", [2000, -1])
def test_fixed_ap_keeps_the_limit_of_a_recipe_that_asks_for_more(recipe, model, limit):
    options = ("TEST.FIXED_AP", "True", "TEST.DETECTIONS_PER_IMAGE", str(limit))
    evaluate(recipe(*options), model)
    assert set(model.limits) == {None}  # the model's own


def test_fixed_ap_is_refused_for_heads_that_cannot_lift_their_limit(recipe, model):
    options = ("TEST.FIXED_AP", "True", "MODEL.ROI_HEADS.NAME", "CascadeROIHeads")
    with pytest.raises(InputError, match=r"TEST\.FIXED_AP needs .*, not CascadeROIHeads, whose"):
        evaluate(recipe(*options), model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bbox": None}, r"pets\.json: annotation number 1 \(id 1\): 'bbox' is None"),
        ({"category_id": 9}, r"pets\.json: annotation 1 has category_id 9"),
    ],
)
def test_test_sets_that_cannot_be_scored_are_refused_before_anything_is_seen(
    recipe, tmp_path, change, message
):
    plan = EvaluationPlan.from_config(recipe())
    check_test_sets(plan)
    content = json.loads((tmp_path / "pets.json").read_text())
    content["annotations"][0] |= change
    (tmp_path / "pets.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        check_test_sets(plan)


def test_test_sets_in_tar_files_are_refused_before_anything_is_seen(recipe):
    plan = EvaluationPlan.from_config(recipe())
    record = DatasetCatalog.get("pets_seen")[1]
    record["tar_index"] = 3
    del record["file_name"]
    with pytest.raises(InputError, match="image 2 is number 3 of a tar index, but no tar files"):
        check_test_sets(plan)


def test_metrics_of_several_datasets_are_told_apart():
    pets, cars = ({"bbox": {"AP": value}} for value in (1.0, 2.0))
    assert flat_metrics({"pets": pets}) == {"bbox/AP": 1.0}
    assert flat_metrics({"pets": pets, "cars": cars}) == {"pets/bbox/AP": 1.0, "cars/bbox/AP": 2.0}
