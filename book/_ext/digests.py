"""One question asked in three places: has anything in this folder changed?"""

import hashlib
from pathlib import Path


def digest(folder: Path) -> str:
    """Sixteen letters that change when any file in the folder, or its name, does."""
    total = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix != ".pyc":
            total.update(file.relative_to(folder).as_posix().encode())
            total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]
