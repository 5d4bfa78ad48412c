"""The exception for mistakes that the person at the keyboard can repair.

And the commonest of them: a name that is not among those to choose from.
"""

import reprlib
from collections.abc import Collection, Sequence
from difflib import get_close_matches

MAX_LISTED = 40  # more choices than this are counted rather than listed
MAX_NAMED = 5  # of things that are missing or wrong, as many are named
MAX_SHOWN = 80  # characters of what was found


class InputError(ValueError):
    """A mistake the user can repair: a wrong name, a missing file, contents that do not fit.

    The message says what was expected, what was found and what to do about it.
    """


_shortening = reprlib.Repr()
_shortening.maxstring = _shortening.maxother = MAX_SHOWN
_shortening.maxlevel = 3


def shown(value: object) -> str:
    """Return what was found in a file, short enough for a message whatever it is.

    >>> shown([[1, [2, [3]]], {"a": list(range(99))}])
    "[[1, [2, [...]]], {'a': [0, 1, 2, 3, 4, 5, ...]}]"
    """
    try:
        return in_short(_shortening.repr(value))
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return f"a {type(value).__name__} with a number of thousands of digits"


def in_short(text: str) -> str:
    """Return a text, maybe of another program or of a file, without its middle if it is long."""
    return text if len(text) <= 2 * MAX_SHOWN else f"{text[:MAX_SHOWN]}...{text[-MAX_SHOWN:]}"


def unknown_choice(
    what: str, given: str, choices: Collection[str], *, where: str = ""
) -> InputError:
    """Return the error for an unknown name, with the choices and the nearest of them.

    Args:
        what: the kind of thing that was named.
        given: the name that is not known.
        choices: the names that are, at least one.
        where: the place the name was found in, put in front.

    >>> str(unknown_choice("vocabulary", "lviz", ["lvis", "coco"]))
    "unknown vocabulary 'lviz'; choose lvis or coco (did you mean 'lvis'?)"
    """
    given = in_short(given)
    nearest = get_close_matches(given, choices, n=1)
    suggestion = f" (did you mean '{nearest[0]}'?)" if nearest else ""
    place = f"{where}: " if where else ""
    return InputError(f"{place}unknown {what} '{given}'; choose {_list(choices)}{suggestion}")


def some_of(names: Sequence[str], count: int = MAX_NAMED) -> str:
    """Return the first of some names and how many there are more.

    >>> some_of(["a", "b", "c", "d"], 2)
    'a, b and 2 more'
    """
    if len(names) <= count:
        return ", ".join(names)
    return f"{', '.join(names[:count])} and {len(names) - count} more"


def _list(choices: Collection[str]) -> str:
    if len(choices) > MAX_LISTED:
        return f"one of the {len(choices)} known ones"
    *head, last = map(in_short, choices)
    return f"{', '.join(head)} or {last}" if head else last
