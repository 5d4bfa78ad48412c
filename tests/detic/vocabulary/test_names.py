"""Names that mean the same, and joined class lists."""

import json

from detic.vocabulary import Vocabulary, read_vocabulary_file
from detic.vocabulary.names import as_file_items, join_vocabularies, loose_name
from detic.vocabulary.vocabulary import ClassEntry


def test_capitals_underscores_and_spaces_do_not_count():
    assert loose_name(" Traffic_Light") == loose_name("traffic  light") == "traffic light"
    assert loose_name("cat") != loose_name("cats")


def test_joined_lists_keep_their_order_and_the_first_of_two_spellings():
    lists = [Vocabulary.from_names(["hot_dog", "cat"]), Vocabulary.from_names(["Cat", "gull"])]
    assert join_vocabularies(lists).names == ("hot_dog", "cat", "gull")


def test_a_written_list_is_read_back(tmp_path):
    entries = (ClassEntry("cat"), ClassEntry("gull", synonyms=("mew",), color=(1, 2, 3)))
    path = tmp_path / "names.json"
    path.write_text(json.dumps(as_file_items(Vocabulary(entries))))
    assert as_file_items(Vocabulary(entries))[0] == "cat"
    assert read_vocabulary_file(path).entries == entries
