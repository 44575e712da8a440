"""The bill: its milliseconds are the measured ones, and its crossing is where two bills agree."""

import pytest
from playwright.sync_api import Page, expect

from gencourse.bench import result
from gencourse.widgets.base import STATIC
from gencourse.widgets.weights import unpack
from tests.widgets.cases import CASES, OpenCase, press, settle

pytestmark = pytest.mark.browser

BILL = next(case for case in CASES if case.figure.name == "sampling-bill")

IN_BROWSER = """async (input) => {
    const figure = await import("../_static/live/sampling-bill.mjs");
    const file = await (await fetch("../_static/live/sampling-bill.bin")).arrayBuffer();
    const { measured } = figure.readWeights(new DataView(file)).meta;
    %s
}"""


@pytest.fixture
def compute(site: str, open_page):
    """compute(script, input): run it in a page, with the figure's module and its measurement."""
    page = open_page(f"{site}pages/sampling-bill-far.html")
    return lambda script, given=None: page.evaluate(IN_BROWSER % script, given)


@pytest.fixture(scope="module")
def gap() -> dict:
    """The committed measurement, of one sample at a time."""
    found = result("speed_gap")
    return {"values": found["values"], **found["batch"]["1"]}


def test_at_the_measured_size_the_bills_are_the_measured_seconds(compute, gap: dict):
    for cached in (False, True):
        one, refine, chain = compute(
            "return figure.bills({ measured, steps: 250, ...input })",
            {"values": gap["values"], "cached": cached},
        )
        assert refine["total"] == pytest.approx(1000 * gap["refine"]["250"])
        assert one["total"] == pytest.approx(refine["total"] / 250)
        assert chain["total"] == pytest.approx(1000 * gap["cached" if cached else "whole"])
        assert (one["passes"], refine["passes"], chain["passes"]) == (1, 250, gap["values"])


def test_the_crossing_is_where_both_cost_the_same(compute, gap: dict):
    for cached, name in ((False, "crossing_whole"), (True, "crossing_cached")):
        setting = {"values": gap["values"], "cached": cached}
        found = compute("return figure.crossing({ measured, steps: 7, ...input })", setting)
        assert found == pytest.approx(gap[name], rel=0.03)
        _, refine, chain = compute(
            "return figure.bills({ measured, ...input })", {**setting, "steps": found}
        )
        assert refine["total"] == pytest.approx(chain["total"])


def test_a_chain_without_memory_pays_for_the_square(compute):
    """Twice the values: twice the passes of twice the price, or twice the steps of the same."""
    script = """return [input.values, 2 * input.values].map((values) =>
        figure.bills({ measured, ...input, values })[2].total)"""
    for cached, power in ((False, 2), (True, 1)):
        small, large = compute(script, {"values": 1024, "steps": 1, "cached": cached})
        assert large / small == pytest.approx(2**power)


def test_passes_are_done_as_the_clock_allows(compute):
    found = compute(
        """const bill = { passes: 40, each: 2.5 };
        return [0, 2.4, 2.5, 26, 99, 100, 1e6].map((clock) => figure.done(bill, clock))"""
    )
    assert found == [0, 0, 1, 10, 39, 40, 40]


def test_the_file_holds_nothing_but_the_measurement(gap: dict):
    meta, tensors = unpack((STATIC / "sampling-bill.bin").read_bytes())
    assert tensors == {}
    assert meta["measured"]["step"] == pytest.approx(1000 * gap["cached"] / gap["values"])


def numbers(page: Page) -> list[str]:
    return page.locator(".gm-readouts dd.gm-number").all_inner_texts()


def test_remembering_moves_the_crossing(open_case: OpenCase, gap: dict):
    page = open_case(BILL)
    assert float(numbers(page)[2]) == pytest.approx(gap["crossing_whole"], rel=0.03)
    page.get_by_role("checkbox", name="The chain remembers its past").check()
    settle(page)
    assert float(numbers(page)[2]) == pytest.approx(gap["crossing_cached"], rel=0.03)
    expect(page.locator(".gm-says")).to_contain_text("times as much")


def test_the_readers_own_milliseconds_scale_every_bill(open_case: OpenCase):
    page = open_case(BILL)
    before = numbers(page)
    page.get_by_label("your ms a pass").fill("100")
    page.get_by_label("your ms a pass").press("Enter")
    settle(page)
    after = numbers(page)
    assert after[1] == "100 ms"
    assert after[2] == before[2], "a slower machine does not move the crossing"


def test_the_clock_adds_the_passes_up(open_case: OpenCase):
    page = open_case(BILL, "clock=0")
    chain = page.locator(".gm-bill-chain .gm-number")
    expect(chain).to_contain_text("0 of 4096")
    counts = [0]
    while counts[-1] < 4096:  # an eighth of the scale at a time
        press(page, "Step")
        counts.append(int(chain.inner_text().split(" of ")[0]))
    assert counts == sorted(counts)
    assert 4 < len(counts) <= 9
    press(page, "Step")
    expect(chain).to_contain_text("0 of 4096")
