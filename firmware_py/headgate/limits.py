"""Every bound of the appliance in one place: the number, its unit, and what happens when it is reached.

Portable: plain integers only. The C side has the same numbers in native_ext/core/limits.h (a test compares them).
"""

# HTTP/1.1 (core/http1.py). Over the limit: 431 (head), 414 (request line), 413 (body); the connection closes.
HTTP_HEAD = 8192  # bytes of request line and fields together
HTTP_LINE = 4096  # bytes of the request line or of one field line
HTTP_HEADERS = 64  # fields
HTTP_CHUNK_LINE = 256  # bytes of one chunk-size line, extensions included
HTTP_BODY = 262144  # bytes; the most a stream's `body_limit` may ask for

# Connections (tasks/gateway.py). A connection over the limit gets 503 and is closed.
CONNECTIONS = 1024
IDLE_MS = 75000  # keep-alive without a request: closed
HEAD_MS = 10000  # from the first byte of a head to its end: 408
BODY_MS = 30000  # without any byte of an announced body: 408
READ_CHUNK = 4096  # bytes asked of the socket at a time

# JSON, CBOR, schema. Over the limit: 400 (malformed) or 422, never a crash.
JSON_DEPTH = 32  # nested containers
JSON_NUMBER = 128  # characters of one number
CBOR_DEPTH = 32
CBOR_ITEMS = 65536  # items in one document
SCHEMA_ERRORS = 16  # violations reported for one document
SCHEMA_NODES = 4096  # subschemas; over it: refused at load
PATTERN_STATES = 1000  # automaton states of one pattern; over it: refused at load

# Tokens (core/jwt.py). Longer: 401.
TOKEN = 4096  # bytes

# Rate limiter (core/limiter.py). A full table evicts the least recently used bucket.
LIMITER_CLIENTS = 4096

# Cache (core/store.py). A value that cannot fit: 413; a full budget evicts (SIEVE).
CACHE_BYTES = 8388608
CACHE_VALUE = 65536  # bytes of one value
CACHE_KEY = 256  # bytes of one key
CACHE_ENTRIES = 65536
ENTRY_OVERHEAD = 64  # bytes charged for each entry beside key, value and meta

# Streamed bodies (core/records.py, tasks/streams.py).
RECORDS_IN_FLIGHT = 256  # records of one request waiting for their commit; then reading the body pauses

# Outbox (linux/outbox.py). A full buffer or budget: 503 + Retry-After (or the oldest go, if so configured).
OUTBOX_BUFFER_RECORDS = 4096  # accepted in memory, not committed yet
OUTBOX_BUFFER_BYTES = 4194304
BATCH_RECORDS = 500  # one group commit
BATCH_BYTES = 262144
BATCH_LINGER_MS = 10  # age at which a batch closes
IDEMPOTENCY_KEY = 128  # characters; longer: 400
IDEMPOTENCY_KEYS = 100000  # rows kept; the oldest go first
IDEMPOTENCY_HOURS = 24

# Uplink (linux/uplink.py).
UPLINK_INFLIGHT = 64  # MQTT messages published and not acknowledged
