"""One figure, two homes.

A live figure is one JavaScript module, bundled to `static/NAME.mjs`, and one subclass of
`LiveFigure`. In Jupyter and Colab it is an anywidget. Its output also carries a `text/html` twin:
a picture of the figure in an element that the book's loader (`static/loader.mjs`) replaces by the
same module, with no kernel. A page without JavaScript keeps the picture.
"""

import base64
import hashlib
import html
import json
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

from gencourse.widgets.weights import unpack

__all__ = ["STATIC", "LiveFigure"]

STATIC = Path(__file__).parent / "static"


class LiveFigure(anywidget.AnyWidget):
    """A figure that computes in the reader's browser.

    A subclass gives `name` (of its files in static/), `family` (its colour), `title`, `alt` (what
    the picture shows) and `legend` (what to see and to try, as HTML). Each trait tagged
    `sync=True, state=True` is part of the state that the reader changes, resets and links to.

    number: printed before the title, as in "Figure 2.1."; none by default.
    caption: HTML in place of the class's own title and legend.
    anchor: the element's id in the book, and the name that links to a state use: #anchor?z=1,-1.
    state: starting values of the state traits.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    title: ClassVar[str]
    alt: ClassVar[str]
    legend: ClassVar[str]
    picture_size: ClassVar[tuple[int, int]]

    _css = STATIC / "live.css"
    # ipywidgets 7 displays through this method, which would leave the twin out.
    _ipython_display_ = None

    weights = traitlets.Bytes().tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)
    initial = traitlets.Dict().tag(sync=True)
    hue = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        *,
        number: str | None = None,
        caption: str | None = None,
        anchor: str | None = None,
        **state: Any,
    ) -> None:
        names = self.class_trait_names(state=True)
        if unknown := sorted(set(state) - set(names)):
            raise TypeError(
                f"{type(self).__name__} has no {', '.join(unknown)}; "
                f"its state is {', '.join(names)}"
            )
        weights = (STATIC / f"{self.name}.bin").read_bytes()
        unpack(weights)  # a damaged file is reported here, not in the browser
        label = f"Figure {html.escape(number)}. " if number else ""
        super().__init__(
            weights=weights,
            caption=caption or f"<b>{label}{self.title}</b> {self.legend}",
            hue=self.family,
            **state,
        )
        self.anchor = anchor or self.name
        self.initial = {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        widget = super()._repr_mimebundle_(**kwargs)
        data, metadata = widget if widget is not None else ({"text/plain": repr(self)}, {})
        return {**data, "text/html": self.to_html()}, metadata

    def to_html(self) -> str:
        """The figure as it stands in the book: the picture, and what the loader replaces it by."""
        files = [STATIC / f"{self.name}{suffix}" for suffix in (".mjs", ".bin")]
        version = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
        props = html.escape(json.dumps({"initial": self.initial}))
        picture = base64.b64encode((STATIC / f"{self.name}.webp").read_bytes()).decode()
        width, height = self.picture_size
        return (
            f'<figure class="gm-figure" data-family="{self.family}">'
            f'<div class="gm-live" id="{self.anchor}" data-gm="{self.name}" '
            f'data-gm-props="{props}" data-gm-weights="{self.name}.bin" '
            f'data-gm-version="{version}">'
            f'<div class="gm-stage"><img class="gm-still" src="data:image/webp;base64,{picture}" '
            f'width="{width}" height="{height}" alt="{html.escape(self.alt)}"></div></div>'
            f"<figcaption>{self.caption}</figcaption></figure>"
        )
