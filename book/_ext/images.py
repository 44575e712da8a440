"""Pictures say how large they are, wait until they are needed, and have a dark version.

A figure of a chapter is a file that the build has made. Its own width and height are written into
the page, so that nothing moves when it arrives, and it is fetched when the reader comes near. The
stylesheet fits it to the column and shows the version of the theme; the other one is not fetched.
"""

import html
import posixpath
import re
from pathlib import Path

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from . import dark as dark_theme

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


def write_dark(file: Path, folder: Path) -> str:
    """Write the dark version of a figure into `folder`, and return its name."""
    folder.mkdir(parents=True, exist_ok=True)
    dark = folder / f"{file.stem}-dark{file.suffix}"
    # A figure's name is a digest of what it shows, so only a change of colours makes it stale.
    if dark.exists() and dark.stat().st_mtime > Path(dark_theme.__file__).stat().st_mtime:
        return dark.name
    if file.suffix == ".svg":
        dark.write_text(dark_theme.recolour_svg(file.read_text(encoding="utf8")), encoding="utf8")
    else:
        dark.write_bytes(dark_theme.recolour_png(file.read_bytes()))
    return dark.name


def visit_image(self: HTML5Translator, node: nodes.image) -> None:
    address = node["uri"]
    attributes = {"alt": node.get("alt", ""), "loading": "lazy", "decoding": "async"}
    versions = {"": address}
    if address in self.builder.images:
        file = Path(self.builder.srcdir, address)
        if measured := size(file):
            attributes |= {"width": str(measured[0]), "height": str(measured[1])}
        folder, name = self.builder.imgpath, self.builder.images[address]
        versions = {"": posixpath.join(folder, name)}
        if "jupyter_execute" in address and file.suffix in (".svg", ".png"):
            dark = write_dark(file, Path(self.builder.outdir, self.builder.imagedir))
            versions = {"in-light": versions[""], "in-dark": posixpath.join(folder, dark)}
    written = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items())
    for version, source in versions.items():
        kind = f' class="{version}"' if version else ""
        self.body.append(f'<img src="{html.escape(source)}"{kind}{written}>')


def depart_image(self: HTML5Translator, node: nodes.image) -> None:
    pass


def setup(app: Sphinx) -> None:
    app.add_node(nodes.image, override=True, html=(visit_image, depart_image))
