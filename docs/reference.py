"""Owns the pages that nobody writes: the Python reference out of docstrings, that of the command line out of `--help`.

A hook of MkDocs, but what it makes is plain Markdown: `python_page()` and `command_page()` serve another generator too.
The sources are read, not imported, so that signatures are shown as they are written.
"""

from __future__ import annotations

import ast
import os
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1] / "python" / "workos_importer"

#: Where each page goes, and what makes it.
PYTHON_PAGE, COMMAND_PAGE = "reference/python.md", "reference/command-line.md"

# What is not named here comes under its own heading at the end: a new name is never missing.
_GROUPS = {
    "Importing": ("Importer", "OrganizationRef", "ImportRun", "frame_rule"),
    "Before anything is sent": ("ValidationReport", "DryRunReport", "Issue", "GivenBack", "Check", "DoctorReport"),
    "While it runs, and afterwards": (
        *("RowResult", "RowError", "Summary", "Started", "Stopped", "Progress", "Pace", "RunInfo", "Cause"),
    ),
    "Compared with the directory": ("Plan", "Changes", "Verification", "VerifiedRow", "ExtraMembership"),
    "One object at a time": (
        *("Directory", "AsyncDirectory", "Organizations", "Users", "Memberships", "Roles", "Invitations"),
        *("FeatureFlags", "ApiKeys", "Organization", "OrganizationDomain", "User", "Membership", "Role", "Invitation"),
        *("FeatureFlag", "ApiKey"),
    ),
    "Taking back": ("UndoPlan", "UndoRun", "UndoSummary", "Left"),
    "Rehearsing and testing": ("Sandbox", "KratosSandbox", "SandboxServer", "assert_importable"),
    "Exceptions": (
        *("ImporterError", "ConfigError", "SourceError", "AuthError", "APIError", "InDoubtError"),
        *("InputError", "ConflictError", "RunError", "RunLockedError"),
        *("SourceChangedError", "JournalError", "RowsFailedError"),
    ),
}

# What nobody imports from the package itself, but has in hand.
_HANDED_OUT = (
    *("assert_importable", "Organizations", "Users", "Memberships", "Roles", "Invitations", "FeatureFlags", "ApiKeys"),
)

_INTRODUCTION = """# Python reference

Everything here is in `workos_importer`, typed and with docstrings; `assert_importable` is in `workos_importer.testing`.
Each example runs as it is. [Python](../python.md) shows how the parts belong together.
"""

_COMMAND_INTRODUCTION = """# Command line reference

What each command says of itself with `--help`. [Command line](../command-line.md) has what is printed, the files, and
the exit codes.
"""


@dataclass
class _Module:
    """One source file, parsed."""

    lines: list[str]
    tree: ast.Module


@dataclass
class _Members:
    """What a class has that is public, its private bases' included."""

    attributes: dict[str, str] = field(default_factory=dict)
    methods: dict[str, tuple[ast.FunctionDef | ast.AsyncFunctionDef, _Module]] = field(default_factory=dict)


class _Package:
    """All sources, and where each class is in them."""

    def __init__(self) -> None:
        """Reads and parses them."""
        self.modules = {path.name: _Module(*_parsed(path)) for path in sorted(PACKAGE.glob("*.py*")) if path.is_file()}
        self.defined: dict[str, tuple[ast.ClassDef | ast.FunctionDef, _Module]] = {}
        self.aliases: dict[str, str] = {}
        for module in self.modules.values():
            for node in module.tree.body:
                if isinstance(node, ast.ClassDef | ast.FunctionDef):
                    self.defined[node.name] = (node, module)
                elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    self.aliases[node.targets[0].id] = ast.unparse(node.value)

    def public(self) -> list[str]:
        """The public names, as the package lists them."""
        assignments = (one for one in self.modules["__init__.py"].tree.body if isinstance(one, ast.Assign))
        listed = next(one.value for one in assignments if ast.unparse(one.targets[0]) == "__all__")
        return [name for name in [*ast.literal_eval(listed), *_HANDED_OUT] if name in self.defined]

    def members(self, node: ast.ClassDef, module: _Module) -> _Members:
        """The public members; those of the class itself come before those of its bases."""
        found = _Members()
        for one in node.body:
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.target.id[0] != "_":
                kind = ast.unparse(one.annotation)
                if not kind.startswith("ClassVar"):
                    found.attributes[one.target.id] = f"(`{kind}`): {_said_above(one, module)}".rstrip(": ")
            elif isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name[0] != "_":
                if any(ast.unparse(decorator) == "property" for decorator in one.decorator_list):
                    kind = "" if one.returns is None else f"(`{ast.unparse(one.returns)}`): "
                    found.attributes[one.name] = kind + " ".join((ast.get_docstring(one) or "").split())
                else:
                    found.methods[one.name] = (one, module)
        for base in node.bases:
            # Public bases have entries of their own.
            if isinstance(base, ast.Name) and base.id in self.defined and base.id not in self.public():
                parent, place = self.defined[base.id]
                if isinstance(parent, ast.ClassDef):
                    inherited = self.members(parent, place)
                    found.attributes = inherited.attributes | found.attributes
                    found.methods |= {name: one for name, one in inherited.methods.items() if name not in found.methods}
        return found


def python_page() -> str:
    """Every public name with its signature, its docstring, its attributes and its methods."""
    package = _Package()
    grouped = {name for names in _GROUPS.values() for name in names}
    rest = tuple(name for name in package.public() if name not in grouped)
    parts = [_INTRODUCTION]
    for title, names in [*_GROUPS.items(), ("More", rest)]:
        there = [name for name in names if name in package.defined]
        if there:
            parts.append(f"## {title}\n")
            parts += [part for name in there for part in _entry(name, package)]
    page = "\n".join(parts)
    aliases = [
        f"- `{name}` = `{text}`"
        for name, text in sorted(package.aliases.items())
        if name[0].isupper() and not name.isupper() and re.search(rf"\b{name}\b", page)
    ]
    return page + "\n## Types in the signatures\n\n" + "\n".join(aliases) + "\n"


def _entry(name: str, package: _Package) -> Iterator[str]:
    node, module = package.defined[name]
    yield f"### {name}\n"
    if isinstance(node, ast.FunctionDef):
        yield _signature(node, name, module)
        yield _markdown(node)
        return
    bases = [ast.unparse(base) for base in node.bases if ast.unparse(base) in package.public()]
    if bases:
        yield f"Is one: `{bases[0]}`.\n"
    yield _markdown(node)
    yield from _making(node, module)
    members = package.members(node, module)
    if members.attributes:
        yield "\n".join(f"- `{attribute}` {text}" for attribute, text in members.attributes.items()) + "\n"
    for method, (one, place) in members.methods.items():
        yield f"#### {name}.{method}\n"
        yield _signature(one, method, place)
        yield _markdown(one)


def _making(node: ast.ClassDef, module: _Module) -> Iterator[str]:
    """How it is made, if users make it; the kinds, if it is an exception."""
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and one.name in ("__init__", "__new__"):
            text = ast.get_docstring(one) or ""
            if not text.startswith("Made by"):
                yield _signature(one, node.name, module)
                yield _markdown(one)
        kinds = one.value if isinstance(one, ast.Assign | ast.AnnAssign) else None
        target = one.targets[0] if isinstance(one, ast.Assign) else getattr(one, "target", None)
        if kinds is not None and isinstance(target, ast.Name) and target.id == "KINDS":
            yield "Kinds: " + ", ".join(f"`{kind}`" for kind in ast.literal_eval(kinds)) + "\n"


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, module: _Module) -> str:
    """The signature as it is written, under this name; a class's without what it returns."""
    # A stub without a docstring has its body on the last line of the signature.
    end = max(node.body[0].lineno - 1, node.lineno)
    text = textwrap.dedent("\n".join(module.lines[node.lineno - 1 : end])).removesuffix(" ...").removesuffix(":")
    text = re.sub(r"^(async )?def \w+", rf"\g<1>{name}" if node.name != "__init__" else name, text)
    text = re.sub(r"\(\s*(?:self|cls)(?:,\s*(?=[^\s])|\b)", lambda found: "(" + _break(found[0]), text, count=1)
    if name[0].isupper():
        text = re.sub(r" -> \S+$", "", text)
    return f"```python\n{text}\n```\n"


def _break(before: str) -> str:
    """The line break and the indentation after what was left out, if there was one."""
    return "\n    " if "\n" in before else ""


def _markdown(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The docstring, with its examples as blocks."""
    text = ast.get_docstring(node) or ""
    return re.sub(r"(?m)^>>> (?:.+\n?)+", lambda found: f"```pycon\n{found[0].rstrip()}\n```", text) + "\n"


def _said_above(node: ast.AnnAssign, module: _Module) -> str:
    """The `#:` comment above an attribute."""
    said: list[str] = []
    for line in reversed(module.lines[: node.lineno - 1]):
        if not line.strip().startswith("#:"):
            break
        said.insert(0, line.strip().removeprefix("#:").strip())
    return " ".join(said)


def _parsed(path: Path) -> tuple[list[str], ast.Module]:
    text = path.read_text(encoding="utf-8")
    return text.splitlines(), ast.parse(text)


def command_page() -> str:
    """What each command prints with `--help`."""
    # In one width and without colours, wherever it is made.
    before = {name: os.environ.get(name) for name in ("COLUMNS", "NO_COLOR")}
    os.environ.update(COLUMNS="100", NO_COLOR="1")
    try:
        from workos_importer import cli
        from workos_importer.cli.streams import Streams

        parts = [_COMMAND_INTRODUCTION, _help(cli._parser(None, Streams()))]
        for name in cli._COMMANDS:
            command = _below(cli._parser(name, Streams()))[name]
            parts += [f"## {name}\n", _help(command)]
            parts += [f"### {name} {below}\n\n{_help(one)}" for below, one in _below(command).items()]
    finally:
        for variable, value in before.items():
            if value is None:
                del os.environ[variable]
            else:
                os.environ[variable] = value
    return "\n".join(parts)


def _below(parser: Any) -> dict[str, Any]:
    """The parsers of a parser's own commands, by name."""
    found: dict[str, Any] = {}
    for action in parser._actions:
        if isinstance(action.choices, dict):
            found |= action.choices
    return found


def _help(parser: Any) -> str:
    return f"```text\n{textwrap.dedent(parser.format_help()).rstrip()}\n```\n"


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Adds the pages to those that are written by hand. Called by MkDocs."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PYTHON_PAGE, content=python_page()))
    files.append(File.generated(config, COMMAND_PAGE, content=command_page()))
    return files
