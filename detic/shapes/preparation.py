"""Everything a training on a shapes world reads: the images and the class embeddings."""

import os
from pathlib import Path

from detic.shapes.world import generate_world
from detic.shapes.world_spec import read_world_spec
from detic.vocabulary import TextEmbedder, Vocabulary
from detic.vocabulary.embedding_file import EmbeddingTable, write_embeddings

# Where configs/shapes/*.yaml look, below the datasets root.
EMBEDDINGS = Path("metadata") / "shapes_clip_a+cname.safetensors"


def prepare_world(root: str | os.PathLike, seed: int, text_weights: str | os.PathLike) -> None:
    """Draw the world of ``seed`` below the datasets root and embed its class names.

    A finished world of the same seed is kept.

    Args:
        text_weights: the tiny CLIP's text encoder.

    Raises:
        InputError: the root holds another world.
    """
    draw_world(root, seed)
    embed_classes(root, text_weights)


def draw_world(root: str | os.PathLike, seed: int) -> None:
    """Draw the world of ``seed`` below the datasets root with all cores; a finished one is kept."""
    generate_world(root, seed, workers=os.cpu_count() or 1)


def embed_classes(root: str | os.PathLike, text_weights: str | os.PathLike) -> None:
    """Write the embeddings of the world's class names, with the prompt ``a <name>``."""
    embedder = TextEmbedder(text_weights)
    names = [shape_class.name for shape_class in read_world_spec(root).classes]
    vocabulary = embedder.embed(Vocabulary.from_names(names))
    table = EmbeddingTable(
        embeddings=vocabulary.embeddings,
        names=vocabulary.names,
        model=embedder.model,
        templates=("a",),
        fingerprint=embedder.fingerprint,
    )
    path = Path(root) / EMBEDDINGS
    path.parent.mkdir(parents=True, exist_ok=True)
    write_embeddings(path, table)
