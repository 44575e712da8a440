"""Install what the tests need from the system: Chromium, and bubblewrap for the marking sandbox.

As root on Debian or Ubuntu, apt installs them. Elsewhere Playwright's own Chromium is tried, and
what is still missing is named with the command that installs it. On a laptop the tests that need a
missing program are then skipped by name; in CI they fail.
"""

import os
import shutil
import subprocess
import sys

__all__ = ["chromium", "main"]

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """Return the path of a Chromium on PATH, or of the one that Playwright manages, or None."""
    for name in CHROMIUM_NAMES:
        if path := shutil.which(name):
            return path
    try:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            path = playwright.chromium.executable_path
    except Exception:
        return None
    return path if os.path.exists(path) else None


def _apt(package: str) -> bool:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", package]):
        quiet = subprocess.run(command, env=environment, capture_output=True, text=True)
        if quiet.returncode:
            print(f"apt could not install {package}: {quiet.stderr.strip()[-300:]}")
            return False
    return True


def main() -> int:
    """Install what is missing; return 0 when everything is there."""
    missing = []
    if chromium() is None:
        print("Chromium is not here; installing it for the browser tests ...", flush=True)
        if not _apt("chromium"):
            subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"])
        if chromium() is None:
            missing.append(
                "Chromium (Debian: apt install chromium; else: playwright install chromium)"
            )
    if sys.platform == "linux" and shutil.which("bwrap") is None:
        print("bubblewrap is not here; installing it for the marking tests ...", flush=True)
        if not _apt("bubblewrap"):
            missing.append(
                "bubblewrap (Debian: apt install bubblewrap; Fedora: dnf install bubblewrap)"
            )
    for program in missing:
        print(f"MISSING: {program}. Tests that need it are skipped here and fail in CI.")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
