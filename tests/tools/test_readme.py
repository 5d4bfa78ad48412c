"""What datasets/README.md says about recipes."""

import re
from fnmatch import fnmatch

from detic.datasets.table import SPECS
from detic.recipes import load_recipe
from tests.tools.conftest import TOOLS

REPOSITORY = TOOLS.parent


def readme():
    return (REPOSITORY / "datasets" / "README.md").read_text(encoding="utf-8")


def users_of_datasets():
    """The recipes that name each dataset."""
    users = {}
    for path in sorted((REPOSITORY / "configs").glob("**/*.yaml")):
        cfg = load_recipe(path)
        for name in (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST):
            recipe = str(path.relative_to(REPOSITORY / "configs").with_suffix(""))
            users.setdefault(name, set()).add(recipe)
    return users


def test_the_table_of_recipes_is_right():
    users = users_of_datasets()
    recipes = set().union(*users.values())
    rows = re.findall(r"^\| (`.*?`).*? \| (.*) \|$", readme(), re.MULTILINE)
    table = {}
    for names, patterns in rows:
        matching = {
            r
            for r in recipes
            for pattern in re.findall("`(.*?)`", patterns)
            if fnmatch(r, pattern) and not r.split("/")[-1].startswith("Base")
        }
        for name in re.findall("`(.*?)`", names):
            table[name] = matching
    for name in ("imagenet_lvis_v1", "imagenet_lvis-22k", "lvis_v1_train+coco", "oid_val_expanded"):
        assert table[name] == users[name], name
    for name in ("lvis_v1_train", "lvis_v1_train_norare", "coco_zeroshot_train_oriorder"):
        assert table[name] == {r for r in users[name] if not r.startswith("Base")}, name


def test_every_dataset_is_mentioned():
    patterns = [text.replace("{train,val}", "*") for text in re.findall("`([^`\n]+)`", readme())]
    assert [n for n in SPECS if not any(fnmatch(n, p) for p in patterns)] == []
