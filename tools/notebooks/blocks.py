"""The blocks of a MyST text: its directives, targets and titles, found by its own parser."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.attrs import attrs_block_plugin
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.myst_blocks import myst_block_plugin

__all__ = ["Directive", "Target", "Title", "directive_in", "parse", "walk"]

PARSER = (
    MarkdownIt("commonmark")
    .enable("table")
    .use(colon_fence_plugin)
    .use(dollarmath_plugin)
    .use(deflist_plugin)
    .use(myst_block_plugin)
    .use(attrs_block_plugin)
)
DIRECTIVE = re.compile(r"\{([\w:.+-]+)\} *(.*)", re.DOTALL)
TITLE = re.compile(r"(.*?)(?: +\{#([\w-]+)[^{}]*\})?", re.DOTALL)
OPTION = re.compile(r":([\w-]+): *(.*)")


@dataclass(frozen=True)
class Directive:
    """`{name} argument`, its `:key: value` lines, and the text it holds."""

    name: str
    argument: str
    options: dict[str, str]
    body: str


@dataclass(frozen=True)
class Target:
    """`(label)=`"""

    label: str


@dataclass(frozen=True)
class Title:
    """A heading's words, and the name that `{#name}` behind them gives it."""

    words: str
    name: str = ""


def parse(text: str) -> list[Token]:
    """The tokens of `text`."""
    return PARSER.parse(text)


def directive_in(token: Token) -> Directive | None:
    """The directive that a fence is, or None for a fence that holds code."""
    match = DIRECTIVE.fullmatch(token.info.strip()) if "fence" in token.type else None
    if match is None:
        return None
    lines = token.content.split("\n")
    options: dict[str, str] = {}
    while lines and (option := OPTION.fullmatch(lines[0].strip())):
        words = [option[2], *_continuation(lines[1:])]
        options[option[1]] = " ".join(words).strip()
        lines = lines[len(words) :]
    return Directive(match[1], match[2].strip(), options, "\n".join(lines).strip("\n"))


def _continuation(lines: list[str]) -> list[str]:
    """The indented lines that carry an option's value on."""
    end = next((i for i, line in enumerate(lines) if not line.startswith((" ", "\t"))), len(lines))
    return [line.strip() for line in lines[:end]]


def walk(text: str) -> Iterator[Directive | Target | Title]:
    """Every directive, target and title of `text`, in reading order, inside directives as well."""
    tokens = parse(text)
    for position, token in enumerate(tokens):
        if directive := directive_in(token):
            yield directive
            if directive.name != "equation":
                yield from walk(directive.body)
        elif token.type == "myst_target":
            yield Target(token.content)
        elif token.type == "heading_open":
            words, name = TITLE.fullmatch(tokens[position + 1].content).groups("")
            yield Title(words, name)
