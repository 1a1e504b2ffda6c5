#include "live/live_int.h"

#include <stdlib.h>

/* -------- rows of the homes -------- */

static mu_code read_home(const mu_build *build, uint32_t pid, bool *found, mu_content *out,
                         mu_err *err)
{
    mu_row_place place;
    mu_identity identity;
    mu_value row;
    *found = false;
    if (build->entity == NULL)
        return MU_OK;
    MU_TRY(mu_entity_find_pid(build->entity, pid, found, &place, err));
    if (!*found)
        return MU_OK;
    const mu_part *part = build->entity->parts[place.part];
    MU_TRY(mu_part_identity(part, place.row, &identity, err));
    MU_TRY(mu_part_row(part, place.row, build->arena, &row, err));
    if (build->is_current == NULL || !build->is_current[place.part])
        row = mu_value_extend(build->arena, mu_part_row_type(part), build->schema->row, row);
    return mu_content_read(build->arena, build->schema, pid, identity, row, out, err);
}

static bool is_first(const uint32_t *homes, uint32_t i)
{
    for (uint32_t before = 0; before < i; before++)
        if (homes[before] == homes[i])
            return false;
    return true;
}

mu_code mu_build_content(const mu_build *build, const mu_capture *capture, uint32_t n_records,
                         mu_applied_record *records, mu_content *out, mu_err *err)
{
    const mu_graph_cluster *cluster = &capture->cluster;
    mu_content *sources = MU_NEW_ARRAY(build->arena, mu_content, cluster->n_identities);
    uint32_t n_sources = 0;
    for (uint32_t i = 0; i < cluster->n_identities; i++) {
        bool found = false;
        if (capture->homes[i] != 0 && is_first(capture->homes, i))
            MU_TRY(read_home(build, capture->homes[i], &found, &sources[n_sources], err));
        n_sources += found;
    }
    MU_TRY(mu_content_gather(build->arena, build->schema, cluster, n_sources, sources, out, err));
    out->pid = capture->pid;
    out->reader = build->reader;
    bool changed;
    if (build->refills)
        MU_TRY(mu_content_refresh(build->arena, build->schema, out, &changed, err));
    return mu_content_apply(build->arena, build->schema, out, n_records, records, err);
}

/* -------- records of the delta -------- */

static uint32_t count_chain(const mu_pending *pending)
{
    uint32_t n = 0;
    for (; pending != NULL; pending = pending->next)
        n++;
    return n;
}

uint32_t mu_build_count(const mu_delta *delta, const mu_capture *capture)
{
    uint32_t n = count_chain(delta->drops.first);
    for (uint32_t i = 0; i < capture->cluster.n_identities; i++)
        n += count_chain(mu_delta_find(delta, capture->cluster.nodes[i]));
    return n;
}

static mu_code read_chain(mu_arena *arena, const mu_pending *pending, mu_applied_record *out,
                          uint32_t *n, mu_err *err)
{
    for (; pending != NULL; pending = pending->next) {
        out[*n].sequence = pending->sequence;
        MU_TRY(mu_record_read(arena, pending->bytes, &out[*n].record, err));
        ++*n;
    }
    return MU_OK;
}

static int compare_records(const void *a, const void *b)
{
    const mu_applied_record *x = a, *y = b;
    return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

void mu_build_sort(uint32_t n, mu_applied_record *records)
{
    if (n > 1)
        qsort(records, n, sizeof *records, compare_records);
}

mu_code mu_build_records(mu_arena *arena, const mu_delta *delta, const mu_capture *capture,
                         mu_applied_record *out, uint32_t *n, mu_err *err)
{
    uint32_t begin = *n;
    MU_TRY(read_chain(arena, delta->drops.first, out, n, err));
    for (uint32_t i = 0; i < capture->cluster.n_identities; i++)
        MU_TRY(read_chain(arena, mu_delta_find(delta, capture->cluster.nodes[i]), out, n, err));
    mu_build_sort(*n - begin, out + begin);
    return MU_OK;
}
