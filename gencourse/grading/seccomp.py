"""A filter for Linux system calls: threads, but no children and no memory that nobody counts.

A limit on the number of processes does nothing for root and is shared by all processes of a user,
so what a sandbox may start is limited here: `fork` and `vfork` are refused, `clone` unless it makes
a thread, and `clone3`, whose arguments a filter cannot see, is reported as missing, whereupon the C
library uses `clone`. Three more kinds of call are refused: those that hand out memory which no
limit on address space sees (`memfd_create`, the queues and segments of System V), those that change
what a process can see (mounts, namespaces), and those in which holes in the kernel were found most
often and for which no answer has a use.

The same list is written in two languages: as a program for the kernel's packet filter, which
bubblewrap loads (see seccomp(2) and `linux/filter.h`), and as the JSON that podman and docker read.
"""

import errno
import json
import platform
import struct

__all__ = ["no_children", "profile"]

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # machines in the kernel's audit headers
# name: (its number on x86_64, on aarch64); None where the machine lacks it
CLONE, CLONE3 = (56, 220), (435, 435)
REFUSED: dict[str, tuple[int, int | None]] = {
    "fork": (57, None),
    "vfork": (58, None),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
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
    machine = platform.machine()
    if machine not in AUDIT:
        known = ", ".join(AUDIT)
        raise RuntimeError(f"no filter of system calls for {machine}; known are {known}")
    column = list(AUDIT).index(machine)
    refused = REFUSE | errno.EPERM
    # each: operation, value, how many to skip if it holds, how many if not
    program = [
        (LOAD, MACHINE, 0, 0),
        (EQUAL, AUDIT[machine], 1, 0),
        (RETURN, KILL, 0, 0),
        (LOAD, NUMBER, 0, 0),
        (AT_LEAST, X32_CALLS, 0, 1),
        (RETURN, refused, 0, 0),
    ]
    for numbers in REFUSED.values():
        if (number := numbers[column]) is not None:
            program += [(EQUAL, number, 0, 1), (RETURN, refused, 0, 0)]
    program += [
        (EQUAL, CLONE3[column], 0, 1),
        (RETURN, REFUSE | errno.ENOSYS, 0, 0),
        (EQUAL, CLONE[column], 0, 3),
        (LOAD, FIRST_ARGUMENT, 0, 0),
        (ANY_BIT, CLONE_THREAD, 1, 0),
        (RETURN, refused, 0, 0),
        (RETURN, ALLOW, 0, 0),
    ]
    return b"".join(struct.pack("<HBBI", op, yes, no, value) for op, value, yes, no in program)


def profile() -> str:
    """The same filter as podman and docker take it, with `--security-opt seccomp=FILE`."""
    refuse = {"action": "SCMP_ACT_ERRNO", "errnoRet": errno.EPERM}
    no_thread = {"index": 0, "value": CLONE_THREAD, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    return json.dumps(
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [
                {"names": list(REFUSED), **refuse},
                {"names": ["clone3"], **refuse, "errnoRet": errno.ENOSYS},
                {"names": ["clone"], **refuse, "args": [no_thread]},
            ],
        }
    )
