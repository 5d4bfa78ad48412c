"""Class embeddings as the released files have them."""

import pytest
import torch
from torch.testing import assert_close

from detic.errors import InputError
from detic.preparation.embeddings import class_embeddings, class_sentences
from detic.vocabulary import CLIPTextEncoder

CATEGORIES = [
    {"name": "trash_can", "synonyms": ["trash_can", "bin"]},
    {"name": "Bowl/ Basin ", "synonyms": ["bowl"]},
]


@pytest.mark.parametrize(
    ("template", "rewrites", "expected"),
    [
        ("a", [], ["a trash_can", "a Bowl/ Basin "]),  # LVIS names verbatim
        ("none", ["fix_space"], ["trash can", "Bowl/ Basin "]),
        ("photo", ["underscore"], ["a photo of a trash_can", "a photo of a Bowl/Basin"]),
        ("the {} here", [], ["the trash_can here", "the Bowl/ Basin  here"]),
    ],
)
def test_one_sentence_for_each_name(template, rewrites, expected):
    assert class_sentences(CATEGORIES, template, rewrites) == [[text] for text in expected]


def test_synonyms_are_never_rewritten():
    sentences = class_sentences(CATEGORIES, "none", ["fix_space"], all_synonyms=True)
    assert sentences == [["trash_can", "bin"], ["bowl"]]


def test_missing_synonyms_are_named():
    with pytest.raises(InputError, match="class 'cat' has no synonyms"):
        class_sentences([{"name": "cat"}], "a", all_synonyms=True)


def test_embeddings_are_plain_means_in_float16():
    torch.manual_seed(0)
    encoder = CLIPTextEncoder(
        context_length=8, vocab_size=600, width=64, heads=1, layers=1, embed_dim=8
    ).eval()
    embeddings = class_embeddings([["a cat", "a tomcat"], ["a dog"]], encoder)
    with torch.no_grad():
        cat, tomcat, dog = encoder(["a cat", "a tomcat", "a dog"])
    assert embeddings.dtype == torch.float16
    expected = torch.stack([(cat + tomcat) / 2, dog]).half()
    assert_close(embeddings, expected, atol=2e-3, rtol=2e-3)
