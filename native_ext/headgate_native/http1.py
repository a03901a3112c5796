"""RequestParser in C, with the events and the exception of its pure twin: alone needs the package headgate."""

from headgate.core.http1 import END, NEED_DATA
from headgate.core.problem import Problem
from headgate_native._native import Request, RequestParser, set_http1

set_http1(NEED_DATA, END, Problem)

__all__ = ["Request", "RequestParser"]
