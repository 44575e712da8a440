"""Compiles every kernel for five GPUs, none of which need be present, and reports what each costs.

    python tests/kernels/ahead_of_time.py             print the report
    python tests/kernels/ahead_of_time.py --update    write it to snapshots/, one file a kernel

A snapshot holds, for each kernel and GPU: the registers of a thread, the bytes it *spills* to
memory because registers ran out, the shared memory of a block, and how many loads of how many bits.
A change that doubles the registers or breaks up the wide loads is slow on every GPU, and shows here
without one. Run it in a process of its own: the interpreter and the compiler exclude each other.

To add a kernel, write a function like `reparameterize_kl` below and list it in `KERNELS`.
"""

import argparse
import json
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, CompiledKernel

SNAPSHOTS = Path(__file__).parent / "snapshots"

TARGETS = {
    "sm_75": GPUTarget("cuda", 75, 32),  # T4
    "sm_80": GPUTarget("cuda", 80, 32),  # A100
    "sm_86": GPUTarget("cuda", 86, 32),  # RTX 30
    "sm_90": GPUTarget("cuda", 90, 32),  # H100
}
# Triton 3.4 called ROCm's linker for AMD; later ones bring their own.
if tuple(map(int, triton.__version__.split(".")[:2])) >= (3, 5):
    TARGETS["gfx942"] = GPUTarget("hip", "gfx942", 64)  # MI300X

TRITON_NAMES = {
    torch.float16: "fp16",
    torch.bfloat16: "bf16",
    torch.float32: "fp32",
    torch.float64: "fp64",
}


class Case(NamedTuple):
    """A kernel with the types of its run-time arguments and the values of its compile-time ones."""

    name: str
    kernel: Any
    types: dict[str, str]
    constants: dict[str, Any]
    num_warps: int


def over_rows(
    kernel: Any, dtype: torch.dtype, constants: dict[str, Any], num_warps: int, label: str
) -> Case:
    """A kernel that takes so many rows of numbers of one type, and one precise number for each."""
    types = {
        name: "i32" if name in ("rows", "pixels") else f"*{TRITON_NAMES[dtype]}"
        for name in kernel.arg_names
        if name not in constants
    }
    precise = TRITON_NAMES[torch.promote_types(dtype, torch.float32)]
    per_row = {"kl_ptr", "log_det_ptr", "nll_ptr"}
    per_row |= {f"grad_{name}" for name in per_row}
    types |= {name: f"*{precise}" for name in types if name in per_row}
    name = f"{kernel.__name__} {str(dtype).removeprefix('torch.')} {label}"
    return Case(name, kernel, types, constants, num_warps)


def reparameterize_kl() -> Iterator[Case]:
    from gencourse.kernels.reparameterize_kl import triton as kernels

    sizes = [(torch.float32, 2), (torch.float32, 20), (torch.bfloat16, 20), (torch.float32, 1000)]
    for kernel in (kernels.forward_kernel, kernels.backward_kernel):
        for dtype, d in sizes:
            constants = kernels.tile(d, torch.promote_types(dtype, torch.float32))
            yield over_rows(kernel, dtype, constants, kernels.NUM_WARPS, f"d={d}")


def affine_coupling() -> Iterator[Case]:
    from gencourse.kernels.affine_coupling import triton as kernels

    cases = [(torch.float32, False), (torch.float32, True), (torch.bfloat16, False)]
    for kernel in (kernels.forward_kernel, kernels.backward_kernel):
        for dtype, inverse in cases:
            constants = {**kernels.tile(32), "INVERSE": inverse}
            label = "d=32 inverse" if inverse else "d=32"
            yield over_rows(kernel, dtype, constants, kernels.NUM_WARPS, label)


def rational_quadratic_spline() -> Iterator[Case]:
    from gencourse.kernels.rational_quadratic_spline import triton as kernels

    cases = [(torch.float32, False), (torch.float32, True), (torch.bfloat16, False)]
    for kernel in (kernels.forward_kernel, kernels.backward_kernel):
        for dtype, inverse in cases:
            sizes = kernels.tile(32, 8, torch.promote_types(dtype, torch.float32))
            constants = {**sizes, "BOUND": 3.0, "INVERSE": inverse}
            label = "d=32 K=8 inverse" if inverse else "d=32 K=8"
            yield over_rows(kernel, dtype, constants, kernels.NUM_WARPS, label)


def logistic_mixture_nll() -> Iterator[Case]:
    from gencourse.kernels.logistic_mixture_nll import triton as kernels

    for kernel in (kernels.forward_kernel, kernels.backward_kernel):
        for dtype in (torch.float32, torch.bfloat16):
            sizes = kernels.tile(10, torch.promote_types(dtype, torch.float32))
            constants = {**sizes, "LEVELS": 256}
            yield over_rows(kernel, dtype, constants, kernels.NUM_WARPS, "M=10")


def pairwise() -> Iterator[Case]:
    from gencourse.kernels.pairwise import triton as kernels

    # The loop over d is not unrolled, so another d makes the same program; and all kernels load a
    # half type in the same loop, so one shows what that costs.
    cases: list[tuple[Any, torch.dtype, dict[str, Any]]] = [
        (kernels.rbf_kernel, torch.float32, {"BANDWIDTHS": 3}),
        (
            kernels.gradient_kernel,
            torch.float32,
            {"BANDWIDTHS": 3, "SUMS_OF_ROWS": True, "BLOCK_D": kernels.BLOCK_D},
        ),
        (kernels.distance_kernel, torch.float32, {}),
        (kernels.nearest_kernel, torch.float32, {"PRECISE": tl.float32}),
        (kernels.nearest_kernel, torch.bfloat16, {"PRECISE": tl.float32}),
        (kernels.kth_kernel, torch.float32, {"K": 6, "SLOTS": 8}),
        (kernels.count_kernel, torch.float32, {}),
    ]
    sizes = ("rows", "columns", "x_stride", "y_stride")
    for kernel, dtype, constants in cases:
        constants = {**kernels.tile(64), **constants}
        types = {name: "*fp32" for name in kernel.arg_names if name not in constants}
        types |= dict.fromkeys(sizes, "i32")
        types |= dict.fromkeys(("x_ptr", "y_ptr"), f"*{TRITON_NAMES[dtype]}")
        types |= {name: "*i64" for name in ("index_ptr", "count_ptr") if name in types}
        name = f"{kernel.__name__} {str(dtype).removeprefix('torch.')} d=64"
        yield Case(name, kernel, types, constants, kernels.NUM_WARPS)


KERNELS: dict[str, Callable[[], Iterator[Case]]] = {
    "affine_coupling": affine_coupling,
    "logistic_mixture_nll": logistic_mixture_nll,
    "pairwise": pairwise,
    "rational_quadratic_spline": rational_quadratic_spline,
    "reparameterize_kl": reparameterize_kl,
}


def compile_case(case: Case, target: GPUTarget) -> CompiledKernel:
    names = case.kernel.arg_names
    source = ASTSource(
        case.kernel,
        signature={name: case.types.get(name, "constexpr") for name in names},
        constexprs=case.constants,
        # PyTorch's allocations are aligned, and a launch tells the compiler so.
        attrs={
            (i,): [["tt.divisibility", 16]]
            for i, name in enumerate(names)
            if case.types.get(name, "").startswith("*")
        },
    )
    options = {"num_warps": case.num_warps, "enable_fp_fusion": True}
    return triton.compile(source, target=target, options=options)


def resources(compiled: CompiledKernel) -> dict[str, Any]:
    """What a compiled kernel needs, from the assembler's own account of it."""
    if "cubin" in compiled.asm:
        used = cubin_usage(compiled.asm["cubin"])
        loads = re.findall(r"\bld\.global\S*?(?:\.v(\d))?\.b(\d+)\b", compiled.asm["ptx"])
        widths = [int(count or 1) * int(bits) for count, bits in loads]
        registers, spills = used["REG"], used["STACK"] + used["LOCAL"]
    else:
        assembly = compiled.asm["amdgcn"]
        # Other loads than of whole words are of one half word each.
        loads = re.findall(r"\b(?:global|buffer)_load_(\w+)", assembly)
        words = [re.fullmatch(r"dword(?:x(\d))?", load) for load in loads]
        widths = [int(word[1] or 1) * 32 if word else 16 for word in words]
        registers = amd_usage(assembly, "vgpr_count")
        spills = amd_usage(assembly, "private_segment_fixed_size")
    return {
        "registers": registers,
        "spills": spills,
        "shared": compiled.metadata.shared,
        "loads": {str(bits): count for bits, count in sorted(Counter(widths).items())},
    }


def cubin_usage(cubin: bytes) -> dict[str, int]:
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        report = subprocess.run(
            [str(tool), "-res-usage", file.name], capture_output=True, text=True, check=True
        ).stdout
    return {name: int(value) for name, value in re.findall(r"\b(REG|STACK|LOCAL):(\d+)", report)}


def amd_usage(assembly: str, figure: str) -> int:
    match = re.search(rf"^\s*\.{figure}:\s*(\d+)", assembly, re.MULTILINE)
    assert match is not None, f"the assembler says nothing of {figure}"
    return int(match[1])


def report(kernel: str) -> dict[str, Any]:
    return {
        "triton": triton.__version__,
        "cases": {
            case.name: {
                name: resources(compile_case(case, target)) for name, target in TARGETS.items()
            }
            for case in KERNELS[kernel]()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="write the snapshots")
    parser.add_argument("kernels", nargs="*", default=sorted(KERNELS), metavar="KERNEL")
    arguments = parser.parse_args()
    reports = {kernel: report(kernel) for kernel in arguments.kernels}
    if arguments.update:
        for kernel, content in reports.items():
            (SNAPSHOTS / f"{kernel}.json").write_text(json.dumps(content, indent=1) + "\n")
    else:
        print(json.dumps(reports, indent=1))


if __name__ == "__main__":
    main()
