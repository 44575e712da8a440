"""The grid of the plane, carried through the couplings of a flow (`gencourse train flow-2d`)."""

from typing import ClassVar

import traitlets

from gencourse.widgets.base import STATIC, LiveFigure

__all__ = ["FlowGrid"]


class FlowGrid(LiveFigure):
    """Mass is neither made nor lost: a grid of the base, warped coupling by coupling.

    The reader walks through the couplings of a trained flow; drags a point, before the flow or
    after it, and sees how area is stretched there, the density, and their product; pushes samples
    through and pulls data back; and bends two couplings by hand. In a notebook the state
    can be read and set: `figure.z`, `figure.t`, ...
    """

    name: ClassVar[str] = "flow-grid"
    family: ClassVar[str] = "flow"
    title: ClassVar[str] = "Nothing is lost."
    legend: ClassVar[str] = (
        "Two moons made from one round cloud, by couplings that each move one coordinate. Press "
        "Play, or step, and follow the outlined cell: where area shrinks the ground darkens, and "
        "the stretch of area times the density stays what the density was. Drag the ring on "
        "either side; pull the data back and see how round they become. Then bend two couplings "
        "of your own: whatever you do, the books balance. How near can you bring the data’s log "
        "density to the trained flow’s?"
    )
    alt: ClassVar[str] = (
        "Two squares of the plane. On the left a regular grid over a round cloud, darkest in the "
        "middle; on the right the same grid after the flow, drawn out into two crescents, dark "
        "where its cells are squeezed and pale where they are stretched. One cell is outlined on "
        "both sides; a list gives the stretch of area there, the density, and their product."
    )
    picture_size: ClassVar[tuple[int, int]] = (684, 380)

    _esm = STATIC / "flow-grid.mjs"

    flow = traitlets.Unicode("trained").tag(sync=True, state=True)
    """Which flow is shown: "trained" or "own"."""
    t = traitlets.Float(6.0).tag(sync=True, state=True)
    """How many couplings are done; between whole numbers one is under way."""
    z = traitlets.List(traitlets.Float(), [-0.6, 0.9], 2, 2).tag(sync=True, state=True)
    """The point under the ring, before the flow."""
    bend = traitlets.List(
        traitlets.Float(), [0.4, -0.6, 0.4, -0.9, 0.9, -0.9] + 6 * [0.0], 12, 12
    ).tag(sync=True, state=True)
    """The reader's own couplings: for each of two, three heights of log-scale and three of shift,
    where the coordinate it sees is -2, 0 and 2."""
    dots = traitlets.Unicode("none").tag(sync=True, state=True)
    """What is carried along besides the grid: "none", "samples" or "data"."""
    points = traitlets.List(traitlets.Float()).tag(sync=True, state=True)
    """Points that the ring has left, z1 and z2 of each in turn."""
    leave = traitlets.Bool(False).tag(sync=True, state=True)
    """Whether the ring leaves points where it is moved."""
    seed = traitlets.Int(0).tag(sync=True, state=True)
    """The seed of the samples."""
