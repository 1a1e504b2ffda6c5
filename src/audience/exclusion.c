#include "audience/exclusion.h"

/* An opt-out stands in any of these places; a schema may lack some, where then nobody opted out. */
static const char *const opt_out_rules[] = {
    ("optOutConsentLevel.privacyOptOuts.exists(optOutType = \"general_opt_out\" and "
     "optOutValue = \"out\")"),
    "privacyOptOuts.exists(optOutType = \"general_opt_out\" and optOutValue = \"out\")",
    "optInOut.globalOptout = true",
};

static const mu_pql *compile(mu_arena *arena, const mu_schema *schema, mu_str text)
{
    const mu_pql *tree, *bound = NULL;
    mu_pql_diagnostics diagnostics;
    const mu_pql_bind_options options = {.schema = schema, .must_be_condition = true};
    mu_pql_diagnostics_init(&diagnostics, arena);
    bool binds = mu_pql_parse_text(arena, text, &tree, &diagnostics) == MU_OK &&
                 mu_pql_bind(arena, tree, &options, &bound, &diagnostics) == MU_OK;
    return binds ? bound : NULL;
}

static mu_str alternatives(mu_arena *arena, mu_str first, mu_str second)
{
    if (first.len == 0 || second.len == 0)
        return first.len == 0 ? second : first;
    return mu_arena_format(arena, MU_STR_FMT " or " MU_STR_FMT, MU_STR_ARG(first),
                           MU_STR_ARG(second));
}

void mu_exclusion_rules_make(mu_arena *arena, const mu_schema *schema, int64_t events_max,
                             mu_exclusion_rules *out)
{
    mu_str opt_out = MU_STR(""), many_events = MU_STR("");
    for (size_t i = 0; i < sizeof opt_out_rules / sizeof opt_out_rules[0]; i++) {
        mu_str rule = mu_arena_format(arena, "(%s)", opt_out_rules[i]);
        if (compile(arena, schema, rule) != NULL)
            opt_out = alternatives(arena, opt_out, rule);
    }
    if (events_max >= 0)
        many_events = mu_arena_format(arena, "(xEvent.count() > %lld)", (long long)events_max);
    mu_str either = alternatives(arena, opt_out, many_events);
    *out = (mu_exclusion_rules){0};
    if (opt_out.len > 0)
        out->opt_out = compile(arena, schema, opt_out);
    if (many_events.len > 0)
        out->many_events = compile(arena, schema, many_events);
    if (either.len > 0)
        out->either = compile(arena, schema, either);
}
