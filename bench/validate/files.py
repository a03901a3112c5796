"""Two files of half a megabyte in the shape of twitter.json and citm_catalog.json, which JSON parsers are measured
with: the first has text in many scripts, escapes and deep, wide objects;
the second long lists, integers and indentation."""

import copy
import json
import random
from collections.abc import Callable

from .workloads import BOOLEAN, DIALECT, FILE_COPIES, Workload, closed, dumps, integer, text

STATUSES = 155
PERFORMANCES = 190
EVENTS = 184
BIG = 2**53


def _nullable(schema: "dict[str, object]") -> "dict[str, object]":
    return {**schema, "type": [schema["type"], "null"]}


def _list(items: "dict[str, object]", most: int = 0) -> "dict[str, object]":
    return {"type": "array", "items": items, **({"maxItems": most} if most else {})}


# ── twitter ──

_INDICES = {"type": "array", "items": integer(0, 1000), "minItems": 2, "maxItems": 2}
_URL = text(200, 1, pattern="^https?://")
_STAMP = {"type": "string", "pattern": "^[A-Z][a-z]{2} [A-Z][a-z]{2} [0-9]{2} [0-9:]{8} \\+0000 [0-9]{4}$"}
_ID = integer(0, BIG * 1024)
_DIGITS = {"type": "string", "pattern": "^[0-9]+$"}
_COLOUR = {"type": "string", "pattern": "^[0-9A-F]{6}$"}
_LINK = closed({"url": _URL, "expanded_url": _URL, "display_url": text(100, 1), "indices": _INDICES})
_ENTITIES = closed(
    {
        "hashtags": _list(closed({"text": text(140, 1), "indices": _INDICES}), 20),
        "symbols": {"type": "array", "maxItems": 0, "items": integer(0, 0)},
        "urls": _list(_LINK, 20),
        "user_mentions": _list(
            closed(
                {"screen_name": text(15, 1), "name": text(20, 1), "id": _ID, "id_str": _DIGITS, "indices": _INDICES}
            ),
            20,
        ),
    }
)
_USER = closed(
    {
        "id": _ID,
        "id_str": _DIGITS,
        "name": text(20, 1),
        "screen_name": text(15, 1, pattern="^[A-Za-z0-9_]+$"),
        "location": text(60),
        "description": text(160),
        "url": _nullable(text(200)),
        "entities": closed({"description": closed({"urls": _list(_LINK, 8)})}),
        "protected": BOOLEAN,
        "followers_count": integer(0, BIG),
        "friends_count": integer(0, BIG),
        "listed_count": integer(0, BIG),
        "created_at": _STAMP,
        "favourites_count": integer(0, BIG),
        "utc_offset": _nullable(integer(-43200, 50400)),
        "time_zone": _nullable(text(40)),
        "geo_enabled": BOOLEAN,
        "verified": BOOLEAN,
        "statuses_count": integer(0, BIG),
        "lang": {"type": "string", "enum": ["ja", "en", "ko", "de", "zh-cn", "fr"]},
        "contributors_enabled": BOOLEAN,
        "is_translator": BOOLEAN,
        "is_translation_enabled": BOOLEAN,
        "profile_background_color": _COLOUR,
        "profile_background_image_url": _URL,
        "profile_background_image_url_https": _URL,
        "profile_background_tile": BOOLEAN,
        "profile_image_url": _URL,
        "profile_image_url_https": _URL,
        "profile_link_color": _COLOUR,
        "profile_text_color": _COLOUR,
        "profile_use_background_image": BOOLEAN,
        "default_profile": BOOLEAN,
        "default_profile_image": BOOLEAN,
        "following": BOOLEAN,
        "follow_request_sent": BOOLEAN,
        "notifications": BOOLEAN,
    }
)
_STATUS = closed(
    {
        "metadata": closed(
            {"result_type": {"type": "string", "enum": ["recent", "popular"]}, "iso_language_code": text(5, 2)}
        ),
        "created_at": _STAMP,
        "id": _ID,
        "id_str": _DIGITS,
        "text": text(280, 1),
        "source": text(200),
        "truncated": BOOLEAN,
        "in_reply_to_status_id": _nullable(_ID),
        "in_reply_to_status_id_str": _nullable({"type": "string"}),
        "in_reply_to_user_id": _nullable(_ID),
        "in_reply_to_user_id_str": _nullable({"type": "string"}),
        "in_reply_to_screen_name": _nullable({"type": "string"}),
        "user": _USER,
        "geo": {"type": "null"},
        "coordinates": {"type": "null"},
        "place": {"type": "null"},
        "contributors": {"type": "null"},
        "retweet_count": integer(0, BIG),
        "favorite_count": integer(0, BIG),
        "entities": _ENTITIES,
        "favorited": BOOLEAN,
        "retweeted": BOOLEAN,
        "possibly_sensitive": BOOLEAN,
        "lang": text(5, 2),
    },
    ("possibly_sensitive",),
)
TWITTER = {
    **DIALECT,
    **closed(
        {
            "statuses": {**_list(_STATUS, 1000), "minItems": 1},
            "search_metadata": closed(
                {
                    "completed_in": {"type": "number", "minimum": 0, "maximum": 60},
                    "max_id": _ID,
                    "max_id_str": _DIGITS,
                    "query": text(500),
                    "count": integer(1, 1000),
                    "since_id": _ID,
                }
            ),
        }
    ),
}

_SCRIPTS = [
    "名前に覚えのある方はいらっしゃいませんか一同ご指導のほどよろしくお願いいたします",
    "오늘도좋은하루되세요날씨가맑습니다",
    "Übergrößenträgerin fährt nach Köln und grüßt ",
    "the quick brown fox jumps over the lazy dog again ",
    'said "no" \\ then left\nand came back\t',
    "😀🚀🌧☂️ ",
]


def _words(rng: random.Random, length: int) -> str:
    """So many characters, of one or two scripts."""
    pool = rng.choice(_SCRIPTS) + rng.choice(_SCRIPTS)
    start = rng.randrange(len(pool))
    return ((pool[start:] + pool * (length // len(pool) + 1))[:length]) or "x"


def _stamp(rng: random.Random) -> str:
    return f"Sun Aug {rng.randrange(1, 32):02d} {rng.randrange(24):02d}:{rng.randrange(60):02d}:14 +0000 2014"


def _handle(rng: random.Random) -> str:
    return "".join(rng.choice("abcdefgh_XYZ0123") for _ in range(rng.randrange(5, 15)))


def _link(rng: random.Random) -> "dict[str, object]":
    address = f"example.org/{rng.getrandbits(40):x}"
    start = rng.randrange(100)
    return {
        "url": f"http://t.example/{rng.getrandbits(48):x}",
        "expanded_url": f"http://{address}",
        "display_url": address,
        "indices": [start, start + 22],
    }


def _user(rng: random.Random) -> "dict[str, object]":
    number = rng.randrange(BIG)
    image = f"//img.example/profile_images/{rng.getrandbits(60)}/{rng.getrandbits(32):x}_normal.jpeg"
    background = f"//img.example/images/themes/theme{rng.randrange(20)}/bg.png"
    return {
        "id": number,
        "id_str": str(number),
        "name": _words(rng, rng.randrange(4, 20)),
        "screen_name": _handle(rng),
        "location": _words(rng, rng.randrange(30)),
        "description": _words(rng, rng.randrange(160)),
        "url": rng.choice([None, f"http://t.example/{rng.getrandbits(40):x}"]),
        "entities": {"description": {"urls": [_link(rng) for _ in range(rng.randrange(2))]}},
        "protected": False,
        "followers_count": rng.randrange(100000),
        "friends_count": rng.randrange(5000),
        "listed_count": rng.randrange(500),
        "created_at": _stamp(rng),
        "favourites_count": rng.randrange(10000),
        "utc_offset": rng.choice([None, 32400, -25200]),
        "time_zone": rng.choice([None, "Irkutsk", "Tokyo"]),
        "geo_enabled": rng.choice([True, False]),
        "verified": False,
        "statuses_count": rng.randrange(100000),
        "lang": rng.choice(["ja", "en", "ko", "de"]),
        "contributors_enabled": False,
        "is_translator": False,
        "is_translation_enabled": rng.choice([True, False]),
        "profile_background_color": f"{rng.getrandbits(24):06X}",
        "profile_background_image_url": "http:" + background,
        "profile_background_image_url_https": "https:" + background,
        "profile_background_tile": rng.choice([True, False]),
        "profile_image_url": "http:" + image,
        "profile_image_url_https": "https:" + image,
        "profile_link_color": f"{rng.getrandbits(24):06X}",
        "profile_text_color": f"{rng.getrandbits(24):06X}",
        "profile_use_background_image": True,
        "default_profile": rng.choice([True, False]),
        "default_profile_image": False,
        "following": False,
        "follow_request_sent": False,
        "notifications": False,
    }


def _status(rng: random.Random) -> "dict[str, object]":
    number, reply, mentioned = rng.getrandbits(58), rng.choice([None, rng.getrandbits(58)]), rng.randrange(BIG)
    status: dict[str, object] = {
        "metadata": {"result_type": "recent", "iso_language_code": "ja"},
        "created_at": _stamp(rng),
        "id": number,
        "id_str": str(number),
        "text": _words(rng, rng.randrange(20, 280)),
        "source": '<a href="http://example.org/download/iphone" rel="nofollow">Example for iPhone</a>',
        "truncated": False,
        "in_reply_to_status_id": reply,
        "in_reply_to_status_id_str": None if reply is None else str(reply),
        "in_reply_to_user_id": None if reply is None else mentioned,
        "in_reply_to_user_id_str": None if reply is None else str(mentioned),
        "in_reply_to_screen_name": None if reply is None else _handle(rng),
        "user": _user(rng),
        "geo": None,
        "coordinates": None,
        "place": None,
        "contributors": None,
        "retweet_count": rng.randrange(1000),
        "favorite_count": rng.randrange(1000),
        "entities": {
            "hashtags": [{"text": _words(rng, 8), "indices": [3, 12]} for _ in range(rng.randrange(3))],
            "symbols": [],
            "urls": [_link(rng) for _ in range(rng.randrange(2))],
            "user_mentions": [
                {
                    "screen_name": _handle(rng),
                    "name": _words(rng, rng.randrange(3, 20)),
                    "id": mentioned,
                    "id_str": str(mentioned),
                    "indices": [0, 14],
                }
                for _ in range(rng.randrange(3))
            ],
        },
        "favorited": False,
        "retweeted": False,
        "lang": rng.choice(["ja", "en", "ko"]),
    }
    if rng.random() < 0.4:  # noqa: PLR2004 - some statuses have it
        status["possibly_sensitive"] = False
    return status


def _twitter_text(document: "dict[str, list[object]]") -> bytes:
    """One status in four is written with escapes only, as ASCII; slashes of the others are escaped, as Twitter does."""
    texts = []
    for i, status in enumerate(document["statuses"]):
        if i % 4 == 0:
            texts.append(json.dumps(status, separators=(",", ":")))
        else:
            texts.append(json.dumps(status, separators=(",", ":"), ensure_ascii=False).replace("/", "\\/"))
    meta = json.dumps(document["search_metadata"], separators=(",", ":"))
    return f'{{"statuses":[{",".join(texts)}],"search_metadata":{meta}}}'.encode()


def twitter() -> Workload:
    rng = random.Random(466906)  # noqa: S311 - the same documents everywhere
    documents: list[dict[str, list]] = []
    for _ in range(FILE_COPIES):
        statuses = [_status(rng) for _ in range(STATUSES)]
        meta = {
            "completed_in": 0.087,
            "max_id": statuses[0]["id"],
            "max_id_str": str(statuses[0]["id"]),
            "query": "%E4%B8%80",
            "count": STATUSES,
            "since_id": 0,
        }
        documents.append({"statuses": statuses, "search_metadata": meta})  # type: ignore[dict-item]

    def changed(index: int, name: str, value: object) -> bytes:
        document = copy.deepcopy(documents[0])
        document["statuses"][index][name] = value
        return _twitter_text(document)

    missing = copy.deepcopy(documents[0])
    del missing["statuses"][-1]["user"]["lang"]
    return Workload(
        "twitter",
        TWITTER,
        [_twitter_text(document) for document in documents],
        {
            "first item bad": changed(0, "truncated", None),
            "last item bad": changed(-1, "lang", "x"),
            "missing": _twitter_text(missing),
        },
    )


# ── citm: the catalogue of a concert hall, indented ──


def _keyed(value: "dict[str, object]") -> "dict[str, object]":
    """An object whose names are decimal ids."""
    return {"type": "object", "patternProperties": {"^[0-9]+$": value}, "additionalProperties": False}


_AREA = closed({"areaId": integer(1, BIG), "blockIds": _list(integer(0, BIG), 100)})
CITM = {
    **DIALECT,
    **closed(
        {
            "areaNames": _keyed(text(80, 1)),
            "audienceSubCategoryNames": _keyed(text(80, 1)),
            "events": _keyed(
                closed(
                    {
                        "description": {"type": "null"},
                        "id": integer(1, BIG),
                        "logo": _nullable(text(200)),
                        "name": text(200, 1),
                        "subTopicIds": _list(integer(1, BIG), 40),
                        "subjectCode": {"type": "null"},
                        "subtitle": {"type": "null"},
                        "topicIds": _list(integer(1, BIG), 40),
                    }
                )
            ),
            "performances": _list(
                closed(
                    {
                        "eventId": integer(1, BIG),
                        "id": integer(1, BIG),
                        "logo": _nullable(text(200)),
                        "name": {"type": "null"},
                        "prices": _list(
                            closed(
                                {
                                    "amount": integer(0, 10000000),
                                    "audienceSubCategoryId": integer(1, BIG),
                                    "seatCategoryId": integer(1, BIG),
                                }
                            ),
                            40,
                        ),
                        "seatCategories": _list(
                            closed({"areas": _list(_AREA, 60), "seatCategoryId": integer(1, BIG)}), 40
                        ),
                        "seatMapImage": {"type": "null"},
                        "start": integer(1, BIG),
                        "venueCode": {"type": "string", "enum": ["PLEYEL_PLEYEL", "MUSEUM", "HALL_B"]},
                    }
                ),
                1000,
            ),
            "subTopicNames": _keyed(text(80, 1)),
            "topicNames": _keyed(text(80, 1)),
            "venueNames": {"type": "object", "additionalProperties": text(80, 1)},
        }
    ),
}


def _performance(rng: random.Random, event: int) -> "dict[str, object]":
    categories = [338937000 + rng.randrange(500) for _ in range(rng.randrange(1, 4))]
    return {
        "eventId": event,
        "id": 339887544 + rng.randrange(1000000),
        "logo": rng.choice([None, "/images/UE0AAAAACEKo6QAAAAZDSVRN"]),
        "name": None,
        "prices": [
            {"amount": 250 * rng.randrange(20, 500), "audienceSubCategoryId": 337100890, "seatCategoryId": category}
            for category in categories
        ],
        "seatCategories": [
            {
                "areas": [
                    {"areaId": 205705990 + rng.randrange(20), "blockIds": []} for _ in range(rng.randrange(1, 9))
                ],
                "seatCategoryId": category,
            }
            for category in categories
        ],
        "seatMapImage": None,
        "start": 1372701600000 + 3600000 * rng.randrange(5000),
        "venueCode": "PLEYEL_PLEYEL",
    }


def _catalogue(rng: random.Random) -> "dict[str, object]":
    events = [138586341 + 7 * i for i in range(EVENTS)]
    return {
        "areaNames": {str(205705990 + i): f"1er balcon côté {i}" for i in range(20)},
        "audienceSubCategoryNames": {"337100890": "Abonné"},
        "events": {
            str(event): {
                "description": None,
                "id": event,
                "logo": rng.choice([None, "/images/UE0AAAAACEKo6QAAAAZDSVRN"]),
                "name": rng.choice(["30th Anniversary Tour", "Berliner Philharmoniker", "Pré-opéra « Don Juan »"]),
                "subTopicIds": [337184269 + rng.randrange(30) for _ in range(rng.randrange(1, 5))],
                "subjectCode": None,
                "subtitle": None,
                "topicIds": [107888604 + rng.randrange(30) for _ in range(rng.randrange(1, 4))],
            }
            for event in events
        },
        "performances": [_performance(rng, rng.choice(events)) for _ in range(PERFORMANCES)],
        "subTopicNames": {str(337184269 + i): f"Musique de chambre {i}" for i in range(30)},
        "topicNames": {str(107888604 + i): f"Thème {i}" for i in range(30)},
        "venueNames": {"PLEYEL_PLEYEL": "Salle Pleyel"},
    }


def _citm(name: str, write: Callable[[dict[str, object]], bytes]) -> Workload:
    rng = random.Random(1727204)  # noqa: S311 - the same documents everywhere
    catalogues = [_catalogue(rng) for _ in range(FILE_COPIES)]
    first = copy.deepcopy(catalogues[0])
    first["areaNames"]["205705990"] = 1  # type: ignore[index]
    last = copy.deepcopy(catalogues[0])
    last["venueNames"]["PLEYEL_PLEYEL"] = ""  # type: ignore[index]
    missing = copy.deepcopy(catalogues[0])
    del missing["performances"][-1]["start"]  # type: ignore[attr-defined]
    return Workload(
        name,
        CITM,
        [write(catalogue) for catalogue in catalogues],
        {"first item bad": write(first), "last item bad": write(last), "missing": write(missing)},
    )


def citm() -> Workload:
    """Indented by four, as the original is."""
    return _citm("citm", lambda catalogue: json.dumps(catalogue, indent=4, ensure_ascii=False).encode())


def citm_compact() -> Workload:
    return _citm("citm-compact", dumps)
