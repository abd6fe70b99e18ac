"""Write the bytecode that a lean daemon starts from: `python -m shoptwin.daemon.bytecode`, by whoever installs it.

All is imported once that the daemon may ever import, the standard library's modules too, and each is compiled as ever
but for its docstrings.
"""

from __future__ import annotations

import ast
import marshal
import sys
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from pkgutil import walk_packages

from shoptwin.acquire.registry import ENTRY_POINTS
from shoptwin.runtime.lean import import_lean, lean_place

LARGE = ("onnxruntime", "asyncua", "numpy.ma")
"""What functions import once it is needed."""
KEPT = ("shoptwin.cli", "numpy")
"""Whose docstrings are used: of the commands for `--help`, of numpy by numpy.ma, which makes its own of them."""
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def main() -> int:
    """Compile all; return 1 where it cannot be written."""
    import_lean()
    for name in ("shoptwin.daemon", KEPT[0], *(point.module for point in entry_points(group=ENTRY_POINTS)), *LARGE):
        package = import_module(name)
        if name not in LARGE:
            for each in walk_packages(getattr(package, "__path__", ()), f"{name}."):
                import_module(each.name)
    try:
        for name, module in sorted(sys.modules.items()):
            source = getattr(module, "__file__", None) or ""
            if source.endswith(".py"):
                _compile(Path(source), stripped=not name.startswith(KEPT))
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}\n"  # noqa: T201 - a command of its own
              "cure: Run this as the user who installed shoptwin", file=sys.stderr)  # fmt: skip
        return 1
    return 0


def _compile(source: Path, *, stripped: bool) -> None:
    """Write the bytecode of one module: a header by which Python sees whether it is of this source (PEP 552), code."""
    told, tree = source.stat(), ast.parse(source.read_bytes(), str(source))
    if stripped:
        strip(tree)
    code = compile(tree, str(source), "exec", dont_inherit=True, optimize=0)
    words = (0, int(told.st_mtime), told.st_size)
    header = MAGIC_NUMBER + b"".join((word & 0xFFFFFFFF).to_bytes(4, "little") for word in words)
    place = lean_place(source)
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f"{place.name}.new")
    beside.write_bytes(header + marshal.dumps(code))
    beside.replace(place)


def strip(tree: ast.Module) -> None:
    """Take the docstrings of a module, its classes and its functions out of its syntax tree."""
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body[:] = node.body[1:] or [ast.copy_location(ast.Pass(), node.body[0])]


if __name__ == "__main__":
    raise SystemExit(main())
