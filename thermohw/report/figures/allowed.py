"""What of an SVG document may enter a page: shapes and text, and nothing that acts.

A study's folder may come from a stranger, and a drawing put into a page has the page's rights. So
it is parsed, and what comes out is written anew from lists of elements, attributes and style
properties: no script, event, foreign markup, animation, style sheet, link, or address outside the
page. Not on the list means not in the page; the rest of the drawing stays.

The document is read from its root element on. A document type stands before it, so no entity is
ever declared and none can grow. A `use` may repeat a shape, never a group, so nothing multiplies.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

__all__ = ["allowed"]

_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_MOST, _PIECE = 16_000_000, 65536  # characters
_DEEPEST, _ELEMENTS_AT_MOST = 64, 300_000
# Not allowed in XML; names from files may hold them, and matplotlib writes them down.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_SHAPES = {"path", "rect", "circle", "ellipse", "line", "polyline", "polygon"}
_WORDS = {"text", "tspan", "title", "desc"}
_ELEMENTS = _SHAPES | _WORDS | {"svg", "g", "defs", "clipPath", "use", "image", "pattern"}
_ELEMENTS |= {"linearGradient", "radialGradient", "stop"}

_ATTRIBUTES = set(
    "id d x y x1 y1 x2 y2 dx dy r rx ry cx cy fx fy width height points offset viewBox version "
    "transform gradientTransform patternTransform gradientUnits patternUnits patternContentUnits "
    "clipPathUnits spreadMethod preserveAspectRatio clip-path text-anchor".split()
)
_PROPERTIES = set(
    "fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap stroke-linejoin "
    "stroke-dasharray stroke-dashoffset stroke-miterlimit opacity stop-color stop-opacity font "
    "font-size font-family font-weight font-style text-anchor white-space clip-rule clip-path "
    "image-rendering".split()
)
_VALUE = re.compile(r"[\w\s.,#%()'+-]*", re.ASCII)
_CALL = re.compile(r"([\w-]*)\s*\(")
_CALLS = {"matrix", "translate", "scale", "rotate", "skewX", "skewY", "rgb", "rgba"}
_OWN = re.compile(r"url\(#[\w.-]+\)", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_BITMAP = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=\s]*")
# matplotlib's one rule for all elements; any other style sheet would reach the whole page.
_SHEET = "*{stroke-linejoin: round; stroke-linecap: butt}"


def allowed(document: str) -> tuple[str, str]:
    """The viewBox of an SVG document, and its content as markup for a page, "</svg>" included.

    Raises:
        ValueError: it is no drawing, or a monstrous one.
    """
    if len(document) > _MOST:
        raise ValueError(f"the drawing has more than {_MOST} characters")
    start = re.search(r"<svg\b", document)
    root = None if start is None else _parsed(_FORBIDDEN.sub("", document[start.start() :]))
    if root is None or root.tag != f"{_SVG}svg":
        raise ValueError("not an SVG document")
    box = root.get("viewBox", "")
    if not re.fullmatch(r"\s*-?[\d.]+(?:[\s,]+-?[\d.]+){3}\s*", box):
        raise ValueError("the drawing has no viewBox")
    shapes = {e.get("id", "") for e in root.iter() if _kind(e) in _SHAPES}
    inside = "".join(_markup(child, shapes) + _space(child.tail) for child in root)
    return box, f"{_space(root.text)}{inside}</svg>"


def _parsed(document: str) -> ElementTree.Element | None:
    """The tree, refused as soon as it grows monstrous."""
    parser: Any = ElementTree.XMLPullParser(["start", "end"])
    root, depth, count = None, 0, 0
    try:
        for place in range(0, len(document), _PIECE):
            parser.feed(document[place : place + _PIECE])
            for event, element in parser.read_events():
                root = element if root is None else root
                depth += 1 if event == "start" else -1
                count += event == "start"
                if depth > _DEEPEST or count > _ELEMENTS_AT_MOST:
                    raise ValueError("the drawing has too many elements, or too deep ones")
        parser.close()
    except ElementTree.ParseError as error:
        raise ValueError(f"not an SVG document ({error})") from None
    return root


def _markup(element: ElementTree.Element, shapes: set[str]) -> str:
    """One element and all inside it, written anew; "" where it is not allowed."""
    kind = _kind(element)
    if kind == "style" and (element.text or "").strip() == _SHEET:
        return f'<style type="text/css">{_SHEET}</style>'
    if kind not in _ELEMENTS or kind == "svg":
        return ""
    words = [kind]
    for name, value in element.attrib.items():
        if name in ("href", f"{_XLINK}href"):
            if not _reference(kind, value, shapes):
                return ""  # an image or a copy of nothing
            words.append(f'href="{_escaped(value)}"')
        elif name == "style":
            words.append(f'style="{_escaped(_style(value))}"')
        elif name == "id" and not _NAME.fullmatch(value):
            continue
        elif name in _ATTRIBUTES | _PROPERTIES and _plain(value):
            words.append(f'{name}="{_escaped(value)}"')
    keep = _escaped if kind in _WORDS else _space
    inside = keep(element.text or "")
    for child in element:
        inside += _markup(child, shapes) + keep(child.tail or "")
    return f"<{' '.join(words)}>{inside}</{kind}>" if inside else f"<{' '.join(words)}/>"


def _kind(element: ElementTree.Element) -> str:
    """Name of an element of SVG, "" for anything else."""
    tag = element.tag
    return tag[len(_SVG) :] if isinstance(tag, str) and tag.startswith(_SVG) else ""


def _reference(kind: str, value: str, shapes: set[str]) -> bool:
    if kind == "image":
        return _BITMAP.fullmatch(value) is not None
    return kind == "use" and value[:1] == "#" and value[1:] in shapes


def _style(text: str) -> str:
    """Declarations of a style attribute, those that are allowed."""
    kept = []
    for declaration in text.split(";"):
        name, colon, value = declaration.partition(":")
        if colon and name.strip() in _PROPERTIES and _plain(value):
            kept.append(f"{name.strip()}: {value.strip()}")
    return "; ".join(kept)


def _plain(value: str) -> bool:
    """Whether a value is numbers, words and colours, and reaches nothing outside the drawing."""
    value = _OWN.sub("", value)
    return _VALUE.fullmatch(value) is not None and _CALLS.issuperset(_CALL.findall(value))


def _space(text: str | None) -> str:
    return text if text and text.isspace() else ""


def _escaped(text: str) -> str:
    for sign, words in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(sign, words)
    return text
