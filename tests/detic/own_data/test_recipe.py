"""The recipes that are made for one's own data can be read and say what the data say."""

import pytest

from detic.errors import InputError
from detic.loading.train_source import TrainSources
from detic.own_data.annotated import AnnotatedImage, AnnotatedObject
from detic.own_data.conversion import write_files
from detic.own_data.course import Order, teach
from detic.own_data.derivation import MachineFacts, Setting
from detic.own_data.recipe import write_recipe
from detic.own_data.recipe_file import recipe_text
from detic.recipes import load_recipe
from detic.released_models import RELEASED_MODELS, SHORT_NAMES
from detic.vocabulary import read_vocabulary_file

MACHINE = MachineFacts(memory_bytes=8 * 2**30, num_gpus=0, num_cores=2)


@pytest.fixture
def files(write_image, tmp_path):
    """Two images of cats, and one that is labelled "owl"."""
    cat = AnnotatedObject("cat", (0, 0, 9, 9))
    images = [
        AnnotatedImage(write_image("a.jpg"), (40, 60), (cat,), split="train"),
        AnnotatedImage(write_image("b.jpg"), (40, 60), (cat,), split="val"),
        AnnotatedImage(write_image("c.jpg"), (40, 60), labels=("owl",)),
    ]
    return write_files(images, tmp_path / "data")


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_every_released_detector_gets_a_recipe(files, tmp_path, name):
    model = RELEASED_MODELS[SHORT_NAMES[name]]
    write_recipe(
        tmp_path, model, files, MACHINE, replayed=(), passes=1.0, weights="models/weights.pth"
    )
    cfg = load_recipe(tmp_path / "recipe.yaml")
    sources = TrainSources.from_config(cfg, world_size=1).entries
    assert [source.name for source in sources][:2] == ["my_boxes", "my_images"]
    assert sources[1].batch_size == 4 * sources[0].batch_size
    assert len({source.ratio / source.batch_size for source in sources}) == 1
    names = read_vocabulary_file(cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH).names
    assert names[-2:] == ("cat", "owl")
    assert len(names) == cfg.MODEL.ROI_HEADS.NUM_CLASSES
    assert not cfg.MODEL.DYNAMIC_CLASSIFIER
    assert cfg.DATASETS.TEST[0] == "my_val"


def test_a_recipe_that_is_there_is_not_replaced(tmp_path):
    (tmp_path / "recipe.yaml").write_text("edited: true")
    with pytest.raises(InputError, match=r"recipe\.yaml exists and is kept; `detic train --config"):
        teach(Order(data=(tmp_path,), model="shapes-detic", output=tmp_path))
    assert (tmp_path / "recipe.yaml").read_text() == "edited: true"


def test_a_folder_whose_name_recipes_replace_is_refused(tmp_path):
    with pytest.raises(InputError, match="has a folder 'auto'"):
        teach(Order(data=(tmp_path,), model="shapes-detic", output=tmp_path / "auto"))


def test_labels_alone_teach_no_detector(write_image, tmp_path):
    write_image("cats/cat/a.jpg")
    order = Order(
        data=(tmp_path / "cats",),
        model="shapes-detic",
        output=tmp_path / "output",
        replay=(),
        num_gpus=0,
        dry_run=True,
    )
    with pytest.raises(InputError, match="label whole images and have no boxes"):
        teach(order)


def test_entries_have_a_line_each_and_repeat_what_they_share():
    scale = [0.5, 1.5]
    settings = [
        Setting("A.LIST", [{"name": "x: y", "n": 1}, {"name": "z"}], "two"),
        Setting("A.SCALES", [scale, scale]),
        Setting("A.PATH", ""),
    ]
    assert recipe_text("b.yaml", settings, "Mine.\n").splitlines() == [
        "# Mine.",
        "_BASE_: b.yaml",
        "A:",
        "  LIST:  # two",
        "    - {name: 'x: y', n: 1}",
        "    - {name: z}",
        "  SCALES: [[0.5, 1.5], [0.5, 1.5]]",
        "  PATH: ''",
    ]
