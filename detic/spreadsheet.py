"""Texts in CSV tables, which spreadsheet programs open and would run as formulas.

Source: OWASP, "CSV Injection", https://owasp.org/www-community/attacks/CSV_Injection.
"""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
MARK = "'"  # which those programs take for "what follows is text"


def as_cell(text: str) -> str:
    """Return a text with a mark in front where it would be run, or has that mark already.

    >>> as_cell("=1+1"), as_cell("'t Zand"), as_cell("mug")
    ("'=1+1", "''t Zand", 'mug')
    """
    return MARK + text if text.startswith((MARK, *FORMULA_STARTS)) else text


def from_cell(cell: str) -> str:
    """Return the text that became a cell: without the mark, where there is one.

    >>> from_cell("'=1+1"), from_cell("mug")
    ('=1+1', 'mug')
    """
    return cell.removeprefix(MARK)
