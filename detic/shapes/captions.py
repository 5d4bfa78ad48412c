"""What people write below images: class names in many wordings, sometimes misspelt."""

import numpy as np

NOUN_SYNONYMS: dict[str, tuple[str, ...]] = {
    "star": ("pentagram",),
    "gear": ("cog", "cogwheel"),
    "mug": ("cup", "coffee cup"),
    "key": ("latchkey", "door key"),
    "drop": ("droplet", "raindrop"),
    "ring": ("diamond ring", "jewel"),
    "umbrella": ("parasol", "brolly"),
    "fish": ("goldfish", "swimming fish"),
    "house": ("home", "cottage"),
    "tree": ("pine", "fir"),
    "arrow": ("pointer", "direction sign"),
    "heart": ("love symbol", "valentine"),
    "moon": ("crescent", "half moon"),
    "bolt": ("lightning", "flash"),
    "crown": ("diadem", "tiara"),
    "anchor": ("ship anchor", "mooring hook"),
    "bell": ("chime", "church bell"),
    "leaf": ("foliage", "tree leaf"),
    "cross": ("plus sign", "plus"),
    "flag": ("banner", "pennant"),
    "cloud": ("cumulus", "rain cloud"),
    "boat": ("sailboat", "ship"),
    "hammer": ("mallet", "carpenter tool"),
    "mushroom": ("toadstool", "fungus"),
    "rocket": ("spaceship", "missile"),
    "cactus": ("desert plant", "saguaro"),
    "bottle": ("flask", "wine bottle"),
    "magnet": ("horseshoe magnet", "horseshoe"),
    "hourglass": ("sand clock", "egg timer"),
    "snowman": ("snow figure", "man of snow"),
    "butterfly": ("moth", "winged insect"),
    "duck": ("duckling", "rubber duck"),
}
LOOK_SYNONYMS: dict[str, tuple[str, ...]] = {
    "red": ("crimson", "scarlet"),
    "blue": ("azure", "navy blue"),
    "yellow": ("golden", "lemon yellow"),
    "green striped": ("striped green", "green stripy"),
    "purple dotted": ("dotted purple", "purple spotted"),
}

SYNONYM_SHARE = 0.25
NOUN_ONLY_SHARE = 0.08
TYPO_SHARE = 0.15
WORDINGS = (
    "a {look} {noun}",
    "{look} {noun}",
    "the {look} {noun}",
    "a photo of a {look} {noun}",
    "a {noun}, {look}",
    "{noun} {look}",
    "a {noun} that is {look}",
    "{look} {noun} on a background",
)
NOUN_ONLY_WORDINGS = ("a {noun}", "{noun}", "a photo of a {noun}")


def draw_caption(look: str, noun: str, rng: np.random.Generator) -> str:
    """Return one wording of a class: name or synonyms, word order, noun alone, misspelt.

    Args:
        look: one of ``detic.shapes.looks.LOOKS``.
        noun: one of ``detic.shapes.nouns.ALL_NOUNS``.
        rng: draws the wording.
    """
    chosen_look = _name_or_synonym(look, LOOK_SYNONYMS[look], rng)
    chosen_noun = _name_or_synonym(noun, NOUN_SYNONYMS[noun], rng)
    wordings = NOUN_ONLY_WORDINGS if rng.random() < NOUN_ONLY_SHARE else WORDINGS
    text = wordings[rng.integers(len(wordings))].format(look=chosen_look, noun=chosen_noun)
    return misspell(text, rng) if rng.random() < TYPO_SHARE else text


def misspell(text: str, rng: np.random.Generator) -> str:
    """Return the text with one slip in one of its words of four or more letters, if it has any.

    A slip leaves a letter out, doubles it, swaps it with the next or replaces it; first letters
    stay.
    """
    words = text.split(" ")
    long_words = [i for i, word in enumerate(words) if len(word) >= 4 and word.isalpha()]
    if not long_words:
        return text
    index = long_words[rng.integers(len(long_words))]
    words[index] = _slip(words[index], rng)
    return " ".join(words)


def _slip(word: str, rng: np.random.Generator) -> str:
    place = int(rng.integers(1, len(word) - 1))
    head, letter, following, tail = word[:place], word[place], word[place + 1], word[place + 2 :]
    other = chr(ord("a") + rng.integers(26))
    slips = (following, letter + letter + following, following + letter, other + following)
    return head + slips[rng.integers(len(slips))] + tail


def _name_or_synonym(name: str, synonyms: tuple[str, ...], rng: np.random.Generator) -> str:
    if rng.random() >= SYNONYM_SHARE:
        return name
    return synonyms[rng.integers(len(synonyms))]
