import json
from collections import Counter

import pytest

from detic.errors import InputError
from detic.vocabulary.builtin import FOLDER, builtin_categories, builtin_vocabulary

COUNTS = {"lvis": 1203, "coco": 80, "objects365": 365, "openimages": 500, "imagenet21k": 22047}


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_builtin_class_counts(name, count):
    categories = builtin_categories(name)
    ids = [category["id"] for category in categories]
    assert ids == sorted(set(ids))
    assert len(builtin_vocabulary(name)) == count


def test_lvis_frequencies():
    counts = Counter(category["frequency"] for category in builtin_categories("lvis"))
    assert counts == {"r": 337, "c": 461, "f": 405}


def test_lvis_prompts_say_bull_though_its_first_synonym_is_horned_cow():
    bull = builtin_categories("lvis")[161]
    assert (bull["name"], bull["synonyms"][0]) == ("bull", "horned_cow")
    assert builtin_vocabulary("lvis").names[161] == "bull"


def test_synonyms_are_taken_on_request():
    assert builtin_vocabulary("lvis").entries[0].synonyms == ()
    entry = builtin_vocabulary("lvis", synonyms=True).entries[0]
    assert entry.synonyms == ("aerosol_can", "spray_can")


def test_imagenet21k_starts_with_lvis():
    assert builtin_vocabulary("imagenet21k").names[:1203] == builtin_vocabulary("lvis").names


def test_openimages_has_two_benches_and_two_mice():
    repeated = {n for n, k in Counter(builtin_vocabulary("openimages").names).items() if k > 1}
    assert repeated == {"Bench", "Mouse"}


def test_objects365_names_are_the_corrected_ones():
    names = builtin_vocabulary("objects365").names
    assert names[37] == "Monitor/TV"
    assert names[196] == "Cigar/Cigarette "


def test_zeroshot_split_is_made_of_coco_names():
    split = json.loads((FOLDER / "coco_zeroshot_split.json").read_text())
    seen, unseen = set(split["seen"]), set(split["unseen"])
    assert (len(seen), len(unseen)) == (48, 17)
    assert not seen & unseen
    assert seen | unseen < set(builtin_vocabulary("coco").names)


def test_unknown_vocabulary_names_the_nearest():
    message = "unknown vocabulary 'lviz'; choose lvis, coco, .* or imagenet21k .*mean 'lvis'"
    with pytest.raises(InputError, match=message):
        builtin_vocabulary("lviz")
