import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file

from detic.errors import InputError
from detic.vocabulary.text_encoder import build_text_encoder, load_text_encoder
from detic.vocabulary.text_weights import (
    TextEncoderSizes,
    find_text_weights,
    read_text_weights,
    text_encoder_sizes,
    weights_fingerprint,
)
from tests.detic.checkpoint.conftest import toy_model


def save_torchscript(tensors, path):
    """Write tensors the way OpenAI publishes CLIP: as the state of a scripted module."""
    root = toy_model({name: tensor.shape for name, tensor in tensors.items()})
    root.load_state_dict(tensors, assign=True)
    torch.jit.script(root).save(str(path))


WRITERS = {  # file name -> writer(tensors, path)
    "archive.pt": save_torchscript,
    "state.pt": torch.save,
    "state.pth": torch.save,
    "state.bin": torch.save,
    "state.safetensors": save_file,
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home folder and an empty hub cache."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *args: None)
    return tmp_path


@pytest.fixture
def whole_clip(encoder):
    """The text tower in half precision, with what else a CLIP file holds."""
    text = {name: tensor.half() for name, tensor in encoder.state_dict().items()}
    return text | {"visual.conv1.weight": torch.ones(2, 2), "logit_scale": torch.ones(())}


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
@pytest.mark.parametrize("file_name", WRITERS)
def test_every_format_gives_the_same_float32_text_tensors(file_name, whole_clip, encoder, tmp_path):
    WRITERS[file_name](whole_clip, tmp_path / file_name)
    weights = read_text_weights(tmp_path / file_name)
    assert set(weights) == set(encoder.state_dict())
    for name, tensor in weights.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, whole_clip[name].float())


def test_sizes_are_inferred_from_the_tensors(encoder):
    assert text_encoder_sizes(encoder.state_dict()) == TextEncoderSizes(
        context_length=12, vocab_size=1024, width=64, heads=1, layers=2, embed_dim=8
    )


def test_loaded_encoder_computes_the_same(encoder, weights_file):
    loaded = load_text_encoder(weights_file)
    assert not loaded.training
    assert torch.equal(loaded(["a cat"]), encoder(["a cat"]))


def test_fingerprint_does_not_depend_on_the_format(encoder, weights_file, tmp_path):
    torch.save(dict(reversed(encoder.state_dict().items())), tmp_path / "state.pt")
    fingerprint = weights_fingerprint(weights_file)
    assert len(fingerprint) == 16
    assert int(fingerprint, 16) >= 0
    assert weights_fingerprint(tmp_path / "state.pt") == fingerprint


def test_fingerprint_changes_with_a_single_value(encoder):
    before = weights_fingerprint(encoder.state_dict())
    with torch.no_grad():
        encoder.ln_final.bias[3] += 1e-3
    assert weights_fingerprint(encoder.state_dict()) != before


def test_openai_is_found_where_its_own_package_puts_it(home):
    archive = home / ".cache" / "clip" / "ViT-B-32.pt"
    archive.parent.mkdir(parents=True)
    archive.touch()
    assert find_text_weights("openai") == archive


def test_openai_is_found_in_the_hub_cache(home, monkeypatch):
    cached = str(home / "open_clip_model.safetensors")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *args: cached)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *args: pytest.fail("network"))
    assert str(find_text_weights("openai")) == cached


def test_openai_is_downloaded_once_the_hub_answers(home, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda url, timeout: None)
    monkeypatch.setattr(
        huggingface_hub, "hf_hub_download", lambda repo, file: f"/hub/{repo}/{file}"
    )
    expected = "/hub/timm/vit_base_patch32_clip_224.openai/open_clip_model.safetensors"
    assert str(find_text_weights("openai")) == expected


def test_without_network_one_message_tells_every_way_out(home, monkeypatch):
    def unreachable(url, timeout):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", unreachable)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *args: pytest.fail("retried"))
    with pytest.raises(InputError) as error:
        build_text_encoder()
    for part in (
        "no route to host",
        "https://openaipublic.azureedge.net/clip/models/",
        "ViT-B-32.pt to ~/.cache/clip/ViT-B-32.pt",
        "timm/vit_base_patch32_clip_224.openai",
        "models/shapes/clip_text.safetensors",
    ):
        assert part in str(error.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(
        InputError, match=r"no text encoder weights at .*gone\.pt\. Turning class names"
    ):
        read_text_weights(tmp_path / "gone.pt")


@pytest.mark.parametrize("file_name", ["broken.pt", "broken.safetensors"])
def test_damaged_file_is_named(file_name, tmp_path):
    (tmp_path / file_name).write_bytes(b"half a downlo")
    with pytest.raises(
        InputError, match=rf"{file_name} is not a weight file.*fetch the file itself"
    ):
        read_text_weights(tmp_path / file_name)


def test_file_without_text_encoder_names_what_is_missing(encoder, tmp_path):
    weights = encoder.state_dict()
    del weights["text_projection"]
    torch.save(weights, tmp_path / "half.pt")
    with pytest.raises(InputError, match=r"half\.pt holds no CLIP text encoder: text_projection"):
        read_text_weights(tmp_path / "half.pt")


def test_file_that_is_no_state_dict_is_refused(tmp_path):
    torch.save([torch.ones(1)], tmp_path / "list.pt")
    with pytest.raises(InputError, match=r"list\.pt holds no tensors by name but a list"):
        read_text_weights(tmp_path / "list.pt")
