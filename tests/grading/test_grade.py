"""A class hands in a small exercise in every state that a notebook can be in, and is marked.

None stops the batch, none gains a mark that it has not earned, none loses one that it has. All are
marked in one batch, and every test looks at what came of it.
"""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from sample_class import Handed, broken_files, cases
from sample_exercise import RIGHT, SAMPLE, Notebook, answered, hand_in, solution_notebook

from gencourse.cli import main
from gencourse.grading import grade as grade_module
from gencourse.grading.course import CourseError, locked
from gencourse.grading.grade import grade
from gencourse.grading.gradebook import open_gradebook
from gencourse.grading.marking import Limits
from gencourse.grading.release import release
from gencourse.grading.results import load, load_all, safe_name
from gencourse.grading.sandbox import SandboxUnavailableError

LIMITS = Limits(cell=5, question=5, submission=90)
COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
sys.path.insert(0, {tests!r})
from gencourse.grading import questions
questions.MODULES["00-sample"] = "sample_exercise"
from gencourse.cli import main
sys.exit(main(sys.argv[1:]))
"""


@dataclass
class Course:
    folder: Path
    submissions: Path
    released: Notebook

    def rows(self) -> dict[str, dict[str, str]]:
        with (self.folder / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
            return {row["student"].removeprefix("'"): row for row in csv.DictReader(file)}

    def page(self, student: str) -> str:
        return (self.folder / "feedback" / f"{safe_name(student)}.html").read_text()


@pytest.fixture(scope="module")
def course(tmp_path_factory, sandboxed, sample_is_listed) -> Course:
    """A course with the sample released in it, and nothing handed in yet."""
    root = tmp_path_factory.mktemp("class")
    hand_in(root / "solutions" / "00-sample.ipynb", solution_notebook())
    learners = release(SAMPLE, root / "course", root / "solutions")
    (root / "submissions").mkdir()
    return Course(root / "course", root / "submissions", json.loads(learners.read_text()))


@pytest.fixture(scope="module")
def expected(course) -> dict[str, Handed]:
    """Everything handed in, and what it has earned."""
    handed = broken_files(course.submissions, course.released)
    private = [
        str(course.folder / "source" / SAMPLE.name / f"{SAMPLE.name}.ipynb"),
        str(course.folder / "gradebook.db"),
        str(course.folder / "results" / SAMPLE.name / "writes.json"),
        str(course.submissions / "full" / "answer.ipynb"),
    ]
    for name, (answers, earned) in cases(private).items():
        hand_in(
            course.submissions / name / "answer.ipynb",
            answered(course.released, {**RIGHT, **answers}),
        )
        handed[name] = earned
    return handed


@pytest.fixture(scope="module")
def marked(course, expected) -> Course:
    """The course after the batch was marked once."""
    assert grade(SAMPLE, course.submissions, course.folder, jobs=2, limits=LIMITS) == 0
    return course


def test_everything_handed_in_has_a_row_and_a_page(marked, expected):
    assert set(marked.rows()) == set(expected)
    for student in expected:
        assert "</html>" in marked.page(student)


def test_every_answer_has_the_mark_it_has_earned_and_no_other(marked, expected):
    rows = marked.rows()
    wrong = {}
    for student, handed in expected.items():
        got = {question: rows[student][question] for question in handed.marks}
        wanted = {q: got[q] if m == "*" else m for q, m in handed.marks.items()}
        if got != wanted:
            wrong[student] = (got, wanted)
    assert not wrong


def test_what_waits_for_a_person_is_said_and_nothing_else_waits(marked, expected):
    rows = marked.rows()
    for student, handed in expected.items():
        waits = not handed.marks or "" in handed.marks.values()
        assert bool(rows[student]["waits for a person"]) == waits, student
        assert rows[student]["points"] != "" or not handed.marks
    assert "softplus" in rows["two answers"]["waits for a person"]
    assert "cut off" in rows["truncated"]["waits for a person"]
    assert "link" in rows["link"]["waits for a person"]


def test_learners_are_told_what_happened(marked, expected):
    unsaid = [
        (student, text, [mark.message for mark in marks_of(marked, student)])
        for student, handed in expected.items()
        for text in handed.says
        if text not in marked.page(student)
    ]
    assert not unsaid


def marks_of(course, student):
    return load(course.folder / "results" / SAMPLE.name, student).marks


def test_what_was_repaired_changed_or_moved_is_mentioned(marked, expected):
    rows = marked.rows()
    for student, handed in expected.items():
        for text in handed.remarks:
            assert text in rows[student]["remarks"], (student, text)
    untouched = [s for s, h in expected.items() if h.marks and not h.remarks]
    assert not [student for student in untouched if rows[student]["remarks"]]


def test_feedback_names_the_misconception_and_shows_a_public_example(marked):
    page = marked.page("partial")
    assert "<dt>wanted</dt>" in page
    assert "2. About softplus" in page
    assert "To read: <a href" in page


def test_feedback_is_about_the_public_inputs_and_secret_ones_stay_secret(marked):
    """The function that remembers nothing is wrong everywhere, but one public case is shown."""
    page = marked.page("zeros")
    assert page.count("<dt>got</dt>") == 1
    assert "inputs" not in page


def test_a_mark_does_not_depend_on_the_company_or_the_order(marked, expected, tmp_path):
    alone = shutil.copytree(marked.folder, tmp_path / "course")
    shutil.rmtree(alone / "results")
    for student in ("partial", "hooks"):
        shutil.copytree(marked.submissions / student, tmp_path / "in" / student)
    assert grade(SAMPLE, tmp_path / "in", alone, jobs=1, limits=LIMITS) == 0
    for student in ("partial", "hooks"):
        ours = load(alone / "results" / SAMPLE.name, student)
        theirs = load(marked.folder / "results" / SAMPLE.name, student)
        assert (ours.marks, ours.digest) == (theirs.marks, theirs.digest)


def test_pages_are_safe_and_complete_in_themselves(marked, expected):
    for student in expected:
        page = marked.page(student)
        assert "<script" not in page
        assert "<img" not in page
        assert not re.search(r"<[^>]*\b(src|onerror)=|url\(|@import", page)
    page = marked.page("hostile <img src=x>")
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_a_spreadsheet_takes_no_field_for_a_formula(marked):
    text = (marked.folder / "grades.csv").read_text(encoding="utf-8-sig")
    assert '"\'=1+1"' in text
    for row in csv.reader(text.splitlines()):
        assert not [field for field in row if field.startswith(("=", "+", "-", "@"))]
    assert all(line.startswith('"') and line.endswith('"') for line in text.splitlines())


def test_nothing_is_left_behind_and_nothing_was_written(marked):
    family = psutil.Process().children(recursive=True)
    assert not [process for process in family if "bwrap" in process.name()]
    hidden = [path.name for path in marked.folder.rglob(".*")]
    assert hidden == [".marking-key"]
    assert not [path for path in marked.folder.rglob("*.d") if path.is_dir()]
    text = (marked.folder / "results" / SAMPLE.name / "writes.json").read_text()
    assert json.loads(text)["student"] == "writes"
    assert not Path("/tmp/sprung").exists()


def test_formgrader_finds_what_a_person_has_to_mark(marked, expected):
    """As its page does: submissions by notebook, and the notebook that it shows."""
    wait = {s for s, handed in expected.items() if "" in handed.marks.values()}
    with open_gradebook(marked.folder) as gradebook:
        listed = gradebook.notebook_submission_dicts(SAMPLE.name, SAMPLE.name)
        assert {s["student"] for s in listed if s["needs_manual_grade"]} == set(
            map(safe_name, wait)
        )
        grade_of_words = gradebook.find_grade("why", SAMPLE.name, SAMPLE.name, "full")
        assert grade_of_words.needs_manual_grade
        assert grade_of_words.max_score == 5
        submission = gradebook.find_submission(SAMPLE.name, "full")
        assert (submission.score, submission.max_score) == (10, 15)
    shown = marked.folder / "autograded" / "full" / SAMPLE.name / f"{SAMPLE.name}.ipynb"
    cells = json.loads(shown.read_text())["cells"]
    at = next(i for i, cell in enumerate(cells) if cell["source"].startswith(RIGHT["why"]))
    assert "**3** Says why." in cells[at - 1]["source"]
    assert "A model answer" in cells[at - 1]["source"]


def test_a_marker_s_browser_runs_nothing_of_a_learner_s(marked):
    from nbconvert.exporters import HTMLExporter

    name = safe_name("hostile <img src=x>")
    path = marked.folder / "autograded" / name / SAMPLE.name / f"{SAMPLE.name}.ipynb"
    html, _ = HTMLExporter(template_name="basic").from_filename(path)
    assert "<script>alert(1)" not in html
    assert all(link.startswith("#") for link in re.findall(r'href="([^"]*)', html))


def test_marks_given_by_hand_stay_and_a_changed_answer_waits_again(marked):
    with open_gradebook(marked.folder) as gradebook:
        for student in ("full", "bom"):
            held = gradebook.find_grade("why", SAMPLE.name, SAMPLE.name, student)
            held.manual_score, held.needs_manual_grade = 4, False
            comment = gradebook.find_comment("why", SAMPLE.name, SAMPLE.name, student)
            comment.manual_comment = "Say <when>, too."
        gradebook.db.commit()
    hand_in(
        marked.submissions / "full" / "answer.ipynb",
        answered(marked.released, {**RIGHT, "why": "I have thought again."}),
    )
    before = load(marked.folder / "results" / SAMPLE.name, "partial")
    assert grade(SAMPLE, marked.submissions, marked.folder, jobs=2, limits=LIMITS) == 0
    assert load(marked.folder / "results" / SAMPLE.name, "partial") == before
    rows = marked.rows()
    assert rows["bom"]["why"] == "4"
    assert rows["bom"]["points"] == "14"
    assert rows["bom"]["waits for a person"] == ""
    assert rows["full"]["waits for a person"] == "why"
    assert "Say &lt;when&gt;, too." in marked.page("bom")
    with open_gradebook(marked.folder) as gradebook:
        held = gradebook.find_grade("why", SAMPLE.name, SAMPLE.name, "full")
        assert (held.manual_score, held.needs_manual_grade) == (4, True)


def test_a_result_that_was_cut_off_is_made_again(marked, capsys):
    results = marked.folder / "results" / SAMPLE.name
    kept = load(results, "renamed")
    (results / "renamed.json").write_text((results / "renamed.json").read_text()[:100])
    assert grade(SAMPLE, marked.submissions, marked.folder, limits=LIMITS, minutes=0) == 1
    assert "Time ran out before 1 submission" in capsys.readouterr().out
    assert grade(SAMPLE, marked.submissions, marked.folder, limits=LIMITS) == 0
    assert load(results, "renamed").marks == kept.marks


def test_two_graders_do_not_meet(course):
    another = locked(course.folder)
    with locked(course.folder), pytest.raises(CourseError, match="another process"):
        another.__enter__()


def started(course: Path, folder: Path) -> subprocess.Popen[str]:
    """The command, in a process of its own."""
    code = COMMAND.format(tests=str(Path(__file__).parent))
    command = [sys.executable, "-c", code, "grade", str(folder), "--course", str(course)]
    command += ["--jobs", "1"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def small_class(course, tmp_path_factory) -> tuple[Path, Path]:
    """Six right answers, and a course in which nobody is marked."""
    root = tmp_path_factory.mktemp("small")
    folder = root / "course"
    release(SAMPLE, folder, course.folder.parent / "solutions")
    for i in range(6):
        hand_in(root / "in" / f"learner {i}.ipynb", answered(course.released, RIGHT))
    return folder, root / "in"


def test_interrupted_killed_and_raced_the_batch_is_marked_once(small_class, capsys):
    folder, submissions = small_class
    results = folder / "results" / SAMPLE.name

    first = started(folder, submissions)
    wait_for(lambda: len(list(results.glob("*.json"))) >= 1)
    first.send_signal(signal.SIGSTOP)  # so that it is still there when the second has started
    second = started(folder, submissions)
    assert second.wait(120) == 2
    assert "another process" in second.stderr.read()
    first.send_signal(signal.SIGCONT)
    first.send_signal(signal.SIGINT)
    assert first.wait(60) == 130
    assert "the same command goes on" in first.stderr.read()
    done = len(list(results.glob("*.json")))
    assert 1 <= done < 6

    third = started(folder, submissions)
    wait_for(lambda: len(list(results.glob("*.json"))) > done)
    family = psutil.Process(third.pid).children(recursive=True)
    (results / ".aside-half").write_text("{")  # what a process killed while it writes leaves
    third.kill()
    third.wait()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    kept = {result.student: result for result in load_all(results)}
    assert done < len(kept) < 6

    capsys.readouterr()
    assert grade(SAMPLE, submissions, folder, jobs=1, limits=LIMITS) == 0
    assert f"6 submissions, {6 - len(kept)} to mark" in capsys.readouterr().out
    everybody = load_all(results)
    assert [r.marks[1].points for r in everybody] == [3] * 6
    assert {r.student: r for r in everybody if r.student in kept} == kept
    with open_gradebook(folder) as gradebook:
        names = [s.student.id for s in gradebook.assignment_submissions(SAMPLE.name)]
    assert sorted(names) == [f"learner {i}" for i in range(6)]
    assert not list(folder.rglob(".aside-*"))


def test_the_time_of_a_submission_as_a_whole_is_held(small_class):
    """Ten cells that never end, two seconds each, in a notebook that may take five."""
    folder, submissions = small_class
    hanging = submissions.parent / "hanging"
    notebook = json.loads((submissions / "learner 0.ipynb").read_text())
    endless = {"cell_type": "code", "metadata": {}, "source": "while True: pass"}
    notebook["cells"][1:1] = [endless] * 10
    hand_in(hanging / "hangs.ipynb", notebook)
    hand_in(hanging / "learner 1.ipynb", json.loads((submissions / "learner 1.ipynb").read_text()))
    limits = Limits(cell=2, question=2, submission=5)
    assert grade(SAMPLE, hanging, folder, jobs=1, limits=limits) == 0
    hung = load(folder / "results" / SAMPLE.name, "hangs")
    assert [mark.points for mark in hung.marks] == [0, 0, 0, None]
    assert "took too long" in hung.marks[1].message
    unhurt = load(folder / "results" / SAMPLE.name, "learner 1")
    assert [mark.points for mark in unhurt.marks] == [4, 3, 3, None]


def test_without_a_sandbox_no_mark_changes(course, monkeypatch, tmp_path):
    def unavailable(name, private):
        raise SandboxUnavailableError("none")

    monkeypatch.setattr(grade_module, "choose", unavailable)
    hand_in(tmp_path / "ada.ipynb", answered(course.released, RIGHT))
    with pytest.raises(SandboxUnavailableError, match="No answer was run"):
        grade(SAMPLE, tmp_path, course.folder)
    assert load(course.folder / "results" / SAMPLE.name, "ada") is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--course", "{tmp}"], "no course"),
        (["nowhere", "--course", "{tmp}/nothing"], "no course"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, message, tmp_path, capsys):
    command = [argument.format(tmp=tmp_path) for argument in arguments]
    assert main(["grade", *command]) == 2
    assert message in capsys.readouterr().err


def test_help_reads_like_a_page(capsys):
    with pytest.raises(SystemExit):
        main(["grade", "--help"])
    text = capsys.readouterr().out
    assert "What happens to each submission" in text
    assert "grades.csv" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_names_of_files_are_safe_and_different():
    names = ["ada", "ada ", "../ada", "ADA", "a/b", "a_b", "x" * 300, "x" * 301, "é", ".hidden", ""]
    names += ["漢" * 80, *map(safe_name, names[6:8])]
    safe = [safe_name(name) for name in dict.fromkeys(names)]
    assert len(set(safe)) == len(safe)
    assert all(re.fullmatch(r"[\w@~-][\w.@ ~-]*", name) for name in safe)
    assert all(len(name.encode()) < 150 for name in safe)
