"""A text encoder small enough to run in milliseconds, and its weights as a file."""

import pytest
import torch
from safetensors.torch import save_file

from detic.vocabulary.text_encoder import CLIPTextEncoder


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    sizes = {"context_length": 12, "vocab_size": 1024, "width": 64, "heads": 1, "layers": 2}
    return CLIPTextEncoder(**sizes, embed_dim=8).eval()


@pytest.fixture
def weights_file(encoder, tmp_path):
    path = tmp_path / "tiny_clip.safetensors"
    save_file(encoder.state_dict(), path)
    return path
