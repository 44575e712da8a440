"""The bill of a sample: how many passes each family needs, and what they were measured to cost."""

from typing import ClassVar

import traitlets

from gencourse.widgets.base import STATIC, LiveFigure

__all__ = ["SamplingBill"]


class SamplingBill(LiveFigure):
    """One pass, T passes, or one for each of D values: set both and watch the time add up.

    The milliseconds are those of `benchmarks/speed_gap.py`, one network for all three, scaled to
    the chosen D. In a notebook the state can be read and set: `figure.values`, `figure.steps`, ...
    """

    name: ClassVar[str] = "sampling-bill"
    family: ClassVar[str] = "autoregressive"
    title: ClassVar[str] = "The bill."
    legend: ClassVar[str] = (
        "One network, three ways to sample with it, each bar as long as its time in powers of "
        "ten. Press Play and let the clock run. Find the T at which refining costs as much as the "
        "chain, then let the chain remember its past: it still takes D steps, but each computes "
        "only what is new, and the crossing moves. Times were measured on one core and are scaled "
        "to D; put in the milliseconds of a pass on your own machine."
    )
    alt: ClassVar[str] = (
        "Three bars on a scale of powers of ten of a second: one pass, T passes and D passes of "
        "the same network. Below, time against the number of steps T: the line of T passes rises "
        "and crosses two level lines, the autoregressive chain with and without its past "
        "remembered."
    )
    picture_size: ClassVar[tuple[int, int]] = (684, 380)

    _esm = STATIC / "sampling-bill.mjs"

    values = traitlets.Int(4096).tag(sync=True, state=True)
    """D, the values in a sample: a power of two from 64 to 65536."""
    steps = traitlets.Int(50).tag(sync=True, state=True)
    """T, the steps of a refinement, 1 to 10000."""
    cached = traitlets.Bool(False).tag(sync=True, state=True)
    """Whether the chain computes only what is new at each of its steps."""
    own = traitlets.Int(0).tag(sync=True, state=True)
    """Milliseconds of a pass on the reader's machine at the measured D, or 0 for those measured."""
    clock = traitlets.Float(1.0).tag(sync=True, state=True)
    """Where the clock stands, from 0 to 1, through powers of ten of a millisecond."""
