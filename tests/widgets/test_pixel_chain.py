"""The chain of pixels: its conditionals are PyTorch's, and its nats add up to log p."""

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from gencourse import checkpoints
from gencourse.data import binarize, mnist
from gencourse.families.order_agnostic import OrderAgnostic
from gencourse.widgets.base import STATIC
from gencourse.widgets.weights import unpack
from tests.widgets.cases import CASES, OpenCase, press, settle, shown

pytestmark = pytest.mark.browser

PIXEL_CHAIN = next(case for case in CASES if case.figure.name == "pixel-chain")

IN_BROWSER = """async (input) => {
    const figure = await import("../_static/live/pixel-chain.mjs");
    const file = await (await fetch("../_static/live/pixel-chain.bin")).arrayBuffer();
    const logits = figure.network(figure.readWeights(new DataView(file)));
    %s
}"""


@pytest.fixture(scope="module")
def model() -> OrderAgnostic:
    """The trained network; its weights are stored in float16, here as there."""
    return checkpoints.load("pixel-chain")


@pytest.fixture
def compute(site: str, open_page):
    """compute(script, input): run it in a page, with the figure's module and its network."""
    page = open_page(f"{site}pages/pixel-chain-far.html")
    return lambda script, given=None: page.evaluate(IN_BROWSER % script, given)


def test_conditionals_equal_pytorchs(compute, model: OrderAgnostic):
    generator = torch.Generator().manual_seed(0)
    x = binarize(mnist("test").images[:12], seed=0)
    share = torch.linspace(0, 1, 12)[:, None]  # from nothing visible to everything
    visible = (torch.rand(12, 784, generator=generator) < share).float()
    found = compute(
        "return input.map(([x, visible]) => Array.from(logits(x, visible)))",
        [list(pair) for pair in zip(x.tolist(), visible.tolist(), strict=True)],
    )
    with torch.no_grad():
        expected = model.logits(x, visible).sigmoid()
    error = (torch.tensor(found).sigmoid() - expected).abs()
    assert error.max() < 1e-4


def test_orders_are_permutations_and_the_seed_decides_the_random_one(compute):
    found = compute("return Object.values(figure.ORDERS).map((order) => order(input))", 3)
    for order in found:
        assert sorted(order) == list(range(784))
    raster, columns, spiral, random = found
    assert raster == list(range(784))
    assert columns[:3] == [0, 28, 56]
    assert spiral[27:29] == [27, 55], "the spiral turns at its first corner"
    assert {spiral[-1], spiral[-2]} <= {13 * 28 + 13, 13 * 28 + 14, 14 * 28 + 13, 14 * 28 + 14}
    again, other = (compute("return figure.ORDERS.random(input)", seed) for seed in (3, 4))
    assert again == random != other


@pytest.mark.parametrize("order", ["raster", "spiral", "random"])
def test_the_nats_of_a_digit_are_its_log_probability(compute, model: OrderAgnostic, order: str):
    """The links that the page adds up, along the order that it walks, for the last 120 pixels."""
    x = binarize(mnist("test").images[:1], seed=0)
    found = compute(
        """const order = figure.ORDERS[input.order](5);
        const visible = new Uint8Array(784);
        order.slice(0, 664).forEach((i) => (visible[i] = 1));
        let nats = 0;
        for (;;) {
            const a = logits(input.x, visible);
            const next = figure.nextPixel(input.order, 5, visible, a);
            if (next < 0) return { nats, order };
            nats += figure.cost(a[next], input.x[next]);
            visible[next] = 1;
        }""",
        {"x": x[0].tolist(), "order": order},
    )
    rest = found["order"][664:]
    visible = torch.zeros(120, 784)
    for k in range(120):
        visible[k, found["order"][: 664 + k]] = 1
    with torch.no_grad():
        chosen = model.logits(x.expand(120, -1), visible)[torch.arange(120), rest]
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        chosen, x[0, rest], reduction="sum"
    )
    assert found["nats"] == pytest.approx(expected.item(), abs=1e-3)


def test_the_most_certain_pixel_comes_first(compute, model: OrderAgnostic):
    x = binarize(mnist("test").images[:1], seed=0)
    visible = torch.zeros(1, 784)
    visible[:, :300] = 1
    found = compute(
        """const visible = Uint8Array.from(input.visible);
        return figure.nextPixel("certain", 0, visible, logits(input.x, visible));""",
        {"x": x[0].tolist(), "visible": visible[0].int().tolist()},
    )
    with torch.no_grad():
        p = model.logits(x, visible)[0].sigmoid()
    entropy = torch.distributions.Bernoulli(p).entropy()
    entropy[:300] = torch.inf
    assert entropy[found] == pytest.approx(entropy.min().item(), abs=1e-6)


def test_a_pixel_is_ink_as_often_as_its_conditional_says(compute):
    """Over many seeds, to four standard errors."""
    counts = compute(
        """return [-2, 0, 1.5].map((a) => {
            let ink = 0;
            for (let seed = 0; seed < 4000; seed++) ink += figure.drawn(seed, 100, a);
            return ink / 4000;
        })"""
    )
    p = 1 / (1 + np.exp(-np.array([-2, 0, 1.5])))
    assert (np.abs(np.array(counts) - p) < 4 * np.sqrt(p * (1 - p) / 4000)).all()


def test_the_page_shows_the_conditional_under_the_pen(open_case: OpenCase, model: OrderAgnostic):
    page = open_case(PIXEL_CHAIN, "x=3&seen=upper&at=20,14")
    _, tensors = unpack((STATIC / "pixel-chain.bin").read_bytes())
    x = torch.from_numpy(np.unpackbits(tensors["examples"][3], bitorder="little")).float()
    visible = (torch.arange(784) < 392).float()
    with torch.no_grad():
        p = model.logits(x[None], visible[None])[0].sigmoid()
    shown_p = page.locator(".gm-chained dd.gm-number").nth(1).inner_text()
    assert float(shown_p) == pytest.approx(p[20 * 28 + 14].item(), abs=6e-4)
    shades = page.evaluate(
        """() => Array.from(document.querySelector(".gm-chain canvas").getContext("2d")
        .getImageData(0, 14, 28, 14).data).filter((_, i) => i % 4 === 0)"""
    )
    rule, family = 0xE3, 0x6D  # red of the two tokens
    expected = rule + (family - rule) * p[392:]
    assert (torch.tensor(shades) - expected).abs().max() <= 0.6


def test_the_same_seed_draws_the_same_pixels(open_case: OpenCase):
    def five(seed: int) -> str:
        page = open_case(PIXEL_CHAIN, f"seed={seed}&order=random&seen=none")
        for _ in range(5):
            press(page, "Step")
        return shown(page)

    assert five(1) == five(1) != five(2)


def test_the_links_add_up_as_they_are_made(open_case: OpenCase):
    page = open_case(PIXEL_CHAIN, "source=digit")
    values = page.locator(".gm-chained dd.gm-number")
    total = 0.0
    for _ in range(4):
        press(page, "Step")
        total += float(values.nth(4).inner_text())
    assert float(values.nth(5).inner_text()) == pytest.approx(total, abs=0.01)
    assert values.nth(3).inner_text() == str(392 - 4)


def test_pixels_are_hidden_and_drawn_by_keyboard(open_case: OpenCase):
    page = open_case(PIXEL_CHAIN, "seen=all&at=3,3")
    hidden = page.locator(".gm-chained dd.gm-number").nth(3)
    pad = page.get_by_role("application", name="Pixels of the digit")
    pad.focus()
    page.keyboard.press("Space")
    settle(page)
    assert hidden.inner_text() == "9"
    page.get_by_label("pen", exact=True).select_option("ink")
    pad.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    settle(page)
    assert hidden.inner_text() == "5"
    expect(page.locator(".gm-chained dd.gm-number").nth(1)).to_have_text("visible: ink")
    assert page.get_by_label("digit", exact=True).input_value() == "own"
