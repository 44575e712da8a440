"""Every library shortcut that the chapters print is run."""

import re
from pathlib import Path

import pytest
import torch

CHAPTERS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.md"))
BOX = re.compile(r"^:::\{shortcut\}.*?^:::$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shortcuts():
    for chapter in CHAPTERS:
        for number, box in enumerate(BOX.findall(chapter.read_text()), start=1):
            for code in CODE.findall(box):
                yield pytest.param(code, id=f"{chapter.stem}-{number}")


@pytest.mark.parametrize("code", list(shortcuts()))
def test_the_code_in_a_shortcut_box_runs(code):
    exec(compile(code, "shortcut", "exec"), {})


def test_the_vae_shortcut_computes_the_same_kl():
    """The toll of diffusers' compressor is the one that chapter 2 derives."""
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    from gencourse.kernels import reparameterize_kl

    generator = torch.Generator().manual_seed(0)
    mean, log_var = torch.randn(2, 5, 4, generator=generator)
    parameters = torch.cat([mean, log_var], dim=1)[:, :, None, None]
    _, kl = reparameterize_kl(mean, log_var, torch.zeros_like(mean))
    torch.testing.assert_close(DiagonalGaussianDistribution(parameters).kl(), kl)
