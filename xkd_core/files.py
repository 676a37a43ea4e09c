"""Atomic writes: a file is there whole or not at all, whatever kills the process."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from xkd_core.errors import XKDError


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` through a temporary file in the same folder, flushed to the disk.

    Errors: XKDError when the disk is full or the folder cannot be written; an older file stays whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise _readable(error, path) from error
    finally:
        Path(name).unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Delete what processes killed while they wrote ``path`` left beside it."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        leftover.unlink(missing_ok=True)


def _readable(error: OSError, path: Path) -> XKDError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return XKDError(f"No space left to write {path.name}. Free some disk space and start again: it resumes.")
    return XKDError(f"Could not write {path.name}: {error.strerror}. Check that {path.parent} may be written to.")
