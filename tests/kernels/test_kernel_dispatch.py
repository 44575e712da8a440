"""One place decides which implementation runs, and says why when it cannot be the one asked for."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch.autograd import forward_ad

from gencourse.kernels import dispatch, reparameterize_kl

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def graphics_card(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretends that there is a GPU of a given compute capability."""

    def install(capability: tuple[int, int]) -> None:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Old Faithful")
        monkeypatch.setattr(torch.version, "hip", None)
        monkeypatch.setattr(dispatch, "HAS_TRITON", True)

    return install


def test_auto_is_the_reference_on_a_cpu() -> None:
    assert dispatch.choose("auto", CPU) == "reference"


def test_auto_is_the_kernel_on_a_gpu(graphics_card: Any) -> None:
    graphics_card((7, 5))
    assert dispatch.choose("auto", CUDA) == "triton"


def test_auto_steps_back_on_a_gpu_too_old_for_triton(graphics_card: Any) -> None:
    graphics_card((6, 0))
    assert dispatch.choose("auto", CUDA) == "reference"
    with pytest.raises(RuntimeError, match=r"Old Faithful has compute capability 6\.0.*7\.5"):
        dispatch.choose("triton", CUDA)


def test_auto_steps_back_where_triton_is_not_installed(
    graphics_card: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphics_card((9, 0))
    monkeypatch.setattr(dispatch, "HAS_TRITON", False)
    assert dispatch.choose("auto", CUDA) == "reference"
    with pytest.raises(RuntimeError, match=r"not installed.*gencourse\[gpu\]"):
        dispatch.choose("triton", CUDA)


def test_the_kernel_asked_for_on_a_cpu_is_an_error_that_says_what_to_do() -> None:
    inputs = torch.randn(3, 4, 2).unbind()
    with pytest.raises(RuntimeError, match=r"on the CPU.*\.to\(\"cuda\"\).*TRITON_INTERPRET=1"):
        reparameterize_kl(*inputs, impl="triton")


def test_the_kernel_asked_for_on_a_device_without_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "HAS_TRITON", True)
    with pytest.raises(RuntimeError, match="'mps:0', a kind of device"):
        dispatch.choose("triton", torch.device("mps", 0))


@pytest.mark.parametrize("impl", ["cuda", "", None])
def test_a_name_that_is_no_implementation(impl: Any) -> None:
    with pytest.raises(
        ValueError, match='expected one of "auto", "reference", "compile", "triton"'
    ):
        dispatch.choose(impl, CPU)


def test_transforms_and_forward_mode_are_noticed() -> None:
    seen = []

    def look(x: torch.Tensor) -> torch.Tensor:
        seen.append(dispatch.under_transform())
        return x.sum()

    x = torch.ones(3)
    look(x)
    torch.func.grad(look)(x)
    torch.func.vmap(look)(x[None])
    torch.func.jvp(look, (x,), (x,))
    with forward_ad.dual_level():
        look(x)
    look(x)
    assert seen == [False, True, True, True, True, False]


def test_importing_the_kernels_imports_neither_triton_nor_the_compiler() -> None:
    program = (
        "import sys, gencourse.kernels, gencourse.kernels.reparameterize_kl.cost; "
        "print(sorted({'triton', 'torch._dynamo'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
