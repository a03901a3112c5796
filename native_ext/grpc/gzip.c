#include "grpc/gzip.h"

#define LENGTHS 15   /* bits of the longest code (RFC 1951 section 3.2.7) */
#define LITERALS 288 /* codes for literals and lengths; two of them never occur */
#define DISTANCES 32 /* two of them never occur */
#define END_OF_BLOCK 256

struct source {
    struct hg_view data;
    uint32_t at;   /* next byte */
    uint32_t bits; /* not used yet, the lowest first */
    uint32_t count;
    bool failed;   /* more was asked for than there is */
};

/* How many codes of each length, and what they stand for, by length and then by value: enough for a canonical code. */
struct code {
    uint16_t count[LENGTHS + 1];
    uint16_t symbol[LITERALS];
};

static uint32_t take_bits(struct source *source, uint32_t wanted) { /* at most 16 */
    uint32_t value;
    while (source->count < wanted) {
        if (source->at >= source->data.length) {
            source->failed = true;
            return 0;
        }
        source->bits |= (uint32_t)source->data.at[source->at++] << source->count;
        source->count += 8;
    }
    value = source->bits & ((1u << wanted) - 1);
    source->bits >>= wanted;
    source->count -= wanted;
    return value;
}

enum whole { OVERFULL, INCOMPLETE, SINGLE /* no code, or one of one bit */, COMPLETE };

/* RFC 1951 section 3.2.2. */
static enum whole make_code(struct code *code, const uint8_t *lengths, uint32_t symbols) {
    uint16_t next[LENGTHS + 1];
    int32_t left = 1;
    memset(code->count, 0, sizeof code->count);
    for (uint32_t i = 0; i < symbols; i++) {
        code->count[lengths[i]] += 1;
    }
    next[0] = 0;
    next[1] = 0;
    for (uint32_t length = 1; length <= LENGTHS; length++) {
        left = left * 2 - code->count[length];
        if (left < 0) {
            return OVERFULL;
        }
        if (length < LENGTHS) {
            next[length + 1] = (uint16_t)(next[length] + code->count[length]);
        }
    }
    for (uint32_t i = 0; i < symbols; i++) {
        if (lengths[i] != 0) {
            code->symbol[next[lengths[i]]++] = (uint16_t)i;
        }
    }
    return left == 0                                                                         ? COMPLETE
           : symbols - code->count[0] <= 1 && code->count[1] == symbols - code->count[0] ? SINGLE
                                                                                         : INCOMPLETE;
}

/* -> a symbol; of an incomplete code's hole: source->failed */
static uint32_t take_symbol(struct source *source, const struct code *code) {
    uint32_t value = 0, first = 0, index = 0;
    for (uint32_t length = 1; length <= LENGTHS; length++) {
        const uint32_t count = code->count[length];
        value |= take_bits(source, 1);
        if (source->failed) {
            return 0;
        }
        if (value < first + count) {
            return code->symbol[index + value - first];
        }
        index += count;
        first = (first + count) << 1;
        value <<= 1;
    }
    source->failed = true;
    return 0;
}

static bool copy_stored(struct source *source, struct hg_output *out) {
    uint32_t length;
    source->bits = source->count = 0; /* to the next byte: fewer than 8 bits are held here */
    if (source->data.length - source->at < 4) {
        return false;
    }
    length = source->data.at[source->at] | (uint32_t)source->data.at[source->at + 1] << 8;
    if ((source->data.at[source->at + 2] | (uint32_t)source->data.at[source->at + 3] << 8) != (length ^ 0xFFFF)) {
        return false;
    }
    source->at += 4;
    if (source->data.length - source->at < length) {
        return false;
    }
    hg_output_add(out, source->data.at + source->at, length);
    source->at += length;
    return !out->failed;
}

/* What a length or distance code adds to its base, of which it has so many extra bits: RFC 1951 section 3.2.5. */
static const uint16_t length_base[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                         31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t length_bits[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint16_t distance_base[30] = {1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
                                           193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};

static bool copy_match(struct source *source, const struct code *distances, uint32_t symbol, uint32_t from,
                       struct hg_output *out) {
    uint32_t length, distance, which;
    uint8_t *to;
    if (symbol >= 29) {
        return false;
    }
    length = length_base[symbol] + take_bits(source, length_bits[symbol]);
    which = take_symbol(source, distances);
    if (source->failed || which >= 30) {
        return false;
    }
    distance = distance_base[which] + take_bits(source, which < 4 ? 0 : which / 2 - 1);
    if (source->failed || distance > out->length - from) {
        return false;
    }
    to = hg_output_room(out, length);
    if (to == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < length; i++) { /* byte by byte: it may overlap itself */
        to[i] = *(to + i - distance);
    }
    hg_output_use(out, length);
    return true;
}

/* `from`: where this member's output begins. */
static bool copy_coded(struct source *source, const struct code *literals, const struct code *distances, uint32_t from,
                       struct hg_output *out) {
    for (;;) {
        const uint32_t symbol = take_symbol(source, literals);
        const uint8_t byte = (uint8_t)symbol;
        if (source->failed) {
            return false;
        }
        if (symbol == END_OF_BLOCK) {
            return true;
        }
        if (symbol > END_OF_BLOCK) {
            if (!copy_match(source, distances, symbol - END_OF_BLOCK - 1, from, out)) {
                return false;
            }
        } else {
            hg_output_add(out, &byte, 1);
            if (out->failed) {
                return false;
            }
        }
    }
}

static void fixed_codes(struct code *literals, struct code *distances) {
    uint8_t lengths[LITERALS];
    memset(lengths, 8, 144);
    memset(lengths + 144, 9, 112);
    memset(lengths + 256, 7, 24);
    memset(lengths + 280, 8, 8);
    (void)make_code(literals, lengths, LITERALS);
    memset(lengths, 5, DISTANCES);
    (void)make_code(distances, lengths, DISTANCES);
}

/* RFC 1951 section 3.2.7. */
static bool dynamic_codes(struct source *source, struct code *literals, struct code *distances) {
    static const uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[LITERALS + DISTANCES] = {0};
    const uint32_t literal_count = take_bits(source, 5) + 257, distance_count = take_bits(source, 5) + 1;
    const uint32_t count = take_bits(source, 4) + 4, total = literal_count + distance_count;
    uint32_t at = 0;
    if (literal_count > 286 || distance_count > 30) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        lengths[order[i]] = (uint8_t)take_bits(source, 3);
    }
    if (source->failed || make_code(literals, lengths, 19) != COMPLETE) {
        return false;
    }
    memset(lengths, 0, sizeof lengths);
    while (at < total) {
        const uint32_t symbol = take_symbol(source, literals);
        uint32_t repeat = 1;
        uint8_t value = (uint8_t)symbol;
        if (symbol == 16) { /* the one before */
            if (at == 0) {
                return false;
            }
            value = lengths[at - 1];
            repeat = 3 + take_bits(source, 2);
        } else if (symbol > 16) {
            value = 0;
            repeat = symbol == 17 ? 3 + take_bits(source, 3) : 11 + take_bits(source, 7);
        }
        if (source->failed || repeat > total - at) {
            return false;
        }
        memset(lengths + at, value, repeat);
        at += repeat;
    }
    return lengths[END_OF_BLOCK] != 0 && make_code(literals, lengths, literal_count) >= SINGLE &&
           make_code(distances, lengths + literal_count, distance_count) >= SINGLE;
}

static bool inflate(struct source *source, struct hg_output *out) {
    const uint32_t from = out->length;
    struct code literals, distances;
    bool last, done, fixed = false; /* the codes are the fixed ones: a block of ten bits must not cost them anew */
    do {
        last = take_bits(source, 1) != 0;
        switch (take_bits(source, 2)) {
        case 0: done = !source->failed && copy_stored(source, out); break;
        case 1:
            if (!fixed) {
                fixed_codes(&literals, &distances);
                fixed = true;
            }
            done = copy_coded(source, &literals, &distances, from, out);
            break;
        case 2:
            fixed = false;
            done = dynamic_codes(source, &literals, &distances) && copy_coded(source, &literals, &distances, from, out);
            break;
        default: done = false;
        }
    } while (done && !last);
    return done;
}

/* RFC 1952 section 8, four bits at a time. */
static uint32_t crc32_of(const uint8_t *data, uint32_t length) {
    static const uint32_t table[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
                                       0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                       0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
    uint32_t crc = 0xFFFFFFFF;
    for (uint32_t i = 0; i < length; i++) {
        crc ^= data[i];
        crc = table[crc & 15] ^ crc >> 4;
        crc = table[crc & 15] ^ crc >> 4;
    }
    return ~crc;
}

enum { FLAG_CRC = 2, FLAG_EXTRA = 4, FLAG_NAME = 8, FLAG_COMMENT = 16, FLAGS_RESERVED = 0xE0 };

/* RFC 1952 section 2.3 -> false: not a header, or cut short */
static bool skip_header(struct source *source) {
    const uint8_t *const at = source->data.at + source->at;
    const uint32_t length = source->data.length - source->at;
    uint32_t used = 10;
    if (length < used || at[0] != 0x1F || at[1] != 0x8B || at[2] != 8 || (at[3] & FLAGS_RESERVED) != 0) {
        return false;
    }
    if ((at[3] & FLAG_EXTRA) != 0) {
        if (length - used < 2) {
            return false;
        }
        used += 2 + (at[used] | (uint32_t)at[used + 1] << 8);
    }
    for (int texts = ((at[3] & FLAG_NAME) != 0) + ((at[3] & FLAG_COMMENT) != 0); texts > 0; texts--) {
        const uint8_t *const end = used < length ? memchr(at + used, 0, length - used) : NULL;
        if (end == NULL) {
            return false;
        }
        used = (uint32_t)(end - at) + 1;
    }
    used += (at[3] & FLAG_CRC) != 0 ? 2 : 0;
    if (used > length) {
        return false;
    }
    source->at += used;
    return true;
}

static uint32_t little_endian(const uint8_t *at) {
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static bool member(struct source *source, struct hg_output *out) {
    const uint32_t from = out->length;
    const uint8_t *trailer;
    if (!skip_header(source) || !inflate(source, out)) {
        return false;
    }
    source->at -= source->count / 8; /* whole bytes that were taken ahead; none, as bits are taken one by one */
    source->bits = source->count = 0;
    if (source->data.length - source->at < 8) {
        return false;
    }
    trailer = source->data.at + source->at;
    source->at += 8;
    return little_endian(trailer + 4) == out->length - from &&
           little_endian(trailer) == (out->length == from ? 0 : crc32_of(out->data + from, out->length - from));
}

bool hg_gunzip(struct hg_view data, struct hg_output *out) {
    struct source source = {.data = data};
    bool done;
    do {
        done = member(&source, out);
    } while (done && source.at < data.length);
    return done;
}
