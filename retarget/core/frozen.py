"""Values that stay as they were made, and go through pickle that way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(Mapping[K, V]):
    """A dictionary that cannot be changed.

    Args:
        items: its content; it is copied.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[K, V]) -> None:
        self._items = dict(items)

    def __getitem__(self, key: K) -> V:
        return self._items[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(self._items)


class Remade:
    """Base of classes that pickle cannot copy, as they hold objects of the native core.

    They are pickled as the arguments they were made with, and made again from them.
    """

    _made_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **keywords: Any) -> Any:  # noqa: D102
        made = super().__new__(cls)
        made._made_with = args, keywords
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _remake, (type(self), *self._made_with)


def _remake(cls: type[Remade], args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    return cls(*args, **keywords)
