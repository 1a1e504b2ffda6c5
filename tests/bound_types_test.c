/* bound_types_test.c -- the types that binding gives to the nodes of a rule hold for the values
 * that the reference evaluator computes, on random schemas, rows and rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "eval/eval.h"
#include "tests/support/differential.h"
#include "tests/support/random_case.h"
#include "tests/support/random_rule.h"

/* Comparing lists of events item by item takes long with many; types do not need many. */
#define EVENTS_MAX 8

typedef struct check {
    mu_arena *arena;
    const mu_random_data *data;
    const mu_pql *broken; /* the first node whose value has another type */
    mu_value value;
    uint64_t n_values;
} check;

static bool holds(const mu_type *type, mu_value value);

static bool items_hold(const mu_type *item, mu_value value)
{
    for (uint32_t i = 0; i < value.n; i++)
        if (!holds(item, value.items[i]))
            return false;
    return true;
}

/* Numbers that leave 64 bits become Doubles, and the sum of nothing is the Integer 0. */
static bool number_holds(const mu_type *type, mu_value value)
{
    if (type->kind == MU_TYPE_INTEGER && value.kind == MU_TYPE_DOUBLE)
        return value.number >= 0x1p62 || value.number <= -0x1p62;
    return value.kind == MU_TYPE_INTEGER || value.kind == MU_TYPE_DOUBLE;
}

static bool fields_hold(const mu_type *type, mu_value value)
{
    for (uint32_t f = 0; f < value.n; f++) {
        int field = mu_type_field(type, value.keys[f]);
        if (field < 0 || !holds(type->field_types[field], value.items[f]))
            return false;
    }
    return true;
}

static bool holds(const mu_type *type, mu_value value)
{
    if (type->kind == MU_TYPE_ANY || value.kind == MU_TYPE_NULL)
        return true;
    switch (type->kind) {
    case MU_TYPE_INTEGER:
    case MU_TYPE_DOUBLE:
        return number_holds(type, value);
    case MU_TYPE_LIST:
    case MU_TYPE_MAP:
        return value.kind == type->kind && items_hold(type->item, value);
    case MU_TYPE_OBJECT:
        return value.kind == MU_TYPE_OBJECT && fields_hold(type, value);
    default:
        return value.kind == type->kind;
    }
}

static void look_at(void *context, const mu_pql *node, const mu_reference_scope *scope,
                    mu_value value)
{
    (void)scope;
    check *c = context;
    c->n_values++;
    if (c->broken == NULL && node->kind != MU_PQL_LAMBDA && !holds(node->type, value)) {
        c->broken = node;
        c->value = value;
    }
}

static mu_value resolve(void *context, mu_arena *arena, mu_str class_name, mu_str key)
{
    (void)arena;
    check *c = context;
    for (uint32_t i = 0; i < c->data->n_records; i++)
        if (mu_str_equal(c->data->records[i].class_name, class_name) &&
            mu_str_equal(c->data->records[i].key, key))
            return c->data->records[i].value;
    return MU_VALUE_NULL;
}

static void fail_with(const check *c, uint64_t seed, mu_str text)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, 1 << 20);
    mu_pql_write_text(&buf, c->broken);
    MU_BUF_ADD(&buf, "\n  gave ");
    mu_json_writer_init(&writer, &buf);
    mu_value_write(&writer, c->value);
    fail_msg("seed %llu: " MU_STR_FMT "\n  of type " MU_STR_FMT ": " MU_STR_FMT,
             (unsigned long long)seed, MU_STR_ARG(text),
             MU_STR_ARG(mu_type_name(c->arena, c->broken->type)), MU_STR_ARG(mu_buf_str(&buf)));
}

static void check_rule(check *c, uint64_t seed, mu_str text, int64_t now_ms)
{
    const mu_pql *query = mu_case_bind_rule(c->arena, c->data->schema, 0, NULL, text);
    for (uint32_t p = 0; query != NULL && p < c->data->n_profiles && p < 5; p++) {
        if (mu_value_member(c->data->profiles[p].row, MU_STR("xEvent")).n > EVENTS_MAX)
            continue;
        mu_reference_context context = {.now_ms = now_ms,
                                        .n_parameters = 1,
                                        .parameters = &c->data->profiles[p].row,
                                        .resolve = resolve,
                                        .context = c,
                                        .trace = look_at,
                                        .trace_context = c};
        mu_reference_eval(c->arena, &context, query);
        if (c->broken != NULL)
            fail_with(c, seed, text);
    }
}

static uint64_t check_data_set(uint64_t seed, uint32_t n_rules)
{
    mu_arena arena;
    mu_dice dice;
    mu_random_data data;
    mu_arena_init(&arena, SIZE_MAX);
    mu_dice_init(&dice, seed);
    mu_random_data_make(&dice, &arena, mu_random_schema(&dice, &arena), MU_SHAPE_SMALL, &data);
    check c = {.arena = &arena, .data = &data};
    mu_random_rule_options options = {
        .schema = data.schema, .now_ms = data.style.now_ms, .depth = 3, .is_cheap = true};
    for (uint32_t i = 0; i < n_rules; i++)
        check_rule(&c, seed, mu_random_rule(&dice, &arena, &options), data.style.now_ms);
    mu_arena_free(&arena);
    return c.n_values;
}

static void values_have_the_type_of_their_node(void **state)
{
    (void)state;
    uint64_t seed = mu_dice_seed("bound_types_test", 20240510);
    uint32_t n_sets = mu_dice_cases(200);
    uint64_t n_values = 0;
    for (uint32_t i = 0; i < n_sets; i++)
        n_values += check_data_set(seed + i, 20);
    assert_true(n_values > 100 * (uint64_t)n_sets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_have_the_type_of_their_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
