"""The discrete bottleneck of the VQ-VAE (van den Oord, Vinyals and Kavukcuoglu, 2017)."""

import torch
from torch import Tensor, nn

__all__ = ["VectorQuantizer"]


class VectorQuantizer(nn.Module):
    """Replace every vector by the nearest row of a learned codebook e, and let gradients through.

    codes is how many rows the codebook has, dim how long they are, commitment the weight β of the
    paper. One code of K costs log2 K bits: a 7 × 7 grid of codes out of 512 is 441 bits.
    """

    def __init__(self, codes: int, dim: int, commitment: float = 0.25) -> None:
        super().__init__()
        self.codebook = nn.Parameter(torch.empty(codes, dim).uniform_(-1 / codes, 1 / codes))
        self.commitment = commitment

    def nearest(self, z: Tensor) -> Tensor:
        """argmin_k ||z - e_k||, int64 of shape (...), for vectors z (..., dim)."""
        return torch.cdist(z.flatten(end_dim=-2), self.codebook).argmin(dim=1).view(z.shape[:-1])

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Quantised vectors (..., dim), their codes (...), and the scalar loss, for z (..., dim).

        The loss is ||sg(z) - e||² + β ||z - sg(e)||², averaged over vectors: the first term pulls
        the codes to the vectors, the second keeps the vectors by their codes (sg stops gradients).
        Backwards, the quantised vectors pass their gradient straight to z.
        """
        codes = self.nearest(z)
        e = self.codebook[codes]
        codebook_loss = ((z.detach() - e) ** 2).sum(dim=-1).mean()
        commitment_loss = ((z - e.detach()) ** 2).sum(dim=-1).mean()
        return z + (e - z).detach(), codes, codebook_loss + self.commitment * commitment_loss
