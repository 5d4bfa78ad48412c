"""The exception for mistakes that the person at the keyboard can repair."""

_MAX_SHOWN = 160  # characters of a message of another program


class InputError(ValueError):
    """A mistake the user can repair: a wrong name, a missing file, contents that do not fit.

    The message says what was expected, what was found and what to do about it.
    """


def first_line(error: Exception) -> str:
    """Return what an exception of another program says, in short."""
    return str(error).strip().partition("\n")[0][:_MAX_SHOWN] or type(error).__name__
