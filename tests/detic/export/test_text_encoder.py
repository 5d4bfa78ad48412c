import pytest
import torch
from torch import nn

from detic.errors import InputError
from detic.export import text_encoder
from detic.export.text_encoder import TextGraph, export_text_encoder
from detic.vocabulary.text_encoder import CLIPTextEncoder

TEXTS = ["cat", "a photo of a very small dog"]


@pytest.mark.parametrize("count", [1, 2])
def test_the_graph_embeds_as_the_encoder_does(count):
    sizes = {"context_length": 12, "width": 64, "heads": 1, "layers": 1, "embed_dim": 8}
    encoder = CLIPTextEncoder(vocab_size=1024, **sizes).eval()
    with torch.no_grad():
        found = TextGraph(encoder)(encoder.tokenize(TEXTS[:count]))["embeddings"]
        torch.testing.assert_close(found, encoder(TEXTS[:count]))


def test_encoders_with_a_tokenizer_of_their_own_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text_encoder, "load_text_encoder", lambda source: nn.Identity())
    with pytest.raises(InputError, match="without --text-encoder"):
        export_text_encoder("open_clip:a:b", tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
