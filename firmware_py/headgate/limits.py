"""Every bound of the appliance in one place: the number, its unit, and what happens when it is reached.

Portable: plain integers only. The C side has the same numbers in native_ext/core/limits.h (a test compares them).
"""

# HTTP/1.1 (core/http1.py). Over the limit: 431 (head), 414 (request line), 413 (body); the connection closes.
HTTP_HEAD = 8192  # bytes of request line and fields together
HTTP_LINE = 4096  # bytes of the request line or of one field line
HTTP_HEADERS = 64  # fields
HTTP_CHUNK_LINE = 256  # bytes of one chunk-size line, extensions included
HTTP_BODY = 262144  # bytes; the most a stream's `body_limit` may ask for

# Connections (tasks/gateway.py). A connection over the limit gets 503 and is closed. Each holds one body (or record
# of a batch) at most, so memory for bodies is bounded by connections x body_limit: choose both for the board.
CONNECTIONS = 1024
IDLE_MS = 75000  # keep-alive without a request: closed
HEAD_MS = 10000  # from the first byte of a head to its end: 408
BODY_MS = 30000  # without any byte of an announced body: 408
READ_CHUNK = 4096  # bytes asked of the socket at a time
BODY_RATE = 16  # bytes per second a body must keep up on average (BODY_MS of slack); slower: 408
LINGER_MS = 1000  # after an end that the client did not ask for: what still comes is discarded, and the answer arrives
LINGER_BYTES = 65536  # ... and at most this much of it, unless the gateway drains
REFUSALS = 32  # connections over the limit that are told so (503) at a time; more are just closed

# The native server (native_ext/core/server.h).
SERVER_TURN_US = 1000  # busy for so long, it lets the other tasks run; a sleep that is over takes two turns
OTHER_THREAD_US = 500  # so long may another thread keep Python from the event loop (by default 5 ms)
SERVER_BYTES = 33554432  # of all connections' buffers together; over it: 503 out_of_memory for who needs more
SERVER_ANSWERS = 65536  # bytes of answers to one connection's pipelined requests; over it: the next ones wait
CHANGES_BYTES = 1048576  # of keys changed in one turn, told to the second level after it; over it: 503 out_of_memory
LENT_OUTPUT = 65536  # bytes Python may have written to one connection before it has to wait

# HTTP/2 on the native server (native_ext/core/http2.h). To the limits above, but CONNECTIONS, each stream is one;
# the library's memory counts as SERVER_BYTES. Over the floods' limits: GOAWAY with ENHANCE_YOUR_CALM.
HTTP2_STREAMS = 32  # open on one connection (SETTINGS_MAX_CONCURRENT_STREAMS); one more: REFUSED_STREAM
HTTP2_STREAM_WINDOW = 65535  # bytes of DATA of one stream that were not read yet; then the peer has to wait
HTTP2_WINDOW = 262144  # ... of all streams of one connection
HTTP2_TABLE = 4096  # bytes of the HPACK table that the peer may fill (SETTINGS_HEADER_TABLE_SIZE)
HTTP2_FIELDS = 65536  # bytes of one block of fields, decoded, 32 more for each: flood. Over HTTP_HEAD of them: 431
HTTP2_CONTINUATIONS = 8  # CONTINUATION frames of one block: flood
HTTP2_RESETS = 200  # streams reset, by the peer or for its errors, at once: flood
HTTP2_RESET_RATE = 20  # ... and per second
HTTP2_FRAMES = 1000  # frames that carry nothing (PING, SETTINGS, PRIORITY, ..., empty DATA) at once: flood
HTTP2_FRAME_RATE = 100  # ... and per second, and four more for each frame of an answer

# gRPC on the native server (native_ext/grpc/grpc.c, linux/grpc_*.py).
GRPC_MESSAGE = 266240  # bytes of one message, compressed or not: HTTP_BODY and a little; over it: RESOURCE_EXHAUSTED
GRPC_FIELDS = 1024  # of a message to PublishStream, unknown ones too; over it: INTERNAL, as not well-formed
GRPC_ANSWER = 4194304  # bytes of one answer, what clients take by default; over it: RESOURCE_EXHAUSTED
GRPC_UNSENT = 65536  # bytes of answers the client has not taken; over it: its next messages wait
GRPC_HELD = 8388608  # bytes of messages that are not whole, of all calls (no token was judged); over it: UNAVAILABLE
GRPC_STATUS_TEXT = 512  # bytes of a status message; the rest is cut
GRPC_DETAILS = 4096  # bytes of status details: clients take 8 KiB of trailers; violations that do not fit are left out
GRPC_WATCHES = 64  # calls that watch the health at a time; one more: RESOURCE_EXHAUSTED
GRPC_QUESTION = 1024  # bytes of a message to health and reflection, which need no token; over it: RESOURCE_EXHAUSTED
GRPC_REFUSALS = 64  # refused messages that the summary of one PublishStream names
# MQTT for devices (linux/mqtt_gateway.py). Each connection holds one packet at most, so memory for them is bounded by
# connections x (MQTT_HEAD + the largest body_limit).
MQTT_CONNECTIONS = 1024  # one more is told that the server is busy; many more are just closed
MQTT_CONNECT = 16384  # bytes of a CONNECT with token and will; more: closed
MQTT_HEAD = 8192  # bytes of a PUBLISH beside its payload: topic and properties; more: closed
MQTT_CLIENT_ID = 256  # characters; longer: refused
MQTT_BATCH = 64  # packets of one connection that are taken, and answered, at a time; the next ones wait unread
MQTT_KEEP_ALIVE_MS = 1200000  # the longest; a client that wants none has this one
MQTT_PATIENCE_S = 5  # a client of 3.1.1 over its rate is made to wait so long for each message; longer: closed
MQTT_REASON = 256  # characters of a reason string
MQTT_ANSWER = 16  # bytes of a PUBACK, CONNACK or DISCONNECT without its reason

# TLS on the native server (native_ext/cpython/tls.c).
TLS_HELLO = 16384  # bytes of a ClientHello; announced longer: closed before OpenSSL takes the memory
TLS_PIECE = 4096  # bytes given to OpenSSL at a time, in either direction: its buffers never shrink

# JSON, CBOR, schema. Over the limit: 400 (malformed) or 422, never a crash.
JSON_DEPTH = 32  # nested containers
JSON_NUMBER = 128  # digits of one number, without its exponent
JSON_EXPONENT = 999999999  # power of ten a number may be written with
CBOR_DEPTH = 32
CBOR_ITEMS = 65536  # items in one document
CBOR_BIGNUM = 128  # bytes of one bignum; any int of core.number.make out of a JSON number fits (256 digits)
DOCUMENT_BYTES = 268435456  # bytes of one document given to the native validator
DOCUMENT_DEPTH = 128  # the most that may be configured as depth: nesting becomes depth of the C stack
FORMAT_TEXT = 4096  # bytes; a longer text is of no `format`
SCHEMA_BYTES = 1048576  # bytes of one schema document
SCHEMA_DOCUMENTS = 64  # documents one schema may refer to, itself included
SCHEMA_TOTAL = 4194304  # bytes of all these documents
SCHEMA_URI = 2048  # bytes of one URI in a schema, made absolute; over it: refused at load
SCHEMA_VALUES = 65535  # strings of one `enum`; over it: refused at load
SCHEMA_PATTERNS = 512  # different patterns of one schema (native); over it: refused at load
SCHEMA_MATCHING = 262144  # bytes of known names tried on `patternProperties` at load (native); over it: refused
SCHEMA_LINTS = 100  # lints told about one schema
SCHEMA_PROGRAM = 16777216  # bytes of one compiled schema (native); over it: refused at load
SCHEMA_NAMES = 1024  # property names one subschema may mention; over it: refused at load
MULTIPLE_DIGITS = 18  # significant digits of `multipleOf`; over it: refused at load
SCHEMA_ERRORS = 16  # violations reported for one document
SCHEMA_NODES = 4096  # subschemas, each once for every dynamic scope it is reached in; over it: refused at load
SCHEMA_DYNAMIC = 64  # different names of dynamic anchors that `$dynamicRef` asks for; over it: refused at load
SCHEMA_CHAIN = 32  # subschemas in a chain ($ref, allOf, anyOf, ...) for one value; over it: refused at load
SCHEMA_STEPS = 500000  # subschemas applied to the values of one document (native: only those applied again to what was
# read before, in units of 16 bytes, and 16 more for each byte of the document); over it: the document is invalid
PATTERN_STATES = 1000  # automaton states of one pattern; over it: refused at load
PATTERN_DEPTH = 16  # nested groups of one pattern; over it: refused at load
PATTERN_LENGTH = 16384  # characters of one pattern; over it: refused at load
PATTERN_RANGES = 16384  # ranges in the classes and properties of one pattern, as written; over it: refused at load

# Tokens (core/jwt.py). Longer: 401.
TOKEN = 4096  # bytes
TOKEN_SUBJECT = 64  # characters of `sub`
TOKEN_SCOPES = 32  # entries of `scope`
TOKEN_SCOPE = 128  # characters of one of them
TOKENS = 4096  # verified tokens remembered; the least used go first (native)
TOKENS_BYTES = 4194304  # of these tokens together
REVOKED = 4096  # `jti` values one issuer may have revoked; over it: refused at load
TOKEN_TIME = 253402300799  # Unix seconds; the end of year 9999: a later exp, nbf or iat is refused

# Clock trust (core/clock.py, linux/ntp.py).
CLOCK_FLOOR_S = 1767225600  # Unix seconds (2026-01-01): older than any release, so a true clock never shows less
CLOCK_SLACK_S = 300  # a synchronised clock may be this far behind the floor; further: not believed
CLOCK_SAVE_S = 86400  # the last known good time is written at most this often while running: wear of the flash

# Monotonic time (core/limiter.py, core/store.py). Outside 0..TIME_MS: ValueError.
TIME_MS = 9007199254740992  # ms; 2**53, 285,000 years

# Rate limiter (core/limiter.py). A full table evicts the least recently used bucket; out of range: ValueError.
LIMITER_CLIENTS = 4096
LIMITER_CLIENTS_MAX = 1048576  # the most that may be configured
LIMITER_KEY = 512  # bytes of one client's key
LIMITER_RATE = 1000000000  # tokens per 1000 s (milli-tokens per second)
LIMITER_BURST = 1000000  # tokens

# Cache (core/store.py). A value that cannot fit: 413; a full budget evicts (SIEVE).
CACHE_BYTES = 8388608
CACHE_VALUE = 65536  # bytes of one value
CACHE_KEY = 256  # bytes of one key
CACHE_META = 4096  # bytes of one entry's meta (content type)
CACHE_ENTRIES = 65536
CACHE_SCAN_BYTES = 65536  # of entries that are looked at in one go
CACHE_TTL_MS = 2147483648000  # ms; 2**31 s, the longest RFC 9111 section 1.2.2 asks for; longer: ValueError
ENTRY_OVERHEAD = 64  # bytes charged for each entry beside key, value and meta
CACHE_BYTES_MAX = 1099511627776  # the most that may be configured (2**40, 2**30 and 2**24)
CACHE_VALUE_MAX = 1073741824
CACHE_ENTRIES_MAX = 16777216

# The cache's second level (linux/second_level.py). Whatever is reached, requests are answered from what is here.
SHARED_WAIT_MS = 20  # a request waits so long for what it asks; then it is answered without
SHARED_PATIENCE_MS = 1000  # for the answer to a write or a ping, which no request waits for; then the connection ends
SHARED_CONNECT_MS = 2000  # to connect and log in
SHARED_FAILURES = 5  # requests in a row that waited in vain; then the second level is left alone for a while:
SHARED_PAUSE_MS = 500  # first pause, doubling up to...
SHARED_PAUSE_MAX_MS = 30000
SHARED_PING_MS = 5000  # without any traffic: a sign of life is asked for
SHARED_STALE_MS = 5000  # where the server does not tell of changes: age at which what is here is dropped
SHARED_QUEUE = 4096  # changed keys that wait to be told; over it: the oldest is not told, but dropped here too
SHARED_BATCH = 64  # changes told in one go, and of these...
SHARED_BATCH_BYTES = 262144  # ... no more bytes, unless one is larger
SHARED_IN_FLIGHT = 256  # keys asked for and not answered yet; over it: not asked
SHARED_MISSING = 4096  # keys known to be missing; over it: the oldest is forgotten
SHARED_MISSING_MS = 5000  # how long that is believed, unless one is told better
RESP_LINE = 4096  # bytes of a line of the server's; this and what follows, over it: the connection ends
RESP_DEPTH = 8  # nested aggregates
RESP_ITEMS = 65536  # elements of one reply
RESP_BYTES = 2097152  # of all texts of one reply

# Several keys of the cache in one request (tasks/cache_many.py).
MANY_KEYS = 64  # more: 400
MANY_BYTES = 1048576  # of values; after so many the answer only names the keys that are left

# Streamed bodies (core/records.py, tasks/streams.py).
RECORDS_IN_FLIGHT = 256  # records of one request waiting for their commit; then reading the body pauses

# Outbox (linux/outbox.py). A buffer that is three quarters full: answers wait for their commit, with either durability.
# A full buffer or budget: 503 + Retry-After (or the oldest go, if so configured).
OUTBOX_BUFFER_RECORDS = 4096  # accepted in memory, not committed yet
OUTBOX_BUFFER_BYTES = 4194304
ROW_OVERHEAD = 64  # bytes charged for each message beside body and names
ROW_BLOCK = 16384  # bytes of memory that rows share (native); over OUTBOX_BUFFER_BYTES * 2 of it: each has its own
BATCH_RECORDS = 500  # one group commit
BATCH_RECORDS_MAX = 10000  # the most that may be configured; a batch with more is refused by whoever reads it
BATCH_BYTES = 262144
UNHEARD_COMMITS = 64  # that the event loop is not told of, while nothing of it waits for them
EXPIRE_BYTES = 16777216  # of batches that expire in one transaction: what is deleted is read before
COMMIT_BATCHES = 4  # in one transaction, while nobody waits for a row of it
COMMIT_BYTES = 1048576  # ... which is no larger than this, unless one batch is: the reserve has to cover it
BATCH_LINGER_MS = 10  # age at which a batch closes
GATHERED_ROWS = 16  # so many rows close a batch before that, when everybody whom the last one answered waits again
BATCH_DECODED = 33554432  # bytes a batch may decompress to; more is refused unread
MEMORY_LINGER_MS = 1000  # age at which a batch closes that nobody waits for: fewer writes to flash
DELIVERED_LINGER_MS = 100  # deletions of delivered batches wait this long for a commit to ride on
OUTBOX_RETRY_MS = 1000  # after a failed commit: new messages get 503 at once for this long, doubling up to...
OUTBOX_RETRY_MAX_MS = 5000
OUTBOX_RESERVE_BYTES = 1572864  # disk space kept for deleting on a full disk: the largest transaction and more
DISK_LOOK_MS = 100  # between two looks at how full the disk is, as long as there is plenty of room
OUTBOX_CACHE_KIB = 256  # SQLite's page cache
OUTBOX_WAL_PAGES = 128  # pages of 4096 bytes after which the write-ahead log is written back
OUTBOX_QUARANTINE = 4  # damaged database files kept; the oldest goes first
OUTBOX_CHECK_BYTES = 16777216  # a database up to this size is checked at every start
IDEMPOTENCY_KEY = 128  # characters; longer: 400
IDEMPOTENCY_KEYS = 100000  # rows kept; the oldest go first
IDEMPOTENCY_HOURS = 24
MEMORY_KEYS = 64  # idempotency keys the sink without a disk remembers; the oldest go first

# Uplink (linux/uplink.py).
UPLINK_INFLIGHT = 64  # MQTT messages published and not acknowledged
UPLINK_BATCHES = 4  # batches decoded and not acknowledged in full; more, if together...
UPLINK_SMALL = 65536  # ... they have fewer bytes (compressed), up to `uplink.inflight` of them
UPLINK_ACK_MS = 30000  # without the acknowledgement of the oldest message: the connection is given up
UPLINK_PACKET = 65536  # bytes of one packet of the broker's, which has nothing but answers to send; more: given up
UPLINK_UNSENT = 2048  # packets that the broker has not taken, while it sends us some; more: given up
UPLINK_CONNECT_MS = 15000
UPLINK_BACKOFF_MS = 1000  # first wait after a failure, doubling up to...
UPLINK_BACKOFF_MAX_MS = 60000
UPLINK_STABLE_MS = 30000  # a connection that lasted so long resets the backoff
UPLINK_REFUSED_MS = 5000  # first wait before refused messages are offered again, doubling up to...
UPLINK_REFUSED_MAX_MS = 300000
