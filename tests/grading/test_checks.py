"""Every question of the course: right answers pass, known wrong ones are refused and named.

The tests run over all questions, so a new one is tested by being listed.
"""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from gencourse.grading import check, runs
from gencourse.grading.check import BOOK, Feedback, call, marked_up
from gencourse.grading.question import (
    ChoiceQuestion,
    Failure,
    FunctionQuestion,
    WrittenQuestion,
    judge,
    judge_choice,
)
from gencourse.grading.questions import MODULES, PAGES, assignment, find
from gencourse.grading.questions.vae.kl import KL, kl_to_standard_normal
from gencourse.grading.questions.vae.mend_loss import negative_elbo

ROOT = Path(__file__).parents[2]
QUESTIONS = [question for name in MODULES for question in assignment(name).questions]
FUNCTIONS = [q for q in QUESTIONS if isinstance(q, FunctionQuestion)]
CHOICES = [q for q in QUESTIONS if isinstance(q, ChoiceQuestion)]
WRITTEN = [q for q in QUESTIONS if isinstance(q, WrittenQuestion)]
SECRET_SEEDS = (1, 2, 3)


def named(things):
    return pytest.mark.parametrize(
        ("question", "answer"),
        [
            pytest.param(question, answer, id=f"{question.name}: {label}")
            for question in FUNCTIONS
            for label, answer in things(question)
        ],
    )


def right_answers(question):
    yield "reference", question.reference
    for function in question.alternatives:
        yield function.__name__, function


def wrong_answers(question):
    for misconception in question.misconceptions:
        yield misconception.name, misconception


def marked(question, function, seed):
    """The verdict of `gencourse grade`, whose inputs nobody has seen."""
    inputs = question.inputs(torch.Generator().manual_seed(seed))
    return judge(question, [call(question, function, arguments) for arguments in inputs], inputs)


@pytest.mark.parametrize("question", FUNCTIONS, ids=lambda q: q.name)
def test_a_coding_question_knows_enough_wrong_and_right_answers(question):
    assert len({m.name for m in question.misconceptions}) >= 5
    assert len(question.alternatives) >= 2


@named(right_answers)
def test_a_right_answer_passes_however_it_is_written(question, answer):
    assert check(question.name, answer).correct
    assert runs(question.name, answer)
    for seed in SECRET_SEEDS:
        assert marked(question, answer, seed).points == question.points


@named(wrong_answers)
def test_a_known_wrong_answer_is_refused_and_named(question, answer):
    feedback = check(question.name, answer.function)
    assert feedback.state == "wrong"
    assert ("likely", answer.name) in feedback.rows
    for seed in SECRET_SEEDS:
        verdict = marked(question, answer.function, seed)
        assert verdict.points == 0
        assert verdict.misconception is not None
        assert verdict.misconception.name == answer.name


@named(right_answers)
def test_a_right_answer_may_warn_print_and_overwrite_its_inputs(question, answer, capsys):
    def untidy(*arguments):
        warnings.warn("deprecated", UserWarning, stacklevel=1)
        print("here")
        result = answer(*arguments)
        with torch.no_grad():
            tensors = [a for a in arguments if isinstance(a, torch.Tensor)]
            # autograd forbids to overwrite what a gradient needs
            if not any(tensor.requires_grad for tensor in tensors):
                for tensor in tensors:
                    tensor.zero_()
        return result

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert check(question.name, untidy).correct


@named(right_answers)
def test_a_right_answer_may_come_in_double_precision(question, answer):
    def in_double(*inputs):
        return answer(*(i.double() if isinstance(i, torch.Tensor) else i for i in inputs))

    assert check(question.name, in_double).correct


@named(wrong_answers)
def test_a_message_explains_without_giving_the_answer(question, answer):
    text = f"{answer.name} {answer.message}"
    assert len(answer.message.split()) >= 20, "one paragraph, not one word"
    assert len(answer.message) <= 420
    assert not re.search(
        r"\*\*|\(-?1\)|[+*]=|0\.5 ?\*|½|logsumexp|softmax|\.(exp|log|mean|sum)\b", text
    )


# The same mistake in other words is the same mistake.

REWORDED = [
    ("kl", "one half is missing", lambda m, v: -(1 + v - m.pow(2) - v.exp()).sum(1)),
    ("kl", "averaged over the latent dimensions", lambda m, v: KL.reference(m, v) / m.shape[1]),
    ("kl", "the sign", lambda m, v: 0.5 * torch.sum(1 + v - m**2 - torch.exp(v), dim=1)),
    (
        "mend-loss",
        "the pixels are still averaged",
        lambda x, logits, m, v: (
            torch.nn.BCEWithLogitsLoss()(logits, x) + kl_to_standard_normal(m, v).mean()
        ),
    ),
    ("mend-loss", "the gradient is cut", lambda *a: negative_elbo(*a).item()),
    ("mend-loss", "the gradient is cut", lambda *a: torch.tensor(float(negative_elbo(*a)))),
    ("mend-loss", "summed over the batch", lambda *a: negative_elbo(*a) * a[0].size(0)),
    (
        "iw-bound",
        "the exponentials underflow",
        lambda p, q: torch.log(torch.sum(torch.exp(p - q), 0) / p.shape[0]),
    ),
    (
        "iw-bound",
        "the exponentials underflow: a ratio of densities",
        lambda p, q: torch.log((p.exp() / q.exp()).sum(0) / len(p)),
    ),
    ("iw-bound", "the mean of the logarithms", lambda p, q: p.mean(0) - q.mean(0)),
]


@pytest.mark.parametrize(("name", "mistake", "function"), REWORDED)
def test_a_mistake_in_other_words_has_the_same_name(name, mistake, function):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # float() of a tensor with a gradient
        assert ("likely", mistake) in check(name, function).rows


# What a learner may hand over besides a right or a wrong function


def unwritten(mean, log_var):
    raise NotImplementedError("your answer here")


def half_written(mean, log_var):
    variance = ...
    return 0.5 * (mean**2 + variance)


@pytest.mark.parametrize(
    "answer",
    [unwritten, half_written, lambda mean, log_var: ..., None, ...],
    ids=["unwritten", "half written", "an ellipsis inside", "None", "an ellipsis"],
)
def test_an_unanswered_stub_is_not_a_mistake(answer):
    feedback = check("kl", answer)
    assert feedback.state == "unanswered"
    assert repr(feedback) == "kl: not answered yet"
    assert not feedback.correct
    assert not runs("kl", answer)


def test_the_stub_of_a_loss_is_unanswered_too():
    assert check("mend-loss", lambda *arguments: ...).state == "unanswered"


def broken(mean, log_var):
    spread = log_var.exp()
    return spread @ mean


def test_an_error_is_shown_with_its_line():
    feedback = check("kl", broken)
    text = dict(feedback.rows)["problem"]
    assert text.startswith("RuntimeError: ")
    assert text.endswith("`return spread @ mean`")
    assert not runs("kl", broken)


def test_an_error_of_a_builtin_has_no_line():
    assert dict(check("kl", dict.fromkeys).rows)["problem"].startswith("TypeError: ")


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda mean, log_var: None, "is a `return` missing?"),
        (lambda mean, log_var: mean.sum(-1, keepdim=True), "(4, 1); (4,) was expected"),
        (lambda mean, log_var: "2.5", "a value of type str"),
        (lambda mean, log_var: {"kl": 1}, "type dict, which cannot be marked"),
        (lambda mean, log_var: mean.sum(-1) * float("nan"), "NaN"),
        (lambda mean, log_var: mean.sum(-1) + float("inf"), "infinite"),
        (lambda mean: mean, "takes 1 positional argument but 2 were given"),
        (torch.zeros(4), 'check("kl", kl_to_standard_normal)'),
    ],
)
def test_what_cannot_be_judged_is_said_plainly(answer, part):
    feedback = check("kl", answer)
    assert not feedback.correct
    assert part in dict(feedback.rows)["problem"]


def test_numpy_answers_count():
    def in_numpy(mean, log_var):
        m, v = mean.numpy(), log_var.numpy()
        return 0.5 * np.sum(m**2 + np.exp(v) - 1 - v, axis=1)

    assert check("kl", in_numpy).correct


def test_feedback_shows_expected_and_got():
    rows = dict(check("kl", lambda mean, log_var: 2 * kl_to_standard_normal(mean, log_var)).rows)
    assert rows["wanted"].startswith("shape (4,): 0, 2.5, ")
    assert rows["got"].startswith("shape (4,): 0, 5, ")
    assert "log_var = [[0.0, 0.0]," in rows["on"]
    assert rows["likely"] == "one half is missing"
    assert rows["read"] == "Chapter 2, “The price of a cloud”"


def test_feedback_is_the_same_each_time():
    wrong = KL.misconceptions[0].function
    assert repr(check("kl", wrong)) == repr(check("kl", wrong))


def test_feedback_fits_a_terminal():
    for question in FUNCTIONS:
        for misconception in question.misconceptions:
            text = repr(check(question.name, misconception.function))
            assert max(map(len, text.splitlines())) <= 96


def test_an_unknown_name_is_answered_with_the_names_there_are():
    with pytest.raises(KeyError, match=r"no question 'k1'; the questions are .*kl"):
        check("k1", kl_to_standard_normal)


def test_a_failure_is_never_taken_for_a_misconception():
    inputs = KL.inputs(torch.Generator().manual_seed(0))
    outputs = [Failure("raised", "ValueError: no") for _ in inputs]
    assert judge(KL, outputs, inputs).misconception is None


# Choices


@pytest.mark.parametrize("question", CHOICES, ids=lambda q: q.name)
def test_every_wrong_choice_has_a_remark_of_its_own(question):
    wrong = {
        (item, option)
        for item, right in question.key.items()
        for option in question.options_for(item)
        if option != right
    }
    assert set(question.remarks) == wrong
    assert len(set(question.remarks.values())) == len(wrong)
    for item, right in question.key.items():
        assert right in question.options_for(item)


@pytest.mark.parametrize("question", CHOICES, ids=lambda q: q.name)
def test_choices_are_marked_item_by_item(question):
    assert check(question.name, dict(question.key)).correct
    for item, right in question.key.items():
        for option in question.options_for(item):
            if option == right:
                continue
            answer = dict(question.key) | {item: option}
            feedback = check(question.name, answer)
            assert feedback.state == "partly"
            assert (item, question.remarks[item, option]) in feedback.rows
            share = 1 - 1 / len(question.key)
            assert judge_choice(question, answer).points == pytest.approx(share * question.points)


@pytest.mark.parametrize("question", CHOICES, ids=lambda q: q.name)
def test_choices_not_made_are_not_mistakes(question):
    blank = dict.fromkeys(question.key, "...")
    assert check(question.name, blank).state == "unanswered"
    assert check(question.name, {}).state == "unanswered"
    first = next(iter(question.key))
    feedback = check(question.name, blank | {first: question.key[first]})
    assert feedback.state == "partly"
    assert dict(feedback.rows)["right"] == f"1 of {len(question.key)}"
    wrong = next(o for o in question.options_for(first) if o != question.key[first])
    assert check(question.name, blank | {first: wrong}).state == "wrong"


def test_choices_must_be_a_dict():
    assert "type list" in dict(check("read-reports", ["c", "d"]).rows)["problem"]


# Words


@pytest.mark.parametrize("question", WRITTEN, ids=lambda q: q.name)
def test_a_rubric_adds_up(question):
    assert sum(points for points, _ in question.rubric) == question.points
    assert len(question.rubric) >= 3
    assert not check(question.name, "an essay").correct


# The course as a whole


def test_names_are_unique_in_the_course():
    names = [q.name for q in QUESTIONS]
    assert len(set(names)) == len(names)
    for question in QUESTIONS:
        assert find(question.name)[1] is question


def references():
    for question in QUESTIONS:
        if isinstance(question, FunctionQuestion):
            yield from (m.where for m in question.misconceptions)
        elif isinstance(question, ChoiceQuestion):
            yield question.where


@pytest.mark.parametrize("where", sorted(set(references())))
def test_a_reference_leads_to_a_section_that_exists(where):
    chapter, section = re.fullmatch(r"Chapter (\d+)(?:, “(.+)”)?", where).groups()
    text = (ROOT / "notebooks" / f"{PAGES[int(chapter)]}.md").read_text(encoding="utf8")
    assert section is None or re.search(rf"^##+ {re.escape(section)}$", text, re.MULTILINE)


def test_references_lead_to_the_published_book():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
    owner, name = config["repository"]["url"].rstrip("/").split("/")[-2:]
    assert f"https://{owner}.github.io/{name}/" == BOOK
    linked = marked_up("see Chapter 2, “The price of a cloud”, first")
    assert f'href="{BOOK}notebooks/02-vae.html#the-price-of-a-cloud"' in linked
    assert "<a" not in marked_up("see Chapter 99")


def test_html_is_escaped():
    def hostile(mean, log_var):
        raise ValueError("<script>alert(1)</script> `<b>`")

    page = check("kl", hostile)._repr_html_()
    assert "<script>" not in page
    assert "<b>" not in page
    assert "<code>&lt;b&gt;</code>" in page


def test_html_and_text_say_the_same():
    feedback = check("kl", KL.misconceptions[0].function)
    html = re.sub(r"<[^>]+>", "", feedback._repr_html_())
    for label, text in feedback.rows:
        assert label in html
        assert text.splitlines()[0] in html


def test_nothing_is_said_by_colour_alone():
    words = {
        re.sub(r"<[^>]+>|#\w+", "", Feedback("kl", state)._repr_html_())
        for state in ("right", "partly", "wrong", "unanswered")
    }
    assert len(words) == 4
