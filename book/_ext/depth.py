"""Three depths of one text: idea, working, research, each holding more than the one before.

What carries no mark shows always. A block, a section or a code cell marked `working` shows at
working and research, one marked `research` only there. A block marked `idea` shows *only* at idea:
it stands in for what that depth leaves out.

    :::{depth} working          ```{section-marks}       tags: [depth-research]
    ...                         :depth: research         (on a code cell)
    :::                         :level: advanced
                                ```

Marks become classes, and one attribute on `<html>` chooses among them. Without JavaScript nothing
is hidden.
"""

from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from .elements import element, inline_element

logger = logging.getLogger(__name__)

DEPTHS = ("idea", "working", "research")
LEVELS = ("beginner", "intermediate", "advanced")


def depth(argument: str) -> str:
    return directives.choice(argument, DEPTHS)


def level(argument: str) -> str:
    return directives.choice(argument, LEVELS)


def depth_classes(name: str) -> list[str]:
    return [f"depth-{name}"]


class Depth(SphinxDirective):
    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        classes = depth_classes(depth(self.arguments[0]))
        return [element("div", *self.parse_content_to_nodes(), classes=classes)]


class section_marks(nodes.Element):
    """What `section-marks` said, until the section that it stands in is known."""


class SectionMarks(SphinxDirective):
    option_spec: ClassVar = {"depth": depth, "level": level}

    def run(self) -> list[nodes.Node]:
        marks = section_marks(**self.options)
        self.set_source_info(marks)
        return [marks]


class ApplySectionMarks(SphinxTransform):
    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        for marks in list(self.document.findall(section_marks)):
            section = marks.parent
            if not isinstance(section, nodes.section) or section.index(marks) != 1:
                logger.error("section-marks stands directly under its heading", location=marks)
            elif "depth" in marks:
                section["classes"] += depth_classes(marks["depth"])
            if "level" in marks:
                section["level"] = marks["level"]
            section.remove(marks)


def add_level_marks(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Print the level beside its heading: late, so that no table of contents repeats it."""
    for section in doctree.findall(nodes.section):
        if "level" in section:
            name = section["level"]
            title = next(iter(section.findall(nodes.title)))
            title += nodes.Text(" ")
            title += inline_element("span", text=name, classes=["level", f"level-{name}"])


def setup(app: Sphinx) -> None:
    app.add_directive("depth", Depth)
    app.add_directive("section-marks", SectionMarks)
    app.add_transform(ApplySectionMarks)
    app.connect("doctree-resolved", add_level_marks)
