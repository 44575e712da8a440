"""Pictures say how large they are, so that nothing moves when they arrive, and wait until needed.

A figure of a chapter is a file that the build has made. Its own width and height are written into
the page (the stylesheet fits it to the column), and it is fetched when the reader comes near.
"""

import html
import posixpath
import re
from pathlib import Path

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

UNITS = {"pt": 4 / 3, "px": 1.0, "": 1.0}


def size(file: Path) -> tuple[int, int] | None:
    """Width and height in the page's pixels, or None when the file does not say."""
    if file.suffix != ".svg":
        with Image.open(file) as picture:
            return picture.size
    head = file.read_text(encoding="utf8")[:4000]
    lengths = [
        re.search(rf'<svg[^>]*\s{name}="([\d.]+)(\w*)"', head) for name in ("width", "height")
    ]
    if not all(found and found[2] in UNITS for found in lengths):
        return None
    width, height = (round(float(found[1]) * UNITS[found[2]]) for found in lengths if found)
    return width, height


def visit_image(self: HTML5Translator, node: nodes.image) -> None:
    address = node["uri"]
    attributes = {"alt": node.get("alt", ""), "loading": "lazy", "decoding": "async"}
    if address in self.builder.images:
        measured = size(Path(self.builder.srcdir, address))
        if measured:
            attributes |= {"width": str(measured[0]), "height": str(measured[1])}
        address = posixpath.join(self.builder.imgpath, self.builder.images[address])
    written = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items())
    self.body.append(f'<img src="{html.escape(address)}"{written}>')


def depart_image(self: HTML5Translator, node: nodes.image) -> None:
    pass


def setup(app: Sphinx) -> None:
    app.add_node(nodes.image, override=True, html=(visit_image, depart_image))
