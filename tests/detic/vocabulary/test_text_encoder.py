import subprocess
import sys

import pytest
import torch
from open_clip.transformer import QuickGELU, TextTransformer

from detic.errors import InputError
from detic.vocabulary import text_encoder
from detic.vocabulary.text_encoder import CLIPTextEncoder, build_text_encoder, clip_tokenizer

START, END = 1022, 1023  # of the fixture's 1024 tokens


def test_state_dict_has_openai_names(encoder):
    block = {
        f"{part}.{kind}"
        for part in ("ln_1", "ln_2", "attn.out_proj", "mlp.c_fc", "mlp.c_proj")
        for kind in ("weight", "bias")
    } | {"attn.in_proj_weight", "attn.in_proj_bias"}
    expected = {f"transformer.resblocks.{i}.{name}" for i in range(2) for name in block} | {
        "positional_embedding",
        "text_projection",
        "token_embedding.weight",
        "ln_final.weight",
        "ln_final.bias",
    }
    assert set(encoder.state_dict()) == expected


def test_default_sizes_are_those_of_vit_b32(monkeypatch):
    monkeypatch.setattr(text_encoder, "read_text_weights", lambda source: pytest.fail("read"))
    shapes = {n: tuple(t.shape) for n, t in build_text_encoder(pretrain=False).state_dict().items()}
    assert len(shapes) == 149
    assert shapes["positional_embedding"] == (77, 512)
    assert shapes["token_embedding.weight"] == (49408, 512)
    assert shapes["transformer.resblocks.11.mlp.c_fc.weight"] == (2048, 512)
    assert shapes["text_projection"] == (512, 512)


def test_features_equal_open_clip_on_untrimmed_tokens(encoder):
    tower = TextTransformer(12, 1024, 64, 1, 2, output_dim=8, act_layer=QuickGELU).eval()
    tower.load_state_dict(encoder.state_dict())
    texts = ["a cat", "", "a photo of a dog"]
    torch.testing.assert_close(encoder(texts), tower(encoder.tokenize(texts)))


def test_feature_does_not_depend_on_the_other_texts(encoder):
    alone = encoder(["cat"])
    together = encoder(["a photo of a very big dog", "cat"])
    torch.testing.assert_close(together[1:], alone)


def test_feature_is_read_at_the_end_token(encoder):
    tokens = torch.tensor([[START, 320, END, 0, 0], [START, 320, END, 7, 9]])
    features = encoder.encode_tokens(tokens)
    torch.testing.assert_close(features[0], features[1])


def test_feature_is_not_normalised(encoder):
    before = encoder(["cat"])
    with torch.no_grad():
        encoder.text_projection.mul_(3)
    torch.testing.assert_close(encoder(["cat"]), 3 * before)


def test_no_text_gives_no_feature(encoder):
    assert encoder([]).shape == (0, 8)


def test_gradients_reach_the_token_table(encoder):
    encoder.train()(["cat"]).sum().backward()
    assert encoder.token_embedding.weight.grad.abs().sum() > 0


def test_tokens_of_the_full_vocabulary():
    # ids of OpenAI's tokenizer: 320 is "a", 2368 "cat", the last two start and end
    tokenizer = clip_tokenizer(49408)
    assert tokenizer.encode("A  cat") == [320, 2368]
    assert (tokenizer.sot_token_id, tokenizer.eot_token_id) == (49406, 49407)


def test_tokens_are_start_words_end_and_zeros(encoder):
    assert encoder.tokenize(["a a"]).tolist() == [[START, 320, 320, END] + [0] * 8]


def test_small_vocabulary_keeps_the_frequent_tokens():
    full, small = clip_tokenizer(49408), clip_tokenizer(1024)
    assert small.encode("the") == full.encode("the")
    assert small.decode(small.encode("umbrella")) == "umbrella "
    assert len(small.encode("umbrella")) > len(full.encode("umbrella")) == 1
    assert max(small.encode("umbrella")) < START


@pytest.mark.parametrize("vocab_size", [513, 49409])
def test_foreign_vocabulary_is_refused(vocab_size):
    with pytest.raises(InputError, match=f"{vocab_size} tokens .* expected 514 to 49408"):
        clip_tokenizer(vocab_size)


def test_long_text_keeps_its_head_and_end_token(encoder):
    tokens = encoder.tokenize(["a b c d e f g h i j k l m n o p"])[0].tolist()
    first_ten = clip_tokenizer(1024).encode("a b c d e f g h i j")
    assert tokens == [START, *first_ten, END]


def test_training_cuts_long_captions_at_random(encoder):
    torch.manual_seed(0)
    words = clip_tokenizer(1024).encode("a b c d e f g h i j k l")
    windows = {(START, *words[i : i + 10], END) for i in range(3)}
    drawn = {
        tuple(encoder.train().tokenize(["a b c d e f g h i j k l"])[0].tolist()) for _ in range(40)
    }
    assert drawn == windows


def test_training_leaves_texts_that_fit_alone(encoder):
    text = "a b c d e f g h i j"
    assert torch.equal(encoder.train().tokenize([text]), encoder.eval().tokenize([text]))


def test_encoder_follows_to_another_dtype(encoder):
    assert encoder.double()(["cat"]).dtype == torch.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_features_equal_cpu_features(encoder):
    texts = ["a cat", "a dog"]
    on_cpu = encoder(texts)
    torch.testing.assert_close(encoder.cuda()(texts).cpu(), on_cpu, atol=1e-3, rtol=1e-3)


def test_import_leaves_open_clip_alone():
    program = "import sys, detic.vocabulary; sys.exit('open_clip' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_arguments_are_keyword_only():
    with pytest.raises(TypeError):
        CLIPTextEncoder(77)
