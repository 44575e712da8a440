"""The game of a generator and a critic in the plane, trained in the reader's browser."""

from typing import ClassVar

import traitlets

from gencourse.widgets.base import STATIC, LiveFigure

__all__ = ["GanGame"]


class GanGame(LiveFigure):
    """The generator follows the critic's slope: a GAN of two small networks, played live.

    The reader plays, pauses, steps or watches in slow motion; chooses the losses, the gradient
    penalty and how many turns the generator has; causes a collapse and cures it; and gives data of
    their own. Every draw is decided by the seed, so a state can be played again: in a notebook it
    can be read and set, as in `GanGame(data="ring", loss="hinge")`.
    """

    name: ClassVar[str] = "gan-game"
    family: ClassVar[str] = "gan"
    title: ClassVar[str] = "The chase."
    legend: ClassVar[str] = (
        "A game under way: the ground is the critic’s opinion, and each arrow is the push that it "
        "gives to a made point. Press Play and watch the triangles chase the dots while the ground "
        "gives way under them; at a draw it fades, for there is nothing left to tell. Then cause a "
        "collapse: with four turns to the critic’s one, the generator runs to wherever the critic "
        "was last fooled. Cure it while it runs: give the critic its turn back, or switch on its "
        "gradient penalty. Does either cure work from every seed?"
    )
    alt: ClassVar[str] = (
        "A square of the plane. Dark dots, the data, form eight clouds on a circle. Triangles, "
        "points made by the generator, lie around and between some of the clouds, each with an "
        "arrow that points up the slope of the critic, whose opinion shades the ground. Beside the "
        "square stand the numbers of the game and two charts of how it went so far."
    )
    picture_size: ClassVar[tuple[int, int]] = (684, 380)

    _esm = STATIC / "gan-game.mjs"

    data = traitlets.Unicode("eight").tag(sync=True, state=True)
    """What is to be learned: "eight" Gaussians, the "ring", or the reader's "own" points."""
    points = traitlets.List(traitlets.Float(), [-1.5, -1.0, 1.5, -1.0, 0.0, 1.5]).tag(
        sync=True, state=True
    )
    """The reader's own points, x1 and x2 of each in turn; each is the centre of a cloud."""
    loss = traitlets.Unicode("non-saturating").tag(sync=True, state=True)
    """The objective: "minimax", "non-saturating", "hinge" or "wasserstein"."""
    penalty = traitlets.Bool(False).tag(sync=True, state=True)
    """Whether the critic's gradient is penalised: R1 at the data, or, under "wasserstein", the
    squared distance of its length from 1 between the data and what was made."""
    turns = traitlets.Int(1).tag(sync=True, state=True)
    """Turns of the generator for one of the critic's: 1, 2, 4 or 8."""
    seed = traitlets.Int(0).tag(sync=True, state=True)
    """What decides the first networks and every draw."""
    steps = traitlets.Int(120).tag(sync=True, state=True)
    """Steps played under the present settings."""
    before = traitlets.Unicode("").tag(sync=True, state=True)
    """Steps played before, under other settings: "n1:200,np4:30" is 200 non-saturating steps with
    one turn each, then 30 with the penalty and four turns."""
    x = traitlets.List(traitlets.Float(), [0.0, 2.0], 2, 2).tag(sync=True, state=True)
    """The point under the ring."""
    slow = traitlets.Bool(False).tag(sync=True, state=True)
    """Whether the game is played in slow motion, turn by turn."""
    pushes = traitlets.Bool(True).tag(sync=True, state=True)
    """Whether made points show the push on them."""
