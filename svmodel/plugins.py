"""What other packages add, by entry points: estimators, checks, sources and sections; loaded when looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from svmodel.errors import UserError

_Thing = TypeVar("_Thing")


class Plugged(Mapping[str, _Thing]):
    """The things of one kind by name: the package's own first, then those of other packages.

    Parameters
    ----------
    own : mapping of str to object
    group : str
        Entry-point group of the others, such as ``"svmodel.estimators"``. One of a name that is taken already stands
        with its distribution in front: ``"their-package.Name"``.

    Examples
    --------
    >>> things = Plugged({"a": 1}, "svmodel.no_such_group")
    >>> list(things), things["a"]
    (['a'], 1)
    """

    def __init__(self, own: Mapping[str, _Thing], group: str) -> None:
        self._own = own
        self._points: dict[str, EntryPoint] = {}
        for point in sorted(entry_points(group=group), key=lambda p: (p.name, _giver(p))):
            taken = point.name in own or point.name in self._points
            self._points[f"{_giver(point)}.{point.name}" if taken else point.name] = point

    def __getitem__(self, name: str) -> _Thing:
        """Return the thing, loaded.

        Raises
        ------
        KeyError
            If there is none of that name.
        UserError
            If it comes from another package and cannot be loaded.
        """
        if name in self._own:
            return self._own[name]
        point = self._points[name]
        try:
            found: _Thing = point.load()
        except Exception as error:  # whatever another package does wrong is told with that package's name
            raise UserError(
                f"{name!r} comes from the package {_giver(point)!r} and cannot be loaded: "
                f"{type(error).__name__}: {error}. Mend or remove that package."
            ) from error
        return found

    def __iter__(self) -> Iterator[str]:
        return iter([*self._own, *self._points])

    def __len__(self) -> int:
        return len(self._own) + len(self._points)

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._points


def _giver(point: EntryPoint) -> str:
    return "an unknown package" if point.dist is None else str(point.dist.name)
