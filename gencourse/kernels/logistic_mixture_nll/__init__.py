"""The negative log-likelihood of grey levels under a mixture of logistic distributions."""

from gencourse.kernels.logistic_mixture_nll.op import logistic_mixture_nll

__all__ = ["logistic_mixture_nll"]
