"""What chapter 2 says of blur: the best mean of a decoder is the average of what shares a code."""

import torch
from torch import nn

from gencourse.families.vae import BernoulliDecoder, GaussianDecoder


class Constant(nn.Module):
    """A network with nothing to learn but its output, for a decoder at one fixed code."""

    def __init__(self, size):
        super().__init__()
        self.output = nn.Parameter(torch.zeros(size))

    def forward(self, z):
        return self.output.expand(*z.shape[:-1], -1)


def best_mean(decoder, x, steps=400):
    """Maximise the likelihood of the rows of x, all of which have the same code."""
    optimiser = torch.optim.LBFGS(
        decoder.parameters(), max_iter=steps, line_search_fn="strong_wolfe"
    )

    def negative_log_likelihood():
        optimiser.zero_grad()
        loss = -decoder.log_prob(x, torch.zeros(len(x), 1)).mean()
        loss.backward()
        return loss

    optimiser.step(negative_log_likelihood)
    return decoder.mean(torch.zeros(1, 1))[0].detach()


def test_best_decoder_mean_is_the_conditional_mean():
    """Two sharp images share a code; the decoder answers with their average, which is neither."""
    sharp = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]).repeat(10, 1)
    for decoder in (GaussianDecoder(Constant(3), scale=0.5), BernoulliDecoder(Constant(3))):
        mean = best_mean(decoder, sharp)
        torch.testing.assert_close(mean, sharp.mean(dim=0), rtol=0, atol=2e-3)
        assert (mean[0] - 0.5).abs() < 2e-3
