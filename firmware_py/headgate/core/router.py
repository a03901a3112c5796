"""Method and path -> handler. Patterns are a handful, so they are compared one after the other; nothing is compiled."""

from headgate.core.problem import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Router:
    """Patterns look like "/v1/streams/{stream}"; a last segment "{key*}" takes the rest of the path, slashes included.

    Paths are compared after percent-decoding; a parameter is never empty. HEAD falls back to GET's handler.
    """

    def __init__(self) -> None:
        self._routes: list[tuple[list[str], bool, dict[str, Any]]] = []

    def add(self, method: str, pattern: str, handler: "Any") -> None:
        segments = pattern[1:].split("/")
        rest = segments[-1].endswith("*}")
        if rest:
            segments[-1] = segments[-1][:-2] + "}"
        for known, known_rest, methods in self._routes:
            if known == segments and known_rest == rest:
                methods[method] = handler
                return
        self._routes.append((segments, rest, {method: handler}))

    def match(self, method: bytes, path: str) -> "tuple[Any, dict[str, str]]":
        """-> (handler, parameters). Raises Problem 404, or 405 with the Allow that RFC 9110 section 15.5.6 asks for."""
        parts = path[1:].split("/")
        for segments, rest, methods in self._routes:
            if len(parts) != len(segments) and not (rest and len(parts) > len(segments)):
                continue
            params = _bind(segments, rest, parts)
            if params is None:
                continue
            name = method.decode()
            handler = methods.get(name)
            if handler is None and name == "HEAD":
                handler = methods.get("GET")
            if handler is None:
                allowed = list(methods)
                if "GET" in methods and "HEAD" not in methods:
                    allowed.append("HEAD")
                allow = ", ".join(sorted(allowed)).encode()
                raise Problem(405, "method_not_allowed", headers=[(b"Allow", allow)])
            return handler, params
        raise Problem(404, "not_found", "no such resource; GET / lists what there is")


def _bind(segments: "list[str]", rest: bool, parts: "list[str]") -> "dict[str, str] | None":
    params: dict[str, str] = {}
    for index, segment in enumerate(segments):
        part = parts[index]
        if segment[:1] == "{":
            if rest and index == len(segments) - 1:
                part = "/".join(parts[index:])
            if not part:
                return None
            params[segment[1:-1]] = part
        elif segment != part:
            return None
    return params
