/* eligibility.c -- how the original service would evaluate a rule, and why not otherwise (pql.md
 * 18.2, 18.3). */
#include "pql/bind_int.h"

/* Reasons are sentences for the author of the rule; "" when there is none. */
typedef struct judge {
    mu_arena *arena;
    const mu_eligibility_options *options;
    const rule_features *f;
} judge;

static bool any_segment(const judge *j, bool (*holds)(void *context, mu_str id))
{
    if (holds == NULL)
        return false;
    for (uint32_t i = 0; i < j->f->n_segments; i++)
        if (holds(j->options->context, j->f->segments[i]))
            return true;
    return false;
}

/* What streaming and edge have in common: 18.2 1, 2 and 4; 18.3 1 and 2. */
static mu_str common_reason(const judge *j)
{
    const rule_features *f = j->f;
    if (!j->options->merge_policy_active_on_edge)
        return MU_STR("The merge policy is not active on edge.");
    if (f->has_relationship)
        return MU_STR("The rule follows a relationship to another entity.");
    if (f->reads_aam || any_segment(j, j->options->segment_is_aam))
        return MU_STR("The rule uses Audience Manager data.");
    if (f->ignores_year)
        return MU_STR("A time condition ignores the year.");
    if (f->n_aggregations > 0)
        return MU_STR("The rule aggregates over events.");
    if (f->has_tier_2)
        return mu_arena_format(j->arena,
                               "The function '" MU_STR_FMT "' is evaluated in batch only.",
                               MU_STR_ARG(f->tier_2_name));
    if (f->n_events == 0 && !f->has_profile_attributes && f->n_segments == 0)
        return MU_STR("The rule uses no profile attributes, events or audiences.");
    return MU_STR("");
}

/* 18.2 5 and 18.3 4 (D88). */
static mu_str segment_reason(const judge *j)
{
    if (j->f->n_events > 0 && any_segment(j, j->options->segment_has_events))
        return MU_STR("The rule combines events with an audience that uses events itself.");
    return MU_STR("");
}

static mu_str window_reason(const judge *j)
{
    for (uint32_t i = 0; i < j->f->n_events; i++)
        if (!j->f->events[i].is_within_a_day)
            return MU_STR("An event is not limited to the past 24 hours.");
    return MU_STR("");
}

static bool all_are_negative(const rule_features *f)
{
    for (uint32_t i = 0; i < f->n_events; i++)
        if (!f->events[i].is_negative)
            return false;
    return true;
}

static bool is_one_chain(const rule_features *f)
{
    for (uint32_t i = 0; i < f->n_events; i++)
        if (f->events[i].chain == NULL || f->events[i].chain != f->events[0].chain)
            return false;
    return true;
}

static mu_str streaming_reason(const judge *j)
{
    const rule_features *f = j->f;
    mu_str reason = common_reason(j);
    if (reason.len > 0 || f->n_events == 0)
        return reason;
    if (f->n_events > 1 && !is_one_chain(f))
        return MU_STR("Several events stand outside of one common sequence.");
    if (all_are_negative(f))
        return MU_STR("The rule asks for the absence of events only.");
    reason = window_reason(j);
    return reason.len > 0 ? reason : segment_reason(j);
}

static mu_str edge_reason(const judge *j)
{
    const rule_features *f = j->f;
    mu_str reason = common_reason(j);
    if (reason.len > 0 || f->n_events == 0)
        return reason;
    if (f->n_events > 1)
        return MU_STR("The rule uses more than one event.");
    if (f->events[0].has_count)
        return MU_STR("The rule counts events.");
    if (f->events[0].is_negative)
        return MU_STR("The rule asks for the absence of an event.");
    reason = window_reason(j);
    return reason.len > 0 ? reason : segment_reason(j);
}

void mu_pql_eligibility(mu_arena *arena, const mu_pql *bound, const mu_eligibility_options *options,
                        mu_eligibility *out)
{
    rule_features features;
    mu_rule_features(arena, bound, &features);
    judge j = {arena, options, &features};
    *out = (mu_eligibility){
        .streaming_reason = streaming_reason(&j),
        .edge_reason = edge_reason(&j),
        .n_segments = features.n_segments,
        .segments = features.segments,
        .has_events = features.n_events > 0,
        .has_profile_attributes = features.has_profile_attributes,
    };
    out->streaming = out->streaming_reason.len == 0;
    out->edge = out->edge_reason.len == 0;
}
