"""The Python side of a live figure: what it displays, what it syncs, what it refuses."""

import html
import json
import re
from html.parser import HTMLParser

import pytest
from IPython.core.formatters import DisplayFormatter
from ipywidgets.widgets.widget import _remove_buffers

from gencourse.widgets import LatentPlane, base

WIDGET = "application/vnd.jupyter.widget-view+json"


def test_one_output_serves_both_homes():
    figure = LatentPlane()
    data, _ = DisplayFormatter().format(figure)
    assert data["text/plain"] == "LatentPlane()"
    assert data[WIDGET]["model_id"] == figure.model_id
    assert 'data-gm="latent-plane"' in data["text/html"]


def test_the_output_is_the_same_at_every_run():
    assert LatentPlane(number="2.1").to_html() == LatentPlane(number="2.1").to_html()
    assert repr(LatentPlane(z=[1, 2])) == "LatentPlane()"


def test_the_twin_holds_a_picture_that_needs_nothing_else():
    twin = LatentPlane().to_html()
    picture = re.search(r'<img[^>]*src="data:image/webp;base64,([^"]+)"[^>]*>', twin)
    assert picture is not None
    assert len(twin) <= 30_000
    alt = re.search(r'alt="([^"]+)"', picture[0])
    assert alt is not None
    assert len(alt[1]) > 80


def test_the_twin_is_well_formed():
    open_tags = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag, attributes):
            if tag != "img":
                open_tags.append(tag)

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    Checker().feed(LatentPlane(number="2.1", caption="<b>A & B</b>").to_html())
    assert open_tags == []


def test_the_twin_carries_the_starting_state():
    twin = LatentPlane(z=[1.5, -0.25], walk=[3, 8], codes=True, anchor="second").to_html()
    props = json.loads(html.unescape(re.search('data-gm-props="([^"]*)"', twin)[1]))
    assert props["initial"] == {
        "z": [1.5, -0.25],
        "x": "",
        "walk": [3, 8],
        "codes": True,
        "seed": 0,
    }
    assert 'id="second"' in twin


def test_the_caption_is_numbered_by_its_caller():
    assert LatentPlane().caption.startswith("<b>The keyhole.</b>")
    assert LatentPlane(number="2.1").caption.startswith("<b>Figure 2.1. The keyhole.</b>")
    assert LatentPlane(caption="Mine.").caption == "Mine."


def test_the_kernel_syncs_weights_as_one_buffer():
    _, paths, buffers = _remove_buffers(LatentPlane().get_state())
    assert ["weights"] in paths
    assert (
        bytes(buffers[paths.index(["weights"])]) == (base.STATIC / "latent-plane.bin").read_bytes()
    )


def test_an_unknown_setting_is_named():
    with pytest.raises(TypeError, match=r"no zoom; its state is .*walk"):
        LatentPlane(zoom=2)


def test_damaged_weights_are_reported_in_the_kernel(monkeypatch, tmp_path):
    damaged = bytearray((base.STATIC / "latent-plane.bin").read_bytes())
    damaged[1000] ^= 1
    (tmp_path / "latent-plane.bin").write_bytes(damaged)
    monkeypatch.setattr(base, "STATIC", tmp_path)
    with pytest.raises(ValueError, match="damaged"):
        LatentPlane()
