"""Which kernel tests a machine can run.

Tests marked `gpu` are left out where there is no CUDA device, unless `-m gpu` asked for them: then
each is skipped by name. Those under `interpreted/` need Triton's interpreter, which has to be
chosen before Triton is imported; `test_kernel_interpreter.py` runs them in a process of their own.
"""

import os

import pytest
import torch

torch.set_num_threads(1)

collect_ignore = [] if os.environ.get("TRITON_INTERPRET") == "1" else ["interpreted"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if "gpu" in config.option.markexpr:
        for item in on_gpu:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
    elif on_gpu:
        items[:] = [item for item in items if item not in on_gpu]
        config.hook.pytest_deselected(items=on_gpu)
