"""The metaschemas of JSON Schema, for schemas that refer to them: nothing is ever fetched from the network."""

from importlib.resources import files

_PLACES = {
    "http://json-schema.org/draft-07/schema": "draft-07/schema.json",
    "https://json-schema.org/draft/2020-12/schema": "2020-12/schema.json",
}
_META = "https://json-schema.org/draft/2020-12/meta/"
_PARTS = (
    "applicator",
    "content",
    "core",
    "format-annotation",
    "format-assertion",
    "meta-data",
    "unevaluated",
    "validation",
)


def load(uri: str) -> str | None:
    """The JSON text of the schema document at `uri` (an empty fragment does no harm); None for any other URI."""
    uri = uri.removesuffix("#")
    place = _PLACES.get(uri)
    if place is None and uri.startswith(_META) and uri.removeprefix(_META) in _PARTS:
        place = f"2020-12/{uri.removeprefix(_META)}.json"
    return None if place is None else files(__name__).joinpath(place).read_text(encoding="utf-8")
