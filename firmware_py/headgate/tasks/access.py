"""What every handler asks of a request before it serves it: token, scope, rate, media type, preconditions."""

from headgate.core.jwt import Claims, TokenError, scope_allows
from headgate.core.problem import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from headgate.tasks.exchange import Exchange
    from headgate.tasks.gateway import Gateway

_SCHEME = b"bearer "


def authenticate(x: "Exchange", claims: "Claims | None" = None) -> "Claims":
    """The bearer token's claims; without a token, those of the TLS client certificate. Raises Problem 401 as RFC 6750
    section 3 wants it, naming the claim. `claims`: what they were when the request began, of one that goes on and on:
    judged again once they may have expired, or been revoked by a reload."""
    plan = x.gateway.plan
    if claims is not None and plan is x.plan and x.gateway.clock()[0] < claims.exp:
        return claims
    value = x.request.header(b"authorization")
    if value is None:
        scopes = plan.certificate_scopes
        identity = x.identity() if scopes else ""
        if identity:
            return Claims(identity, "", scopes, 0, b"{}")
        raise Problem(401, "missing_token", headers=[(b"WWW-Authenticate", b"Bearer")])
    if value[: len(_SCHEME)].lower() != _SCHEME:
        raise Problem(401, "missing_token", "the scheme is Bearer", headers=[(b"WWW-Authenticate", b"Bearer")])
    try:
        return plan.verifier.verify(value[len(_SCHEME) :].strip(b" "), *x.gateway.clock())
    except TokenError as error:
        detail = error.detail or error.code
        extra: dict[str, object] = {"reason": error.code}
        if error.claim:
            detail = error.claim + ": " + detail
            extra["claim"] = error.claim
        challenge = b'Bearer error="invalid_token", error_description="%s"' % detail.encode()
        headers = [(b"WWW-Authenticate", challenge)]
        raise Problem(401, "invalid_token", detail, headers=headers, extra=extra) from None


def require(claims: "Claims", action: str, name: str) -> None:
    """Raises Problem 403 unless the token has the scope action:name or action:*."""
    if not scope_allows(claims.scopes, action, name):
        raise insufficient(action + ":" + name)


def insufficient(scope: str) -> Problem:
    challenge = b'Bearer error="insufficient_scope", scope="%s"' % scope.encode()
    return Problem(403, "insufficient_scope", "needs " + scope, headers=[(b"WWW-Authenticate", challenge)])


def rate_limit(  # noqa: PLR0913, PLR0917 - the limiter's; a keyword costs a board a dict
    gateway: "Gateway", name: str, client: str, rate_milli: int, burst: int, cost: int = 1
) -> None:
    """Take `cost` tokens of `client`'s bucket `name`. Raises Problem 429 with Retry-After (RFC 9110 section 10.2.3) and
    the fields of draft-ietf-httpapi-ratelimit-headers: the policy, what is left of it, and when there will be more."""
    wait_ms, left = gateway.limiter.take(f"{name}\0{client}".encode(), rate_milli, burst, gateway.now_ms(), cost)
    if wait_ms:
        retry_s = b"%d" % ((wait_ms + 999) // 1000)
        policy = b'"%s";q=%d;w=%d' % (name.encode(), burst, (burst * 1000 + rate_milli - 1) // rate_milli)
        raise Problem(
            429,
            "rate_limited",
            f"wait {wait_ms} ms",
            headers=[
                (b"Retry-After", retry_s),
                (b"RateLimit-Policy", policy),
                (b"RateLimit", b'"%s";r=%d;t=%s' % (name.encode(), left, retry_s)),
            ],
        )


def whole(x: "Exchange") -> None:
    """Raises Problem 400 for a PUT of a part (RFC 9110 section 14.5): it would be taken for all there is."""
    if x.request.header(b"content-range") is not None:
        raise Problem(400, "bad_content_range", "a PUT replaces all there is: send it whole, without Content-Range")


def bare_type(x: "Exchange") -> bytes:
    """The request's media type, lower-case and without parameters; b"" when it names none."""
    return (x.request.header(b"content-type") or b"").partition(b";")[0].rstrip(b" \t").lower()


def media_type(x: "Exchange", accepted: "tuple[bytes, ...]") -> bytes:
    """`accepted_type`. Raises Problem 415, for a content coding as well, or 411 when no body was announced at all."""
    request = x.request
    if request.length == 0 and request.header(b"content-length") is None:
        raise Problem(411, "length_required", "send Content-Length, or Transfer-Encoding: chunked")
    coding = request.header(b"content-encoding")
    if coding is not None and coding.lower() != b"identity":
        raise Problem(
            415,
            "unsupported_media_type",
            "content codings are not supported",
            headers=[(b"Accept-Encoding", b"identity")],  # RFC 9110 section 12.5.3
        )
    return accepted_type(x, accepted)


def accepted_type(x: "Exchange", accepted: "tuple[bytes, ...]") -> bytes:
    """`bare_type`, if it is one of `accepted` (empty: any). Raises Problem 415."""
    kind = bare_type(x)
    if accepted and kind not in accepted:
        types = b", ".join(accepted)
        raise Problem(415, "unsupported_media_type", "send " + types.decode(), headers=[(b"Accept-Post", types)])
    return kind


def matches(field: bytes, etag: "bytes | None", weak: bool) -> bool:
    """RFC 9110 section 13.1: does If-Match (strong comparison) or If-None-Match (`weak`) name this ETag? None: there
    is no representation, which nothing matches, "*" neither."""
    if etag is None:
        return False
    for item in field.split(b","):
        tag = item.strip(b" \t")
        if tag in (b"*", etag) or (weak and tag == b"W/" + etag):
            return True
    return False


def check_preconditions(x: "Exchange", etag: "bytes | None") -> bool:
    """RFC 9110 section 13.2.2. Raises Problem 412; True: the answer is 304 (reads only)."""
    tag_field = [(b"ETag", etag)] if etag is not None else None
    value = x.request.header(b"if-match")
    if value is not None and not matches(value, etag, False):
        raise Problem(412, "precondition_failed", "If-Match", headers=tag_field)
    value = x.request.header(b"if-none-match")
    if value is not None and matches(value, etag, True):
        if x.request.method in (b"GET", b"HEAD"):
            return True
        raise Problem(412, "precondition_failed", "If-None-Match", headers=tag_field)
    return False
