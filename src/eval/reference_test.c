/* reference_test.c -- the reference evaluator where text files cannot go: guards, relationships,
 * memberships, scopes given by a caller, the trace, and chains against plain enumeration. */
#include "eval/reference_int.h"
#include "tests/support/dice.h"
#include "tests/support/random_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct fixture {
    mu_arena arena;
    mu_value profile;
    mu_reference_context context;
} fixture;

static const int64_t now_ms = 1715351720000; /* 2024-05-10T14:35:20Z */

static mu_value from_json(mu_arena *arena, const char *text)
{
    mu_json json;
    mu_err err;
    mu_json_reader *reader = mu_json_reader_new();
    if (mu_json_read(reader, arena, mu_str_from(text), &json, &err) != MU_OK)
        fail_msg("%s", err.text);
    mu_json_reader_free(reader);
    return mu_value_from_json(arena, &json);
}

static void setup(fixture *f, const char *profile)
{
    *f = (fixture){0};
    mu_arena_init(&f->arena, SIZE_MAX);
    f->profile = from_json(&f->arena, profile);
    f->context =
        (mu_reference_context){.now_ms = now_ms, .n_parameters = 1, .parameters = &f->profile};
}

static const mu_pql *parse(fixture *f, const char *text)
{
    mu_pql_diagnostics diagnostics;
    const mu_pql *query;
    mu_pql_diagnostics_init(&diagnostics, &f->arena);
    if (mu_pql_parse_text(&f->arena, mu_str_from(text), &query, &diagnostics) != MU_OK)
        fail_msg("%s does not parse", text);
    return query;
}

static bool holds(fixture *f, const char *rule)
{
    uint32_t trips;
    bool member = mu_reference_is_member(&f->arena, &f->context, parse(f, rule), &trips);
    assert_int_equal(trips, 0);
    return member;
}

/* -------- guards -------- */

/* A profile with `n` events a minute apart, of type `even` and `odd` in turn. */
static mu_value many_events(mu_arena *arena, uint32_t n)
{
    static const mu_str names[] = {{"eventType", 9}, {"timestamp", 9}, {"n", 1}};
    static const mu_str xevent[] = {{"xEvent", 6}};
    mu_value *events = MU_NEW_ARRAY(arena, mu_value, n);
    for (uint32_t i = 0; i < n; i++) {
        mu_value *fields = MU_NEW_ARRAY(arena, mu_value, 3);
        fields[0] = mu_value_string(i % 2 == 0 ? MU_STR("even") : MU_STR("odd"));
        fields[1] = mu_value_timestamp(now_ms + (int64_t)i * 60000);
        fields[2] = mu_value_integer(i);
        events[i] = (mu_value){.kind = MU_TYPE_OBJECT, .n = 3, .items = fields, .keys = names};
    }
    mu_value *list = MU_NEW(arena, mu_value);
    *list = (mu_value){.kind = MU_TYPE_LIST, .n = n, .items = events};
    return (mu_value){.kind = MU_TYPE_OBJECT, .n = 1, .items = list, .keys = xevent};
}

static uint32_t trips_of(fixture *f, const char *rule, bool *member)
{
    uint32_t trips;
    *member = mu_reference_is_member(&f->arena, &f->context, parse(f, rule), &trips);
    return trips;
}

static void chain_decided_by_its_earliest_match_never_trips(void **state)
{
    (void)state;
    fixture f;
    bool member;
    setup(&f, "{}");
    f.profile = many_events(&f.arena, 20000);
    const char *rule = "chain(xEvent, timestamp, [WHAT(n >= 0), WHAT(n >= 0), WHAT(n < 0)])";
    assert_int_equal(trips_of(&f, rule, &member), 0);
    assert_false(member);
    mu_arena_free(&f.arena);
}

static void chain_steps_trip_and_make_a_non_member(void **state)
{
    (void)state;
    fixture f;
    bool member;
    setup(&f, "{}");
    f.profile = many_events(&f.arena, 3000);
    const char *rule = "chain(xEvent, timestamp, [A: WHAT(true), B: WHAT(n = A.n - 1)])";
    char negated[200];
    assert_int_equal(trips_of(&f, rule, &member), 1u << MU_GUARD_CHAIN_STEPS);
    assert_false(member);
    snprintf(negated, sizeof negated, "not %s", rule);
    assert_int_equal(trips_of(&f, negated, &member), 1u << MU_GUARD_CHAIN_STEPS);
    assert_false(member);
    snprintf(negated, sizeof negated, "true or %s", rule);
    assert_int_equal(trips_of(&f, negated, &member), 1u << MU_GUARD_CHAIN_STEPS);
    assert_false(member);
    snprintf(negated, sizeof negated, "if(true, true, %s)", rule);
    assert_int_equal(trips_of(&f, negated, &member), 1u << MU_GUARD_CHAIN_STEPS);
    mu_arena_free(&f.arena);
}

/* k * n * (n + 1) with k = 2: 706 events stay below a million steps, whatever the gap. */
static void chain_below_its_bound_does_not_trip(void **state)
{
    (void)state;
    fixture f;
    bool member;
    setup(&f, "{}");
    f.profile = many_events(&f.arena, 706);
    const char *rule = "chain(xEvent, timestamp, [WHAT(true), GAP(> 10 days), WHAT(true)]) or "
                       "chain(xEvent, timestamp, [WHAT(true), GAP(<= 0 seconds), WHAT(true)])";
    assert_int_equal(trips_of(&f, rule, &member), 0);
    mu_arena_free(&f.arena);
}

static void events_that_cannot_match_cost_no_steps(void **state)
{
    (void)state;
    fixture f;
    bool member;
    setup(&f, "{}");
    f.profile = many_events(&f.arena, 20000);
    const char *rule = "chain(xEvent, timestamp, [A: WHAT(n < 100), GAP(<= 1 days), "
                       "WHAT(eventType = \"never\" and n > A.n)])";
    assert_int_equal(trips_of(&f, rule, &member), 1u << MU_GUARD_CHAIN_STEPS);
    rule = "chain(xEvent, timestamp, [A: WHAT(n < 100), GAP(<= 1 days), "
           "WHAT(eventType = \"never\") WHERE(n > A.n)])";
    assert_int_equal(trips_of(&f, rule, &member), 0);
    mu_arena_free(&f.arena);
}

static void regex_steps_trip(void **state)
{
    (void)state;
    fixture f;
    bool member;
    setup(&f, "{\"t\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}");
    assert_int_equal(trips_of(&f, "t.matches(\"(a+)+$\")", &member), 1u << MU_GUARD_REGEX_STEPS);
    assert_false(member);
    assert_int_equal(trips_of(&f, "not t.matches(\"(a+)+$\")", &member),
                     1u << MU_GUARD_REGEX_STEPS);
    assert_false(member);
    assert_int_equal(trips_of(&f, "t.regexGroup(\"(a+)+$\").isNull()", &member),
                     1u << MU_GUARD_REGEX_STEPS);
    mu_arena_free(&f.arena);
}

static void guards_have_names(void **state)
{
    (void)state;
    assert_string_equal(mu_guard_name(MU_GUARD_CHAIN_STEPS), "chain-steps");
    assert_string_equal(mu_guard_name(MU_GUARD_REGEX_STEPS), "regex-steps");
}

/* Whatever depth the parsers let through evaluates and explains. */
static void deep_rules_are_refused_or_evaluate(void **state)
{
    (void)state;
    static const struct {
        const char *head, *repeated, *tail;
    } cases[] = {{"a", ".b", " = 1"},         {"1", " + 1", " = 1"},
                 {"a = 1", " and a = 1", ""}, {"a = 1", " or a = 1", ""},
                 {"a", ".head()", " = 1"},    {"", "not ", "a"},
                 {"", "-", "1 = 1"},          {"a", "[b = 1]", ""},
                 {"", "let x = a in ", "x"},  {"now occurs on ", "1 days before ", "now"}};
    uint32_t n_evaluated = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (unsigned n = 50; n < 100000; n *= 2) {
            fixture f;
            mu_buf text;
            mu_pql_diagnostics diagnostics;
            mu_explanation explanation;
            const mu_pql *query;
            setup(&f, "{\"a\":[{\"b\":1}]}");
            mu_buf_init(&text, SIZE_MAX);
            mu_buf_add_str(&text, mu_str_from(cases[i].head));
            for (unsigned k = 0; k < n; k++)
                mu_buf_add_str(&text, mu_str_from(cases[i].repeated));
            mu_buf_add_str(&text, mu_str_from(cases[i].tail));
            mu_pql_diagnostics_init(&diagnostics, &f.arena);
            bool parses =
                mu_pql_parse_text(&f.arena, mu_buf_str(&text), &query, &diagnostics) == MU_OK;
            if (parses && n <= 1000) {
                mu_explain_run(&f.arena, &f.context, query, &explanation);
                n_evaluated++;
            } else if (parses) {
                mu_reference_eval(&f.arena, &f.context, query);
            }
            mu_buf_free(&text);
            mu_arena_free(&f.arena);
        }
    }
    assert_true(n_evaluated > 10);
}

/* -------- other entities -------- */

static mu_value find_store(void *context, mu_arena *arena, mu_str class_name, mu_str key)
{
    (void)context;
    if (!mu_str_equal(class_name, MU_STR("store")))
        return MU_VALUE_NULL;
    if (mu_str_equal(key, MU_STR("S-1")))
        return from_json(arena, "{\"city\":\"Paris\",\"zones\":[1,2]}");
    if (mu_str_equal(key, MU_STR("S-2")))
        return from_json(arena, "{\"city\":\"Rome\",\"zones\":[3]}");
    return MU_VALUE_NULL;
}

static void resolve_finds_records_by_key(void **state)
{
    (void)state;
    fixture f;
    setup(&f, "{\"home\":\"S-1\",\"gone\":\"S-9\",\"stores\":[\"S-2\",\"S-9\",\"S-1\"]}");
    assert_false(holds(&f, "resolve(home, \"store\").city = \"Paris\""));
    f.context.resolve = find_store;
    assert_true(holds(&f, "resolve(home, \"store\").city = \"Paris\""));
    assert_true(holds(&f, "resolve(home, \"other\").isNull()"));
    assert_true(holds(&f, "resolve(gone, \"store\").isNull()"));
    assert_true(holds(&f, "resolve(stores, \"store\").city = [\"Rome\", \"Paris\"]"));
    assert_true(holds(&f, "resolve(stores, \"store\").zones = [1, 2, 3]"));
    mu_arena_free(&f.arena);
}

/* A bound tree marks the hop on the FIELD; here it is marked by hand. */
static void hops_follow_the_class_of_the_field(void **state)
{
    (void)state;
    fixture f;
    setup(&f, "{\"home\":\"S-1\",\"stores\":[\"S-2\",\"S-1\"]}");
    f.context.resolve = find_store;
    mu_pql field = *parse(&f, "home.city");
    field.hop_class = MU_STR("store");
    mu_reference_result result = mu_reference_eval(&f.arena, &f.context, &field);
    assert_true(mu_str_equal(result.value.string, MU_STR("Paris")));
    field = *parse(&f, "stores.city");
    field.hop_class = MU_STR("store");
    result = mu_reference_eval(&f.arena, &f.context, &field);
    assert_int_equal(result.value.n, 2);
    assert_true(mu_str_equal(result.value.items[0].string, MU_STR("Rome")));
    mu_arena_free(&f.arena);
}

/* A rule bound to the examples' schema on a typed record. */
static bool holds_bound(fixture *f, const char *record, const char *rule)
{
    mu_json json;
    mu_err err;
    mu_pql_diagnostics diagnostics;
    const mu_pql *bound;
    uint32_t trips;
    const mu_schema *schema = mu_examples_schema(&f->arena);
    mu_pql_bind_options options = {.schema = schema, .must_be_condition = true};
    mu_json_reader *reader = mu_json_reader_new();
    mu_pql_diagnostics_init(&diagnostics, &f->arena);
    assert_int_equal(mu_pql_bind(&f->arena, parse(f, rule), &options, &bound, &diagnostics), MU_OK);
    assert_int_equal(mu_json_read(reader, &f->arena, mu_str_from(record), &json, &err), MU_OK);
    assert_int_equal(mu_value_from_typed_json(&f->arena, schema->row, &json, &f->profile, &err),
                     MU_OK);
    mu_json_reader_free(reader);
    return mu_reference_is_member(&f->arena, &f->context, bound, &trips);
}

static mu_value find_by_schema(void *context, mu_arena *arena, mu_str class_name, mu_str key)
{
    if (mu_str_equal(class_name, MU_STR("product")) && mu_str_equal(key, MU_STR("P-1")))
        return from_json(arena, "{\"id\":\"P-1\",\"category\":\"Shoes\"}");
    return find_store(context, arena, class_name, key);
}

static void relationships_of_a_schema_are_followed(void **state)
{
    (void)state;
    fixture f;
    setup(&f, "{}");
    f.context.resolve = find_by_schema;
    const char *city = "_acme.favoriteStore.city = \"Paris\"";
    assert_true(holds_bound(&f, "{\"_acme\":{\"favoriteStore\":\"S-1\"}}", city));
    assert_false(holds_bound(&f, "{\"_acme\":{\"favoriteStore\":\"S-2\"}}", city));
    assert_false(holds_bound(&f, "{\"_acme\":{\"favoriteStore\":\"S-9\"}}", city));
    assert_false(holds_bound(&f, "{}", city));
    assert_true(holds_bound(&f, "{\"_acme\":{\"favoriteStore\":\"S-1\"}}",
                            "_acme.favoriteStore = \"S-1\""));
    const char *shoes = "xEvent[productListItems.exists(_acme.productId.category.equals("
                        "\"shoes\", false))].count() > 0";
    assert_true(holds_bound(&f,
                            "{\"xEvent\":[{\"timestamp\":\"2024-05-10T00:00:00Z\","
                            "\"productListItems\":[{\"_acme\":{\"productId\":\"P-1\"}}]}]}",
                            shoes));
    assert_false(holds_bound(&f,
                             "{\"xEvent\":[{\"timestamp\":\"2024-05-10T00:00:00Z\","
                             "\"productListItems\":[{\"_acme\":{\"productId\":\"P-2\"}}]}]}",
                             shoes));
    assert_true(holds_bound(&f,
                            "{\"xEvent\":[{\"timestamp\":\"2024-05-10T00:00:00Z\","
                            "\"productListItems\":[{\"_acme\":{\"productId\":\"P-1\"}}]}]}",
                            "xEvent.productListItems._acme.productId.category = \"Shoes\""));
    mu_arena_free(&f.arena);
}

/* -------- audiences -------- */

static bool is_fixed_member(void *context, mu_str id)
{
    return mu_str_equal(id, mu_str_from(context));
}

static void audiences_are_asked_of_the_caller(void **state)
{
    (void)state;
    fixture f;
    setup(&f, "{\"segmentMembership\":{\"ups\":{\"b\":{\"status\":\"realized\"}}}}");
    assert_true(holds(&f, "inSegment(\"b\") and not inSegment(\"a\")"));
    f.context.in_segment = is_fixed_member;
    f.context.context = (void *)(uintptr_t) "a";
    assert_true(holds(&f, "inSegment(\"a\") and not inSegment(\"b\")"));
    mu_arena_free(&f.arena);
}

static void stored_memberships_need_status_and_time(void **state)
{
    (void)state;
    fixture f;
    setup(&f, "{\"segmentMembership\":{\"ups\":{"
              "\"in\":{\"status\":\"realized\"},\"old\":{\"status\":\"existing\"},"
              "\"out\":{\"status\":\"exited\"},\"none\":{},"
              "\"late\":{\"status\":\"realized\",\"validUntil\":\"2024-05-10T14:35:19Z\"},"
              "\"edge\":{\"status\":\"realized\",\"validUntil\":\"2024-05-10T14:35:20Z\"}},"
              "\"AAM\":{\"x\":{\"status\":\"realized\"},\"out\":{\"status\":\"realized\"}}}}");
    static const struct {
        const char *id;
        bool is_member;
    } cases[] = {{"in", true},    {"old", true},  {"out", false}, {"none", false},
                 {"late", false}, {"edge", true}, {"x", true},    {"unknown", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(
            mu_reference_stored_membership(f.profile, mu_str_from(cases[i].id), now_ms),
            cases[i].is_member);
    assert_false(mu_reference_stored_membership(MU_VALUE_NULL, MU_STR("in"), now_ms));
    mu_arena_free(&f.arena);
}

/* -------- parts of a query in a given scope -------- */

static void nodes_evaluate_in_given_scopes(void **state)
{
    (void)state;
    fixture f;
    setup(&f, "{\"person\":{\"gender\":\"f\"}}");
    const mu_pql *query = parse(&f, "xEvent[items[sku = \"a\" and ^^.person.gender = \"f\" and "
                                    "^.kind = e]]");
    const mu_pql *inner = query->args[1]->args[0]->args[1]->args[0];
    mu_value scopes[2] = {from_json(&f.arena, "{\"sku\":\"a\"}"),
                          from_json(&f.arena, "{\"kind\":\"k\",\"e\":\"k\"}")};
    mu_reference_result result =
        mu_reference_eval_in(&f.arena, &f.context, inner, 2, scopes, 0, NULL);
    assert_false(mu_value_is_true(result.value)); /* `e` is a field of the item, absent */
    scopes[0] = from_json(&f.arena, "{\"sku\":\"a\",\"e\":\"k\"}");
    result = mu_reference_eval_in(&f.arena, &f.context, inner, 2, scopes, 0, NULL);
    assert_true(mu_value_is_true(result.value));

    query = parse(&f, "exists e from xEvent where e.kind = person.gender");
    mu_reference_variable variable = {MU_STR("e"), from_json(&f.arena, "{\"kind\":\"f\"}")};
    result = mu_reference_eval_in(&f.arena, &f.context, query->declarations[0].where, 0, NULL, 1,
                                  &variable);
    assert_true(mu_value_is_true(result.value));
    mu_arena_free(&f.arena);
}

/* -------- the trace -------- */

typedef struct trace_log {
    uint32_t n_nodes, n_items, n_profile;
} trace_log;

static void log_node(void *context, const mu_pql *node, const mu_reference_scope *scope,
                     mu_value value)
{
    trace_log *log = context;
    (void)value;
    assert_non_null(node);
    log->n_nodes++;
    log->n_items += scope != NULL;
    log->n_profile += scope == NULL;
}

/* `=` and its two sides for each of the two items, with the implicit item behind `a`: 8; the call,
 * the list with its two objects and two numbers, `and`, `false`: 8. */
static void trace_sees_every_node_once_per_evaluation(void **state)
{
    (void)state;
    fixture f;
    trace_log log = {0};
    setup(&f, "{}");
    f.context.trace = log_node;
    f.context.trace_context = &log;
    mu_reference_eval(&f.arena, &f.context,
                      parse(&f, "false and [{\"a\": 1}, {\"a\": 2}].exists(a = 1)"));
    assert_int_equal(log.n_items, 8);
    assert_int_equal(log.n_profile, 8);
    mu_arena_free(&f.arena);
}

/* -------- chains against plain enumeration -------- */

/* Three elements a, b, c; a gap between the first two in minutes (0: none); an exclusion of x
 * between the last two and one after the last. */
typedef struct plain_chain {
    int gap;
    bool excludes_between, excludes_after;
    uint32_t n;
    int time[12];
    char type[12];
} plain_chain;

static bool has_x_between(const plain_chain *c, int from, int to)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (c->type[i] == 'x' && c->time[i] > from && c->time[i] < to)
            return true;
    return false;
}

static bool triple_matches(const plain_chain *c, uint32_t i, uint32_t j, uint32_t k)
{
    return c->type[i] == 'a' && c->type[j] == 'b' && c->type[k] == 'c' && c->time[i] < c->time[j] &&
           c->time[j] < c->time[k] && (c->gap == 0 || c->time[j] - c->time[i] <= c->gap) &&
           !(c->excludes_between && has_x_between(c, c->time[j], c->time[k])) &&
           !(c->excludes_after && has_x_between(c, c->time[k], 1 << 20));
}

static bool enumerate(const plain_chain *c)
{
    for (uint32_t i = 0; i < c->n; i++)
        for (uint32_t j = 0; j < c->n; j++)
            for (uint32_t k = 0; k < c->n; k++)
                if (triple_matches(c, i, j, k))
                    return true;
    return false;
}

static void write_chain(const plain_chain *c, bool by_alias, char *rule, size_t size)
{
    char gap[64] = "", when[64] = "";
    if (c->gap > 0 && by_alias)
        snprintf(when, sizeof when, " WHEN(<= %d minutes after A)", c->gap);
    else if (c->gap > 0)
        snprintf(gap, sizeof gap, "GAP(%d minutes), ", c->gap);
    snprintf(rule, size,
             "chain(xEvent, timestamp, [A: WHAT(t = \"a\"), %sB: WHAT(t = \"b\")%s, %sC: WHAT(t = "
             "\"c\")%s])",
             gap, when, c->excludes_between ? "EXCLUDE(WHAT(t = \"x\")), " : "",
             c->excludes_after ? ", EXCLUDE(WHAT(t = \"x\"))" : "");
}

static mu_value chain_profile(mu_arena *arena, const plain_chain *c)
{
    mu_buf json;
    char time[MU_TIME_TEXT_MAX];
    mu_buf_init(&json, SIZE_MAX);
    MU_BUF_ADD(&json, "{\"xEvent\":[");
    for (uint32_t i = 0; i < c->n; i++) {
        size_t len = mu_format_time(now_ms + c->time[i] * (int64_t)60000, time);
        mu_buf_add_format(&json, "%s{\"t\":\"%c\",\"timestamp\":\"%.*s\"}", i == 0 ? "" : ",",
                          c->type[i], (int)len, time);
    }
    MU_BUF_ADD(&json, "]}");
    mu_buf_add_char(&json, '\0');
    mu_value profile = from_json(arena, json.ptr);
    mu_buf_free(&json);
    return profile;
}

static void chains_agree_with_enumeration(void **state)
{
    (void)state;
    mu_dice dice;
    uint32_t n_true = 0;
    uint32_t n_cases = mu_dice_cases(3000);
    mu_dice_init(&dice, mu_dice_seed("chains_agree_with_enumeration", 20240510));
    for (uint32_t i = 0; i < n_cases; i++) {
        fixture f;
        char rule[512];
        plain_chain c = {.gap = (int)mu_dice_below(&dice, 4) * 2,
                         .excludes_between = mu_dice_below(&dice, 2) == 0,
                         .excludes_after = mu_dice_below(&dice, 3) == 0,
                         .n = mu_dice_below(&dice, 12)};
        for (uint32_t k = 0; k < c.n; k++) {
            c.time[k] = (int)mu_dice_below(&dice, 10);
            c.type[k] = "abcx"[mu_dice_below(&dice, 4)];
        }
        setup(&f, "{}");
        f.profile = chain_profile(&f.arena, &c);
        write_chain(&c, mu_dice_below(&dice, 2) == 0, rule, sizeof rule);
        bool expected = enumerate(&c);
        n_true += expected;
        if (holds(&f, rule) != expected)
            fail_msg("%s: expected %d", rule, expected);
        mu_arena_free(&f.arena);
    }
    assert_true(n_true > n_cases / 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_decided_by_its_earliest_match_never_trips),
        cmocka_unit_test(chain_steps_trip_and_make_a_non_member),
        cmocka_unit_test(chain_below_its_bound_does_not_trip),
        cmocka_unit_test(events_that_cannot_match_cost_no_steps),
        cmocka_unit_test(regex_steps_trip),
        cmocka_unit_test(guards_have_names),
        cmocka_unit_test(deep_rules_are_refused_or_evaluate),
        cmocka_unit_test(resolve_finds_records_by_key),
        cmocka_unit_test(hops_follow_the_class_of_the_field),
        cmocka_unit_test(relationships_of_a_schema_are_followed),
        cmocka_unit_test(audiences_are_asked_of_the_caller),
        cmocka_unit_test(stored_memberships_need_status_and_time),
        cmocka_unit_test(nodes_evaluate_in_given_scopes),
        cmocka_unit_test(trace_sees_every_node_once_per_evaluation),
        cmocka_unit_test(chains_agree_with_enumeration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
