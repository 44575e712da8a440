"""The two things a variational autoencoder needs of its encoder's output, in one pass."""

from gencourse.kernels.reparameterize_kl.op import reparameterize_kl

__all__ = ["reparameterize_kl"]
