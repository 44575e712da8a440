"""What the notebooks refer to: the repository's address, the book's numbers, labels and sources.

The numbers are those that the book prints: chapters as `_toc.yml` numbers them, equations and
figures counted within their chapter. A test holds them against the built book.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jupytext
import yaml
from pybtex.backends.markdown import Backend
from pybtex.database import BibliographyData, Entry, parse_file

import gencourse
from book._ext.references import AuthorYear

from .blocks import Directive, Target, Title, walk

__all__ = ["Label", "Project"]

# A live figure says its own number, because its caption is part of it.
LIVE = re.compile(r"^\w+\(.*\bnumber=\"([\d.]+)\".*\)$", re.MULTILINE)


@dataclass(frozen=True)
class Label:
    """Something that a text may refer to, as the reference is to read."""

    shown: str  # "(2.3)", "Figure 2.1", or a heading's words
    document: str  # "notebooks/02-vae"
    anchor: str


@dataclass(frozen=True)
class Project:
    """The course in the folder `root`."""

    root: Path
    numbered: dict[str, int] = field(default_factory=dict)  # {"notebooks/02-vae": 2}

    @classmethod
    def at(cls, root: Path) -> "Project":
        """Read the chapters' numbers from `_toc.yml`."""
        parts = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf8")).get("parts", [])
        files = [c["file"] for part in parts if part.get("numbered") for c in part["chapters"]]
        return cls(root, {name: number for number, name in enumerate(files, 1)})

    @cached_property
    def config(self) -> dict[str, Any]:
        text = (self.root / "_config.yml").read_text(encoding="utf8")
        return dict(yaml.safe_load(text))

    # Addresses, all made of the one in _config.yml

    @property
    def tag(self) -> str:
        return f"v{gencourse.__version__}"

    @property
    def repository(self) -> str:
        """The repository's address, without a slash at its end."""
        return str(self.config["repository"]["url"]).rstrip("/")

    @property
    def slug(self) -> str:
        """`owner/name`."""
        return self.repository.removeprefix("https://github.com/")

    @property
    def wheel(self) -> str:
        """Where the package of this release is."""
        name = f"gencourse-{gencourse.__version__}-py3-none-any.whl"
        return f"{self.repository}/releases/download/{self.tag}/{name}"

    def source(self, path: str, lines: tuple[int, int] | None = None) -> str:
        """Where a file of the repository can be read, as it is at this release."""
        where = f"#L{lines[0]}-L{lines[1]}" if lines else ""
        return f"{self.repository}/blob/{self.tag}/{path}{where}"

    def raw(self, path: str) -> str:
        return f"https://raw.githubusercontent.com/{self.slug}/{self.tag}/{path}"

    def colab(self, path: str) -> str:
        return f"https://colab.research.google.com/github/{self.slug}/blob/{self.tag}/{path}"

    def page(self, document: str, anchor: str = "") -> str:
        """Where the published book has a page."""
        owner, name = self.slug.split("/")
        return f"https://{owner}.github.io/{name}/{document}.html" + (anchor and f"#{anchor}")

    # Numbers and labels

    @cached_property
    def labels(self) -> dict[str, Label]:
        """Every label that a page of the book defines."""
        documents = [
            *sorted(self.root.glob("book/*.md")),
            *sorted(self.root.glob("notebooks/*.md")),
        ]
        found: dict[str, Label] = {}
        for file in documents:
            document = file.relative_to(self.root).with_suffix("").as_posix()
            found |= {label.lower(): entry for label, entry in self._labels_of(file, document)}
        return found

    def _labels_of(self, file: Path, document: str) -> Iterator[tuple[str, Label]]:
        chapter = self.numbered.get(document)
        counts = {"equation": 0, "figure": 0}

        def number(kind: str) -> str:
            counts[kind] += 1
            return f"{chapter}.{counts[kind]}" if chapter else str(counts[kind])

        for cell in jupytext.read(file, fmt="md:myst").cells:
            if cell.cell_type == "code":
                if live := LIVE.search(cell.source):
                    due = number("figure")
                    if live[1] != due:
                        raise LookupError(f"{file.name}: live figure {live[1]} is number {due}")
                if figure := cell.metadata.get("mystnb", {}).get("figure"):
                    shown = f"Figure {number('figure')}"
                    if name := figure.get("name"):
                        yield name, Label(shown, document, name)
                continue
            pending: list[str] = []
            for block in walk(cell.source):
                if isinstance(block, Target):
                    pending.append(block.label)
                elif isinstance(block, Title):
                    names = [*pending, block.name] if block.name else pending
                    yield from ((name, Label(block.words, document, name)) for name in names)
                    pending = []
                elif isinstance(block, Directive) and block.name == "equation":
                    name = f"eq-{block.argument}"
                    yield name, Label(f"({number('equation')})", document, f"equation-{name}")
                elif isinstance(block, Directive) and block.name == "figure":
                    shown = f"Figure {number('figure')}"
                    if name := block.options.get("name"):
                        yield name, Label(shown, document, name)

    # Sources

    @cached_property
    def bibliography(self) -> BibliographyData:
        data = BibliographyData()
        for name in self.config.get("bibtex_bibfiles", []):
            data.add_entries(parse_file(self.root / name).entries.items())
        return data

    def entry(self, key: str) -> Entry:
        """The source cited as `key`. Raises `LookupError` when no .bib file has it."""
        if key not in self.bibliography.entries:
            raise LookupError(f"no source `{key}` in {', '.join(self.config['bibtex_bibfiles'])}")
        return self.bibliography.entries[key]

    def authors(self, key: str) -> str:
        """`Kingma and Welling`; from three authors on, `Rezende et al.`"""
        people = self.entry(key).persons.get("author") or self.entry(key).persons["editor"]
        names = [" ".join([*p.prelast_names, *p.last_names]) for p in people]
        words = f"{names[0]} *et al.*" if len(names) > 2 else " and ".join(names)
        return re.sub(r"[{}]", "", words)

    def year(self, key: str) -> str:
        return str(self.entry(key).fields["year"])

    def address(self, key: str) -> str:
        """Where the source can be read: its DOI, else its URL, else nothing."""
        fields = self.entry(key).fields
        if "doi" in fields:
            return f"https://doi.org/{fields['doi']}"
        return str(fields.get("url", ""))

    def references(self, keys: set[str]) -> str:
        """The list of sources, in the style in which the book prints them."""
        formatted = AuthorYear().format_bibliography(self.bibliography, sorted(keys))
        lines = (entry.text.render(Backend()).replace("\n", " ") for entry in formatted)
        # The back end escapes more than Markdown asks for.
        return "\n".join("- " + re.sub(r"\\([-.!()+#])", r"\1", line) for line in lines)
