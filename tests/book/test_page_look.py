"""The page and the figures wear the same colours, and words can be read in all of them."""

import base64
import io
import re
from pathlib import Path

import pytest
from _ext.cover import FAMILIES as NAMES
from _ext.dark import recolour, recolour_hex, recolour_png, recolour_svg, rgb
from _ext.opening import VERBS
from PIL import Image

from gencourse.figures import look
from tools.cover import FOLDER, draw, same

BOOK = Path(__file__).parents[2] / "book"
CSS = (BOOK / "_static" / "course.css").read_text(encoding="utf8")


def tokens(theme: str) -> dict[str, str]:
    """The colours of a theme by name: dark ones stand on top of light ones."""
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", CSS[CSS.index(start) :].split("}")[0]))
        for start in (":root {", ':root[data-theme="dark"] {')
    )
    return light if theme == "light" else light | dark


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    dim, bright = sorted(map(luminance, (first, second)))
    return (bright + 0.05) / (dim + 0.05)


def test_families_wear_the_colours_of_the_figures() -> None:
    for family in look.FAMILIES.values():
        assert tokens("light")[family.verb] == family.colour
        assert tokens("dark")[family.verb] == family.colour_on_dark


def test_ink_and_ground_are_those_of_the_figures() -> None:
    light = tokens("light")
    assert light["ink"] == look.INK
    assert light["quiet"] == look.QUIET
    assert light["noise"] == look.NOISE
    assert light["rule"] == look.RULE
    assert light["raised"] == look.RAISED
    assert light["ground"] == look.GROUND


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["ground", "raised"])
def test_words_have_contrast(theme: str, ground: str) -> None:
    colours = tokens(theme)
    for name in ["ink", "quiet", *(f"{family.verb}-text" for family in look.FAMILIES.values())]:
        assert contrast(colours[name], colours[ground]) >= 4.5, name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_have_contrast(theme: str) -> None:
    colours = tokens(theme)
    for family in look.FAMILIES.values():
        assert contrast(colours[family.verb], colours["ground"]) >= 3


class TestDarkFigures:
    def test_the_colours_of_the_look_become_those_of_the_dark_theme(self) -> None:
        light, dark = tokens("light"), tokens("dark")
        names = ["ink", "ground", "raised", "quiet", "noise", "rule"]
        for name in [*names, *(family.verb for family in look.FAMILIES.values())]:
            assert recolour_hex(light[name]) == dark[name], name

    def test_a_mixture_becomes_the_same_mixture(self) -> None:
        light, dark = tokens("light"), tokens("dark")
        for family in look.FAMILIES.values():
            for part in (0.25, 0.5, 0.75):
                mixed, expected = (
                    (1 - part) * rgb(colours["ground"]) + part * rgb(colours[family.verb])
                    for colours in (light, dark)
                )
                assert recolour(mixed[None])[0] == pytest.approx(expected, abs=12)

    def test_black_is_ink_and_a_stranger_stays(self) -> None:
        assert recolour_hex("#000000") == tokens("dark")["ink"]
        assert recolour_hex("#00ff00") == "#00ff00"

    def test_transparency_is_kept(self) -> None:
        picture = Image.new("RGBA", (2, 1), (255, 255, 255, 0))
        picture.putpixel((1, 0), (29, 35, 43, 128))
        content = io.BytesIO()
        picture.save(content, "PNG")
        with Image.open(io.BytesIO(recolour_png(content.getvalue()))) as dark:
            assert dark.getpixel((0, 0))[3] == 0
            assert dark.getpixel((1, 0)) == (230, 233, 238, 128)

    def test_a_raster_inside_a_drawing_is_recoloured_with_it(self) -> None:
        content = io.BytesIO()
        Image.new("RGB", (1, 1), (255, 255, 255)).save(content, "PNG")
        inside = base64.b64encode(content.getvalue()).decode()
        dark = recolour_svg(f'<svg fill="#1d232b"><image href="data:image/png;base64,{inside}"/>')
        assert 'fill="#e6e9ee"' in dark
        found = re.search(r"base64,([^\"]+)", dark)
        assert found
        with Image.open(io.BytesIO(base64.b64decode(found[1]))) as picture:
            assert picture.getpixel((0, 0))[:3] == (20, 24, 31)


def test_every_verb_has_a_mark_and_every_family_a_verb() -> None:
    marks = (BOOK / "_templates" / "marks.html").read_text(encoding="utf8")
    assert all(f'id="mark-{verb}"' in marks for verb in VERBS)
    assert list(NAMES) == [family.verb for family in look.FAMILIES.values()]


def test_the_pictures_of_the_cover_are_what_the_package_draws() -> None:
    for verb, picture in draw().items():
        assert same((FOLDER / f"{verb}.svg").read_text(encoding="utf8"), picture), verb
