"""What the hardware allows: the roofline model, and how much of an operation it explains.

A device moves at most `bandwidth` bytes and does at most `peak` operations in a second, so work
that needs both takes at least

    time = max(bytes / bandwidth, flops / peak).

Which of the two counts is decided by the work's *arithmetic intensity*, flops / bytes. Below the
device's own ratio peak / bandwidth, about 25 operations a byte on a T4, memory sets the time and
arithmetic is free. Nearly every element-wise operation is far below, and that is why fusing pays.

The model knows nothing of the launch of a kernel, some microseconds however small the work. A cost
therefore counts launches too: for a small batch they are the larger part of the time.

References:
    Williams, Waterman and Patterson (2009), Roofline: An Insightful Visual Performance Model for
    Multicore Architectures.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["A100", "T4", "Cost", "Device", "Step", "roofline_table", "total"]

FLOAT32_BYTES = 4


@dataclass(frozen=True)
class Device:
    """A device by its data sheet: bytes a second, and float32 operations a second."""

    name: str
    bandwidth: float
    peak: float


# Two GPUs that Colab lends, by NVIDIA's data sheets.
T4 = Device("T4", bandwidth=320e9, peak=8.1e12)
A100 = Device("A100 40 GB", bandwidth=1555e9, peak=19.5e12)


@dataclass(frozen=True)
class Cost:
    """Bytes moved to and from memory, floating-point operations, kernels launched.

    An exponential counts as one operation: generous, and still far from mattering.
    """

    bytes: int
    flops: int
    launches: int

    @property
    def intensity(self) -> float:
        """Operations for each byte moved."""
        return self.flops / self.bytes

    def seconds(self, device: Device) -> float:
        """The least time that `device` can take, launches left out."""
        return max(self.bytes / device.bandwidth, self.flops / device.peak)


@dataclass(frozen=True)
class Step:
    """One kernel launch over a (B, d) batch.

    Args:
        expression: What it computes.
        elements: How many tensors of B·d float32 numbers it reads or writes. One of booleans
            counts as a quarter, one of 64-bit integers as two.
        rows: How many tensors of B numbers it reads or writes.
        flops: How many operations it does for each of the B·d elements.
        row_flops: How many it does for each of the B rows.
        times: How many times it is launched.
    """

    expression: str
    elements: float
    rows: float = 0
    flops: int = 1
    row_flops: int = 0
    times: int = 1


def total(steps: Iterable[Step], batch: int, d: int) -> Cost:
    """Add up steps over a (batch, d) float32 batch, each going to memory and back."""
    steps = [step for step in steps for _ in range(step.times)]
    numbers = sum(step.elements * batch * d + step.rows * batch for step in steps)
    return Cost(
        bytes=round(numbers * FLOAT32_BYTES),
        flops=sum(step.flops * batch * d + step.row_flops * batch for step in steps),
        launches=len(steps),
    )


def roofline_table(eager: Cost, fused: Cost, device: Device = T4) -> str:
    """Lay out what plain PyTorch and the fused kernels move and do, and the least time it takes.

    Everything follows from shapes and the device's data sheet; nothing is measured, so the table
    reads the same on every machine.
    """
    columns: dict[str, tuple[str, Callable[[Cost], float]]] = {
        "launches": ("{:.0f}", lambda cost: cost.launches),
        "bytes": ("{:,.0f}", lambda cost: cost.bytes),
        "flops": ("{:,.0f}", lambda cost: cost.flops),
        "flops/byte": ("{:.2f}", lambda cost: cost.intensity),
        f"µs at least, {device.name}": ("{:,.2f}", lambda cost: cost.seconds(device) * 1e6),
    }
    table = [("", "plain PyTorch", "fused", "ratio")]
    for name, (form, figure) in columns.items():
        before, after = figure(eager), figure(fused)
        table.append((name, form.format(before), form.format(after), f"{before / after:.2f}"))
    return "\n".join(f"{row[0]:<28}" + "".join(f"{cell:>16}" for cell in row[1:]) for row in table)
