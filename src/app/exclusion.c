#include "app/exclusion.h"

#include "app/rule_int.h"

/* An opt-out stands in any of these places; a schema may lack some, where then nobody opted out. */
static const char *const opt_out_rules[] = {
    ("optOutConsentLevel.privacyOptOuts.exists(optOutType = \"general_opt_out\" and "
     "optOutValue = \"out\")"),
    "privacyOptOuts.exists(optOutType = \"general_opt_out\" and optOutValue = \"out\")",
    "optInOut.globalOptout = true",
};

typedef struct exclusion_run {
    mu_member_set *rows;
} exclusion_run;

static mu_code add_members(void *context, unsigned worker, uint32_t audience, uint32_t part,
                           uint32_t block, const uint64_t *members, uint32_t n_rows, mu_err *err)
{
    exclusion_run *run = context;
    (void)worker;
    (void)audience;
    (void)err;
    mu_member_set_add(run->rows, part, block, members, n_rows);
    return MU_OK;
}

/* One rule for all, or NULL when the schema has none of the places. */
static const mu_pql *compile_opt_out(mu_arena *arena, const mu_schema *schema)
{
    mu_buf text;
    const mu_pql *bound = NULL;
    mu_buf_init(&text, SIZE_MAX);
    for (size_t i = 0; i < MU_LENGTH(opt_out_rules); i++) {
        mu_pql_diagnostics diagnostics;
        mu_pql_diagnostics_init(&diagnostics, arena);
        const mu_pql *alone;
        if (!mu_rule_compile(arena, mu_str_from(opt_out_rules[i]), schema, true, &alone,
                             &diagnostics))
            continue;
        mu_buf_add_format(&text, "%s(%s)", text.len == 0 ? "" : " or ", opt_out_rules[i]);
    }
    if (text.len > 0) {
        mu_pql_diagnostics diagnostics;
        mu_pql_diagnostics_init(&diagnostics, arena);
        bool ok = mu_rule_compile(arena, mu_arena_copy(arena, mu_buf_str(&text)), schema, true,
                                  &bound, &diagnostics);
        MU_ASSERT(ok);
    }
    mu_buf_free(&text);
    return bound;
}

static const mu_pql *compile_events_max(mu_arena *arena, const mu_schema *schema,
                                        int64_t events_max)
{
    mu_pql_diagnostics diagnostics;
    mu_pql_diagnostics_init(&diagnostics, arena);
    const mu_pql *bound;
    bool ok = mu_rule_compile(
        arena, mu_arena_format(arena, "xEvent.count() > %lld", (long long)events_max), schema, true,
        &bound, &diagnostics);
    MU_ASSERT(ok);
    return bound;
}

mu_code mu_exclusion_find(mu_arena *arena, const mu_snapshot *snapshot,
                          const mu_exclusion_options *options, mu_exclusion *out, mu_err *err)
{
    const mu_schema *schema = mu_snapshot_schema(snapshot);
    const mu_pql *opt_out = options->opted_out ? compile_opt_out(arena, schema) : NULL;
    mu_job_audience audiences[2];
    uint64_t counts[2] = {0};
    uint32_t n = 0;
    *out = (mu_exclusion){.is_on = options->opted_out || options->events_max >= 0};
    if (opt_out != NULL)
        audiences[n++] = (mu_job_audience){.query = opt_out};
    if (options->events_max >= 0)
        audiences[n++] =
            (mu_job_audience){.query = compile_events_max(arena, schema, options->events_max)};
    mu_member_set_init(&out->rows, arena, mu_snapshot_entity(snapshot, MU_STR("profile")));
    if (n == 0)
        return MU_OK;
    mu_job_options job_options = {.now_ms = options->now_ms, .n_threads = options->n_threads};
    mu_job *job;
    mu_job_counters counters;
    exclusion_run run = {&out->rows};
    MU_TRY(mu_job_new(snapshot, &job_options, n, audiences, &job, err));
    mu_code code = mu_job_run(job, add_members, &run, counts, &counters, err);
    mu_job_free(job);
    out->n_opted_out = opt_out != NULL ? counts[0] : 0;
    out->n_many_events = options->events_max >= 0 ? counts[n - 1] : 0;
    return code;
}
