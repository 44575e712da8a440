"""The rational-quadratic spline of a normalising flow, with its log-determinant, in one pass."""

from gencourse.kernels.rational_quadratic_spline.op import rational_quadratic_spline

__all__ = ["rational_quadratic_spline"]
