/* plan.c -- `muster pql plan`: how rules would be evaluated together. */
#include "app/rule_int.h"

#include <stdlib.h>

typedef struct plan_rules {
    uint32_t n, capacity;
    mu_job_audience *items;
    bool any_error;
} plan_rules;

static void add_rule(mu_arena *arena, const mu_schema *schema, mu_str source, plan_rules *rules)
{
    mu_pql_diagnostics diagnostics;
    mu_pql_diagnostics_init(&diagnostics, arena);
    const mu_pql *query;
    bool ok = mu_rule_compile(arena, source, schema, true, &query, &diagnostics);
    mu_rule_print_diagnostics(&diagnostics, source, stderr);
    if (!ok) {
        rules->any_error = true;
        return;
    }
    if (rules->n == rules->capacity) {
        uint32_t capacity = rules->capacity == 0 ? 16 : rules->capacity * 2;
        mu_job_audience *items = MU_NEW_ARRAY(arena, mu_job_audience, capacity);
        if (rules->n > 0)
            memcpy(items, rules->items, rules->n * sizeof *items);
        rules->items = items;
        rules->capacity = capacity;
    }
    mu_str id = mu_arena_format(arena, "rule-%u", rules->n + 1);
    rules->items[rules->n++] = (mu_job_audience){.id = id, .query = query};
}

static void read_rules(mu_arena *arena, const mu_schema *schema, const char *expression,
                       plan_rules *rules)
{
    if (expression != NULL && strcmp(expression, "-") != 0) {
        add_rule(arena, schema, mu_str_from(expression), rules);
        return;
    }
    mu_line_reader reader;
    mu_line_reader_init(&reader, stdin, MU_PQL_TEXT_MAX);
    for (mu_str line; mu_line_reader_next(&reader, &line);)
        add_rule(arena, schema, mu_arena_copy(arena, line), rules);
    mu_line_reader_fini(&reader);
}

static mu_exit plan(mu_invocation *invocation, const mu_snapshot *snapshot, const char *expression)
{
    plan_rules rules = {0};
    read_rules(invocation->arena, mu_snapshot_schema(snapshot), expression, &rules);
    if (rules.any_error) {
        if (!invocation->options.values[MU_OPTION_DATA].is_set)
            mu_say("without --data the built-in schema holds, which knows standard fields only");
        return MU_EXIT_INPUT;
    }
    mu_job_options options = {
        .now_ms = mu_options_now_ms(&invocation->options),
        .n_threads = mu_options_threads(&invocation->options),
    };
    mu_job *job;
    mu_err err;
    if (mu_job_new(snapshot, &options, rules.n, rules.items, &job, &err) != MU_OK)
        return mu_report(&err);
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    mu_job_write_plan(job, &buf);
    mu_output(&buf);
    mu_buf_free(&buf);
    mu_job_free(job);
    return MU_EXIT_DONE;
}

/* An empty sandbox, whose schema is the built-in one. */
static mu_exit plan_without_data(mu_invocation *invocation, const char *expression)
{
    const char *folder;
    mu_err err;
    mu_store *store;
    mu_snapshot *snapshot;
    if (mu_temporary_folder_make(invocation->arena, &folder, &err) != MU_OK)
        return mu_report(&err);
    mu_exit status = MU_EXIT_SYSTEM;
    if (mu_store_open(folder, MU_STR("prod"), MU_STORE_WRITE, &store, &err) != MU_OK) {
        status = mu_report(&err);
    } else {
        if (mu_snapshot_acquire(store, &snapshot, &err) != MU_OK) {
            status = mu_report(&err);
        } else {
            status = plan(invocation, snapshot, expression);
            mu_snapshot_release(snapshot);
        }
        mu_store_close(store);
    }
    mu_temporary_folder_remove(folder);
    return status;
}

mu_exit mu_pql_plan(mu_invocation *invocation, const char *expression)
{
    if (!invocation->options.values[MU_OPTION_DATA].is_set)
        return plan_without_data(invocation, expression);
    mu_data data;
    mu_exit status = mu_data_open(invocation, &data);
    if (status != MU_EXIT_DONE)
        return status;
    status = plan(invocation, data.snapshot, expression);
    mu_data_close(&data);
    return status;
}
