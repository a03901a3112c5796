"""Records for the configuration: to their users what frozen dataclasses with keyword arguments are.

A dataclass is made by compiling seven functions for each class at each start; those of the configuration took a sixth
of it.
"""

from typing import Any, ClassVar, NoReturn, Self, dataclass_transform

REQUIRED = object()  # as a default: a value must be given


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record:
    """A subclass's annotated names are its fields, what is assigned to them the defaults. Equal to one of the same
    class with the same values."""

    DEFAULTS: ClassVar[dict[str, object]] = {}  # of the fields, in their order

    def __init_subclass__(cls) -> None:
        cls.DEFAULTS = {name: vars(cls).get(name, REQUIRED) for name in cls.__annotations__}

    def __init__(self, **values: Any) -> None:
        found = {**self.DEFAULTS, **values}
        wrong = [name for name, value in found.items() if value is REQUIRED or name not in self.DEFAULTS]
        if wrong:
            raise TypeError(f"{type(self).__name__}: missing or unknown: {', '.join(wrong)}")
        self.__dict__.update(found)

    def replace(self, **changes: Any) -> Self:
        """A copy with other values for these fields."""
        return type(self)(**{**self.__dict__, **changes})

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"
