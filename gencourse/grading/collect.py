"""Take in what a class has handed in, as a learning platform exports it.

    gencourse collect ~/Downloads/submissions.zip --course ~/courses/autumn

The export is a zip file or a folder, as you get it from

  Canvas      Assignment, "Download Submissions": lovelaceada_LATE_1234_5678_02-vae.ipynb
  Moodle      Assignment, "Download all submissions", with or without folders:
              Ada Lovelace_1234_assignsubmission_file_/02-vae.ipynb
  Classroom   the assignment's Drive folder, downloaded: Ada Lovelace - 02-vae.ipynb
  elsewhere   one notebook for each learner, ada.ipynb, or one folder for each

and which of these it is shows in the names of its files. Each learner's notebook is copied to
submitted/LEARNER/02-vae/ in the course. What a later export holds of a learner takes the place of
what an earlier one held; who is missing from it keeps what was there. Nothing is run or believed:
a link, an encrypted entry, a file of more than 20 MB or a zip inside the zip is not copied, and its
learner is listed as waiting for you, with the reason.

Then: `gencourse grade --course ~/courses/autumn`.
"""

import argparse
import json
import re
import stat
import sys
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath

from gencourse.grading.course import CourseError, exercise_of, locked
from gencourse.grading.preflight import MAX_BYTES, printable, read_file, student_of
from gencourse.grading.results import safe_name, write_atomically

__all__ = ["SUBMITTED", "Collected", "collect", "collected", "configure", "run"]

SUBMITTED = "submitted"
RECORDS = "collected"
MOST_ENTRIES = 20_000
MOST_BYTES = 4 << 30  # of an archive as a whole, unpacked
UNSEEN = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
MOODLE = re.compile(
    r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)(?:_(?P<file>.*))?"
)
CANVAS = re.compile(r"(?P<name>[^_]+)(?P<late>_LATE)?_(?P<id>\d+)_\d+_(?P<file>.+)", re.DOTALL)
CLASSROOM = re.compile(r"(?P<name>.+?) - (?P<file>.+)", re.DOTALL)


@dataclass(frozen=True)
class Item:
    """A file of an export: its bytes if it is a notebook, or why it was not read."""

    path: PurePosixPath
    data: bytes = b""
    problem: str = ""


@dataclass(frozen=True)
class Collected:
    """What is known of a learner's submission besides the notebook itself."""

    name: str
    system: str = ""  # "canvas", "moodle", "classroom" or ""
    id: str = ""  # the platform's number for the learner
    late: bool = False
    problem: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `gencourse collect`."""
    parser.add_argument("export", type=Path, help="the zip file or the folder")
    parser.add_argument("--course", type=Path, required=True, help="the folder of your course")
    parser.add_argument("--exercise", help="which one, where the course has released several")


def run(args: argparse.Namespace) -> int:
    """Run the command; 2 when nothing can be taken in."""
    try:
        exercise = exercise_of(args.course, args.exercise)
        with locked(args.course):
            found = collect(args.export, args.course, exercise)
    except CourseError as problem:
        print(f"gencourse collect: {problem}", file=sys.stderr)
        return 2
    late = sum(record.late for record in found.values())
    systems = sorted({record.system.capitalize() or "by name" for record in found.values()})
    print(f"{len(found)} learners ({', '.join(systems)}), {late} of them late")
    for student, record in found.items():
        if record.problem:
            print(f"  {student}: {record.problem}")
    print(f"To mark them: gencourse grade --course {args.course}")
    return 0


def collect(export: Path, course: Path, exercise: str) -> dict[str, Collected]:
    """Copy the notebooks of an export into a course; what is known of each learner in it.

    Raises `CourseError` when the export is no zip file and no folder, or holds no file.
    """
    files: defaultdict[str, list[Item]] = defaultdict(list)
    records: dict[str, Collected] = {}
    for item in without_wrapping(list(items_in(export)), export):
        owner, item = owner_of(item, exercise)
        student = safe_name(f"{owner.name} {owner.id}".strip())
        known = records.get(student, owner)
        records[student] = replace(known, late=known.late or owner.late)
        files[student].append(item)
    if not files:
        raise CourseError(f"{export} holds no file.")
    for student, items in files.items():
        folder = course / SUBMITTED / student / exercise
        records[student] = replace(records[student], problem=problem_of(items))
        replace_folder(folder, [item for item in items if item.data])
    everybody = {**collected(course, exercise), **records}
    text = json.dumps({name: asdict(everybody[name]) for name in sorted(everybody)}, indent=1)
    write_atomically(course / RECORDS / f"{exercise}.json", text.encode())
    return {student: records[student] for student in sorted(records)}


def collected(course: Path, exercise: str) -> dict[str, Collected]:
    """What is known of everybody whose submission was taken in, by the name of their folder."""
    try:
        known = json.loads((course / RECORDS / f"{exercise}.json").read_text())
    except FileNotFoundError:
        return {}
    return {student: Collected(**record) for student, record in known.items()}


def items_in(export: Path) -> Iterator[Item]:
    """The files of an export, ordered. Raises `CourseError` when it is neither folder nor zip."""
    if export.is_dir():
        for path in sorted(export.rglob("*")):
            relative = PurePosixPath(path.relative_to(export).as_posix())
            if path.is_dir() and not path.is_symlink():
                continue
            if not hidden(relative):
                yield from_folder(path, relative)
        return
    try:
        with zipfile.ZipFile(export) as archive:
            yield from from_archive(archive)
    except FileNotFoundError:
        raise CourseError(f"{export} does not exist.") from None
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise CourseError(
            f"{export} is no folder and no zip file that can be read: {error}"
        ) from None


def hidden(path: PurePosixPath) -> bool:
    """Whether a file is one that systems leave behind."""
    return any(part in UNSEEN or part.startswith(".") for part in path.parts)


def from_folder(path: Path, relative: PurePosixPath) -> Item:
    """A file of a folder, without following links."""
    if not is_notebook(relative) and not path.is_symlink():
        return Item(relative, problem=not_a_notebook(relative))
    read = read_file("", path)
    return Item(relative, read.data, read.problem)


def from_archive(archive: zipfile.ZipFile) -> Iterator[Item]:
    """The files of a zip archive, of which none is unpacked further than its limit."""
    left = MOST_BYTES
    entries = sorted(archive.infolist(), key=lambda entry: entry.filename)
    if len(entries) > MOST_ENTRIES:
        raise CourseError(
            f"The archive has {len(entries):,} entries; the limit is {MOST_ENTRIES:,}."
        )
    for entry in entries:
        if not entry.filename:
            yield Item(PurePosixPath("?"), problem="It has no name in the archive.")
            continue
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if entry.is_dir() or hidden(PurePosixPath(*(p for p in path.parts if p != ".."))):
            continue
        if path.is_absolute() or ".." in path.parts:
            # Its place is not believed, but its name may still say whose it is.
            yield Item(
                PurePosixPath(path.name or "?"), problem="Its path in the archive leads outside."
            )
        elif stat.S_ISLNK(entry.external_attr >> 16):
            yield Item(path, problem="It is a link to another file.")
        elif entry.flag_bits & 1:
            yield Item(path, problem="It is encrypted.")
        elif not is_notebook(path):
            yield Item(path, problem=not_a_notebook(path))
        else:
            item = unpacked(archive, entry, path, min(MAX_BYTES, left))
            left -= len(item.data)
            yield item


def unpacked(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: PurePosixPath, limit: int
) -> Item:
    """One entry, whatever its header says of its size."""
    try:
        with archive.open(entry) as file:
            data = file.read(limit + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        return Item(path, problem=f"It is damaged inside the archive ({error}).")
    if len(data) > limit:
        return Item(path, problem=f"It has more than the {limit / 1e6:.0f} MB that are allowed.")
    return Item(path, data, "" if data else "The file is empty.")


def is_notebook(path: PurePosixPath) -> bool:
    return path.name.lower().endswith(".ipynb")


def not_a_notebook(path: PurePosixPath) -> str:
    """What a person is told of a file that is something else."""
    name = printable(path.name)[:80]
    if path.suffix.lower() in (".zip", ".rar", ".7z", ".tar", ".gz"):
        return f"It is an archive, {name}: unpack it and collect it as {path.stem}.ipynb."
    return f"It is no notebook: {name}."


def without_wrapping(items: Sequence[Item], export: Path) -> list[Item]:
    """The same files without a folder that holds all of them and belongs to no learner."""
    items = list(items)
    while items and len(tops := {item.path.parts[0] for item in items}) == 1:
        (top,) = tops
        names = {item.path.parts[1:] for item in items}
        alone = len(names) == 1 and top != export.stem
        if alone or MOODLE.fullmatch(top) or any(len(rest) == 0 for rest in names):
            break
        items = [replace(item, path=PurePosixPath(*item.path.parts[1:])) for item in items]
    return items


def owner_of(item: Item, exercise: str) -> tuple[Collected, Item]:
    """Whose a file is, by its name and its folder's, and the file under the name it had."""
    *folders, name = item.path.parts
    for part in (*folders, name):
        if found := MOODLE.fullmatch(part):
            own = found["file"] if part == name and found["file"] else name
            return person(found["name"], "moodle", found["id"]), renamed(item, own)
    if found := CANVAS.fullmatch(name):
        owner = person(found["name"], "canvas", found["id"])
        return replace(owner, late=bool(found["late"])), renamed(item, found["file"])
    stem = student_of(name) if is_notebook(item.path) else item.path.stem
    if (found := CLASSROOM.fullmatch(stem)) and student_of(found["file"]) == exercise:
        return person(student_of(found["name"]), "classroom"), renamed(item, found["file"])
    return person(folders[0] if folders else stem), item


def person(name: str, system: str = "", number: str = "") -> Collected:
    """A learner."""
    return Collected(printable(name).strip() or "nobody", system, number)


def renamed(item: Item, name: str) -> Item:
    return replace(item, path=item.path.with_name(PurePosixPath(name).name or item.path.name))


def problem_of(items: Sequence[Item]) -> str:
    """Why a learner's files wait for a person: one that may be the answer could not be read."""
    unread = [item for item in items if item.problem]
    if any(item.data for item in items):
        unread = [item for item in unread if is_notebook(item.path)]
    return " ".join(dict.fromkeys(item.problem for item in unread))


def replace_folder(folder: Path, items: Sequence[Item]) -> None:
    """Put a learner's files where an earlier export may have left others."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as aside:
        incoming = Path(aside, "new")
        incoming.mkdir()
        for number, item in enumerate(items):
            stem = safe_name(PurePosixPath(item.path.name).stem)
            place = incoming / f"{stem}.ipynb"
            if place.exists():
                place = incoming / f"{stem}~{number}.ipynb"
            place.write_bytes(item.data)
        if folder.exists():
            folder.rename(Path(aside, "old"))
        if items:
            incoming.rename(folder)
