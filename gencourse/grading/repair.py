"""The answers of a submission, put back into the notebook that was handed out.

Notebooks come back with their metadata gone, cells doubled, deleted, moved or made anew. So nothing
in a submission says what a cell is, only what its answers are: the given cells, the checks and the
points are those of the release, and an answer is found by the strongest sign that it bears,

1. the `grade_id` of its cell,
2. the id of its cell,
3. the line `# exercise: NAME`,
4. the name of the function or variable that it defines;
5. for an answer in words, its place between given cells.

What was changed in a cell that is not the learner's to change does no harm, since ours takes its
place. It is said, so that a person may look.

An untouched stub is no answer. The fourth sign counts only where no answer bears one of the first
three. Where two different answers remain, the question waits for a person.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gencourse.grading.preflight import Cell
from gencourse.grading.question import Assignment, FunctionQuestion, Question, WrittenQuestion

__all__ = ["Answer", "Repaired", "Step", "graft"]

GRADE_ID, CELL_ID, MARKED, NAME, PLACE = range(5)
SIGNS = ("its grade_id", "its cell id", "its marker", "the name it defines", "its place")
# Spaces and tabs, never any white space: a cell of a million empty lines is to be read once.
MARKER = re.compile(r"^[ \t]*(?:#+|<!--)[ \t]*exercise:[ \t]*([\w-]+)", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """What a submission holds for one question: nothing, a source, or a problem for a person."""

    source: str = ""
    problem: str = ""
    note: str = ""  # what was done to find it, where that was not plain


@dataclass(frozen=True)
class Step:
    """One cell of the notebook to be marked; `given` is its place in the release, if it has one."""

    cell: Cell
    given: int | None = None


@dataclass(frozen=True)
class Repaired:
    """A notebook that can be marked, and the answer to each question by name."""

    steps: list[Step]
    answers: dict[str, Answer]
    flags: tuple[str, ...] = ()  # what a person may want to know of the notebook as a whole


def graft(release: Sequence[Cell], submitted: Sequence[Cell], assignment: Assignment) -> Repaired:
    """Put the answers in `submitted` into `release`. Never raises, whatever was submitted."""
    places = {cell.grade_id: place for place, cell in enumerate(release) if cell.grade_id}
    stubs = {question.name: release[places[question.name]] for question in assignment.questions}
    signs = [sign_of(cell, stubs, assignment.questions) for cell in submitted]
    foreign = names_unknown_to(release, submitted)
    answers: dict[str, Answer] = {}
    origins: dict[int, int] = {}  # from a cell that was submitted to its place in the release
    for question in assignment.questions:
        name, stub = question.name, stubs[question.name]
        found = [i for i, sign in enumerate(signs) if sign and sign[0] == name]
        empty = [i for i in found if is_untouched(submitted[i], stub)]
        full = [i for i in found if i not in empty]
        full = [i for i in full if strength(signs[i]) < NAME] or full
        answers[name] = choose(question, [submitted[i] for i in full])
        if full and answers[name].source:
            strongest = min(strength(signs[i]) for i in full)
            answers[name] = noted(answers[name], strongest, submitted[full[0]], stub)
        used = [] if answers[name].problem else full
        origins |= dict.fromkeys([*empty, *used], places[name])
        if not found:
            answers[name] = Answer(note="Its cell is missing from the notebook.")
            if foreign:
                answers[name] = Answer(problem="Its cell is missing, and the notebook is another.")
            if any(defines(question, cell) for cell in submitted):
                answers[name] = Answer(problem="It is defined in the cell of another question.")
    origins |= match_given(release, submitted, origins, stubs)
    for question in assignment.questions:
        if isinstance(question, WrittenQuestion) and not answers[question.name].source:
            place, stub = places[question.name], stubs[question.name]
            texts = texts_without_place(submitted, signs, origins, stub)
            around = neighbours(len(submitted), origins)
            here = [i for i in texts if around[i][0] < place < around[i][1]]
            if here:
                answer = choose(question, [submitted[i] for i in here])
                answers[question.name] = noted(answer, PLACE, submitted[here[0]], stub)
                origins |= dict.fromkeys(here, place)
            elif texts:
                problem = "There is no answer in its place, but the notebook has text elsewhere."
                answers[question.name] = Answer(problem=problem)
    flags = [*other_version(foreign), *changes(release, submitted)]
    return Repaired(in_order(release, submitted, origins, answers), answers, tuple(flags))


def names_unknown_to(release: Sequence[Cell], submitted: Sequence[Cell]) -> list[str]:
    """The grade_ids in a notebook that the release does not have."""
    known = {cell.grade_id for cell in release}
    return list(dict.fromkeys(c.grade_id for c in submitted if c.grade_id not in known))


def other_version(foreign: Sequence[str]) -> list[str]:
    """That a notebook was made from another version of the exercise, by what only that one has."""
    if not foreign:
        return []
    names = ", ".join(name[:40] for name in foreign[:3]) + (" and more" if foreign[3:] else "")
    return [f"It seems to be another version of the exercise, with {names}."]


def changes(release: Sequence[Cell], submitted: Sequence[Cell]) -> list[str]:
    """What was done to the cells that are known by a grade_id, each in a sentence."""
    named = [cell for cell in release if cell.grade_id]
    by_name: dict[str, list[Cell]] = {cell.grade_id: [] for cell in named}
    for cell in submitted:
        if cell.grade_id in by_name:
            by_name[cell.grade_id].append(cell)
    if not any(by_name.values()):
        return ["Its cells have lost their metadata."]
    flags = []
    for ours in named:
        theirs, name = by_name[ours.grade_id], ours.grade_id
        if not theirs and ours.locked:
            flags.append(f"{name} was deleted, or has lost its metadata.")
        elif len(theirs) > 1:
            flags.append(f"{name} stands there {len(theirs)} times.")
        if ours.locked and any(contents(cell) != contents(ours) for cell in theirs):
            flags.append(f"{name} was edited.")
        if any(cell.claims != ours.claims for cell in theirs):
            flags.append(f"The points or the flags of {name} were changed.")
    first_seen = list(dict.fromkeys(c.grade_id for c in submitted if c.grade_id in by_name))
    if first_seen != [cell.grade_id for cell in named if by_name[cell.grade_id]]:
        flags.append("Its cells stand in another order.")
    return [f"{flag} Ours was used." if "was" in flag else flag for flag in flags]


def sign_of(
    cell: Cell, stubs: Mapping[str, Cell], questions: Sequence[Question]
) -> tuple[str, int] | None:
    """The question that a cell is the answer to, and the strongest sign of it."""
    for question in questions:
        if cell.grade_id == question.name:
            return question.name, GRADE_ID
    for question in questions:
        if cell.id and cell.id == stubs[question.name].id:
            return question.name, CELL_ID
    marked = MARKER.findall(cell.source)
    for question in questions:
        if question.name in marked:
            return question.name, MARKED
    for question in questions:
        if cell.kind == "code" and defines(question, cell):
            return question.name, NAME
    return None


def strength(sign: tuple[str, int] | None) -> int:
    return sign[1] if sign else PLACE


def defines(question: Question, cell: Cell) -> bool:
    """Whether a cell defines the function or variable that a question asks for."""
    if isinstance(question, WrittenQuestion):
        return False
    if isinstance(question, FunctionQuestion):
        name = question.function
        pattern = rf"^[ \t]*(?:def[ \t]+{name}[ \t]*\(|{name}[ \t]*(?::[^=\n]*)?=(?!=))"
    else:
        pattern = rf"^{question.variable}[ \t]*="
    return re.search(pattern, cell.source, re.MULTILINE) is not None


def is_untouched(cell: Cell, stub: Cell) -> bool:
    """Whether a cell says no more than the stub that was handed out."""
    comment = "#" if stub.kind == "code" else "<!--"
    lines = essence(cell.source)
    return lines == essence(stub.source) or all(line.startswith(comment) for line in lines)


def essence(source: str) -> list[str]:
    """The lines of a cell without trailing space and empty ones."""
    return [line.rstrip() for line in source.splitlines() if line.strip()]


def choose(question: Question, candidates: Sequence[Cell]) -> Answer:
    """The answer among the cells that bear its sign. In words, all of them together are."""
    sources = {tuple(essence(cell.source)): cell.source for cell in candidates}
    if isinstance(question, WrittenQuestion):
        return Answer("\n\n".join(sources.values()))
    if len(sources) > 1:
        return Answer(problem=f"There are {len(sources)} different answers to it.")
    return Answer(*sources.values())


def noted(answer: Answer, sign: int, cell: Cell, stub: Cell) -> Answer:
    """The same answer, with a note if finding it took more than looking at its cell."""
    notes = []
    if sign > CELL_ID:
        notes.append(f"Found by {SIGNS[sign]}, because its cell has lost its identity.")
    if cell.kind != stub.kind:
        notes.append(f"Its cell had become {cell.kind} and was read as {stub.kind}.")
    source = answer.source
    if cell.kind != stub.kind and (fenced := re.search(r"```\w*\n(.*?)```", source, re.DOTALL)):
        source = fenced[1]
    return replace(answer, source=source, note=" ".join(notes))


def match_given(
    release: Sequence[Cell],
    submitted: Sequence[Cell],
    origins: Mapping[int, int],
    stubs: Mapping[str, Cell],
) -> dict[int, int]:
    """Which of the other cells that were submitted are the given cells of the release.

    Code that may be edited is known by its identity, whatever became of it. A changed text or check
    counts as the learner's own cell: ours takes its place, and nothing in it is lost.
    """
    free = {place for place, cell in enumerate(release) if cell.grade_id not in stubs}
    matched: dict[int, int] = {}
    for sign in (grade_id, cell_id, contents):
        by_sign: dict[str, list[int]] = {}
        for place in sorted(free, reverse=True):
            fixed = release[place].kind != "code" or release[place].locked
            if fixed and sign is not contents:
                continue
            by_sign.setdefault(sign(release[place]), []).append(place)
        for i, cell in enumerate(submitted):
            places = by_sign.get(sign(cell), []) if sign(cell) else []
            if places and i not in origins and i not in matched:
                matched[i] = places.pop()
                free.discard(matched[i])
    return matched


def grade_id(cell: Cell) -> str:
    return cell.grade_id


def cell_id(cell: Cell) -> str:
    return cell.id


def contents(cell: Cell) -> str:
    return "\n".join(essence(cell.source))


def texts_without_place(
    submitted: Sequence[Cell],
    signs: Sequence[tuple[str, int] | None],
    origins: Mapping[int, int],
    stub: Cell,
) -> list[int]:
    """The Markdown cells that the release does not have and that no sign ties to a question."""
    return [
        i
        for i, cell in enumerate(submitted)
        if cell.kind == "markdown" and i not in origins and signs[i] is None
        if not is_untouched(cell, stub)
    ]


def neighbours(count: int, origins: Mapping[int, int]) -> list[tuple[float, float]]:
    """For each submitted cell, the nearest places before and after it that are known."""
    before, after = [-math.inf], [math.inf]
    for i in range(count - 1):
        before.append(origins.get(i, before[-1]))
        after.append(origins.get(count - 1 - i, after[-1]))
    return list(zip(before, reversed(after), strict=True))


def in_order(
    release: Sequence[Cell],
    submitted: Sequence[Cell],
    origins: Mapping[int, int],
    answers: Mapping[str, Answer],
) -> list[Step]:
    """The release with its answers, and between its cells those that the learner added.

    A given cell of code that is not locked is the learner's version of it. An added cell stays
    behind the cell that it followed; only where the one after it was moved up does it move along.
    """
    versions = {place: submitted[i] for i, place in origins.items()}
    steps: list[tuple[tuple[float, int], Step]] = []
    for place, cell in enumerate(release):
        if cell.grade_id in answers:
            source = answers[cell.grade_id].source or cell.source
            cell = replace(cell, source=source)
        elif place in versions and not cell.locked and versions[place].kind == cell.kind:
            version = versions[place]
            changed = essence(version.source) != essence(cell.source)
            # What a learner wrote into a cell that marking would skip may be part of an answer.
            cell = replace(cell, source=version.source, tags=() if changed else cell.tags)
        steps.append(((place, 0), Step(cell, place)))
    around = neighbours(len(submitted), origins)
    for i, cell in enumerate(submitted):
        if i not in origins:
            before, after = around[i]
            steps.append(((after, -1) if after < before else (before, 1), Step(cell)))
    return [step for _, step in sorted(steps, key=lambda item: item[0])]
