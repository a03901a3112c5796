"""Bounds of a small board where they differ from headgate.limits: what exists once per connection, above all.

The packer (headgate_host.micro_pack) writes these numbers into the code; from source, `apply` sets them. Call it before
the modules that read them are imported.
"""

from headgate import limits

READ_CHUNK = 512
HTTP_HEAD = 2048
HTTP_LINE = 1536
HTTP_HEADERS = 32
TOKEN = 1024
MEMORY_KEYS = 16  # 20 bytes for each

GC_THRESHOLD = 4096  # bytes allocated between collections: small steps keep the heap in one piece


def apply() -> None:
    limits.READ_CHUNK = READ_CHUNK
    limits.HTTP_HEAD = HTTP_HEAD
    limits.HTTP_LINE = HTTP_LINE
    limits.HTTP_HEADERS = HTTP_HEADERS
    limits.TOKEN = TOKEN
    limits.MEMORY_KEYS = MEMORY_KEYS
