import numpy as np
import torch

from detic.shapes.classes import draw_classes
from detic.shapes.clip_model import TinyCLIP
from detic.shapes.crops import draw_objects
from detic.shapes.retrieval import embed_objects, measure_retrieval, nearest_text
from detic.shapes.streams import Stream


class OneHot(torch.nn.Module):
    """Encodes a text as the axis of its last word."""

    def __init__(self, words):
        super().__init__()
        self.words = words

    def forward(self, texts):
        return torch.eye(len(self.words))[[self.words.index(text.split()[-1]) for text in texts]]


def test_nearest_text_ignores_the_length_of_features():
    features = torch.tensor([[9.0, 1.0], [0.1, 0.2]])
    found = nearest_text(features, OneHot(["star", "key"]), ["red star", "red key"])
    np.testing.assert_array_equal(found, [0, 1])


def test_features_come_in_the_order_of_objects():
    torch.manual_seed(0)
    tower = TinyCLIP().image_tower
    objects = draw_objects(draw_classes(0), 2, 0, Stream.CAPTION_TEST_SCENES)
    assert embed_objects(tower, objects).shape == (len(objects), 64)


def test_untrained_towers_retrieve_at_chance():
    torch.manual_seed(0)
    clip = TinyCLIP()
    shares = measure_retrieval(clip.image_tower, clip.text_encoder, draw_classes(0), 20, seed=0)
    assert shares["all"] < 0.1
    assert set(shares) == {"all", "base", "novel", "misspelt", "synonyms"}
