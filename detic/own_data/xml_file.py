"""XML files of annotation tools."""

from pathlib import Path
from xml.etree import ElementTree

from detic.documents import read_text
from detic.own_data.annotated import Problems


def parsed_xml(file: Path, tag: str, problems: Problems) -> ElementTree.Element | None:
    """Return the root of an XML file; None, and a problem is noted, if it has none of this name."""
    text = read_text(file)
    if "<!" in text.replace("<!--", ""):  # entities can stand for gigabytes
        problems.add(str(file), "it declares a document type, which annotations do not need")
        return None
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        problems.add(str(file), f"no XML ({error})")
        return None
    if root.tag != tag:
        problems.add(str(file), f"its root is <{root.tag}>; expected <{tag}>")
        return None
    return root
