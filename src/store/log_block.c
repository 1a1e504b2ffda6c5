/* log_block.c -- the bytes of log segments: made, checked, and read block by block. */
#include "base/crc32c.h"
#include "store/log_int.h"

#include <stdarg.h>
#include <stdio.h>

static const char segment_magic[8] = "MULOG\r\n";

void mu_log_make_segment_header(uint64_t first_sequence, uint64_t salt, mu_log_segment_header *out)
{
    *out = (mu_log_segment_header){
        .version = MU_LOG_VERSION, .first_sequence = first_sequence, .salt = salt};
    memcpy(out->magic, segment_magic, sizeof out->magic);
    out->checksum = mu_crc32c(0, out, offsetof(mu_log_segment_header, checksum));
}

size_t mu_log_finish_block(uint8_t *block, size_t body_bytes, uint64_t first_sequence,
                           uint32_t n_records, uint64_t salt)
{
    uint8_t *body = block + sizeof(mu_log_block_header);
    size_t padding = (MU_LOG_ALIGNMENT - body_bytes % MU_LOG_ALIGNMENT) % MU_LOG_ALIGNMENT;
    memset(body + body_bytes, 0, padding);
    body_bytes += padding;
    mu_log_block_header header = {
        .salt = salt,
        .first_sequence = first_sequence,
        .body_bytes = (uint32_t)body_bytes,
        .n_records = n_records,
        .body_checksum = mu_crc32c(0, body, body_bytes),
    };
    header.checksum = mu_crc32c(0, &header, offsetof(mu_log_block_header, checksum));
    memcpy(block, &header, sizeof header);
    return sizeof header + body_bytes;
}

/* -------- reading -------- */

MU_PRINTF(2, 3) static void give_reason(mu_log_reader *reader, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reader->reason, sizeof reader->reason, format, args);
    va_end(args);
}

bool mu_log_reader_init(mu_log_reader *reader, const uint8_t *bytes, size_t size,
                        uint64_t first_sequence)
{
    mu_log_segment_header header;
    *reader = (mu_log_reader){.bytes = bytes, .size = size, .sequence = first_sequence};
    if (size < sizeof header) {
        give_reason(reader, "the file is too short for its header");
        return false;
    }
    memcpy(&header, bytes, sizeof header);
    if (memcmp(header.magic, segment_magic, sizeof segment_magic) != 0) {
        give_reason(reader, "this is no segment of a log");
        return false;
    }
    if (header.version != MU_LOG_VERSION) {
        give_reason(reader, "the segment has format %u; this program reads format %u",
                    header.version, MU_LOG_VERSION);
        return false;
    }
    if (header.checksum != mu_crc32c(0, &header, offsetof(mu_log_segment_header, checksum))) {
        give_reason(reader, "the checksum of the header does not fit");
        return false;
    }
    if (header.first_sequence != first_sequence || header.salt == 0) {
        give_reason(reader, "the header is of a segment that begins with record %llu",
                    (unsigned long long)header.first_sequence);
        return false;
    }
    reader->salt = header.salt;
    reader->at = sizeof header;
    return true;
}

/* Whether a whole block header of this segment is at `at`. */
static bool has_header(const mu_log_reader *reader, size_t at, mu_log_block_header *out)
{
    if (reader->size - at < sizeof *out)
        return false;
    memcpy(out, reader->bytes + at, sizeof *out);
    return out->salt == reader->salt &&
           out->checksum == mu_crc32c(0, out, offsetof(mu_log_block_header, checksum));
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* What cannot be read begins at reader->at. A later header tells that it was durable once; payloads
 * cannot pretend to be one, because nobody knows the salt. */
static mu_log_step end_or_damage(mu_log_reader *reader, size_t from)
{
    mu_log_block_header header;
    for (size_t at = from; at < reader->size; at += MU_LOG_ALIGNMENT)
        if (has_header(reader, at, &header)) {
            size_t len = strlen(reader->reason);
            snprintf(reader->reason + len, sizeof reader->reason - len,
                     ", but at byte %zu the log goes on with record %llu", at,
                     (unsigned long long)header.first_sequence);
            return MU_LOG_STEP_DAMAGED;
        }
    return MU_LOG_STEP_TORN;
}

/* Whether records fill the body, zeros apart. */
static bool are_records_sound(mu_log_block block)
{
    mu_str payload;
    uint32_t n = block.n_records;
    while (n > 0 && mu_log_block_next(&block, &payload))
        n--;
    size_t rest = (size_t)(block.end - block.at);
    return n == 0 && rest < MU_LOG_ALIGNMENT && is_zero(block.at, rest);
}

static mu_log_step read_seal(mu_log_reader *reader, const mu_log_block_header *header)
{
    size_t end = reader->at + sizeof *header;
    if (header->n_records != MU_LOG_SEAL && header->n_records != MU_LOG_CONTINUES) {
        give_reason(reader, "the block says that it has %u records in no bytes", header->n_records);
        return MU_LOG_STEP_DAMAGED;
    }
    reader->is_sealed = true;
    reader->continues = header->n_records == MU_LOG_CONTINUES;
    if (is_zero(reader->bytes + end, reader->size - end))
        return MU_LOG_STEP_END;
    give_reason(reader, "what follows the last block is no block");
    return end_or_damage(reader, end);
}

static mu_log_step read_block(mu_log_reader *reader, const mu_log_block_header *header,
                              mu_log_block *out)
{
    const uint8_t *body = reader->bytes + reader->at + sizeof *header;
    size_t rest = reader->size - reader->at - sizeof *header;
    if (header->body_bytes > rest ||
        mu_crc32c(0, body, header->body_bytes) != header->body_checksum) {
        give_reason(reader, "the checksum of the block does not fit");
        return end_or_damage(reader, reader->at + MU_LOG_ALIGNMENT);
    }
    mu_log_block block = {.first_sequence = header->first_sequence,
                          .n_records = header->n_records,
                          .at = body,
                          .end = body + header->body_bytes};
    if (header->body_bytes % MU_LOG_ALIGNMENT != 0 || !are_records_sound(block)) {
        give_reason(reader, "the records of the block do not fill it");
        return MU_LOG_STEP_DAMAGED;
    }
    reader->at += sizeof *header + header->body_bytes;
    reader->sequence += header->n_records;
    *out = block;
    return MU_LOG_STEP_BLOCK;
}

mu_log_step mu_log_reader_next(mu_log_reader *reader, mu_log_block *out)
{
    mu_log_block_header header;
    if (is_zero(reader->bytes + reader->at, reader->size - reader->at))
        return MU_LOG_STEP_END;
    if (!has_header(reader, reader->at, &header)) {
        give_reason(reader, "the header of the block is damaged");
        return end_or_damage(reader, reader->at + MU_LOG_ALIGNMENT);
    }
    if (header.first_sequence != reader->sequence) {
        give_reason(reader, "the block begins with record %llu, which should be %llu",
                    (unsigned long long)header.first_sequence,
                    (unsigned long long)reader->sequence);
        return MU_LOG_STEP_DAMAGED;
    }
    if (header.body_bytes == 0)
        return read_seal(reader, &header);
    return read_block(reader, &header, out);
}

bool mu_log_block_next(mu_log_block *block, mu_str *payload)
{
    uint32_t length;
    size_t rest = (size_t)(block->end - block->at);
    if (block->n_records == 0 || rest < sizeof length)
        return false;
    memcpy(&length, block->at, sizeof length);
    if (length > rest - sizeof length)
        return false;
    *payload = (mu_str){(const char *)block->at + sizeof length, length};
    block->at += sizeof length + length;
    block->n_records--;
    return true;
}
