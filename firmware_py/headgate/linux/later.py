"""Modules that the standard library imports for everybody and that an appliance does not use: they are loaded when
somebody asks for more than what is known of them here. That saves 1.5 MB, and a tenth of a start's instructions.

`put_off` is for the command `headgate`, before it imports anything else; what is loaded already stays as it is.
"""

import _thread
import contextlib
import os
import sys
import types
from collections.abc import Iterator

_LOCK = _thread.allocate_lock()
_CO_COROUTINE = 0x80  # Include/cpython/code.h
_ANNOTATIONS = sys.version_info < (3, 14)  # are made with the class, and stand in its dictionary


class Later(types.ModuleType):
    """Stands for a module; `known`: what of it can be had without it."""

    def __init__(self, name: str, known: "dict[str, object]") -> None:
        super().__init__(name)
        self.__dict__.update(known)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # the import system looks at modules; that is no use of one
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        real = loaded(self.__name__)
        # The same object from now on, but for those who look it up in sys.modules.
        self.__dict__.update({key: value for key, value in vars(real).items() if not key.startswith("__")})
        return getattr(real, name)


def loaded(name: str) -> types.ModuleType:
    """The module itself."""
    with _LOCK:  # two threads may be the first to ask; not held for the import, which has locks of its own
        if isinstance(sys.modules.get(name), Later):
            del sys.modules[name]
    __import__(name)
    return sys.modules[name]


def _get_annotations(what: object, **options: bool) -> object:
    """Of a class, as dataclasses asks for them; everything else is for `inspect` to say."""
    if isinstance(what, type) and _ANNOTATIONS and not options:
        return dict(vars(what).get("__annotations__") or {})
    return loaded("inspect").get_annotations(what, **options)


def _iscoroutinefunction(what: object) -> bool:
    """Of a function or method, as asyncio asks of each handler of a signal."""
    if isinstance(what, types.MethodType):
        what = what.__func__
    if isinstance(what, types.FunctionType):
        return bool(what.__code__.co_flags & _CO_COROUTINE)
    return bool(loaded("inspect").iscoroutinefunction(what))


def _isfunction(what: object) -> bool:
    return isinstance(what, types.FunctionType)


def _unwrap(what: object, **options: object) -> object:
    """Of what is not wrapped, as asyncio asks whenever it describes a task."""
    return loaded("inspect").unwrap(what, **options) if options or hasattr(what, "__wrapped__") else what


KNOWN: "dict[str, dict[str, object]]" = {
    # argparse's texts; Python comes without translations of them. Brings `locale` along.
    "gettext": {"gettext": str, "ngettext": lambda one, more, count: one if count == 1 else more},
    # of asyncio and dataclasses; brings `ast` and `dis` along
    "inspect": {
        "get_annotations": _get_annotations,
        "iscoroutinefunction": _iscoroutinefunction,
        "isfunction": _isfunction,
        "unwrap": _unwrap,
    },
    "ipaddress": {},  # of urllib.parse
    "platform": {
        "python_implementation": lambda: "CPython",
        "system": lambda: os.uname().sysname,
    },  # of zstandard, paho
    "subprocess": {"PIPE": -1, "STDOUT": -2, "DEVNULL": -3},  # of asyncio
    "textwrap": {},  # of traceback
    "tokenize": {},  # of linecache
}


def put_off() -> None:
    for name, known in KNOWN.items():
        if name not in sys.modules:
            sys.modules[name] = Later(name, known)


@contextlib.contextmanager
def known(name: str, **more: object) -> "Iterator[None]":
    """Within, this too is known of a module that was put off; the module itself, once loaded, is left alone."""
    module = sys.modules.get(name)
    if not isinstance(module, Later):
        yield
        return
    module.__dict__.update(more)
    try:
        yield
    finally:
        if sys.modules.get(name) is module:
            for one in more:
                del module.__dict__[one]
