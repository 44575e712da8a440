"""A filter for Linux system calls: threads, but no children and no memory that nobody counts.

A limit on the number of processes does nothing for root and is shared by all processes of a user,
so what a sandbox may start is limited here: `fork` and `vfork` are refused, `clone` unless it makes
a thread, and `clone3`, whose arguments a filter cannot see, is reported as missing, whereupon the C
library uses `clone`. `memfd_create`, `memfd_secret` and `shmget` hand out memory that no limit on
address space sees, and are refused too. The filter is a program for the kernel's classic packet
filter, see seccomp(2) and `linux/filter.h`.
"""

import errno
import platform
import struct

__all__ = ["no_children"]

# machine: (its number in the kernel's audit headers, clone, clone3, what is refused outright)
MACHINES = {
    "x86_64": (0xC000003E, 56, 435, (57, 58, 319, 447, 29)),
    "aarch64": (0xC00000B7, 220, 435, (279, 447, 194)),
}
CLONE_THREAD = 0x00010000
X32_CALLS = 0x40000000  # on x86_64, a second set of the same calls

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, MACHINE, FIRST_ARGUMENT = 0, 4, 16  # offsets in `struct seccomp_data`
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000


def no_children() -> bytes:
    """The filter for this machine, as bubblewrap's `--seccomp` takes it.

    Raises `RuntimeError` on a machine whose system calls are not known here.
    """
    try:
        machine, clone, clone3, others = MACHINES[platform.machine()]
    except KeyError:
        raise RuntimeError(
            f"no filter of system calls for {platform.machine()}; known are {', '.join(MACHINES)}"
        ) from None
    refused = REFUSE | errno.EPERM
    # each: operation, value, how many to skip if it holds, how many if not
    program = [
        (LOAD, MACHINE, 0, 0),
        (EQUAL, machine, 1, 0),
        (RETURN, KILL, 0, 0),
        (LOAD, NUMBER, 0, 0),
        (AT_LEAST, X32_CALLS, 0, 1),
        (RETURN, refused, 0, 0),
    ]
    for number in others:
        program += [(EQUAL, number, 0, 1), (RETURN, refused, 0, 0)]
    program += [
        (EQUAL, clone3, 0, 1),
        (RETURN, REFUSE | errno.ENOSYS, 0, 0),
        (EQUAL, clone, 0, 3),
        (LOAD, FIRST_ARGUMENT, 0, 0),
        (ANY_BIT, CLONE_THREAD, 1, 0),
        (RETURN, refused, 0, 0),
        (RETURN, ALLOW, 0, 0),
    ]
    return b"".join(struct.pack("<HBBI", op, yes, no, value) for op, value, yes, no in program)
