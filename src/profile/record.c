/* record.c -- records as bytes.
 *
 *   record    version 1, kind, received_ms, time_ms (8 bytes each),
 *             sandbox, dataset, batch, class_name, key (text each),
 *             n_identities, n_linked (varint each), (namespace text, value text)*,
 *             document, source (text each), position (varint)
 *   text      varint length, bytes
 *   varint    seven bits a byte, lowest first, the high bit says that more follow; no longer than
 *             it needs to be, at most ten bytes
 *
 * Numbers of fixed size are little-endian.
 */
#include "profile/record.h"

#define RECORD_VERSION 1u

/* -------- writing -------- */

static void write_varint(mu_buf *buf, uint64_t value)
{
    while (value >= 0x80) {
        mu_buf_add_char(buf, (char)(value | 0x80));
        value >>= 7;
    }
    mu_buf_add_char(buf, (char)value);
}

static void write_fixed(mu_buf *buf, int64_t value)
{
    char bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)((uint64_t)value >> (8 * i));
    mu_buf_add(buf, bytes, sizeof bytes);
}

static void write_text(mu_buf *buf, mu_str text)
{
    write_varint(buf, text.len);
    mu_buf_add_str(buf, text);
}

void mu_record_write(mu_buf *buf, const mu_record *record)
{
    MU_ASSERT(record->kind >= MU_RECORD_CREATE && record->kind <= MU_RECORD_REFILL);
    MU_ASSERT(record->n_linked <= record->n_identities);
    mu_buf_add_char(buf, RECORD_VERSION);
    mu_buf_add_char(buf, (char)record->kind);
    write_fixed(buf, record->received_ms);
    write_fixed(buf, record->time_ms);
    write_text(buf, record->sandbox);
    write_text(buf, record->dataset);
    write_text(buf, record->batch);
    write_text(buf, record->class_name);
    write_text(buf, record->key);
    write_varint(buf, record->n_identities);
    write_varint(buf, record->n_linked);
    for (uint32_t i = 0; i < record->n_identities; i++) {
        write_text(buf, record->identities[i].namespace_code);
        write_text(buf, record->identities[i].value);
    }
    write_text(buf, record->document);
    write_text(buf, record->source);
    write_varint(buf, record->position);
}

/* -------- reading -------- */

typedef struct cursor {
    const unsigned char *at, *end;
    bool failed; /* something did not fit; whatever is read then is 0 or empty */
} cursor;

static uint8_t read_byte(cursor *c)
{
    if (c->at == c->end) {
        c->failed = true;
        return 0;
    }
    return *c->at++;
}

static uint64_t read_varint(cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = read_byte(c);
        uint64_t bits = byte & 0x7f;
        if (c->failed || (bits << shift) >> shift != bits || (byte == 0 && shift > 0))
            break;
        value |= bits << shift;
        if (byte < 0x80)
            return value;
    }
    c->failed = true;
    return 0;
}

static int64_t read_fixed(cursor *c)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)read_byte(c) << (8 * i);
    return (int64_t)value;
}

static mu_str read_text(cursor *c)
{
    uint64_t len = read_varint(c);
    if (c->failed || len > (size_t)(c->end - c->at)) {
        c->failed = true;
        return MU_STR("");
    }
    mu_str text = {(const char *)c->at, (size_t)len};
    c->at += len;
    return text;
}

/* An identity takes two bytes or more, which bounds what a count can ask memory for. */
static void read_identities(cursor *c, mu_arena *arena, mu_record *record)
{
    uint64_t n = read_varint(c), n_linked = read_varint(c);
    if (c->failed || n > (size_t)(c->end - c->at) / 2 || n_linked > n || n > UINT32_MAX) {
        c->failed = true;
        return;
    }
    mu_identity *identities = MU_NEW_ARRAY(arena, mu_identity, (size_t)n);
    for (uint64_t i = 0; i < n; i++) {
        identities[i].namespace_code = read_text(c);
        identities[i].value = read_text(c);
    }
    record->n_identities = (uint32_t)n;
    record->n_linked = (uint32_t)n_linked;
    record->identities = identities;
}

static bool needs_identity(mu_record_kind kind)
{
    switch (kind) {
    case MU_RECORD_CREATE:
    case MU_RECORD_MERGE:
    case MU_RECORD_DELETE:
    case MU_RECORD_EVENT:
    case MU_RECORD_LOOKUP:
    case MU_RECORD_ERASE:
        return true;
    default:
        return false;
    }
}

mu_code mu_record_read(mu_arena *arena, mu_str bytes, mu_record *out, mu_err *err)
{
    cursor c = {.at = (const unsigned char *)bytes.ptr};
    c.end = bytes.len == 0 ? c.at : c.at + bytes.len;
    uint8_t version = read_byte(&c), kind = read_byte(&c);
    if (c.failed)
        return mu_fail(err, MU_E_CORRUPT, "a record of %zu bytes has no head", bytes.len);
    if (version != RECORD_VERSION)
        return mu_fail(err, MU_E_CORRUPT, "a record of unknown version %u", version);
    if (kind < MU_RECORD_CREATE || kind > MU_RECORD_REFILL)
        return mu_fail(err, MU_E_CORRUPT, "a record of unknown kind %u", kind);
    mu_record record = {.kind = (mu_record_kind)kind};
    record.received_ms = read_fixed(&c);
    record.time_ms = read_fixed(&c);
    record.sandbox = read_text(&c);
    record.dataset = read_text(&c);
    record.batch = read_text(&c);
    record.class_name = read_text(&c);
    record.key = read_text(&c);
    read_identities(&c, arena, &record);
    record.document = read_text(&c);
    record.source = read_text(&c);
    record.position = read_varint(&c);
    if (c.failed || c.at != c.end)
        return mu_fail(err, MU_E_CORRUPT, "a record of %zu bytes does not add up", bytes.len);
    if (needs_identity(record.kind) && record.n_identities == 0)
        return mu_fail(err, MU_E_CORRUPT, "a record of kind %u names no identity", kind);
    *out = record;
    return MU_OK;
}
