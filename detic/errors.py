"""The exception for mistakes that the person at the keyboard can repair."""


class InputError(ValueError):
    """A mistake the user can repair: a wrong name, a missing file, contents that do not fit.

    The message says what was expected, what was found and what to do about it.
    """
