"""What the bill takes from the speed gap's measurement: milliseconds, and the picture."""

from math import log10
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from gencourse.bench import result
from gencourse.widgets.sampling_bill import SamplingBill
from gencourse.widgets.weights import pack

__all__ = ["measured_passes", "sampling_bill_picture", "write"]

LEVELS = {"ground": 248, "paper": 255, "rule": 228, "ink": 35, "refine": 130, "chain": 80}


def measured_passes(gap: dict[str, Any]) -> dict[str, float]:
    """Milliseconds of one whole pass in a refinement, of one in a chain, and of one cached step.

    gap is the committed result of `benchmarks/speed_gap.py`; a batch of one sample is read.
    """
    alone, values = gap["batch"]["1"], gap["values"]
    longest = max(alone["refine"], key=int)
    return {
        "values": values,
        "pass": 1000 * alone["refine"][longest] / int(longest),
        "whole": 1000 * alone["whole"] / values,
        "step": 1000 * alone["cached"] / values,
    }


def sampling_bill_picture(measured: dict[str, float], steps: int) -> Image.Image:
    """The three bars of the starting state, in powers of ten of a millisecond, without words."""
    picture = Image.new("L", (684, 382), LEVELS["ground"])
    pen = ImageDraw.Draw(picture)
    totals = (measured["pass"], steps * measured["pass"], measured["values"] * measured["whole"])
    for row, (total, level) in enumerate(zip(totals, ("ink", "refine", "chain"), strict=True)):
        top = 14 + 30 * row
        pen.rounded_rectangle((170, top, 500, top + 14), 4, fill=LEVELS["paper"])
        length = 330 * (log10(total) + 1) / 8
        pen.rounded_rectangle((170, top, 170 + length, top + 14), 4, fill=LEVELS[level])
    left, top, width, height = 46, 130, 638, 230
    pen.rectangle((left, top, left + width, top + height), fill=LEVELS["paper"])

    def y(ms: float) -> float:
        return top + height * (1 - (log10(ms) + 1) / 8)

    pen.line((left, y(totals[0]), left + width, y(1e4 * totals[0])), fill=LEVELS["refine"], width=4)
    for total in (totals[2], measured["values"] * measured["step"]):
        pen.line((left, y(total), left + width, y(total)), fill=LEVELS["chain"], width=4)
        across = left + width * log10(total / totals[0]) / 4
        pen.circle((across, y(total)), 7, fill=LEVELS["ink"])
    return picture


def write(weights: Path, picture: Path) -> None:
    """Write both files of the figure; the first holds the measurement, and no weights."""
    measured = measured_passes(result("speed_gap"))
    weights.write_bytes(pack({"measured": measured, "computed": []}, {}))
    sampling_bill_picture(measured, SamplingBill().steps).save(picture, quality=60, method=6)
