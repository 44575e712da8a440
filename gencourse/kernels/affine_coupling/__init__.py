"""The affine coupling of a normalising flow, with its log-determinant, in one pass."""

from gencourse.kernels.affine_coupling.op import affine_coupling

__all__ = ["affine_coupling"]
