"""The embeddings a recipe names must come from its text encoder."""

import pytest
import torch
from safetensors.torch import save_file

from detic.errors import InputError
from detic.modeling.roi_heads.classifier import ClassifierParams, build_classifier
from detic.vocabulary import CLIPTextEncoder, EmbeddingTable, weights_fingerprint, write_embeddings
from tests.detic.modeling.conftest import NUM_CLASSES


@pytest.fixture
def recipe(small_recipe, tmp_path):
    """A function from a fingerprint to a recipe whose embeddings have it."""
    sizes = {"context_length": 12, "vocab_size": 600, "width": 64, "heads": 1, "layers": 1}
    weights = tmp_path / "clip.safetensors"
    save_file(CLIPTextEncoder(**sizes, embed_dim=8).state_dict(), weights)

    def recipe(fingerprint=None):
        table = EmbeddingTable(
            torch.ones(NUM_CLASSES, 8),
            model="x.pt",
            fingerprint=fingerprint or weights_fingerprint(weights),
        )
        write_embeddings(tmp_path / "v.safetensors", table)
        return small_recipe(
            "BoxSup-C2_L_CLIP_R5021k_640b64_4x",
            *("MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH", str(tmp_path / "v.safetensors")),
            *("MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_DIM", "8"),
            *("MODEL.TEXT_ENCODER.WEIGHTS", str(weights)),
        )

    return recipe


def test_embeddings_of_the_text_encoder_are_taken(recipe):
    assert build_classifier(ClassifierParams.from_config(recipe()), 4).num_classes == NUM_CLASSES


def test_embeddings_of_another_clip_are_refused(recipe):
    with pytest.raises(InputError, match=r"v\.safetensors was made by a different CLIP"):
        build_classifier(ClassifierParams.from_config(recipe("0" * 16)), 4)


def test_configurations_without_a_text_encoder_trust_the_file(recipe):
    cfg = recipe("0" * 16)
    del cfg.MODEL["TEXT_ENCODER"]
    assert build_classifier(ClassifierParams.from_config(cfg), 4).num_classes == NUM_CLASSES
