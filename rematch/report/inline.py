"""SVG drawings made fit for the page: no style attributes (its policy forbids them), own ids, colours of the theme."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree import ElementTree

from rematch.report.palette import BAD, GOOD, INK, LINE, MUTED, OPEN, SERIES

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
VARIABLES = {
    colour: name
    for name, colour in {
        **{f"--series-{place}": colour for place, colour in enumerate(SERIES)},
        "--ink": INK,
        "--muted": MUTED,
        "--line": LINE,
        "--bad": BAD,
        "--open": OPEN,
        "--good": GOOD,
    }.items()
}
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)|^#(.+)$")
_ALLOWED = {
    f"{{{SVG}}}{tag}"
    for tag in [
        "svg",
        "g",
        "path",
        "use",
        "defs",
        "clipPath",
        "rect",
        "text",
        "tspan",
        "line",
        "circle",
        "polygon",
        "polyline",
    ]
}


@dataclass
class Styles:
    """Declarations -> class name, shared by all drawings of a page, so that each set is written once."""

    names: dict[str, str] = field(default_factory=dict)

    def name(self, declarations: str) -> str:
        """The class for declarations such as `fill: none; stroke: #1b2430`."""
        themed = _COLOUR.sub(_variable, declarations.lower() if "font" not in declarations else declarations)
        return self.names.setdefault(themed, f"f{len(self.names)}")

    def sheet(self) -> str:
        """The style sheet of all classes given out so far."""
        return "".join(f".{name}{{{declarations}}}\n" for declarations, name in self.names.items())


def _variable(found: re.Match[str]) -> str:
    name = VARIABLES.get(found[0].lower())
    return f"var({name})" if name else found[0]


def inline(svg: str, prefix: str, label: str, styles: Styles) -> str:
    """The drawing as an `<svg>` element with `role="img"` and `label`; elements that do not draw are left out."""
    root = ElementTree.fromstring(svg)
    _keep_drawing(root)
    used = {name for element in root.iter() for value in element.attrib.values() for name in _referred(value)}
    for element in root.iter():
        _rewrite(element, prefix, used, styles)
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    root.attrib |= {"role": "img", "aria-label": label, "class": "figure"}
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _keep_drawing(element: ElementTree.Element) -> None:
    for child in list(element):
        if child.tag in _ALLOWED:
            _keep_drawing(child)
        else:
            element.remove(child)


def _referred(value: str) -> list[str]:
    return [one or other for one, other in _REFERENCE.findall(value)]


def _rewrite(element: ElementTree.Element, prefix: str, used: set[str], styles: Styles) -> None:
    identity = element.attrib.pop("id", None)
    for key, value in list(element.attrib.items()):
        if key.lower().startswith("on"):
            del element.attrib[key]
        elif _referred(value):
            element.attrib[key] = re.sub(r"#", f"#{prefix}-", value, count=1)
        elif key == f"{{{XLINK}}}href" or key == "href":
            del element.attrib[key]  # anything but a place in this drawing
    if identity in used:
        element.attrib["id"] = f"{prefix}-{identity}"
    declarations = element.attrib.pop("style", "")
    if declarations:
        element.attrib["class"] = styles.name(declarations)
    if element.tag == f"{{{SVG}}}path" and "d" in element.attrib:
        element.attrib["d"] = " ".join(element.attrib["d"].split())
