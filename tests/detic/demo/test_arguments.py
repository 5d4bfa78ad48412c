from argparse import Namespace
from pathlib import Path

import pytest

from detic import released_models
from detic.demo import arguments as choices
from detic.demo.arguments import chosen_categories, chosen_vocabulary, chosen_weights, data_files
from detic.errors import InputError
from detic.outputs import Category
from detic.released_models import RELEASED_MODELS
from detic.vocabulary import ClassEntry, Vocabulary, builtin_vocabulary
from tests.tiny_detector import RECIPE

NO_FILES = {
    "json": None,
    "features": None,
    "format": None,
    "save_to": None,
    "all_scores": False,
    "output": None,
}


def vocabulary(name=None, custom=None, file=None, expand=None, model=None):
    chosen = {"vocabulary": name, "custom_vocabulary": custom, "vocabulary_file": file}
    return chosen_vocabulary(Namespace(**chosen, expand_parents=expand, model=model))


def test_vocabulary_is_a_name_names_or_a_file():
    assert vocabulary() == "lvis"
    assert vocabulary("coco") == "coco"
    assert vocabulary("kitchen.yaml") == "kitchen.yaml"
    assert vocabulary("custom", custom="cat, dog") == ("cat", "dog")
    assert vocabulary(custom="cat") == ("cat",)
    assert vocabulary("custom", file="v.txt") == Path("v.txt")


@pytest.mark.parametrize(
    "arguments", [("coco", "cat", None), ("coco", None, "v.txt"), (None, "cat", "v.txt")]
)
def test_two_vocabularies_are_refused(arguments):
    with pytest.raises(InputError, match="name several vocabularies; keep one"):
        vocabulary(*arguments)


def test_custom_needs_names():
    with pytest.raises(InputError, match="--custom-vocabulary headphone,webcam"):
        vocabulary("custom")
    with pytest.raises(InputError, match="name 2 is empty"):
        vocabulary("custom", custom="cat,,dog")


def test_kinds_join_names_files_and_built_in_lists(tmp_path):
    (tmp_path / "v.txt").write_text("fruit\ncat\n")
    for expanded in (
        vocabulary(custom="fruit, cat", expand="lvis"),
        vocabulary(file=tmp_path / "v.txt", expand="lvis"),
    ):
        assert expanded.names[:2] == ("fruit", "cat")
        assert ClassEntry("banana", parent="fruit") in expanded.entries
    assert "wheelchair" in vocabulary("coco", expand="lvis").names
    assert "Granny_Smith" in vocabulary(custom="apple", expand="imagenet21k").names


def test_what_gains_no_kinds_stays_what_it_is():
    assert vocabulary(expand="lvis") == "lvis"
    assert vocabulary(custom="xyzzy", expand="lvis") == ("xyzzy",)


def test_embeddings_gain_no_kinds():
    with pytest.raises(InputError, match=r"v\.safetensors holds embeddings .*no others can join"):
        vocabulary("v.safetensors", expand="lvis")


def test_builtin_lists_keep_the_ids_of_their_datasets():
    categories = chosen_categories("coco", builtin_vocabulary("coco"))
    assert categories[0] == Category(1, "person")
    assert categories[-1] == Category(90, "toothbrush")
    assert len(categories) == 80


def test_other_classes_are_numbered_from_1_and_keep_their_parents():
    own = Vocabulary((ClassEntry("cat"), ClassEntry("cougar", parent="cat")))
    assert chosen_categories(own, own) == [Category(1, "cat"), Category(2, "cougar", "cat")]


def test_weights_are_those_named_released_or_of_the_recipe(monkeypatch, tmp_path):
    released = Namespace(find_weights=lambda: tmp_path / "released.pth")
    monkeypatch.setattr(choices, "model_of_recipe", lambda recipe: released)
    assert chosen_weights(RECIPE, ["MODEL.WEIGHTS", "mine.pth"]) == "mine.pth"
    assert chosen_weights(RECIPE, []) == tmp_path / "released.pth"
    monkeypatch.setattr(choices, "model_of_recipe", lambda recipe: None)
    swin = RECIPE.with_name("BoxSup-C2_LCOCO_CLIP_SwinB_896b32_4x.yaml")
    assert chosen_weights(swin, []) == "models/swin_base_patch4_window7_224_22k.pkl"


def test_data_files_pair_formats_and_paths():
    asked = Namespace(**NO_FILES | {"json": "f.json", "format": "csv", "save_to": "f.csv"})
    assert data_files(asked) == [("json", Path("f.json")), ("csv", Path("f.csv"))]
    assert data_files(Namespace(**NO_FILES)) == []


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"format": "csv"}, "--format and --save-to belong together"),
        ({"save_to": "f.csv"}, "--format and --save-to belong together"),
        ({"json": "f", "features": "f"}, "/f would be written twice; name different files"),
        ({"json": "f.png", "output": "x/../f.png"}, r"/f\.png would be written twice"),
        ({"output": "f", "format": "voc", "save_to": "f"}, "/f would be written twice"),
        # COCO results come with a list of images.
        ({"json": "f.images.json", "format": "coco", "save_to": "f.json"}, r"f\.images\.json"),
        ({"all_scores": True}, "--all-scores needs --json, --features or --format jsonl"),
    ],
)
def test_contradictory_data_files_are_refused(asked, message):
    with pytest.raises(InputError, match=message):
        data_files(Namespace(**NO_FILES | asked))


def test_a_released_model_brings_recipe_weights_and_text_encoder(monkeypatch):
    shapes = choices.chosen_model(Namespace(model="shapes-detic", opts=[]))
    released = RELEASED_MODELS["shapes-detic"]
    assert shapes.recipe == released.recipe
    assert shapes.weights.name == "detic.pth"
    assert shapes.text_weights == released.text_weights
    mine = Namespace(model="shapes-detic", opts=["MODEL.WEIGHTS", "mine.pth"])
    assert choices.chosen_model(mine).weights == "mine.pth"


def test_models_that_share_a_recipe_bring_their_own_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("DETIC_MODELS", str(tmp_path))
    monkeypatch.setattr(released_models.ReleasedModel, "_verify", lambda model, path: None)
    theirs = RELEASED_MODELS["detic_centernet2_r50_fpn_4x_lvis-base_in21k-lvis"]
    (tmp_path / theirs.file_name).touch()
    (tmp_path / f"{theirs.recipe.stem}.pth").touch()
    chosen = choices.chosen_model(Namespace(model="detic-lvis-base-r50", opts=[]))
    assert chosen.recipe == theirs.recipe
    assert chosen.weights == tmp_path / theirs.file_name


def test_a_saved_detector_brings_its_vocabulary(monkeypatch):
    own = Vocabulary((ClassEntry("cat"),))
    monkeypatch.setattr(choices, "find_model", {"folder": Namespace(vocabulary=own)}.get)
    assert vocabulary(model="folder") is own
    assert vocabulary("coco", model="folder") == "coco"


def test_unknown_models_are_answered_by_names():
    with pytest.raises(InputError, match=r"did you mean 'shapes-detic'.*choose shapes-detic, "):
        choices.chosen_model(Namespace(model="shapes-detc", opts=[]))


def test_tracks_need_a_tracker():
    mot = {"format": "mot", "save_to": "tracks/"}
    with pytest.raises(InputError, match="--format mot holds tracks; add --track"):
        data_files(Namespace(**NO_FILES | mot, track=None))
    assert data_files(Namespace(**NO_FILES | mot, track="botsort")) == [("mot", Path("tracks"))]
