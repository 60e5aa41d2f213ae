"""Completion that offers what users need, and not what else a class can do."""

from typing import ClassVar


class Offering(type):
    """Metaclass of classes that list only the names in `offered`.

    Shells complete by the names of an object's class and of its bases too, so that `__dir__` of an
    object would not do. Other names work as ever.
    """

    offered: ClassVar[tuple[str, ...]] = ()

    def __dir__(cls) -> list[str]:
        return [name for name in super().__dir__() if name in cls.offered or name[:2] == "__"]
