"""References to documents: RFC 3986 section 5, as far as `$id` and `$ref` need it. Portable."""


def split(uri: str) -> "tuple[str, str]":
    """The URI without its fragment, and the fragment ("" also if there is none)."""
    before, _, fragment = uri.partition("#")
    return before, fragment


def join(base: str, reference: str) -> str:
    """`reference` resolved against the absolute URI `base` (section 5.2.2), without fragment; against "" it stays."""
    reference = split(reference)[0]
    if not reference:
        return split(base)[0]
    if _scheme(reference):
        return reference
    scheme = _scheme(base)
    if reference[:2] == "//":
        return scheme + reference
    rest = split(base)[0][len(scheme) :]
    authority = ""
    if rest[:2] == "//":
        end = rest.find("/", 2)
        query = rest.find("?", 2)
        if end < 0 or 0 <= query < end:
            end = query if query >= 0 else len(rest)
        authority = rest[:end]
        rest = rest[end:]
    path, mark, query_text = rest.partition("?")
    if reference[0] == "?":
        return scheme + authority + path + reference
    if reference[0] != "/":
        reference = (path[: path.rfind("/") + 1] or ("/" if authority else "")) + reference
    path, mark, query_text = reference.partition("?")
    return scheme + authority + _without_dots(path) + mark + query_text


def _scheme(uri: str) -> str:
    """`https:` with its colon, or ""."""
    colon = uri.find(":")
    if colon <= 0:
        return ""
    for char in "/?#":
        if 0 <= uri.find(char) < colon:
            return ""
    return uri[: colon + 1]


def _without_dots(path: str) -> str:
    """Section 5.2.4."""
    out: list[str] = []
    segments = path.split("/")
    for i in range(len(segments)):
        segment = segments[i]
        last = i == len(segments) - 1
        if segment == "..":
            if len(out) > 1:
                out.pop()
            if last:
                out.append("")
        elif segment == ".":
            if last:
                out.append("")
        else:
            out.append(segment)
    return "/".join(out)
