"""The same module under the anywidget contract, as Jupyter and Colab run it."""

import base64
import json

import pytest
from playwright.sync_api import Page

from gencourse.widgets import LatentPlane
from tests.browser_fixtures import OpenPage

pytestmark = pytest.mark.browser

KERNEL = """async ({ state, weights, esm, css }) => {
    // What anywidget does: a module from a blob, styles in the head, a model with traits.
    const url = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
    const module = await import(url);
    document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
    const bytes = Uint8Array.from(atob(weights), (c) => c.charCodeAt(0));
    const buffer = new Uint8Array(bytes.length + 3);
    buffer.set(bytes, 3);
    const values = { ...state, weights: new DataView(buffer.buffer, 3) };
    const listeners = {};
    window.saved = 0;
    window.model = {
        get: (key) => values[key],
        set(key, value) {
            values[key] = value;
            (listeners[`change:${key}`] ?? []).forEach((f) => f());
        },
        on(event, f) { (listeners[event] ??= []).push(f); },
        off(event, f) { listeners[event] = (listeners[event] ?? []).filter((g) => g !== f); },
        save_changes() { window.saved++; },
        listening: () => Object.values(listeners).flat().length,
    };
    // A notebook puts the output into its page only when it has been rendered.
    const el = Object.assign(document.createElement("div"), { id: "output" });
    window.cleanup = await module.default.render({ model: window.model, el });
    await new Promise((resolve) => setTimeout(resolve, 50));
    document.body.append(el);
}"""


@pytest.fixture
def output(site: str, open_page: OpenPage) -> Page:
    """A page in which the figure is an output of a kernel."""
    page = open_page(f"{site}pages/empty.html")
    figure = LatentPlane(z=[0.5, 1.0])
    state = {
        key: value
        for key, value in figure.get_state().items()
        if isinstance(value, str | int | float | bool | list | dict)
    }
    page.evaluate(
        KERNEL,
        {
            "state": json.loads(json.dumps(state)),
            "weights": base64.b64encode(figure.weights).decode(),
            "esm": str(figure._esm),
            "css": str(figure._css),
        },
    )
    return page


def frames(page: Page) -> None:
    page.evaluate("() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")


def test_it_is_painted_once_it_is_in_the_page(output: Page) -> None:
    for picture in (".gm-plane canvas", ".gm-digit"):
        output.wait_for_function(
            """(picture) => document.querySelector(picture).getContext("2d")
            .getImageData(0, 0, 1, 1).data[0] > 240""",
            arg=picture,
        )


def test_it_shows_its_state_and_its_caption(output: Page) -> None:
    assert output.locator(".gm-sliders output").all_inner_texts() == ["0.50", "1.00"]
    assert output.get_by_text("The keyhole.").is_visible()
    assert output.get_by_role("button", name="Copy link").count() == 0  # a link belongs to a page


def test_the_kernel_learns_what_the_reader_does(output: Page) -> None:
    before = output.evaluate("saved")
    output.get_by_role("slider", name="z 1").fill("-1.5")
    frames(output)
    assert output.evaluate("model.get('z')") == [-1.5, 1]
    assert output.evaluate("saved") > before


def test_the_reader_sees_what_the_kernel_does(output: Page) -> None:
    output.evaluate("model.set('z', [2, -2])")
    output.evaluate("model.set('x', '3')")
    frames(output)
    assert output.locator(".gm-sliders output").all_inner_texts() == ["2.00", "−2.00"]
    assert output.locator(".gm-own").is_visible()


def test_reset_returns_to_what_the_cell_asked_for(output: Page) -> None:
    output.evaluate("model.set('z', [2, -2])")
    output.get_by_role("button", name="Reset").click()
    frames(output)
    assert output.evaluate("model.get('z')") == [0.5, 1]


def test_notebook_shortcuts_leave_its_keys_alone(output: Page) -> None:
    assert output.locator("[data-lm-suppress-shortcuts=true]").count() == 1


def test_it_follows_jupyters_dark_theme(output: Page) -> None:
    output.evaluate("document.body.dataset.jpThemeLight = 'false'")
    frames(output)
    corner = output.evaluate(
        """() => document.querySelector(".gm-digit").getContext("2d")
        .getImageData(0, 0, 1, 1).data[0]"""
    )
    assert corner < 50


def test_cleanup_leaves_nothing_listening(output: Page) -> None:
    assert output.evaluate("model.listening()") > 0
    output.evaluate("cleanup()")
    assert output.evaluate("model.listening()") == 0


def test_damaged_weights_are_a_sentence(output: Page) -> None:
    output.evaluate(
        """async () => {
            new Uint8Array(model.get("weights").buffer)[500] ^= 1;
            const module = await import("/_static/live/latent-plane.mjs");
            output.innerHTML = "";
            await module.default.render({ model, el: document.getElementById("output") });
        }"""
    )
    assert output.get_by_text(
        "This figure could not start: the weights file is damaged."
    ).is_visible()
