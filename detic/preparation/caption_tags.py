"""Image labels from captions: which class names a caption mentions.

Texts are compared word by word, without plurals, punctuation or word senses, as the released
caption models were trained: "a dog." and "two dogs" do not mention a dog.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from detic.errors import InputError
from detic.progress import track

Words = tuple[str, ...]


def captions_by_image(document: dict) -> dict:
    """Return a COCO caption file with each image's captions in its ``captions``, in file order.

    Raises:
        InputError: an annotation is no caption.
    """
    captions = defaultdict(list)
    for annotation in track(document["annotations"], description="captions", unit="caption"):
        if not {"image_id", "caption"} <= annotation.keys():
            raise InputError(
                f"{annotation} has no image_id or no caption; expected COCO's captions"
            )
        captions[annotation["image_id"]].append(annotation["caption"])
    images = [{**image, "captions": captions[image["id"]]} for image in document["images"]]
    return {**document, "images": images}


def with_lvis_synonyms(
    categories: Sequence[dict], lvis: Sequence[dict], lvis_id_of: Mapping[int, int]
) -> list[dict]:
    """Return COCO's categories with the synonyms of their LVIS classes, all of frequency f.

    Ten COCO names are not among their synonyms, so captions are not searched for them: skis, sports
    ball, wine glass, hot dog, potted plant, laptop, remote, cell phone, microwave, hair drier. The
    released models were trained with these labels.
    """
    synonyms = {category["id"]: category["synonyms"] for category in lvis}
    unknown = [c["id"] for c in categories if c["id"] not in lvis_id_of]
    if unknown:
        raise InputError(
            f"category {unknown[0]} has no synonyms and is no class of COCO; give a file whose "
            "categories have 'synonyms', such as LVIS's"
        )
    return [{**c, "synonyms": synonyms[lvis_id_of[c["id"]]], "frequency": "f"} for c in categories]


class TagMatcher:
    """Finder of the classes that a text mentions.

    A class is mentioned if one of its synonyms stands in the text between two spaces, or at one end
    of the text. A text that is nothing but the synonym does not count.

    Args:
        categories: with ``id`` and ``synonyms``; the synonym ``dog_(animal)`` is looked for as
            "dog".
    """

    def __init__(self, categories: Sequence[dict]):
        self._order = {category["id"]: rank for rank, category in enumerate(categories)}
        self._classes_of: dict[Words, set[int]] = defaultdict(set)
        for category in categories:
            for synonym in category["synonyms"]:
                self._classes_of[spoken_words(synonym)].add(category["id"])
        self._lengths = sorted({len(words) for words in self._classes_of})

    def __call__(self, text: str) -> list[int]:
        """Return the ids of the mentioned classes, in the order of the categories."""
        words = tuple(text.lower().split(" "))
        found = set()
        for phrase in self._phrases(words):
            found |= self._classes_of.get(phrase, set())
        return sorted(found, key=self._order.__getitem__)

    def _phrases(self, words: Words) -> Iterator[Words]:
        """Yield the runs of words that are as long as some synonym, the whole text left out."""
        for length in self._lengths:
            if length < len(words):
                yield from (words[i : i + length] for i in range(len(words) - length + 1))


def spoken_words(synonym: str) -> Words:
    """Return the words of a synonym as a caption has them.

    >>> spoken_words("Teddy_bear_(toy)")
    ('teddy', 'bear')
    """
    return tuple(synonym.replace("_", " ").split("(")[0].lower().strip().split(" "))


def tag_images(
    images: Sequence[dict], categories: Sequence[dict], *, all_captions: bool, keep_untagged: bool
) -> list[dict]:
    """Return the images with ``pos_category_ids``, the classes their captions mention.

    Args:
        images: with ``captions``.
        categories: with ``id`` and ``synonyms``.
        all_captions: read all captions of an image, joined by spaces; otherwise the first one.
        keep_untagged: also return images without any class.

    Raises:
        InputError: an image has no field ``captions``.
    """
    find_classes = TagMatcher(categories)
    tagged = []
    for image in track(images, description="classes in captions", unit="image"):
        if "captions" not in image:
            raise InputError(
                f"image {image['id']} has no 'captions'; give --convert_caption for a COCO caption "
                "file, whose captions are annotations"
            )
        captions = image["captions"] if all_captions else image["captions"][:1]
        classes = find_classes(" ".join(captions))
        if classes or keep_untagged:
            tagged.append({**image, "pos_category_ids": classes})
    return tagged
