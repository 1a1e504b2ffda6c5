/* What /metrics shows of the sandboxes. */
#include "live/live_int.h"

static mu_gauge *gauge_of(mu_sandbox *sandbox, const char *name, const char *help)
{
    const mu_label label = {"sandbox", mu_sandbox_name(sandbox)};
    return mu_metrics_gauge(sandbox->live->options.metrics, name, help, &label, 1);
}

void mu_sandbox_find_gauges(mu_sandbox *sandbox)
{
    sandbox->gauges = (mu_sandbox_gauges){
        .profiles = gauge_of(sandbox, "muster_profiles", "Profiles, as last shown."),
        .events = gauge_of(sandbox, "muster_events", "Events of profiles, as last shown."),
        .parts = gauge_of(sandbox, "muster_parts", "Column parts, on disk and in memory."),
        .dead_rows = gauge_of(sandbox, "muster_dead_rows", "Rows that merges will leave out."),
        .delta_bytes = gauge_of(sandbox, "muster_delta_bytes",
                                "Log bytes of records that no snapshot shows yet."),
        .memory_bytes = gauge_of(sandbox, "muster_memory_part_bytes", "Bytes of parts in memory."),
        .unfolded_bytes =
            gauge_of(sandbox, "muster_unfolded_bytes", "Log bytes that no part on disk has yet."),
    };
}

void mu_sandbox_set_gauges(mu_sandbox *sandbox)
{
    const mu_sandbox_gauges *gauges = &sandbox->gauges;
    mu_sandbox_counts counts = mu_sandbox_count(sandbox);
    mu_gauge_set(gauges->profiles, (int64_t)counts.n_profiles);
    mu_gauge_set(gauges->events, (int64_t)counts.n_events);
    mu_gauge_set(gauges->parts, (int64_t)counts.n_parts);
    mu_gauge_set(gauges->dead_rows, (int64_t)counts.n_dead_rows);
    mu_gauge_set(gauges->delta_bytes, (int64_t)atomic_load(&sandbox->delta_bytes));
    mu_gauge_set(gauges->memory_bytes, (int64_t)atomic_load(&sandbox->memory_bytes));
    mu_gauge_set(gauges->unfolded_bytes, (int64_t)atomic_load(&sandbox->unfolded_bytes));
}
