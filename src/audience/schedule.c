/* schedule.c -- documents of schedules: read, allowed to be active, the system's own. */
#include "audience/schedule.h"

#include "base/time.h"
#include "json/edit.h"

#include <nettle/sha2.h>

#define SYSTEM_NAME MU_STR("profile-default")
#define SYSTEM_CRON MU_STR("0 0 1 * * ?")
#define YEAR_LAST   2099

static bool is_text(const mu_json *json, const char *text)
{
    return json != NULL && json->kind == MU_JSON_STRING &&
           mu_str_equal(json->string, mu_str_from(text));
}

void mu_schedule_read(const mu_shelf_item *item, mu_schedule *out)
{
    const mu_json *json = &item->json;
    const mu_json *segments = mu_json_at(json, MU_STR("properties.segments"));
    bool has_segments = segments != NULL && segments->kind == MU_JSON_ARRAY;
    *out = (mu_schedule){.id = item->document.id,
                         .name = mu_json_member_string(json, MU_STR("name"), MU_STR("")),
                         .cron = mu_json_member_string(json, MU_STR("schedule"), MU_STR("")),
                         .is_export = is_text(mu_json_get(json, MU_STR("type")), "export"),
                         .is_active = is_text(mu_json_get(json, MU_STR("state")), "active"),
                         .is_system = mu_json_truth(mu_json_get(json, MU_STR("isSystem")), false),
                         .properties = mu_json_get(json, MU_STR("properties")),
                         .segments = has_segments ? segments : NULL,
                         .covers_all =
                             has_segments && segments->n == 1 && is_text(&segments->items[0], "*")};
}

mu_code mu_schedule_read_cron(mu_str text, int64_t now_ms, mu_cron *out, mu_err *err)
{
    mu_cron cron;
    MU_TRY(mu_cron_parse(text, now_ms, &cron, err));
    if (!mu_cron_is_daily_at_most(&cron))
        return mu_fail(err, MU_E_INPUT,
                       "the schedule fires more than once a day: seconds, minutes and hours must "
                       "have one value each");
    *out = cron;
    return MU_OK;
}

mu_str mu_schedule_uuid(mu_arena *arena, mu_str text)
{
    struct sha256_ctx hash;
    uint8_t b[SHA256_DIGEST_SIZE];
    sha256_init(&hash);
    sha256_update(&hash, text.len, (const uint8_t *)text.ptr);
    sha256_digest(&hash, sizeof b, b);
    return mu_arena_format(arena,
                           "%02x%02x%02x%02x-%02x%02x-8%01x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                           b[0], b[1], b[2], b[3], b[4], b[5], b[6] & 15, b[7], (b[8] & 63) | 128,
                           b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* -------- what may be active -------- */

/* The bits of `days` that are in no counter yet, in one, in two, ..: counters of one bit each. */
typedef struct day_counts {
    uint32_t at_least[MU_SCHEDULES_PER_DAY_MAX];
} day_counts;

static void count_days(day_counts *counts, uint32_t days)
{
    for (unsigned k = MU_SCHEDULES_PER_DAY_MAX - 1; k > 0; k--)
        counts->at_least[k] |= counts->at_least[k - 1] & days;
    counts->at_least[0] |= days;
}

typedef struct active_others {
    uint32_t n;
    mu_cron *crons;
} active_others;

static active_others read_others(mu_arena *arena, const mu_shelf *shelf, mu_str id)
{
    active_others others = {.crons = MU_NEW_ARRAY(arena, mu_cron, shelf->n)};
    for (uint32_t i = 0; i < shelf->n; i++) {
        mu_schedule other;
        mu_schedule_read(shelf->items[i], &other);
        if (other.is_active && !mu_str_equal(other.id, id) &&
            mu_cron_parse(other.cron, 0, &others.crons[others.n], NULL) == MU_OK)
            others.n++;
    }
    return others;
}

/* Goes through all months that a schedule can fire in. */
static mu_code check_days(const active_others *others, const mu_cron *cron, int64_t now_ms,
                          mu_err *err)
{
    mu_civil now = mu_civil_from_ms(now_ms);
    uint32_t past = ((uint32_t)1 << now.day) - 1; /* of this month */
    for (int64_t year = now.year; year <= YEAR_LAST; year++) {
        for (int month = year == now.year ? now.month : 1; month <= 12; month++, past = 0) {
            day_counts counts = {{0}};
            uint32_t days = mu_cron_days(cron, year, month) & ~past;
            for (uint32_t i = 0; days != 0 && i < others->n; i++)
                count_days(&counts, mu_cron_days(&others->crons[i], year, month) & days);
            uint32_t full = counts.at_least[MU_SCHEDULES_PER_DAY_MAX - 1];
            if (full != 0)
                return mu_fail(err, MU_E_INPUT,
                               "%u active schedules run on %04lld-%02d-%02d already, which is the "
                               "most for one day",
                               MU_SCHEDULES_PER_DAY_MAX, (long long)year, month,
                               __builtin_ctz(full));
        }
    }
    return MU_OK;
}

static mu_code check_policies(const mu_workspace *workspace, mu_arena *arena, mu_err *err)
{
    uint32_t n, n_of_profiles = 0;
    const mu_stored_policy *policies;
    MU_TRY(mu_stored_policies_list(workspace->options->documents, arena, workspace->place, &n,
                                   &policies, err));
    for (uint32_t i = 0; i < n; i++)
        n_of_profiles += mu_str_equal(policies[i].schema_name, MU_STR("_xdm.context.profile"));
    return n_of_profiles <= MU_SCHEDULES_POLICIES_MAX
               ? MU_OK
               : mu_fail(err, MU_E_INPUT,
                         "the sandbox has %u merge policies of profiles; scheduled evaluation "
                         "takes at most %u",
                         n_of_profiles, MU_SCHEDULES_POLICIES_MAX);
}

mu_code mu_schedule_may_be_active(const mu_workspace *workspace, mu_str id, const mu_cron *cron,
                                  int64_t now_ms, mu_err *err)
{
    mu_arena arena;
    const mu_shelf *shelf;
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_SCHEDULE_KIND, &shelf, err));
    mu_arena_init(&arena, SIZE_MAX);
    active_others others = read_others(&arena, shelf, id);
    mu_code code = check_days(&others, cron, now_ms, err);
    if (code == MU_OK)
        code = check_policies(workspace, &arena, err);
    mu_arena_free(&arena);
    mu_shelf_release(shelf);
    return code;
}

/* -------- state -------- */

mu_code mu_schedule_state_edit(mu_arena *arena, mu_str id, int64_t now_ms, mu_document_edit *out,
                               mu_err *err)
{
    mu_json json = MU_JSON_OBJECT_OF(arena, {MU_STR("firedUntil"), mu_json_of_integer(now_ms)});
    *out = (mu_document_edit){.action = MU_DOCUMENT_PUT, .kind = MU_SCHEDULE_STATE_KIND, .id = id};
    return mu_json_text(arena, &json, &out->json, err);
}

/* -------- the system schedule -------- */

/* The same for a sandbox whenever it is made. */
static mu_str system_id(mu_arena *arena, mu_str place)
{
    return mu_schedule_uuid(
        arena, mu_arena_format(arena, "system schedule of " MU_STR_FMT, MU_STR_ARG(place)));
}

static mu_json system_schedule(mu_arena *arena, const mu_workspace *workspace, mu_str id,
                               int64_t now_ms)
{
    const mu_str all = MU_STR("*");
    bool is_active = workspace->options->settings.system_schedule_active != 0;
    return MU_JSON_OBJECT_OF(
        arena, {MU_STR("id"), mu_json_of_string(id)},
        {MU_STR("name"), mu_json_of_string(SYSTEM_NAME)},
        {MU_STR("state"), mu_json_of_string(is_active ? MU_STR("active") : MU_STR("inactive"))},
        {MU_STR("type"), mu_json_of_string(MU_STR("batch_segmentation"))},
        {MU_STR("schedule"), mu_json_of_string(SYSTEM_CRON)},
        {MU_STR("properties"),
         MU_JSON_OBJECT_OF(arena, {MU_STR("segments"), mu_json_strings(arena, 1, &all)})},
        {MU_STR("createEpoch"), mu_json_of_integer(now_ms / 1000)},
        {MU_STR("updateEpoch"), mu_json_of_integer(now_ms / 1000)},
        {MU_STR("isSystem"), mu_json_of_boolean(true)});
}

static bool has_system(const mu_shelf *shelf)
{
    bool found = false;
    for (uint32_t i = 0; !found && i < shelf->n; i++) {
        mu_schedule schedule;
        mu_schedule_read(shelf->items[i], &schedule);
        found = schedule.is_system;
    }
    return found;
}

static mu_code add_system(mu_workspace *workspace, mu_arena *arena, mu_err *err)
{
    int64_t now_ms = mu_workspace_now_ms(workspace);
    mu_str id = system_id(arena, workspace->place);
    mu_json json = system_schedule(arena, workspace, id, now_ms);
    mu_document_edit edits[2] = {{.action = MU_DOCUMENT_ADD, .kind = MU_SCHEDULE_KIND, .id = id}};
    MU_TRY(mu_json_text(arena, &json, &edits[0].json, err));
    MU_TRY(mu_schedule_state_edit(arena, id, now_ms, &edits[1], err));
    mu_code code = mu_shelves_edit(workspace->shelves, now_ms, 2, edits, err);
    return code == MU_E_CONFLICT ? MU_OK : code; /* somebody else just did */
}

mu_code mu_schedule_ensure_system(mu_workspace *workspace, mu_err *err)
{
    mu_arena arena;
    const mu_shelf *shelf;
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_SCHEDULE_STATE_KIND, &shelf, err));
    mu_shelf_release(shelf); /* read from now on, also for those who hold the shelves' lock */
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_SCHEDULE_KIND, &shelf, err));
    bool is_there = has_system(shelf);
    mu_shelf_release(shelf);
    if (is_there)
        return MU_OK;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = add_system(workspace, &arena, err);
    mu_arena_free(&arena);
    return code;
}
