"""Writing files so that nothing half-written ever looks finished; and names that any file system takes.

Everything is written beside its place under a hidden name, forced to disk, and renamed. A full disk
or a folder that cannot be written gives one :class:`~svmodel.errors.OutputError` and leaves nothing.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from svmodel.errors import OutputError

_PARTIAL = ".part-"
_WHY = {
    errno.ENOSPC: ("the disk is full", "Free some space, or choose another place with --out."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space, or choose another place with --out."),
    errno.EFBIG: ("the file is larger than the system allows", "Raise the limit on file size."),
    errno.EACCES: ("permission is denied", "Choose a folder that you may write to."),
    errno.EPERM: ("the system does not permit it", "Choose a folder that you may write to."),
    errno.EROFS: ("the place is read-only", "Choose a folder that you may write to."),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "Choose another folder, or move that file."),
    errno.EEXIST: ("a part of the path is a file, not a folder", "Choose another folder, or move that file."),
    errno.EISDIR: ("it is a folder, not a file", "Choose another name."),
    errno.ENOENT: ("the folder cannot be made", "Choose another folder."),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter one."),
}


def _output_error(path: Path, error: OSError) -> OutputError:
    why, fix = _WHY.get(error.errno or 0, (error.strerror or str(error), "Choose another place."))
    return OutputError(f"cannot write {path}: {why}. {fix}")


def _make_parent(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _output_error(path, error) from error


def _sync_folder(folder: Path) -> None:
    # Not every file system lets a folder be synced; the rename has then been done all the same.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file that appears under `path` only when the block ends well.

    Parameters
    ----------
    path : str or Path
        Where the file shall stand; folders above it are made.

    Yields
    ------
    binary file
        To write into.

    Raises
    ------
    OutputError
        One line: what could not be written, where, why and what to do. Nothing is left behind.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_file(pathlib.Path(folder) / "a.txt") as file:
    ...         _ = file.write(b"whole")
    ...     (pathlib.Path(folder) / "a.txt").read_bytes()
    b'whole'
    """
    path = Path(path)
    _make_parent(path)
    temporary: Path | None = None
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a directory")
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}{_PARTIAL}")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise _output_error(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def atomic_write_bytes(path: str | Path, data: bytes) -> None:
    """Write bytes to `path`, whole or not at all.

    Raises
    ------
    OutputError
        As :func:`atomic_file`.
    """
    with atomic_file(path) as file:
        file.write(data)


def atomic_write_text(path: str | Path, text: str) -> None:
    r"""Write text to `path` in UTF-8 with ``\n`` line ends, whole or not at all.

    Raises
    ------
    OutputError
        As :func:`atomic_file`.
    """
    atomic_write_bytes(path, text.encode())


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Fill a folder that appears under `path` only when the block ends well.

    A folder that stood there before is replaced as a whole; it stays as it was when the block fails.

    Parameters
    ----------
    path : str or Path
        Where the folder shall stand.

    Yields
    ------
    Path
        An empty folder beside it, to write into.

    Raises
    ------
    OutputError
        As :func:`atomic_file`. An error of the block itself passes through unchanged, unless it is a
        full disk, a denied permission or the like inside the folder.
    """
    path = Path(path)
    _make_parent(path)
    temporary: Path | None = None
    try:
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "not a directory")
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name[:80]}{_PARTIAL}"))
        yield temporary
        for file in sorted(temporary.rglob("*")):
            if file.is_file():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
        temporary.chmod(0o777 & ~_umask())
        _swap(temporary, path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        if temporary is not None and not _concerns(error, temporary):
            raise
        raise _output_error(path, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _concerns(error: OSError, folder: Path) -> bool:
    """Tell trouble with the output from trouble that a block had with some other file."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG):
        return True
    return error.filename is not None and Path(str(error.filename)).is_relative_to(folder)


def _swap(new: Path, place: Path) -> None:
    if not place.exists():
        new.replace(place)
        return
    old = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name[:80]}{_PARTIAL}"))
    place.replace(old)
    try:
        new.replace(place)
    except OSError:
        old.replace(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


#: What stands unchanged in the name of a file or folder: nothing that a file system, shell or address reads otherwise.
_PLAIN = re.compile(r"[A-Za-z0-9_(](?:[A-Za-z0-9 ._,'()&+-]*[A-Za-z0-9_,'()&+-])?")
#: Names that Windows keeps for devices, with whatever ending.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)\s*(?:\..*)?", re.IGNORECASE)
#: File systems take 255 bytes, of which endings and the marks of unfinished files need some.
_LONGEST, _KEPT = 120, 60


def path_name(text: str, digits: int = 8) -> str:
    """Return a name as that of one file or folder, which every file system takes and which leads nowhere else.

    The one door for names that come from data and study files: areas, outcomes, figures.

    Parameters
    ----------
    text : str
        Any text, the empty one too.
    digits : int
        Length of the hash.

    Returns
    -------
    str
        The text itself where it is plain: at most 120 letters, digits and common marks of ASCII, not one of Windows'
        devices, without a dot or blank at either end. Else what of it is plain, and a hash of all of it, so that two
        names do not become one. Names that differ in case alone are told apart by :func:`path_names`.

    Examples
    --------
    >>> path_name("E08000012"), path_name("violence w/ injury"), path_name("..")
    ('E08000012', 'violence-w-injury-05810b08', 'name-5ec1f7e7')
    """
    if len(text) <= _LONGEST and _PLAIN.fullmatch(text) and not _DEVICES.fullmatch(text):
        return text
    return _with_hash(text, digits)


def _with_hash(text: str, digits: int) -> str:
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", letters)[:_KEPT].strip("-")
    return f"{stem or 'name'}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:digits]}"


def path_names(texts: Iterable[str]) -> dict[str, str]:
    """Return names as those of files or folders that stand side by side, none of which replaces another.

    Parameters
    ----------
    texts : iterable of str
        All of them: some file systems take ``Ward`` and ``WARD`` for one, so that such names get a hash.

    Returns
    -------
    dict of str to str
        By text; the same for the same texts in any order.

    Examples
    --------
    >>> path_names(["Ward", "WARD", "N"])
    {'Ward': 'Ward-b311172d', 'WARD': 'WARD-4f003263', 'N': 'N'}
    """
    made = {text: path_name(text) for text in texts}
    for digits in (8, 16, 64):
        held = Counter(name.casefold() for name in made.values())
        twice = [text for text, name in made.items() if held[name.casefold()] > 1]
        made |= {text: _with_hash(text, digits) for text in twice}
    return made


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as held:
        return hashlib.file_digest(held, "sha256").hexdigest()


def clear_partial(folder: str | Path) -> int:
    """Remove what a killed run left unfinished directly in `folder`; return how many things that were.

    Only for a folder in which nothing else is writing.
    """
    folder = Path(folder)
    leftovers = (
        [p for p in folder.iterdir() if p.name.startswith(".") and _PARTIAL in p.name] if folder.is_dir() else []
    )
    for left in leftovers:
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
    return len(leftovers)
