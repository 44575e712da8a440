"""The carried grid: what the page computes is what PyTorch computes, and its books balance."""

import math
import re

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from scipy.interpolate import CubicHermiteSpline

from gencourse import checkpoints
from gencourse.families.flow import Flow
from gencourse.widgets.base import STATIC
from gencourse.widgets.weights import unpack
from tests.widgets.cases import CASES, OpenCase, press, settle, shown

pytestmark = pytest.mark.browser

FLOW_GRID = next(case for case in CASES if case.figure.name == "flow-grid")

IN_BROWSER = """async (input) => {
    const figure = await import("../_static/live/flow-grid.mjs");
    const file = await (await fetch("../_static/live/flow-grid.bin")).arrayBuffer();
    const flow = figure.trained(figure.readWeights(new DataView(file)));
    %s
}"""


@pytest.fixture(scope="module")
def model() -> Flow:
    """The trained flow in double precision; its weights are stored in float16, here as there."""
    return checkpoints.load("flow-2d").double()


@pytest.fixture
def compute(site: str, open_page):
    """compute(script, input): run it in a page, with the figure's module and the trained flow."""
    page = open_page(f"{site}pages/flow-grid-far.html")
    return lambda script, given=None: page.evaluate(IN_BROWSER % script, given)


@pytest.fixture(scope="module")
def z() -> torch.Tensor:
    """Sixty points of the base, (60, 2)."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(60, 2, generator=generator, dtype=torch.float64)


@pytest.fixture(scope="module")
def bends() -> list[list[float]]:
    """Heights that a reader's handles could have."""
    limits = np.tile(np.repeat([1.2, 2.0], 3), 2)
    return (limits * np.random.default_rng(0).uniform(-1, 1, (8, 12))).tolist()


def test_places_and_log_determinants_equal_pytorchs(compute, model: Flow, z: torch.Tensor):
    """After every coupling, the second against the Jacobian that autograd finds."""
    found = compute(
        """return input.map((z) => {
            const path = figure.pathFrom(flow, z);
            return { places: path.places, logDets: path.logDets };
        })""",
        z.tolist(),
    )
    x = z.clone().requires_grad_()
    place = x
    for k, layer in enumerate(reversed(model.transform.transforms), start=1):
        place, _ = layer.inverse(place)
        # No point depends on another, so the gradient of a sum holds every point's own row.
        rows = [
            torch.autograd.grad(each.sum(), x, retain_graph=True)[0] for each in place.unbind(1)
        ]
        log_dets = torch.linalg.slogdet(torch.stack(rows, dim=1)).logabsdet
        found_places = torch.tensor([f["places"][k] for f in found], dtype=torch.float64)
        found_log_dets = torch.tensor([f["logDets"][k] for f in found], dtype=torch.float64)
        torch.testing.assert_close(found_places, place.detach(), rtol=0, atol=1e-4)
        torch.testing.assert_close(found_log_dets, log_dets, rtol=0, atol=1e-4)


def test_densities_equal_pytorchs(compute, model: Flow):
    """Point by point where data are, and as the shades that are drawn."""
    x = torch.from_numpy(unpack((STATIC / "flow-grid.bin").read_bytes())[1]["data"]).double()
    found = compute(
        """return input.map((x) =>
            figure.logDensity(figure.pathFrom(flow, figure.pullBack(flow, x, flow.length))))""",
        x.tolist(),
    )
    with torch.no_grad():
        expected = model.log_prob(x)
    torch.testing.assert_close(torch.tensor(found).double(), expected, rtol=0, atol=2e-3)

    n = 60
    shades = compute("return Array.from(figure.densities(flow, flow.length, 3, input))", n)
    middle = 3 * ((2 * torch.arange(n, dtype=torch.float64) + 1) / n - 1)
    rows = torch.cartesian_prod(-middle, middle).flip(1)
    with torch.no_grad():
        expected = model.log_prob(rows).exp()
    # Where the flow tears the cloud apart, a shade read between two samples can be off; few are.
    error = (torch.tensor(shades).double() - expected).abs()
    assert error.mean() < 2e-4
    assert error.quantile(0.98) < 2e-3


def test_area_times_density_never_changes(compute, z: torch.Tensor, bends: list[list[float]]):
    """At every time, also while a coupling is half done, and however the reader bends."""
    ratios = compute(
        """const flows = [flow, ...input.bends.map(figure.bentByHand)];
        return flows.map((flow) => input.z.map((z) => {
            const at = figure.books(flow, z);
            const before = at(0).density;
            return [0.3, 0.5, 0.75, 1].map((share) => {
                const { stretch, density } = at(share * flow.length);
                return (stretch * density) / before;
            });
        }))""",
        {"z": z.tolist(), "bends": bends},
    )
    np.testing.assert_allclose(np.array(ratios, dtype=float), 1, rtol=0, atol=1e-3)


def test_the_inverse_is_exact(compute, z: torch.Tensor, bends: list[list[float]]):
    errors = compute(
        """const flows = [flow, ...input.bends.map(figure.bentByHand)];
        return flows.map((flow) => input.z.map((z) => [0.4, 0.7, 1].map((share) => {
            const t = share * flow.length;
            const back = figure.pullBack(flow, figure.along(figure.pathFrom(flow, z), t).point, t);
            return Math.hypot(back[0] - z[0], back[1] - z[1]);
        })))""",
        {"z": z.tolist(), "bends": bends},
    )
    assert np.max(np.array(errors, dtype=float)) < 1e-9


def test_no_mass_is_lost_on_the_way(compute, bends: list[list[float]]):
    """The densities that are drawn, summed over a wide square, at whole and at broken times."""
    found = compute(
        """const flows = [flow, ...input.slice(0, 2).map(figure.bentByHand)];
        const total = (values) => values.reduce((sum, v) => sum + v, 0);
        return flows.map((flow) => [0, 0.25, 0.6, 1].map((share) =>
            total(figure.densities(flow, share * flow.length, 12, 600)) * (24 / 600) ** 2))""",
        bends,
    )
    np.testing.assert_allclose(np.array(found, dtype=float), 1, atol=0.01)


def test_a_readers_curve_is_the_hermite_spline(compute, bends: list[list[float]]):
    u = np.linspace(-2, 2, 41)
    found = compute(
        "return input.bends.map((bend) => input.u.map(figure.curve(bend.slice(0, 3))))",
        {"u": [-9.0, *u.tolist(), 9.0], "bends": bends},
    )
    for bend, values in zip(bends, np.array(found, dtype=float), strict=True):
        low, middle, high = bend[:3]
        spline = CubicHermiteSpline([-2, 0, 2], [low, middle, high], [0, (high - low) / 4, 0])
        np.testing.assert_allclose(values[1:-1], spline(u), atol=1e-12)
        assert (values[0], values[-1]) == (low, high)


def test_the_readers_couplings_change_area_by_what_they_say(compute, z: torch.Tensor, bends):
    """log |det J| of both couplings is s1(z1) + s2(x2): each sees what the other has moved."""
    found = compute(
        """return input.bends.map((bend) => input.z.map((z) => {
            const path = figure.pathFrom(figure.bentByHand(bend), z);
            const [s1, b1, s2] = [0, 3, 6].map((at) => figure.curve(bend.slice(at, at + 3)));
            const x2 = z[1] * Math.exp(s1(z[0])) + b1(z[0]);
            return path.logDets[2] - s1(z[0]) - s2(x2);
        }))""",
        {"z": z.tolist(), "bends": bends},
    )
    assert np.abs(np.array(found, dtype=float)).max() < 1e-4


def number(page: Page, name: str) -> float:
    row = page.locator(".gm-carried dl > div", has_text=name)
    return float(row.locator("dd").first.inner_text().replace("−", "-"))


def test_the_numbers_shown_are_the_models(open_case: OpenCase, model: Flow):
    page = open_case(FLOW_GRID, "z=0.5,1.2&dots=data")
    z = torch.tensor([[0.5, 1.2]], dtype=torch.float64)
    data = torch.from_numpy(unpack((STATIC / "flow-grid.bin").read_bytes())[1]["data"]).double()
    with torch.no_grad():
        x, log_det = model.transform.inverse(z)
        fit = model.log_prob(data).mean()
        density = model.log_prob(x).exp()
    assert number(page, "stretch of area") == pytest.approx(math.exp(log_det), abs=2e-4)
    assert number(page, "density at the ring") == pytest.approx(density.item(), abs=2e-4)
    assert number(page, "their product") == pytest.approx(
        number(page, "density before"), abs=1.01e-4
    )
    assert number(page, "density before") == pytest.approx(
        math.exp(-(0.25 + 1.44) / 2) / (2 * math.pi), abs=6e-5
    )
    assert number(page, "pulled back within") < 1e-9
    assert number(page, "data") == pytest.approx(fit.item(), abs=2e-3)


def test_a_point_dragged_after_the_flow_is_pulled_back(open_case: OpenCase, model: Flow):
    page = open_case(FLOW_GRID)
    box = page.locator(".gm-after .gm-plane").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.4 * box["width"], box["y"] + 0.3 * box["height"])
    settle(page)
    x = torch.tensor([[-0.6, 1.2]], dtype=torch.float64)
    with torch.no_grad():
        expected, _ = model.transform(x)
    said = page.locator(".gm-live .gm-unseen[role=status]")
    expect(said).to_contain_text("is at x = (−0.60, 1.20)")
    shown_z = re.search(r"z = \((\S+), (\S+)\)", said.inner_text().replace("−", "-"))
    assert shown_z is not None
    assert [float(v) for v in shown_z.groups()] == pytest.approx(expected[0].tolist(), abs=0.03)


def test_the_ring_leaves_points_that_travel(open_case: OpenCase):
    page = open_case(FLOW_GRID, "t=0&z=0,0")
    page.get_by_role("checkbox", name="Leave points").check()
    page.get_by_role("application", name="The base").focus()
    for key in ("Shift+ArrowRight", "Shift+ArrowUp", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    press(page, "Data table")
    points = page.get_by_role("table", name="The points left").locator("tbody tr")
    expect(points).to_have_count(3)
    assert points.first.inner_text().split("\t")[1:3] == ["0.50", "0.00"]
    press(page, "Clear points")
    expect(points).to_have_count(0)


def test_a_coupling_is_bent_by_its_handles(open_case: OpenCase):
    page = open_case(FLOW_GRID)
    page.get_by_label("flow", exact=True).select_option("own")
    press(page, "Straighten")
    assert number(page, "stretch of area") == 1
    handle = page.get_by_role("slider", name="stretch where x 1 is 0", exact=True)
    handle.focus()
    for _ in range(10):
        page.keyboard.press("ArrowUp")
    settle(page)
    assert handle.get_attribute("aria-valuetext") == "× 1.22"
    assert number(page, "stretch of area") > 1
    assert number(page, "their product") == number(page, "density before")
    page.get_by_label("coupling", exact=True).select_option("1")
    settle(page)
    assert page.get_by_role("slider", name="stretch where x 2 is 0", exact=True).is_visible()
    press(page, "Reset")
    assert not page.get_by_role("slider", name="stretch where x 2 is 0").is_visible()


def test_the_flow_plays_coupling_by_coupling(open_case: OpenCase):
    page = open_case(FLOW_GRID)
    press(page, "Step")  # from the end to the start
    assert page.get_by_role("slider", name="couplings done").input_value() == "0"
    assert number(page, "stretch of area") == 1
    page.get_by_role("application", name="The base").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_have_count(1)
    page.wait_for_timeout(400)
    page.keyboard.press("Space")
    settle(page)
    assert 0 < float(page.get_by_role("slider", name="couplings done").input_value()) < 6


def test_the_seed_decides_the_samples(open_case: OpenCase):
    page = open_case(FLOW_GRID, "dots=samples&seed=1")
    look = """() => document.querySelector(".gm-after canvas").toDataURL()"""
    first = page.evaluate(look)
    page.get_by_label("seed").fill("2")
    page.get_by_label("seed").press("Enter")
    settle(page)
    assert page.evaluate(look) != first
    page.get_by_label("seed").fill("1")
    page.get_by_label("seed").press("Enter")
    settle(page)
    assert page.evaluate(look) == first
    assert "samples" in shown(page)
