"""Fused operations: one pass over memory where plain PyTorch makes many.

A GPU is seldom short of arithmetic. What it waits for is memory, and a line such as
`mean + torch.exp(log_var / 2) * noise` reads and writes the whole batch four times, once for every
operator in it. A *kernel* is a small program that runs on the GPU; a *fused* kernel loads each
number once, does all the arithmetic while it is at hand, and writes the result once.

Every operation here has a folder of its own with the same five files, and they are best read in
this order:

`reference.py`
    The mathematics in plain PyTorch, a line or two for each formula. It is what a chapter quotes,
    what runs on a CPU, and, in float64, what every other version is tested against. It works under
    every transform of `torch.func`.
`cost.py`
    How many bytes must move and how many operations must be done, step by step for plain PyTorch
    and for the fused kernel. It says before any measurement what fusion can gain. A chapter prints
    it with `gencourse.kernels.roofline.roofline_table`.
`triton.py`
    The same mathematics as a GPU program, and the launcher that cuts the batch into tiles. Nothing
    imports it, or Triton, until a kernel is about to run.
`op.py`
    The public function: it checks what it was given, chooses an implementation, and gives the
    kernel its derivatives. It has to survive `backward`, double backward, `torch.func` and
    `torch.compile`; the comments there say how, and what goes wrong otherwise.
`__init__.py`
    The public name, and nothing else.

Beside the folders stand `dispatch.py`, the one place that chooses between implementations,
`autograd.py`, which gives a fused operation its derivatives, `checks.py`, the errors that all of
them share, and `roofline.py`, the one model of what hardware allows. Every operation takes the same
last argument:

`impl="auto"`
    The kernel on a GPU that can run it, the reference everywhere else. The right choice unless you
    are comparing.
`impl="reference"`
    Plain PyTorch, on any device.
`impl="compile"`
    The reference after `torch.compile`: fusion by PyTorch's own compiler, the honest competitor.
`impl="triton"`
    The kernel by hand, or an error that says why it cannot run here. With `TRITON_INTERPRET=1` in
    the environment it also runs on a CPU, slowly, one program after another: for debugging.

Importing this package imports neither Triton nor CUDA.
"""

from gencourse.kernels.affine_coupling import affine_coupling
from gencourse.kernels.logistic_mixture_nll import logistic_mixture_nll
from gencourse.kernels.pairwise import (
    count_within,
    distance_sum,
    kth_neighbour_distance,
    nearest,
    rbf_sum,
)
from gencourse.kernels.rational_quadratic_spline import rational_quadratic_spline
from gencourse.kernels.reparameterize_kl import reparameterize_kl

__all__ = [
    "affine_coupling",
    "count_within",
    "distance_sum",
    "kth_neighbour_distance",
    "logistic_mixture_nll",
    "nearest",
    "rational_quadratic_spline",
    "rbf_sum",
    "reparameterize_kl",
]
