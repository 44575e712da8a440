"""The live figures under test, and what their tests have in common."""

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

from gencourse.widgets import FlowGrid, GanGame, PixelChain, RingRace, SamplingBill
from gencourse.widgets.base import LiveFigure

OpenCase = Callable[..., Page]


@dataclass(frozen=True)
class Case:
    """A figure, and what its tests have to know.

    full: the state, as a link has it, in which the most is shown. slider: the label of one that
    changes what is shown. canvas: the selector of one whose corner is the colour of paper.
    moves: whether there is something to play. nonsense: states of a link that make no sense.
    """

    figure: type[LiveFigure]
    full: str
    slider: str
    canvas: str
    moves: bool
    nonsense: tuple[str, ...]

    def __str__(self) -> str:
        return self.figure.name


CASES = (
    Case(
        figure=FlowGrid,
        full="flow=own&t=1.4&dots=samples&seed=3&points=0.5,0.5,-1,0.25",
        slider="z 1",
        canvas=".gm-after canvas",
        moves=True,
        nonsense=(
            "flow=mine&t=-1&z=1,2,3&bend=1,2&dots=all&points=1&seed=-2",
            "t=abc&z=,&bend=9,9,9,9,9,9,9,9,9,9,9,9&points=x&leave=7&seed=0.5&__proto__=1",
        ),
    ),
    Case(
        figure=SamplingBill,
        full="values=16384&steps=120&cached=true&own=12&clock=0.5",
        slider="T, steps of a refinement",
        canvas=".gm-cost canvas",
        moves=True,
        nonsense=(
            "values=100&steps=0&own=-1&clock=2",
            "values=x&steps=1.5&own=0.5&clock=,&cached=7&__proto__=1",
        ),
    ),
    Case(
        figure=PixelChain,
        full="x=8&seen=left&order=certain&source=digit&at=3,4&seed=2",
        slider="row",
        canvas=".gm-chain canvas",
        moves=True,
        nonsense=(
            "x=three&seen=half&made=AA&nats=1&order=diagonal&source=me&at=28,0&seed=-1",
            "x=33&seen=%25&made=3&nats=-1,0&order=constructor&at=1.5,2&seed=x&__proto__=1",
        ),
    ),
    Case(
        figure=GanGame,
        full="data=own&points=1,1,-1,0.5&loss=hinge&penalty=true&turns=2&steps=0&seed=3",
        slider="x 1",
        canvas=".gm-chart",
        moves=True,
        nonsense=(
            "data=two&points=1&loss=best&turns=3&seed=-2&steps=1.5&before=x1:2&x=1,2,3",
            "points=9,9&turns=,&steps=99999&before=n9:1&x=7,0&seed=abc&__proto__=1",
        ),
    ),
    Case(
        figure=RingRace,
        full="data=own&points=1,1,-1,0.5&steps=0&seed=3&k=5",
        slider="neighbours k",
        canvas=".gm-lane canvas",
        moves=True,
        nonsense=(
            "data=two&points=1&seed=-2&steps=1.5&k=0&x=1,2,3",
            "points=9,9&k=2.5&steps=99999&x=7,0&seed=abc&__proto__=1",
        ),
    ),
)


def settle(page: Page) -> None:
    """Wait until what was asked for is on the screen."""
    page.evaluate("() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    settle(page)


def shown(page: Page) -> str:
    """All that a reader can see written in the figure, values of its controls included."""
    text = page.evaluate(
        """() => {
            const figure = document.querySelector(".gm-live");
            const controls = [...figure.querySelectorAll("input, select")];
            const values = controls.map((e) => (e.type === "checkbox" ? e.checked : e.value));
            const spoken = figure.querySelector(".gm-unseen");
            spoken.hidden = true; // it follows half a second later
            const text = figure.innerText;
            spoken.hidden = false;
            return `${text} ${values.join(" ")}`;
        }"""
    )
    assert isinstance(text, str)
    return text
