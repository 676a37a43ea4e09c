"""Atomic writes: a file is there whole or not at all, whatever kills the process."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from xkd_core.errors import XKDError

Value = TypeVar("Value")


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` through a temporary file in the same folder, flushed to the disk.

    Errors: XKDError when the disk is full or the folder cannot be written; an older file stays whole.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _readable(error, path) from error
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


def check_writable(folder: Path) -> None:
    """Errors: XKDError where ``folder`` could not be made or written into, said before the work and not after it."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(there, os.W_OK):
        raise XKDError(f"{folder} cannot be written to: {there} is read-only. Set XKD_CHECKPOINTS to another place.")


def cached(path: Path, write: Callable[[], object], read: Callable[[Path], Value]) -> Value:
    """What ``read`` makes of the file ``path``; where there is none, or a cut one, ``write`` makes it first."""
    if path.exists():
        try:
            return read(path)
        except Exception:  # each format has errors of its own, and whatever they are: a cache can be made again
            path.unlink(missing_ok=True)
    write()
    return read(path)


@contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Hold a lock beside ``path`` against other processes of this machine; killed ones let go of it.

    Errors: XKDError when the folder cannot be written.
    """
    lock = path.with_name(f"{path.name}.lock")
    with _locked(lock, path):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _locked(lock: Path, path: Path) -> IO[str]:
    """The file ``lock``, open and held. One that its last holder deleted in the meantime holds nobody back."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = lock.open("w")
        except OSError as error:
            raise _readable(error, path) from error
        fcntl.flock(handle, fcntl.LOCK_EX)
        if _is(lock, handle):
            return handle
        handle.close()


def _is(path: Path, handle: IO[str]) -> bool:
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


def remove_leftovers(path: Path) -> None:
    """Delete what processes killed while they wrote ``path`` left beside it."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        leftover.unlink(missing_ok=True)


def _readable(error: OSError, path: Path) -> XKDError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return XKDError(f"No space left to write {path.name}. Free some disk space and start again: it resumes.")
    return XKDError(f"Could not write {path.name}: {error.strerror}. Check that {path.parent} may be written to.")
