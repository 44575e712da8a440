"""The game in the page is the game in PyTorch, turn by turn; and the reader has it in hand."""

import itertools
import math

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from gencourse.data import EightGaussians, Ring
from gencourse.evaluation.coverage import modes_covered
from gencourse.families.gan import OBJECTIVES, optimal_discriminator
from gencourse.widgets.base import STATIC
from gencourse.widgets.export.gan_game import Game, data_points, uniforms
from gencourse.widgets.weights import unpack
from tests.widgets.cases import CASES, OpenCase, press, settle

pytestmark = pytest.mark.browser

GAN_GAME = next(case for case in CASES if case.figure.name == "gan-game")

IN_BROWSER = """async (input) => {
    const game = await import("../_static/live/gan-game.mjs");
    const play = (saved, settings, steps, data = "eight") =>
        game.playOn({ saved, settings, steps, data, points: [] }).saved;
    const fresh = (seed) => game.save(game.openGame(seed));
    %s
}"""


@pytest.fixture
def compute(site: str, open_page):
    """compute(script, input): run it in a page, with the figure's module as `game`."""
    page = open_page(f"{site}pages/gan-game-far.html")
    return lambda script, given=None: page.evaluate(IN_BROWSER % script, given)


# --- its truth

SETTINGS = [
    {"loss": loss, "penalty": penalty, "turns": turns}
    for loss, penalty, turns in itertools.product(OBJECTIVES, (False, True), (1, 2))
]


@pytest.mark.parametrize("data", ["eight", "ring"])
def test_every_kind_of_step_equals_pytorchs(compute, data: str):
    script = """return input.settings.map((settings) => {
        const { generator, critic, losses } = play(fresh(3), settings, 2, input.data);
        return { losses, generator: [...generator.parameters], critic: [...critic.parameters] };
    })"""
    found = compute(script, {"settings": SETTINGS, "data": data})
    for settings, after in zip(SETTINGS, found, strict=True):
        game = Game(3, data)
        game.step(**settings)
        game.step(**settings)
        for player in ("generator", "critic"):
            expected = game.state(player)[player]
            np.testing.assert_allclose(after[player], expected, atol=1e-10, err_msg=str(settings))
            assert after["losses"][player] == pytest.approx(game.losses[player], abs=1e-10)


def test_the_opening_is_the_pages_own_game(compute):
    """The file holds a position that the page itself reaches from the seed."""
    meta, tensors = unpack((STATIC / "gan-game.bin").read_bytes())
    opening = meta["opening"]
    script = """const saved = play(fresh(input.seed), input, input.steps, input.data);
        const covered = game.dataset("eight", []).covered(game.standing(saved, input).made);
        return [["generator", "critic"].flatMap((name) => ["parameters", "first", "second"].map(
            (part) => [...saved[name][part]])), saved.losses, covered.parts]"""
    found, losses, parts = compute(script, opening)
    for values, (name, stored) in zip(found, tensors.items(), strict=True):
        np.testing.assert_allclose(values, stored, atol=1e-4, err_msg=name)
    assert losses == pytest.approx(opening["losses"], abs=1e-4)
    assert meta["past"][-1][0] == opening["steps"]
    assert meta["past"][-1][3] == parts


def test_ground_arrows_and_count_equal_pytorchs(compute):
    game = Game(5)
    for _ in range(20):
        game.step()
    script = """const saved = play(fresh(5), { loss: "non-saturating", turns: 1 }, 20);
        return input.losses.map((loss) => {
            const standing = game.standing(saved, { loss });
            const { made, push } = standing;
            const x = Float64Array.from(input.x.flat());
            const ground = [...standing.criticAt(x, input.x.length)];
            const slope = [...standing.slopeAt(input.x[0])];
            const { parts, close } = game.dataset("eight", []).covered(made);
            return { made: [...made], push: [...push], ground, slope, parts, close };
        })"""
    x = torch.cartesian_prod(*2 * [torch.linspace(-3, 3, 7, dtype=torch.float64)])
    found = compute(script, {"losses": list(OBJECTIVES), "x": x.tolist()})
    x.requires_grad_()
    ground = game.criticise(x)
    slope = torch.autograd.grad(ground.sum(), x)[0][0]
    eight = EightGaussians()
    for loss, seen in zip(OBJECTIVES, found, strict=True):
        np.testing.assert_allclose(seen["ground"], ground.detach(), atol=1e-10)
        np.testing.assert_allclose(seen["slope"], slope, atol=1e-10)
        made = torch.tensor(seen["made"], dtype=torch.float64).reshape(-1, 2).requires_grad_()
        torch.testing.assert_close(made, game.shown(), rtol=0, atol=1e-10)
        each = len(made) * OBJECTIVES[loss][1](game.criticise(made))
        push = -torch.autograd.grad(each, made)[0]
        np.testing.assert_allclose(np.reshape(seen["push"], (-1, 2)), push, atol=1e-10)
        made = made.detach()
        assert seen["parts"] == modes_covered(made, eight.means, eight.noise)
        close = torch.cdist(made, eight.means).min(dim=1)[0] <= 3 * eight.noise
        assert seen["close"] == pytest.approx(close.double().mean().item())


@pytest.mark.parametrize("data", ["eight", "ring"])
def test_the_data_are_the_targets(compute, data: str):
    script = """const u = game.uniform(7);
        return [...game.dataset(input, []).sample(4000, u)]"""
    x = torch.tensor(compute(script, data), dtype=torch.float64).reshape(-1, 2)
    np.testing.assert_allclose(x, data_points(data, 4000, uniforms(7, 20_000)), atol=1e-12)
    target = {"eight": EightGaussians(), "ring": Ring()}[data]
    log_prob = target.log_prob(x)
    reference = target.log_prob(target.sample(40_000, torch.Generator().manual_seed(0)).double())
    error = (log_prob.var() / len(x) + reference.var() / len(reference)).sqrt()
    assert abs(log_prob.mean() - reference.mean()) < 4 * error


def test_left_alone_the_critic_finds_the_optimal_discriminator(compute):
    """Against a generator that stands still and whose density is known: G(z) = 1.5 z, exactly.

    silu(a) - silu(-a) = a, so that pairs of units carry a number through a layer unchanged.
    """
    script = """const saved = fresh(1);
        const W = saved.generator.parameters.fill(0);
        for (const i of [0, 1]) {
            W[2 * (2 * i) + i] = 1;                     // first layer (32, 2): z and -z
            W[2 * (2 * i + 1) + i] = -1;
            for (const sign of [0, 1]) {                // second (32, 32), after 96 numbers
                W[96 + 32 * (2 * i + sign) + 2 * i] = 1 - 2 * sign;
                W[96 + 32 * (2 * i + sign) + 2 * i + 1] = 2 * sign - 1;
            }
            W[1152 + 32 * i + 2 * i] = 1.5;             // third (2, 32), after 1152
            W[1152 + 32 * i + 2 * i + 1] = -1.5;
        }
        const settings = { loss: "minimax", penalty: false, turns: 0 };
        const after = play(saved, settings, 1500, "ring");
        const x = Float64Array.from(input.flat());
        return [...game.standing(after, settings).criticAt(x, input.length)]"""
    line = torch.linspace(-3.9, 3.9, 48, dtype=torch.float64)
    x = torch.cartesian_prod(line, line)
    found = torch.sigmoid(torch.tensor(compute(script, x.tolist()), dtype=torch.float64))
    log_p = Ring().log_prob(x)
    log_q = torch.distributions.Normal(0, 1.5).log_prob(x).sum(1)
    optimal = optimal_discriminator(log_p, log_q)
    mass = (log_p.exp() + log_q.exp()) / (log_p.exp() + log_q.exp()).sum()
    assert (mass * (found - optimal).abs()).sum() < 0.06
    # Its value falls short of 2 JSD - 2 log 2 a little, and cannot exceed it.
    p, q = (log.exp() / log.exp().sum() for log in (log_p, log_q))
    best = (p * optimal.log() + q * (1 - optimal).log()).sum()
    value = (p * found.log() + q * (1 - found).log()).sum()
    assert best - 0.1 < value <= best + 1e-3


def test_a_collapse_can_be_caused_and_cured(compute):
    script = """const settings = { loss: "non-saturating", penalty: false };
        const parts = (saved) => game.dataset("eight", []).covered(
            game.standing(saved, settings).made).parts;
        const collapsed = play(fresh(0), { ...settings, turns: 4 }, 300);
        return [parts(collapsed), parts(play(collapsed, { ...settings, turns: 1 }, 400))]"""
    collapsed, cured = compute(script)
    assert collapsed <= 2
    assert cured >= 7


# --- in the reader's hands


def reading(page: Page, name: str) -> str:
    """A number of the list beside the plane, with its unit."""
    return page.locator(".gm-ledger dl > div", has_text=name).locator("dd").first.inner_text()


def test_a_worker_plays_and_rests_when_told(open_case: OpenCase):
    page = open_case(GAN_GAME)
    assert reading(page, "steps") == "120"
    press(page, "Play")
    page.wait_for_function("document.querySelector('.gm-ledger dd').textContent > 140")
    assert len(page.workers) == 1
    assert reading(page, "speed").endswith("steps/s")
    press(page, "Pause")
    rested = reading(page, "steps")
    page.wait_for_timeout(300)
    assert reading(page, "steps") == rested
    assert reading(page, "speed") == "–"


def test_without_a_worker_the_page_plays_itself(open_case: OpenCase):
    page = open_case(GAN_GAME, prepare=lambda page: page.add_init_script("delete window.Worker"))
    press(page, "Play")
    page.wait_for_function("document.querySelector('.gm-ledger dd').textContent > 140")
    assert len(page.workers) == 0


# Every turn that is shown, with the readings beside it in the same frame: four of them.
TURNS = """() => new Promise((done) => {
  const seen = [];
  const look = () => {
    const words = document.querySelector(".gm-turn").textContent;
    const who = words.match(/The (critic|generator) has moved/)?.[1];
    const rows = [...document.querySelectorAll(".gm-ledger dl > div")];
    const read = (name) => rows.find((row) => row.textContent.includes(name))
      .querySelector("dd").textContent;
    if (who && seen.at(-1)?.who !== who)
      seen.push({ who, steps: Number(read("steps")), ring: read("critic at the ring") });
    seen.length < 4 ? requestAnimationFrame(look) : done(seen);
  };
  look();
})"""


def test_slow_motion_shows_one_turn_after_the_other(open_case: OpenCase):
    page = open_case(GAN_GAME)
    page.get_by_role("checkbox", name="Slow motion").check()
    press(page, "Play")
    turns = page.evaluate(TURNS)
    for critic, generator in itertools.pairwise(turns):
        if critic["who"] == "critic":
            assert generator["steps"] == critic["steps"] + 1
            assert generator["ring"] == critic["ring"]
    press(page, "Pause")
    expect(page.locator(".gm-turn")).to_contain_text("Dots: data")


def test_a_link_plays_the_score_again(open_case: OpenCase):
    page = open_case(GAN_GAME, "seed=5&before=h1:10,np2:6&loss=wasserstein&penalty=true&steps=9")
    expect(page.locator(".gm-ledger dd").first).to_have_text("25", timeout=20_000)
    game = Game(5)
    stages = [(10, "hinge", False, 1), (6, "non-saturating", True, 2), (9, "wasserstein", True, 1)]
    for steps, *settings in stages:
        for _ in range(steps):
            game.step(*settings)
    for player in ("critic", "generator"):
        shown = float(reading(page, f"{player}’s loss").replace("−", "-"))
        assert shown == pytest.approx(game.losses[player], abs=0.006)


def test_a_change_of_rules_goes_on_from_here(open_case: OpenCase):
    page = open_case(GAN_GAME)
    before = reading(page, "made on")
    page.get_by_label("losses", exact=True).select_option("hinge")
    settle(page)
    assert reading(page, "steps") == "120"
    assert reading(page, "made on") == before
    press(page, "Step")
    press(page, "Data table")
    expect(page.get_by_role("table").first).to_contain_text("n1:120,h1:1")


def test_collapse_is_one_press(open_case: OpenCase):
    page = open_case(GAN_GAME)
    press(page, "Collapse it")
    assert page.get_by_label("turns, generator : critic").input_value() == "4"
    page.wait_for_function("document.querySelector('.gm-ledger dd').textContent < 120")
    expect(page.get_by_role("button", name="Pause")).to_have_count(1)


def test_the_readers_own_points(open_case: OpenCase):
    page = open_case(GAN_GAME, "data=own&points=1,1&steps=0&x=-1,-1")
    assert reading(page, "covered") == "0 of 1 point"
    plane = page.get_by_role("application", name="The plane of the game")
    plane.focus()
    page.keyboard.press("Space")
    settle(page)
    assert reading(page, "covered") == "0 of 2 points"
    box = plane.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.75 * box["height"])
    settle(page)
    assert reading(page, "covered") == "0 of 3 points"
    assert [s.input_value() for s in page.locator(".gm-sliders input").all()] == ["1.5", "-1.5"]
    press(page, "Remove the nearest")
    press(page, "Put a point at the ring")
    press(page, "Data table")
    rows = page.get_by_role("table").nth(1).locator("tbody tr")
    assert [row.split("\t")[1:3] for row in rows.all_inner_texts()] == [
        ["1.00", "1.00"],
        ["−1.00", "−1.00"],
        ["1.50", "−1.50"],
    ]
    press(page, "100 steps")
    expect(page.locator(".gm-ledger dd").first).to_have_text("100", timeout=20_000)
    assert not math.isnan(float(reading(page, "critic’s loss").split()[0]))
