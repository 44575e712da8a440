"""Executed chapters are kept until something that they compute with changes.

jupyter-cache knows a chapter by its own code cells and by nothing else, so after a change in
`gencourse` it would go on showing yesterday's numbers. The folder of the cache therefore carries a
digest of the package, its weights and the versions underneath; an older folder is removed.
"""

import hashlib
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

from .digests import digest

UNDERNEATH = ("torch", "numpy", "matplotlib", "myst-nb")


def key(package: Path) -> str:
    """Changes when any file of the package does, or what it runs on."""
    versions = [f"{name} {version(name)}" for name in UNDERNEATH]
    state = " ".join([platform.python_version(), *versions, digest(package)])
    return hashlib.sha256(state.encode()).hexdigest()[:12]


def choose_cache(app: Sphinx, config: Config) -> None:
    package = Path(app.srcdir, config.course_root or ".") / "gencourse"
    folder = Path(app.outdir).parent
    cache = folder / f".jupyter_cache-{key(package)}"
    for other in folder.glob(".jupyter_cache-*"):
        if other != cache:
            shutil.rmtree(other)
    config.nb_execution_cache_path = str(cache)


def setup(app: Sphinx) -> None:
    # Before myst-nb reads its configuration. A changed path also makes Sphinx read every chapter
    # again, since the setting counts as part of the environment.
    app.connect("config-inited", choose_cache)
