#include "tests/support/differential.h"
#include "tests/support/notation.h"
#include "tests/support/tree_edit.h"

typedef struct laboratory {
    mu_arena *arena;  /* what is kept */
    mu_arena scratch; /* of one comparison */
    const mu_case_evaluator *oracle, *tested;
    mu_case best;
    uint32_t tries_left;
    mu_test_store store; /* holds best.data while has_store */
    bool has_store;
    bool is_error; /* what differs is that one evaluator fails */
    bool progressed;
} laboratory;

/* -------- one comparison -------- */

static bool disagrees_on(laboratory *lab, const mu_case *candidate, const mu_test_store *store)
{
    mu_bound_case bound;
    mu_disagreement found;
    bool differs = mu_case_bind(candidate, store->snapshot, &lab->scratch, &bound, NULL) == MU_OK &&
                   !mu_bound_case_agrees(&bound, lab->oracle, lab->tested, &found) &&
                   found.is_error == lab->is_error;
    mu_arena_reset(&lab->scratch);
    return differs;
}

static void drop_store(laboratory *lab)
{
    if (lab->has_store)
        mu_test_store_close(&lab->store);
    lab->has_store = false;
}

/* Takes the candidate when it still disagrees. */
static bool take(laboratory *lab, const mu_case *candidate, bool has_same_data)
{
    if (lab->tries_left == 0)
        return false;
    lab->tries_left--;
    if (!has_same_data || !lab->has_store) {
        mu_test_store store;
        if (mu_test_store_open(&candidate->data, &store, NULL) != MU_OK)
            return false;
        if (!disagrees_on(lab, candidate, &store)) {
            mu_test_store_close(&store);
            return false;
        }
        drop_store(lab);
        lab->store = store;
        lab->has_store = true;
    } else if (!disagrees_on(lab, candidate, &lab->store)) {
        return false;
    }
    lab->best = *candidate;
    lab->progressed = true;
    return true;
}

/* Tries to do without runs of items, long ones first. `without` builds the case that lacks items
 * [start, start + n) and takes it if it may. */
static void drop_runs(laboratory *lab, uint32_t n_items,
                      bool (*without)(laboratory *lab, uint32_t start, uint32_t n, uint32_t owner),
                      uint32_t owner)
{
    for (uint32_t run = n_items; run > 0; run /= 2)
        for (uint32_t start = 0; start + run <= n_items && lab->tries_left > 0;) {
            if (without(lab, start, run, owner))
                n_items -= run;
            else
                start += run;
        }
}

static void *without_run(mu_arena *arena, const void *items, uint32_t n_items, size_t size,
                         uint32_t start, uint32_t n)
{
    char *left = mu_arena_array(arena, n_items + 1, size);
    memcpy(left, items, start * size);
    memcpy(left + start * size, (const char *)items + (start + n) * size,
           (n_items - start - n) * size);
    return left;
}

/* -------- rules, rows, records, events -------- */

static bool without_rules(laboratory *lab, uint32_t start, uint32_t n, uint32_t owner)
{
    (void)owner;
    mu_case candidate = lab->best;
    if (n == candidate.n_rules)
        return false;
    candidate.rules = without_run(lab->arena, candidate.rules, candidate.n_rules,
                                  sizeof *candidate.rules, start, n);
    candidate.n_rules -= n;
    return take(lab, &candidate, true);
}

static bool without_profiles(laboratory *lab, uint32_t start, uint32_t n, uint32_t owner)
{
    (void)owner;
    mu_case candidate = lab->best;
    mu_random_data *data = &candidate.data;
    data->profiles =
        without_run(lab->arena, data->profiles, data->n_profiles, sizeof *data->profiles, start, n);
    data->n_profiles -= n;
    return data->n_profiles > 0 && take(lab, &candidate, false);
}

static bool without_records(laboratory *lab, uint32_t start, uint32_t n, uint32_t owner)
{
    (void)owner;
    mu_case candidate = lab->best;
    mu_random_data *data = &candidate.data;
    data->records =
        without_run(lab->arena, data->records, data->n_records, sizeof *data->records, start, n);
    data->n_records -= n;
    return take(lab, &candidate, false);
}

static bool with_row(laboratory *lab, uint32_t profile, mu_value row)
{
    mu_case candidate = lab->best;
    mu_random_data *data = &candidate.data;
    data->profiles =
        without_run(lab->arena, data->profiles, data->n_profiles, sizeof *data->profiles, 0, 0);
    data->profiles[profile].row = row;
    return take(lab, &candidate, false);
}

static mu_value with_item(mu_arena *arena, mu_value value, uint32_t index, mu_value item)
{
    mu_value *items = without_run(arena, value.items, value.n, sizeof *items, 0, 0);
    items[index] = item;
    value.items = items;
    return value;
}

static bool without_events(laboratory *lab, uint32_t start, uint32_t n, uint32_t profile)
{
    mu_value row = lab->best.data.profiles[profile].row;
    uint32_t last = row.n - 1;
    mu_value events = row.items[last];
    events.items = without_run(lab->arena, events.items, events.n, sizeof *events.items, start, n);
    events.n -= n;
    return with_row(lab, profile, with_item(lab->arena, row, last, events));
}

/* One part, no dead rows, no older schema. */
static void flatten_parts(laboratory *lab)
{
    mu_case candidate = lab->best;
    mu_random_data *data = &candidate.data;
    data->profiles = MU_NEW_ARRAY(lab->arena, mu_random_profile, data->n_profiles + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < data->n_profiles; i++) {
        const mu_random_profile *profile = &lab->best.data.profiles[i];
        if (profile->part == data->n_parts)
            continue;
        data->profiles[n] = *profile;
        data->profiles[n].part = 0;
        data->profiles[n++].outdated = MU_VALUE_NULL;
    }
    data->n_profiles = n;
    data->n_parts = 1;
    data->first_schema = data->schema;
    (void)take(lab, &candidate, false);
}

/* -------- values -------- */

/* Counts places where `value` can lose something; at the place numbered `target` it does. */
typedef struct eraser {
    mu_arena *arena;
    uint32_t at, target;
    bool is_done;
} eraser;

static bool is_here(eraser *erasing)
{
    if (erasing->is_done)
        return false;
    erasing->is_done = erasing->at++ == erasing->target;
    return erasing->is_done;
}

static mu_value erase(eraser *erasing, mu_value value);

static mu_value erase_in_items(eraser *erasing, mu_value value, bool is_object)
{
    for (uint32_t i = 0; i < value.n && !erasing->is_done; i++) {
        mu_value item = value.items[i];
        bool is_kept = is_object && (mu_str_equal(value.keys[i], MU_STR("timestamp")) ||
                                     mu_str_equal(value.keys[i], MU_STR("_id")) ||
                                     mu_str_equal(value.keys[i], MU_STR("xEvent")));
        if (!is_kept && !(is_object && mu_value_is_null(item)) && is_here(erasing)) {
            if (is_object)
                return with_item(erasing->arena, value, i, MU_VALUE_NULL);
            value.items = without_run(erasing->arena, value.items, value.n, sizeof item, i, 1);
            if (value.keys != NULL)
                value.keys = without_run(erasing->arena, value.keys, value.n, sizeof(mu_str), i, 1);
            value.n--;
            return value;
        }
        mu_value smaller = erase(erasing, item);
        if (erasing->is_done)
            return with_item(erasing->arena, value, i, smaller);
    }
    return value;
}

static mu_value erase(eraser *erasing, mu_value value)
{
    switch (value.kind) {
    case MU_TYPE_OBJECT:
        return erase_in_items(erasing, value, true);
    case MU_TYPE_LIST:
    case MU_TYPE_MAP:
        return erase_in_items(erasing, value, false);
    case MU_TYPE_STRING:
        if (value.string.len > 1 && is_here(erasing))
            value.string.len /= 2;
        return value;
    default:
        return value;
    }
}

static void shrink_row(laboratory *lab, uint32_t profile)
{
    for (uint32_t target = 0; lab->tries_left > 0;) {
        eraser erasing = {.arena = lab->arena, .target = target};
        mu_value row = erase(&erasing, lab->best.data.profiles[profile].row);
        if (!erasing.is_done)
            return;
        if (!with_row(lab, profile, row))
            target++;
    }
}

static void shrink_record(laboratory *lab, uint32_t record)
{
    for (uint32_t target = 0; lab->tries_left > 0;) {
        eraser erasing = {.arena = lab->arena, .target = target};
        mu_value value = erase(&erasing, lab->best.data.records[record].value);
        if (!erasing.is_done)
            return;
        mu_case candidate = lab->best;
        mu_random_data *data = &candidate.data;
        data->records =
            without_run(lab->arena, data->records, data->n_records, sizeof *data->records, 0, 0);
        data->records[record].value = value;
        if (!take(lab, &candidate, false))
            target++;
    }
}

/* -------- schema -------- */

/* The type without the field numbered `target` in preorder, or the type itself. */
static const mu_type *without_field(mu_arena *arena, const mu_type *type, uint32_t *at,
                                    uint32_t target)
{
    if (type->kind == MU_TYPE_LIST || type->kind == MU_TYPE_MAP) {
        const mu_type *item = without_field(arena, type->item, at, target);
        if (item == type->item)
            return type;
        return type->kind == MU_TYPE_LIST ? mu_type_new_list(arena, item)
                                          : mu_type_new_map(arena, item);
    }
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, type->n_fields + 1);
    const mu_type **types = MU_NEW_ARRAY(arena, const mu_type *, type->n_fields + 1);
    bool is_changed = false;
    uint32_t n = 0;
    for (uint32_t i = 0; i < type->n_fields; i++) {
        mu_str name = type->field_names[i];
        bool is_kept = mu_str_equal(name, MU_STR("timestamp")) ||
                       mu_str_equal(name, MU_STR("_id")) || mu_str_equal(name, MU_STR("id"));
        if (!is_kept && (*at)++ == target) {
            is_changed = true;
            continue;
        }
        names[n] = name;
        types[n] = without_field(arena, type->field_types[i], at, target);
        is_changed |= types[n++] != type->field_types[i];
    }
    return is_changed ? mu_type_new_object(arena, n, names, types) : type;
}

static bool with_schema(laboratory *lab, const mu_schema *schema)
{
    mu_case candidate = lab->best;
    mu_random_data *data = &candidate.data;
    data->profiles =
        without_run(lab->arena, data->profiles, data->n_profiles, sizeof *data->profiles, 0, 0);
    for (uint32_t i = 0; i < data->n_profiles; i++)
        data->profiles[i].row = mu_value_reshape(lab->arena, data->profiles[i].row,
                                                 lab->best.data.schema->row, schema->row);
    data->schema = data->first_schema = schema;
    return take(lab, &candidate, false);
}

/* Drops the fields of profiles and events that nothing needs; only of a case in one part. */
static void shrink_schema(laboratory *lab)
{
    const mu_random_data *data = &lab->best.data;
    bool has_one_part = data->n_parts == 1 && data->schema == data->first_schema;
    for (uint32_t i = 0; i < data->n_profiles; i++)
        has_one_part &= mu_value_is_null(data->profiles[i].outdated);
    for (uint32_t target = 0; has_one_part && lab->tries_left > 0;) {
        const mu_schema *old = lab->best.data.schema;
        uint32_t at = 0;
        const mu_type *profile = without_field(lab->arena, old->profile, &at, target);
        const mu_type *event = without_field(lab->arena, old->event, &at, target);
        if (profile == old->profile && event == old->event)
            return;
        if (!with_schema(lab, mu_schema_of_types(lab->arena, profile, event, old->n_lookup_classes,
                                                 old->lookup_classes)))
            target++;
    }
}

/* -------- rule texts -------- */

typedef struct rule_edit {
    laboratory *lab;
    uint32_t rule;
} rule_edit;

static bool take_text(laboratory *lab, uint32_t rule, mu_str text)
{
    mu_case candidate = lab->best;
    candidate.rules =
        without_run(lab->arena, candidate.rules, candidate.n_rules, sizeof *candidate.rules, 0, 0);
    candidate.rules[rule].text = mu_arena_copy(lab->arena, text);
    return take(lab, &candidate, true);
}

static bool try_tree(void *context, const mu_pql *edited)
{
    rule_edit *edit = context;
    mu_buf buf;
    mu_buf_init(&buf, 1 << 20);
    mu_pql_write_text(&buf, edited);
    mu_str text = mu_buf_str(&buf);
    bool is_taken = !buf.failed && text.len < edit->lab->best.rules[edit->rule].text.len &&
                    take_text(edit->lab, edit->rule, text);
    mu_buf_free(&buf);
    return is_taken || edit->lab->tries_left == 0;
}

static bool shrink_rule_once(laboratory *lab, uint32_t rule)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_pql_diagnostics diagnostics;
    mu_pql_diagnostics_init(&diagnostics, &arena);
    const mu_pql *tree = NULL;
    rule_edit edit = {lab, rule};
    bool is_shrunk =
        mu_pql_parse_text(&arena, lab->best.rules[rule].text, &tree, &diagnostics) == MU_OK &&
        mu_tree_edits(&arena, tree, try_tree, &edit);
    mu_arena_free(&arena);
    return is_shrunk && lab->tries_left > 0;
}

static void shrink_rules(laboratory *lab)
{
    for (uint32_t i = 0; i < lab->best.n_rules; i++)
        while (shrink_rule_once(lab, i))
            ;
}

/* -------- everything -------- */

/* First the rule that differs alone, which is what it mostly takes. */
static void single_out_rule(laboratory *lab)
{
    mu_disagreement found;
    bool agrees = mu_case_agrees(&lab->best, lab->oracle, lab->tested, &found);
    lab->is_error = found.is_error;
    if (agrees || found.is_error || found.is_trips)
        return;
    mu_case candidate = lab->best;
    candidate.rules = &lab->best.rules[found.rule];
    candidate.n_rules = 1;
    (void)take(lab, &candidate, true);
}

static void shrink_data(laboratory *lab)
{
    drop_runs(lab, lab->best.data.n_profiles, without_profiles, 0);
    if (lab->best.data.n_parts > 1 || lab->best.data.first_schema != lab->best.data.schema)
        flatten_parts(lab);
    drop_runs(lab, lab->best.data.n_records, without_records, 0);
    for (uint32_t i = 0; i < lab->best.data.n_profiles && i < 4; i++) {
        mu_value row = lab->best.data.profiles[i].row;
        drop_runs(lab, row.items[row.n - 1].n, without_events, i);
        shrink_row(lab, i);
    }
    for (uint32_t i = 0; i < lab->best.data.n_records && i < 4; i++)
        shrink_record(lab, i);
}

void mu_case_minimise(mu_arena *arena, mu_case *test_case, const mu_case_evaluator *oracle,
                      const mu_case_evaluator *tested, uint32_t tries_max)
{
    laboratory lab = {.arena = arena,
                      .oracle = oracle,
                      .tested = tested,
                      .best = *test_case,
                      .tries_left = tries_max};
    mu_arena_init(&lab.scratch, SIZE_MAX);
    single_out_rule(&lab);
    do {
        lab.progressed = false;
        if (lab.best.n_rules > 1)
            drop_runs(&lab, lab.best.n_rules, without_rules, 0);
        shrink_data(&lab);
        shrink_rules(&lab);
    } while (lab.progressed && lab.tries_left > 0);
    shrink_schema(&lab);
    drop_store(&lab);
    mu_arena_free(&lab.scratch);
    *test_case = lab.best;
}
