#include "live/columns.h"
#include "live/live_int.h"
#include "profile/profile.h"

/* What a DROP looks at, in one block. */
typedef struct drop_columns {
    mu_reading events, dataset, batch, timestamp;
    mu_reading fragments, fragment_dataset;
} drop_columns;

static mu_code open_columns(const mu_part *part, uint32_t block, mu_arena *arena, drop_columns *out,
                            mu_err *err)
{
    uint32_t events = mu_part_child(part, 0, MU_STR("xEvent"));
    uint32_t event = mu_column_item(part, events);
    uint32_t fragments = mu_part_child(part, 0, MU_STR("$fragments"));
    uint32_t fragment = mu_column_item(part, fragments);
    const struct {
        uint32_t parent;
        mu_str name;
        mu_reading *reading;
    } columns[] = {
        {event, MU_STR("$dataset"), &out->dataset},
        {event, MU_STR("$batch"), &out->batch},
        {event, MU_STR("timestamp"), &out->timestamp},
        {fragment, MU_STR("dataset"), &out->fragment_dataset},
    };
    MU_TRY(mu_reading_open(part, events, block, arena, &out->events, err));
    MU_TRY(mu_reading_open(part, fragments, block, arena, &out->fragments, err));
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        uint32_t column = mu_column_child(part, columns[i].parent, columns[i].name);
        MU_TRY(mu_reading_open(part, column, block, arena, columns[i].reading, err));
    }
    return MU_OK;
}

static bool is_text(const mu_reading *reading, uint32_t at, mu_str text)
{
    return !mu_reading_is_null(reading, at) && mu_str_equal(mu_reading_string(reading, at), text);
}

static bool drops_event(const drop_columns *columns, uint32_t at, const mu_record *record)
{
    if (record->dataset.len > 0 && !is_text(&columns->dataset, at, record->dataset))
        return false;
    if (record->batch.len > 0 && !is_text(&columns->batch, at, record->batch))
        return false;
    return record->time_ms == 0 || (!mu_reading_is_null(&columns->timestamp, at) &&
                                    mu_reading_integer(&columns->timestamp, at) < record->time_ms);
}

static bool drops_of_row(const drop_columns *columns, uint32_t row, const mu_record *record)
{
    uint32_t begin, end;
    mu_reading_items(&columns->events, row, &begin, &end);
    for (uint32_t i = begin; i < end; i++)
        if (drops_event(columns, i, record))
            return true;
    if (record->batch.len > 0 || record->time_ms != 0)
        return false;
    mu_reading_items(&columns->fragments, row, &begin, &end);
    for (uint32_t i = begin; i < end; i++)
        if (is_text(&columns->fragment_dataset, i, record->dataset))
            return true;
    /* A row of a bulk load names no fragments: content.h says which dataset it has then. */
    return mu_reading_is_null(&columns->fragments, row) &&
           mu_str_equal(record->dataset, MU_DATASET_DEFAULT);
}

/* -------- walking the live rows -------- */

typedef void scan_found(void *context, uint32_t pid);

/* Opens the columns of a block, and says whether a row is looked for. */
typedef mu_code scan_open(const mu_part *part, uint32_t block, mu_arena *arena, void *columns,
                          mu_err *err);
typedef bool scan_row(const void *columns, uint32_t row, const void *what);

typedef struct scan {
    scan_open *open;
    void *columns;
    scan_row *matches;
    const void *what;
    scan_found *found;
    void *context;
    mu_arena unpacked; /* columns of one block */
} scan;

static mu_code scan_block(scan *s, const mu_part *part, const uint64_t *dead, uint32_t number,
                          mu_err *err)
{
    const uint32_t *pids;
    mu_block block = mu_part_block(part, number);
    mu_arena_reset(&s->unpacked);
    MU_TRY(s->open(part, number, &s->unpacked, s->columns, err));
    MU_TRY(mu_part_pids(part, number, &pids, err));
    for (uint32_t row = 0; row < block.n_rows; row++)
        if ((dead == NULL || !mu_bit_get(dead, block.row + row)) &&
            s->matches(s->columns, row, s->what))
            s->found(s->context, pids[row]);
    return MU_OK;
}

static mu_code scan_profiles(const mu_snapshot *snapshot, scan *s, mu_err *err)
{
    const mu_entity *entity = mu_snapshot_entity(snapshot, MU_STR("profile"));
    mu_code code = MU_OK;
    mu_arena_init(&s->unpacked, SIZE_MAX);
    for (uint32_t p = 0; entity != NULL && code == MU_OK && p < entity->n_parts; p++)
        for (uint32_t b = 0; code == MU_OK && b < mu_part_block_count(entity->parts[p]); b++)
            code = scan_block(s, entity->parts[p], entity->dead[p], b, err);
    mu_arena_free(&s->unpacked);
    return code;
}

/* -------- what a DROP drops -------- */

static mu_code open_drop(const mu_part *part, uint32_t block, mu_arena *arena, void *columns,
                         mu_err *err)
{
    return open_columns(part, block, arena, columns, err);
}

static bool matches_drop(const void *columns, uint32_t row, const void *what)
{
    return drops_of_row(columns, row, what);
}

mu_code mu_scan_drop(const mu_snapshot *snapshot, const mu_record *record, scan_found *found,
                     void *context, mu_err *err)
{
    drop_columns columns;
    scan s = {.open = open_drop,
              .columns = &columns,
              .matches = matches_drop,
              .what = record,
              .found = found,
              .context = context};
    return scan_profiles(snapshot, &s, err);
}

/* -------- what a new field may find -------- */

typedef struct refill_columns {
    mu_reading events, extra;
    mu_reading fragments, document;
} refill_columns;

static mu_code open_refill(const mu_part *part, uint32_t block, mu_arena *arena, void *columns,
                           mu_err *err)
{
    refill_columns *out = columns;
    uint32_t events = mu_part_child(part, 0, MU_STR("xEvent"));
    uint32_t event = mu_column_item(part, events);
    uint32_t fragments = mu_part_child(part, 0, MU_STR("$fragments"));
    uint32_t fragment = mu_column_item(part, fragments);
    uint32_t extra = mu_column_child(part, event, MU_STR("$extra"));
    uint32_t document = mu_column_child(part, fragment, MU_STR("document"));
    MU_TRY(mu_reading_open(part, events, block, arena, &out->events, err));
    MU_TRY(mu_reading_open(part, fragments, block, arena, &out->fragments, err));
    MU_TRY(mu_reading_open(part, extra, block, arena, &out->extra, err));
    return mu_reading_open(part, document, block, arena, &out->document, err);
}

static bool has_one(const mu_reading *list, const mu_reading *item, uint32_t row)
{
    uint32_t begin, end;
    mu_reading_items(list, row, &begin, &end);
    for (uint32_t i = begin; i < end; i++)
        if (!mu_reading_is_null(item, i))
            return true;
    return false;
}

static bool matches_refill(const void *columns, uint32_t row, const void *what)
{
    const refill_columns *in = columns;
    (void)what;
    return has_one(&in->events, &in->extra, row) || has_one(&in->fragments, &in->document, row);
}

mu_code mu_scan_refill(const mu_snapshot *snapshot, scan_found *found, void *context, mu_err *err)
{
    refill_columns columns;
    scan s = {.open = open_refill,
              .columns = &columns,
              .matches = matches_refill,
              .found = found,
              .context = context};
    return scan_profiles(snapshot, &s, err);
}
