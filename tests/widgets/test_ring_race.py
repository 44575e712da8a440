"""The race: its models learn as PyTorch's do, and its meters are those of the package."""

import itertools
import math

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from torch import Tensor
from torch.nn.functional import silu

from gencourse.evaluation.coverage import precision, recall
from gencourse.widgets.base import STATIC
from gencourse.widgets.export.gan_game import Game, data_points, normals, uniforms
from gencourse.widgets.weights import unpack
from tests.widgets.cases import CASES, OpenCase, press, settle

pytestmark = pytest.mark.browser

RING_RACE = next(case for case in CASES if case.figure.name == "ring-race")

IN_BROWSER = """async (input) => {
    const race = await import("../_static/live/ring-race.mjs");
    const on = (saved, steps) => race.raceOn({ saved, steps, data: "ring", points: [] }).saved;
    const plain = (value) => JSON.parse(JSON.stringify(value, (key, inner) =>
        ArrayBuffer.isView(inner) ? [...inner] : inner));
    %s
}"""

BATCH, COMPONENTS = 128, 8


@pytest.fixture
def compute(site: str, open_page):
    """compute(script, input): run it in a page, with the figure's module as `race`."""
    page = open_page(f"{site}pages/ring-race-far.html")
    return lambda script, given=None: page.evaluate(IN_BROWSER % script, given)


# --- the models in PyTorch, from the flat parameters that the page keeps


def perceptron(flat: Tensor, sizes: list[int], x: Tensor) -> Tensor:
    at = 0
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        weight = flat[at : at + inputs * outputs].reshape(outputs, inputs)
        at += inputs * outputs
        x = (silu(x) if layer else x) @ weight.T + flat[at : at + outputs]
        at += outputs
    return x


def elbo(parts: dict[str, Tensor], x: Tensor, epsilon: Tensor) -> Tensor:
    mean, log_var = perceptron(parts["encoder"], [2, 28, 28, 4], x).chunk(2, dim=1)
    q = torch.distributions.Normal(mean, (log_var / 2).exp())
    decoded = perceptron(parts["decoder"], [2, 28, 28, 2], mean + q.stddev * epsilon)
    p = torch.distributions.Normal(decoded, parts["spread"][1].exp())
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0, 1))
    return p.log_prob(x).sum(1) - kl.sum(1)


def flow_log_prob(parts: dict[str, Tensor], x: Tensor) -> Tensor:
    z, log_det = list(x.unbind(1)), torch.zeros(len(x), dtype=x.dtype)
    for k in range(6):
        moved = k % 2
        out = perceptron(parts[f"coupling {k}"], [1, 16, 16, 2], z[1 - moved][:, None])
        log_scale = 2 * torch.tanh(out[:, 0] / 2)
        z[moved] = (z[moved] - out[:, 1]) * (-log_scale).exp()
        log_det = log_det - log_scale
    return torch.distributions.Normal(0, 1).log_prob(torch.stack(z)).sum(0) + log_det


def chain_log_prob(parts: dict[str, Tensor], x: Tensor) -> Tensor:
    total = torch.zeros(len(x), dtype=x.dtype)
    nothing = torch.zeros(len(x), 1, dtype=x.dtype)
    for name, sizes, given, y in (
        ("first", [1, 3 * COMPONENTS], nothing, x[:, :1]),
        ("second", [1, 32, 32, 3 * COMPONENTS], x[:, :1], x[:, 1:]),
    ):
        logits, means, log_scales = perceptron(parts[name], sizes, given).chunk(3, dim=1)
        components = torch.distributions.Normal(means, log_scales.clamp(min=-4).exp())
        total = total + (logits.log_softmax(1) + components.log_prob(y)).logsumexp(1)
    return total


def tensors(parts: dict[str, dict]) -> dict[str, Tensor]:
    return {
        name: torch.tensor(part["parameters"], dtype=torch.float64, requires_grad=True)
        for name, part in parts.items()
    }


# --- its truth


def test_three_steps_of_every_model_equal_pytorchs(compute):
    script = "const start = race.freshRace(3); return plain([start, on(start, 3)])"
    start, after = compute(script)
    models = {name: tensors(start["models"][name]) for name in ("vae", "flow", "autoregressive")}
    optimisers = {
        name: torch.optim.Adam(parts.values(), 3e-3, (0.9, 0.99)) for name, parts in models.items()
    }
    game = Game(3, "ring")
    for step in range(3):
        game.step("non-saturating", penalty=True)
        u = uniforms((4 * 0x9E3779B1) ^ ((step + 1) * 0xC2B2AE35), 9 * BATCH)
        x = data_points("ring", BATCH, u[: 5 * BATCH])
        epsilon = torch.from_numpy(normals(u[5 * BATCH :].reshape(BATCH, 2, 2)))
        losses = {
            "vae": -elbo(models["vae"], x, epsilon).mean(),
            "flow": -flow_log_prob(models["flow"], x).mean(),
            "autoregressive": -chain_log_prob(models["autoregressive"], x).mean(),
        }
        for name, loss in losses.items():
            optimisers[name].zero_grad()
            loss.backward()
            optimisers[name].step()
    for name, parts in models.items():
        for part, values in parts.items():
            found = after["models"][name][part]["parameters"]
            np.testing.assert_allclose(found, values.detach(), atol=1e-9, err_msg=f"{name} {part}")
    for player in ("generator", "critic"):
        found = after["models"]["gan"][player]["parameters"]
        np.testing.assert_allclose(found, game.state(player)[player], atol=1e-9)


STANDING = """const seen = race.standings(on(race.freshRace(2), 60), "ring", []);
    return plain({ real: seen.real, models: Object.fromEntries(
        Object.entries(seen.models).map(([name, model]) => [name, { made: model.made,
            precision: input.map(model.precision), recall: input.map(model.recall) }])) })"""


def test_the_meters_equal_those_of_evaluation(compute):
    """On the same points: the same share, unless rounding moves a point across a ball's rim."""
    neighbours = [1, 3, 5, 10]
    found = compute(STANDING, neighbours)
    real = torch.tensor(found["real"], dtype=torch.float64).reshape(-1, 2)
    assert len(real) == 300
    for name, model in found["models"].items():
        made = torch.tensor(model["made"], dtype=torch.float64).reshape(-1, 2)
        for k, by_page in zip(neighbours, model["precision"], strict=True):
            assert by_page == pytest.approx(precision(made, real, k), abs=1.01 / 300), (name, k)
        for k, by_page in zip(neighbours, model["recall"], strict=True):
            assert by_page == pytest.approx(recall(made, real, k), abs=1.01 / 300), (name, k)


@pytest.fixture(scope="module")
def opening() -> dict[str, dict[str, Tensor]]:
    """The models of the starting state."""
    meta, stored = unpack((STATIC / "ring-race.bin").read_bytes())
    return {
        name: {
            part: torch.from_numpy(stored[f"{name}.{part}.parameters"].astype(np.float64))
            for part in model["parts"]
        }
        for name, model in meta["opening"]["models"].items()
    }


def square(extent: float, n: int) -> tuple[Tensor, float]:
    """The midpoints of n × n cells of a square, and the area of a cell."""
    side = 2 * extent / n
    line = -extent + side * (torch.arange(n, dtype=torch.float64) + 0.5)
    return torch.cartesian_prod(line, line), side**2


def test_what_is_called_exact_is_a_density(opening):
    x, area = square(6, 300)
    for log_prob, name in ((flow_log_prob, "flow"), (chain_log_prob, "autoregressive")):
        mass = area * log_prob(opening[name], x).exp().sum()
        assert mass.item() == pytest.approx(1, abs=5e-3), name


def test_what_is_called_a_bound_lies_below(opening):
    """log p(x) of the VAE by quadrature over its two latents."""
    parts = opening["vae"]
    x = data_points("ring", 40, uniforms(9, 200))
    z, area = square(6, 240)
    decoded = perceptron(parts["decoder"], [2, 28, 28, 2], z)
    likelihood = torch.distributions.Normal(decoded, parts["spread"][1].exp())
    prior = torch.distributions.Normal(0, 1).log_prob(z).sum(1)
    log_p = torch.stack(
        [(prior + likelihood.log_prob(point).sum(1)).logsumexp(0) + math.log(area) for point in x]
    )
    draws = torch.randn(400, 40, 2, generator=torch.Generator().manual_seed(0)).double()
    bounds = torch.stack([elbo(parts, x, epsilon) for epsilon in draws])
    error = bounds.std(0) / len(draws) ** 0.5
    assert (bounds.mean(0) <= log_p + 4 * error).all()


def test_the_page_shows_these_numbers(open_case: OpenCase, opening):
    page = open_case(RING_RACE)
    x = data_points("ring", 300, uniforms(31, 1500))
    epsilon = torch.from_numpy(normals(uniforms(2024, 1200).reshape(300, 2, 2)))
    expected = {
        "vae": elbo(opening["vae"], x, epsilon),
        "flow": flow_log_prob(opening["flow"], x),
        "autoregressive": chain_log_prob(opening["autoregressive"], x),
    }
    for name, values in expected.items():
        text = meter(page, name, "log p").replace("−", "-").replace("≥", "")
        assert float(text) == pytest.approx(values.mean().item(), abs=0.006), name
    assert meter(page, "gan", "log p") == "none"
    passes = [meter(page, name, "passes") for name in ("vae", "gan", "flow", "autoregressive")]
    assert passes == ["1", "1", "6", "2"]


# --- in the reader's hands


def meter(page: Page, name: str, label: str) -> str:
    lane = page.locator(f".gm-lane[data-runner={name}]")
    return lane.locator("dl > div", has_text=label).locator("dd").first.inner_text()


def test_a_worker_races_and_rests_when_told(open_case: OpenCase):
    page = open_case(RING_RACE)
    lap = page.locator(".gm-lap")
    press(page, "Play")
    page.wait_for_function(
        "document.querySelector('.gm-lap').textContent.match(/[0-9]+/)[0] > 401", timeout=30_000
    )
    assert len(page.workers) == 1
    assert meter(page, "flow", "ms a step") != "–"
    press(page, "Pause")
    rested = lap.inner_text()
    page.wait_for_timeout(300)
    assert lap.inner_text() == rested
    assert meter(page, "flow", "ms a step") == "–"


def test_a_link_runs_the_race_again(open_case: OpenCase):
    page = open_case(RING_RACE, "seed=2&steps=4")
    expect(page.locator(".gm-lap")).to_contain_text("After 4 steps", timeout=30_000)
    other = open_case(RING_RACE, "seed=2&steps=0")
    for _ in range(4):
        press(other, "Step")
    for name in ("vae", "flow", "autoregressive"):
        assert meter(page, name, "log p") == meter(other, name, "log p")


def test_the_readers_own_points(open_case: OpenCase):
    page = open_case(
        RING_RACE, "k=2", permissions=["clipboard-read", "clipboard-write"], reduced_motion="reduce"
    )
    page.get_by_label("data", exact=True).select_option("own")
    settle(page)
    expect(page.locator(".gm-lap")).to_contain_text("After 0 steps")
    for _ in range(3):  # the last point stays: there must be data
        press(page, "Remove the last")
    page.get_by_role("slider", name="x 1", exact=True).fill("1.5")
    settle(page)
    press(page, "Put a point there")
    lane = page.locator(".gm-lane canvas").nth(2)
    box = lane.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.25 * box["height"])
    settle(page)
    press(page, "Copy link")
    link = page.evaluate("navigator.clipboard.readText()")
    points = [float(v) for v in link.split("points=")[1].split("&")[0].split(",")]
    assert points == pytest.approx([-1.5, -1, 1.5, 0, 1.5, 1.5], abs=0.05)
