"""A small process: what must be said before the large libraries are imported (docs/reference/benchmarks.md)."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


_ARENAS = -8
"""M_ARENA_MAX of malloc.h."""
LEAN = f"{sys.implementation.cache_tag}-lean"
"""The tag in the names of bytecode without docstrings, as `cpython-311` is of the usual."""


def without_docstrings() -> None:
    """Import from here on what was compiled without docstrings, where it was (`shoptwin.daemon.bytecode`): 4 MB less.

    What was not is imported as ever. `python -OO` would leave asserts away as well, and asyncua asserts what a server
    may get wrong.
    """
    if lean_bytecode():
        sys.implementation.cache_tag = LEAN


def lean_bytecode() -> bool:
    """Tell whether there is bytecode without docstrings, of this shoptwin and of the standard library."""
    sources = Path(__file__), Path(contextlib.__file__).parent / "asyncio" / "base_events.py"
    return all(_stands(lean_place(source), source) for source in sources)


def lean_place(source: Path) -> Path:
    """Return where the bytecode without docstrings of a source stands."""
    return Path(cache_from_source(source, optimization="")).with_name(f"{source.stem}.{LEAN}.pyc")


def _stands(cached: Path, source: Path) -> bool:
    return cached.exists() and cached.stat().st_mtime >= source.stat().st_mtime


def import_lean() -> None:
    """Import what would bring more with it than the daemon uses; to be called before anything else imports it.

    structlog imports rich, and with it pygments and attrs, to draw tracebacks that the daemon never draws: 5 MB.
    glibc gives each thread a heap of its own, with holes of its own; Python's lock lets one thread run at a time.
    numpy's linear algebra starts a thread with buffers of its own for each core, for matrices larger than any of ours.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if (choose := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:  # glibc has it
        choose(_ARENAS, 1)
    with absent("rich"):
        import structlog  # noqa: F401, PLC0415 - here, so that it does not find rich


@contextlib.contextmanager
def absent(package: str) -> Iterator[None]:
    """Let imports of a package fail as if it were not installed, unless somebody has imported it already."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # the import system's own way to say so
    try:
        yield
    finally:
        del sys.modules[package]


def settle() -> None:
    """Call when everything has been made that stays: from now on the collector of cycles looks at what came later.

    Connections that are lost leave rings of objects behind (asyncio's transports, tracebacks). Python looks for them in
    old generations only once the heap has grown by a quarter: on a small box with devices that come and go that looks
    like a leak. What is frozen here need not be looked at again, so that `tidy` costs a few milliseconds.
    """
    gc.collect()
    gc.freeze()


def tidy() -> None:
    """Free what only the collector of cycles finds, and give back what the allocator holds; to be called now and then.

    Receive buffers come and go among what stays, with each connection: the heap grows by the holes between them.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)
