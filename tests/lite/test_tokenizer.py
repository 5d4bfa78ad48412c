import pytest

from detic.export.text_encoder import describe_tokens
from detic.vocabulary import builtin_vocabulary
from detic.vocabulary.text_encoder import CLIPTextEncoder, clip_tokenizer
from detic_lite.tokenizer import Tokenizer, plain_text, split_words

TEXTS = (
    "it's a Dog's",
    "naïve cafe\u0301",
    "２３ＡＢＣ ﬁsh",
    "“quoted” don’t",
    "a&amp;amp;b",
    "日本語 テスト 😀",
    "½ cup² №5",
    "x_y__z !!'s",
    "",
)


@pytest.fixture(scope="module", params=[2048, 49408], ids=["cut", "whole"])
def encoder(request):
    sizes = {"context_length": 16, "width": 64, "heads": 1, "layers": 1, "embed_dim": 8}
    return CLIPTextEncoder(vocab_size=request.param, **sizes).eval()


@pytest.fixture(scope="module")
def tokenizer(encoder):
    about = describe_tokens(encoder)
    return Tokenizer(about["byte_ids"], about["merges"], about["context_length"])


def test_tokens_are_those_of_the_text_encoder(encoder, tokenizer):
    names = builtin_vocabulary("lvis").names[::5]
    for text in (*TEXTS, *names):
        tokens = tokenizer(text)
        expected = encoder.tokenize([text])[0].tolist()
        assert tokens == expected[: len(tokens)], text
        assert not any(expected[len(tokens) :])


def test_long_texts_keep_their_beginning_and_the_end_token(encoder, tokenizer):
    tokens = tokenizer("word " * 40)
    assert len(tokens) == 16
    assert tokens[-1] == clip_tokenizer(encoder.vocab_size).eot_token_id


def test_texts_are_made_plain():
    assert plain_text("  Kid’s&amp;Dog’s\tToy ") == "kid's&dog's toy"


def test_digits_stand_alone():
    assert list(split_words("it's no 42, ok")) == ["it", "'s", "no", "4", "2", ",", "ok"]
