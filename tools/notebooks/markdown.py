"""From the book's dialect to Markdown that Jupyter and Colab show well.

Whatever is Markdown already passes through word by word. A directive or a role that has no
translation here is an error, so that none is ever left standing in a notebook.

Two habits of notebook viewers shape the result. Both take mathematics out of a text before they
read its Markdown, so within a box, where every line begins with `>`, a display equation stands on
one line. And neither reads Markdown in a `<summary>`, so there it is turned into HTML.
"""

import posixpath
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import PurePosixPath

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

from book._ext.boxes import WORDS, Objectives, SummaryCard
from book._ext.depth import DEPTHS
from book._ext.numbers import look_up
from book._ext.opening import VERBS
from book._ext.source import find_object, find_test

from .blocks import Directive, directive_in, parse
from .project import Label, Project

__all__ = ["DialectError", "Page", "leftovers"]

INLINE = re.compile(
    r"""
    (?P<role>\{(?P<name>[A-Za-z][\w:.+-]*)\}(?P<tick>`+)(?P<content>.+?)(?P=tick)(?!`))
    |(?P<code>(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))
    |(?P<math>\$\$.+?\$\$|(?<!\\)\$(?:\\.|[^$\\])+\$)
    |(?P<link>(?P<bang>!?)
        \[(?P<text>(?:[^\[\]\\`]|\\.|`[^`]*`|\[[^\[\]]*\])*)\]
        \((?P<target><[^>]*>|[^\s()]*(?:\([^()]*\)[^\s()]*)*)(?:\s+"[^"]*")?\))
    |(?P<attributes>(?<=[\])`])\{[^{}`]*\}|\ \{[#.][\w\ #.-]+\}$)
    |(?P<footnote>\[\^[^\]]+\])
    """,
    re.VERBOSE | re.DOTALL,
)
FENCED = re.compile(r"^([ >]*)(`{3,}|~{3,})(?!\{)[^\n]*\n.*?^\1\2 *$", re.MULTILINE | re.DOTALL)
DISPLAY = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
EXPLICIT = re.compile(r"(.+?)\s*<([^<>]+)>", re.DOTALL)  # text <label>


class DialectError(ValueError):
    """A construct that has no place in a notebook. The message names the page and the construct."""


def leftovers(text: str) -> list[str]:
    """What of the dialect is still visible in `text`, outside its code and its mathematics."""
    prose = FENCED.sub("", text)
    fences = re.findall(r"^[ >]*(?::{3,}|[`~]{3,}\{).*$", prose, re.MULTILINE)
    return fences + [m[0] for m in INLINE.finditer(prose) if m["role"] or m["footnote"]]


def small(words: str) -> str:
    return f"<small>{words}</small>"


def quote(text: str) -> str:
    """A blockquote of `text`, its display equations each on one line."""
    flat = DISPLAY.sub(lambda m: f"$$ {' '.join(m[1].split())} $$", text)
    return "\n".join(f"> {line}".rstrip() for line in flat.split("\n"))


def aligned(latex: str) -> str:
    """Lines of mathematics in the environment that Sphinx would put them in."""
    if r"\\" not in latex or r"\begin{" in latex:
        return latex
    return f"\\begin{{aligned}}\n{latex}\n\\end{{aligned}}"


def summary(text: str) -> str:
    """The HTML of one line of Markdown, its mathematics left for the viewer, without `<` or `>`."""

    def mathematics(latex: str, _: dict[str, bool]) -> str:
        return "$" + latex.replace("<", r"\lt ").replace(">", r"\gt ") + "$"

    html: str = MarkdownIt().use(dollarmath_plugin, renderer=mathematics).renderInline(text)
    return re.sub(r'<span class="math[^"]*">(.*?)</span>', r"\1", html, flags=re.DOTALL)


class Page:
    """One text of the course on its way into a notebook, and the sources it has cited so far."""

    def __init__(self, project: Project, document: str) -> None:
        self.project = project
        self.document = document  # "notebooks/02-vae"
        self.cited: set[str] = set()
        self.blocks: dict[str, Callable[[Directive], str]] = {
            **dict.fromkeys(WORDS, self.box),
            "bibliography": lambda _: "",  # the notebook lists what it cites at its end
            "depth": self.depth,
            "dropdown": self.fold,
            "equation": self.equation,
            "exercise-link": self.exercise_link,
            "margin": self.margin,
            "objectives": lambda d: self.frame(Objectives.words, d),
            "opening": self.opening,
            "quote-function": self.quote_function,
            "section-marks": self.section_marks,
            "selfcheck": self.fold,
            "summary-card": lambda d: self.frame(SummaryCard.words, d),
        }
        self.roles: dict[str, Callable[[str], str]] = {
            "abbr": lambda content: content.split(" (")[0],
            "cite": self.cite_in_brackets,
            "cite:p": self.cite_in_brackets,
            "cite:t": self.cite_in_text,
            "doc": self.document_role,
            "eq": self.reference,
            "math": lambda content: f"${content}$",
            "number": lambda content: look_up(self.project.root, content)[0],
            "numref": self.reference,
            "ref": self.reference,
            "sub": lambda content: f"<sub>{content}</sub>",
            "sup": lambda content: f"<sup>{content}</sup>",
        }

    def translate(self, text: str) -> str:
        """Plain Markdown for one cell. Raises `DialectError`."""
        try:
            plain = self.render(text)
        except LookupError as reason:
            raise DialectError(f"{self.document}: {reason}") from reason
        if left := leftovers(plain):
            raise DialectError(f"{self.document}: no notebook can show `{left[0]}`")
        return plain

    def references(self) -> str:
        """The list of the sources cited so far, or nothing."""
        return f"## References\n\n{self.project.references(self.cited)}" if self.cited else ""

    # Blocks

    def render(self, text: str) -> str:
        lines = text.split("\n")
        tokens = parse(text)
        top = [i for i, t in enumerate(tokens) if t.level == 0 and t.map and t.nesting >= 0]
        parts = []
        for i, after in pairwise([*top, len(tokens)]):
            assert tokens[i].map is not None
            source = "\n".join(lines[slice(*tokens[i].map)]).strip("\n")
            parts.append(self.block(tokens[i:after], source))
        return "\n\n".join(part for part in parts if part)

    def block(self, tokens: list[Token], source: str) -> str:
        """One block at the outermost level: its tokens, and the lines it was written in."""
        kind = tokens[0].type
        if kind in ("myst_target", "myst_line_comment", "myst_block_break"):
            return ""
        if kind == "math_block_label":
            raise LookupError("a labelled equation is written with the directive {equation}")
        if directive := directive_in(tokens[0]):
            if directive.name not in self.blocks:
                raise LookupError(f"the directive {{{directive.name}}} has no form in a notebook")
            return self.blocks[directive.name](directive)
        if kind == "math_block":
            return f"$$\n{aligned(tokens[0].content.strip())}\n$$"
        if kind in ("fence", "code_block", "html_block"):
            return source
        if inner := next(filter(None, map(directive_in, tokens)), None):
            raise LookupError(f"{{{inner.name}}} stands inside a list or quotation; move it out")
        if kind == "dl_open":
            return self.definitions(tokens)
        return self.inline(source)

    def definitions(self, tokens: list[Token]) -> str:
        """A list of definitions, which notebooks do not know, as a list of bold terms."""
        parts: list[str] = []
        for before, token in pairwise(tokens):
            if token.type == "inline":
                words = self.inline(token.content).replace("\n", " ")
                parts.append(f"- **{words}**" if before.type == "dt_open" else f": {words}")
            elif token.type not in ("dt_open", "dd_open", "paragraph_open") and token.nesting >= 0:
                raise LookupError("a definition holds paragraphs and nothing else")
        return "".join(parts).replace("- **", "\n- **").strip()

    def box(self, directive: Directive) -> str:
        title = self.inline(directive.argument)
        return self.frame(WORDS[directive.name] + (title and f": {title}"), directive)

    def frame(self, title: str, directive: Directive) -> str:
        return quote(f"**{title}**\n\n{self.render(directive.body)}")

    def margin(self, directive: Directive) -> str:
        title = self.inline(directive.argument).rstrip(".")
        body = self.render(directive.body)
        return quote(f"*{title}{'' if title[-1:] in '?!' else '.'}* {body}" if title else body)

    def depth(self, directive: Directive) -> str:
        """What stands in at the depth `idea` goes: a notebook shows everything it stands in for."""
        if directive.argument not in DEPTHS:
            raise LookupError(f"no depth `{directive.argument}`; there are {', '.join(DEPTHS)}")
        if directive.argument == DEPTHS[0]:
            return ""
        return f"{small(f'depth: {directive.argument}')}\n\n{self.render(directive.body)}"

    def section_marks(self, directive: Directive) -> str:
        return small(" · ".join(f"{key}: {value}" for key, value in directive.options.items()))

    def fold(self, directive: Directive) -> str:
        question = summary(self.inline(directive.argument))
        answer = self.render(directive.body)
        return f"<details>\n<summary>{question}</summary>\n\n{answer}\n\n</details>"

    def opening(self, directive: Directive) -> str:
        get = {key: self.inline(value) for key, value in directive.options.items()}.get
        facts = [
            (get("minutes"), "{} minutes"),
            (get("needs"), "needs: {}"),
            (get("outcome"), "you will {}"),
        ]
        promise = f"**{VERBS[directive.argument]}.** {get('promise', '')}".strip()
        line = " · ".join(words.format(value) for value, words in facts if value)
        return promise + (line and f"\n\n{small(line)}")

    def equation(self, directive: Directive) -> str:
        label = self.project.labels[f"eq-{directive.argument}"]
        latex = aligned(directive.body)
        function, test = directive.options["function"], directive.options["test"]
        computed = find_object(self.project.root, function)
        proved = find_test(self.project.root, test)
        links = " · ".join(
            f"{words} [`{shown}`]({self.project.source(found.path, (found.first, found.last))})"
            for words, shown, found in (
                ("computed by", function.removeprefix("gencourse."), computed),
                ("proved by", proved.name, proved),
            )
        )
        return f"$$\n{latex} \\tag{{{label.shown[1:-1]}}}\n$$\n\n{small(links)}"

    def quote_function(self, directive: Directive) -> str:
        found = find_object(self.project.root, directive.argument)
        code = found.lines(self.project.root, docstring="docstring" in directive.options)
        link = f"[{found.path}]({self.project.source(found.path, (found.first, found.last))})"
        return f"```python\n{code}\n```\n\n{small(f'quoted from {link}')}"

    def exercise_link(self, directive: Directive) -> str:
        path = f"exercises/{directive.argument}.ipynb"
        if not (self.project.root / "solutions" / f"{directive.argument}.md").is_file():
            raise LookupError(f"exercise-link: there is no solutions/{directive.argument}.md")
        return (
            f"**The exercise of this chapter**: [open it in Colab]({self.project.colab(path)}) "
            f"· [download the notebook]({self.project.raw(path)})"
        )

    # Lines of text

    def inline(self, text: str) -> str:
        return INLINE.sub(self._inline, text)

    def _inline(self, match: re.Match[str]) -> str:
        if match["role"]:
            if match["name"] not in self.roles:
                raise LookupError(f"the role {{{match['name']}}} has no form in a notebook")
            return self.roles[match["name"]](match["content"].strip())
        if match["link"]:
            return self.link(match)
        if match["footnote"]:
            raise LookupError(f"{match[0]}: notebooks have no footnotes; use a margin note")
        return "" if match["attributes"] else match[0]

    def link(self, match: re.Match[str]) -> str:
        target, text = match["target"].strip("<>"), self.inline(match["text"])
        if match["bang"]:
            if ":" not in target:
                target = self.project.raw(self.path(target))
            return f"![{text}]({target})"
        if target.startswith("#"):
            label = self.project.labels.get(target[1:].lower())
            if label is None and not text:
                raise LookupError(f"nothing is labelled `{target[1:]}`")
            return self.to(label or Label(text, self.document, target[1:]), text)
        if re.match(r"[a-z]+:", target):
            return match[0].replace(match["text"], text, 1)
        return self.to_file(target, text)

    def path(self, relative: str) -> str:
        """The path from the root of what this text calls `relative`."""
        here = posixpath.dirname(self.document)
        path = posixpath.normpath(posixpath.join(here, relative.removeprefix("/")))
        return relative.removeprefix("/") if relative.startswith("/") else path

    def to_file(self, target: str, text: str) -> str:
        name, _, anchor = target.partition("#")
        path = self.path(name)
        if not (self.project.root / path).exists():
            raise LookupError(f"a link to {target}, but there is no {path}")
        if not path.endswith(".md"):
            return f"[{text or path}]({self.project.source(path)})"
        document = str(PurePosixPath(path).with_suffix(""))
        return f"[{text or self.title(document)}]({self.project.page(document, anchor)})"

    def title(self, document: str) -> str:
        text = (self.project.root / f"{document}.md").read_text(encoding="utf8")
        found = re.search(r"^# +(.+)$", text, re.MULTILINE)
        return found[1] if found else document

    def to(self, label: Label, text: str = "") -> str:
        """A reference: plain words within a notebook, a link to the book's page elsewhere."""
        words = text or label.shown
        if label.document == self.document:
            return words
        return f"[{words}]({self.project.page(label.document, label.anchor)})"

    def reference(self, content: str) -> str:
        explicit = EXPLICIT.fullmatch(content)
        text, name = explicit.groups() if explicit else ("", content)
        label = self.project.labels.get(name.lower())
        if label is None:
            raise LookupError(f"nothing is labelled `{name}`")
        return self.to(label, text.replace("%s", label.shown.split()[-1]))

    def document_role(self, content: str) -> str:
        explicit = EXPLICIT.fullmatch(content)
        text, name = explicit.groups() if explicit else ("", content)
        return self.to_file(f"{name}.md", text)

    def cite_in_text(self, content: str) -> str:
        """`Kingma and Welling (2014)`, linked."""
        return "; ".join(
            self.citation(key, f"{self.project.authors(key)} ({self.project.year(key)})")
            for key in self.keys(content)
        )

    def cite_in_brackets(self, content: str) -> str:
        """`(Kingma and Welling, 2014)`, linked."""
        cited = (
            self.citation(key, f"{self.project.authors(key)}, {self.project.year(key)}")
            for key in self.keys(content)
        )
        return f"({'; '.join(cited)})"

    def keys(self, content: str) -> list[str]:
        return [key.strip() for key in content.split(",")]

    def citation(self, key: str, words: str) -> str:
        self.cited.add(key)
        address = self.project.address(key)
        return f"[{words}]({address})" if address else words
