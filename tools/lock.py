"""Write requirements.lock from the versions installed in this environment.

A local build tag (torch 2.13.0+cpu) is dropped, so that the lock means the same release on every
machine and pip may choose the build. Triton exists for Linux only.
"""

import re
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parent.parent / "requirements.lock"


def main() -> None:
    """Freeze, normalise, write."""
    freeze = [sys.executable, "-m", "pip", "freeze", "--all", "--exclude", "pip"]
    listed = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout.splitlines()
    pins = [re.sub(r"\+\w+$", "", line) for line in listed if re.fullmatch(r"[\w.-]+==\S+", line)]
    pins = [p + " ; sys_platform == 'linux'" if p.startswith("triton==") else p for p in pins]
    LOCK.write_text("\n".join(p for p in pins if not p.startswith("gencourse==")) + "\n")
    print(f"{LOCK.name}: {len(pins)} packages")


if __name__ == "__main__":
    main()
