"""The classifier by text embeddings, and the text encoder that makes them."""

from pathlib import Path

import numpy as np
import torch

from tests.parity.arrays import Arrays, to_array
from tests.parity.determinism import ZerosForNoise
from tests.parity.models import embedding_file
from tests.parity.noise import EMBEDDING_DIM, tensor
from tests.parity.ours import (
    ZeroShotClassifier,
    build_text_encoder,
    random_embeddings,
    read_embeddings,
)
from tests.parity.values import fill_weights

NUM_CLASSES, WIDTH = 11, 24
TEXTS = ["a cat", "a photo of a red, double-decker bus!", "", "Zebra crossing"]


@torch.no_grad()
def zero_shot_classifier(folder: Path) -> Arrays:
    """Return logits with and without normalisation and bias; a bias that is not negative is none."""
    arrays = {}
    for normalize in (True, False):
        for bias in (0.0, -4.6, 1.0):
            prefix = f"zs/{int(normalize)}_{bias:g}"
            arrays |= {
                f"{prefix}.{name}": array
                for name, array in _classify(folder, normalize, bias).items()
            }
    torch.manual_seed(0)
    model = ZeroShotClassifier(
        in_features=WIDTH,
        class_embeddings=random_embeddings(NUM_CLASSES, EMBEDDING_DIM),
        learn_embeddings=True,
    )
    return arrays | {
        "rand/params": np.array(sorted(name for name, _ in model.named_parameters())),
        "rand/lastcol": to_array(model.zs_weight[:, -1]),
        "rand/norms": to_array(model.zs_weight.norm(dim=0)),
    }


def text_encoder(folder: Path) -> Arrays:
    """Return features and tokens of texts, names and shapes of the weights."""
    with ZerosForNoise():
        model = build_text_encoder(pretrain=False).eval()
    fill_weights(model, prefix="text_encoder.")
    state = model.state_dict().items()
    with torch.no_grad():
        features = model(TEXTS)
    return {
        "text/features": to_array(features),
        "text/tokens": model.tokenize([text for text in TEXTS if text]).numpy(),
        "text/state": np.array(sorted(f"{n} {'x'.join(map(str, t.shape))}" for n, t in state)),
    }


def _classify(folder: Path, normalize: bool, bias: float) -> Arrays:
    path = embedding_file(folder, NUM_CLASSES)
    model = ZeroShotClassifier(
        in_features=WIDTH,
        class_embeddings=read_embeddings(path, EMBEDDING_DIM, NUM_CLASSES).embeddings,
        normalize=normalize,
        temperature=30.0,
        bias=bias if bias < 0 else None,
    )
    model.linear.weight.copy_(tensor("zs/w", (EMBEDDING_DIM, WIDTH), 0.2))
    model.linear.bias.copy_(tensor("zs/b", (EMBEDDING_DIM,), 0.2))
    x = tensor("zs/x", (9, WIDTH))
    arrays = {
        "state": np.array(sorted(model.state_dict())),
        "default": to_array(model(x)),
        "given": to_array(model(x, classifier=tensor("zs/cls", (7, EMBEDDING_DIM)))),
        "zs_weight": to_array(model.zs_weight),
    }
    return arrays | ({"bias0": to_array(model.cls_bias)} if bias < 0 else {})
