"""TLS contexts. `ssl` is imported inside: a process without TLS does without it (see lean.py)."""

from pathlib import Path
from typing import TYPE_CHECKING

from headgate import errors

if TYPE_CHECKING:
    import ssl

READ_MAX = 16384  # bytes


def server_context(cert: Path | None, key: Path | None) -> "ssl.SSLContext":
    """For the `https` listeners: TLS 1.2 and 1.3. Raises CommandError(MISSING) when the files cannot be used."""
    import asyncio.sslproto
    import ssl

    # asyncio reserves 256 KiB for each connection, 1024 of them would be all of a small board's memory. What it reads
    # at a time need not be more than one TLS record (RFC 8446 section 5.1).
    asyncio.sslproto.SSLProtocol.max_size = READ_MAX
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(str(cert), str(key))
    except (OSError, ssl.SSLError) as error:
        raise errors.CommandError(
            errors.MISSING, f"certificate {cert} or key {key} unusable: {error}", "Check [listen] tls_cert and tls_key"
        ) from None
    return context
