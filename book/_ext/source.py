"""Finding a function or a test in the repository by reading its text; nothing is imported.

`find_object(root, "gencourse.families.vae.elbo")` and `find_test(root, "tests/x.py::test_y")`
answer with the file and the lines. A name that a package merely re-exports is followed to where
it lives. A name that is not there raises `LookupError`, which says what was looked for.
"""

import ast
import textwrap
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

__all__ = ["Found", "find_object", "find_test"]


@dataclass(frozen=True)
class Found:
    """A function, class or method: where it stands, and what it is called there."""

    path: str  # relative to the repository's root, with slashes
    name: str  # dotted within the file, as in "VAE.loss"
    first: int  # lines, counted from 1, decorators included
    last: int
    docstring: tuple[int, int] | None

    def lines(self, root: Path, *, docstring: bool = True) -> str:
        """The object's source, dedented; without its docstring if so asked."""
        lines = (root / self.path).read_text(encoding="utf8").splitlines()
        kept = lines[self.first - 1 : self.last]
        if self.docstring and not docstring:
            start, end = (n - self.first for n in self.docstring)
            kept = kept[:start] + kept[end + 1 :]
        return textwrap.dedent("\n".join(kept)).strip("\n")


@lru_cache(maxsize=256)
def _parse(path: Path, _stamp: int) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf8"), filename=str(path))


def parse(path: Path) -> ast.Module:
    return _parse(path, path.stat().st_mtime_ns)


def _found(path: str, name: str, node: ast.AST) -> Found:
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    docstring = None
    if ast.get_docstring(node, clean=False) is not None:
        docstring = (node.body[0].lineno, node.body[0].end_lineno or node.body[0].lineno)
    return Found(path, name, first, node.end_lineno or node.lineno, docstring)


def _definition(body: list[ast.stmt], name: str) -> ast.AST | None:
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return next((s for s in body if isinstance(s, definitions) and s.name == name), None)


def _descend(tree: ast.Module, names: list[str]) -> ast.AST | None:
    node: ast.AST = tree
    for name in names:
        inner = _definition(getattr(node, "body", []), name)
        if inner is None:
            return None
        node = inner
    return node


def _module_file(root: Path, parts: list[str]) -> Path | None:
    stem = root.joinpath(*parts)
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None


def _reexport(tree: ast.Module, package: list[str], name: str) -> list[str] | None:
    """Where `from .module import name` in a package says that the name comes from."""
    for statement in tree.body:
        if not isinstance(statement, ast.ImportFrom):
            continue
        for alias in statement.names:
            if (alias.asname or alias.name) == name:
                base = package[: len(package) - statement.level + 1] if statement.level else []
                return [*base, *(statement.module or "").split("."), alias.name]
    return None


def find_object(root: Path, dotted: str) -> Found:
    """Find `package.module.Class.method` under `root`."""
    parts = [part for part in dotted.split(".") if part]
    for cut in range(len(parts) - 1, 0, -1):
        file = _module_file(root, parts[:cut])
        if file is None:
            continue
        tree, names = parse(file), parts[cut:]
        path = file.relative_to(root).as_posix()
        if (node := _descend(tree, names)) is not None:
            return _found(path, ".".join(names), node)
        package = parts[:cut] if file.name == "__init__.py" else parts[: cut - 1]
        elsewhere = _reexport(tree, package, names[0])
        if elsewhere and elsewhere != parts[:cut] + names[:1]:
            return find_object(root, ".".join([*elsewhere, *names[1:]]))
        raise LookupError(f"{path} defines no `{'.'.join(names)}` (asked for as `{dotted}`)")
    raise LookupError(f"no module in the repository begins the name `{dotted}`")


def find_test(root: Path, identifier: str) -> Found:
    """Find `tests/file.py::test_name` or `tests/file.py::TestClass::test_name` under `root`."""
    path, *names = identifier.split("::")
    if not names:
        raise LookupError(f"`{identifier}` names no test: write it as tests/file.py::test_name")
    file = root / path
    if not file.is_file():
        raise LookupError(f"there is no file {path} (asked for as `{identifier}`)")
    if not names[-1].startswith("test"):
        raise LookupError(f"`{names[-1]}` is not a test: pytest collects names that begin `test`")
    node = _descend(parse(file), names)
    if node is None:
        raise LookupError(f"{path} defines no `{'::'.join(names)}`")
    return _found(path, ".".join(names), node)
