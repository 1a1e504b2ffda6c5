/* reference_entity.c -- other audiences and other entities (pql.md 13, 14). */
#include "eval/reference_int.h"

/* -------- audiences -------- */

/* Is one entry of segmentMembership a membership now? */
static bool is_current(mu_value membership, int64_t now_ms)
{
    int64_t until;
    bool is_day;
    mu_value status = mu_value_member(membership, MU_STR("status"));
    if (status.kind != MU_TYPE_STRING || (!mu_str_equal(status.string, MU_STR("realized")) &&
                                          !mu_str_equal(status.string, MU_STR("existing"))))
        return false;
    mu_value valid_until = mu_value_member(membership, MU_STR("validUntil"));
    if (mu_value_is_null(valid_until))
        return true;
    return mu_value_as_time(valid_until, &until, &is_day) && now_ms <= until;
}

bool mu_reference_stored_membership(mu_value row, mu_str id, int64_t now_ms)
{
    mu_value namespaces = mu_value_member(row, MU_STR("segmentMembership"));
    mu_value own = mu_value_member(mu_value_member(namespaces, MU_STR("ups")), id);
    if (!mu_value_is_null(own))
        return is_current(own, now_ms);
    if (namespaces.kind != MU_TYPE_MAP && namespaces.kind != MU_TYPE_OBJECT)
        return false;
    for (uint32_t i = 0; i < namespaces.n; i++)
        if (is_current(mu_value_member(namespaces.items[i], id), now_ms))
            return true;
    return false;
}

mu_value mu_reference_in_segment(mu_evaluator *evaluator, mu_value id)
{
    const mu_reference_context *context = evaluator->context;
    if (id.kind != MU_TYPE_STRING)
        return mu_value_boolean(false);
    if (context->in_segment != NULL)
        return mu_value_boolean(context->in_segment(context->context, id.string));
    return mu_value_boolean(mu_reference_stored_membership(mu_reference_profile(evaluator),
                                                           id.string, context->now_ms));
}

/* -------- relationships (D71, D72) -------- */

static mu_value record_of(mu_evaluator *evaluator, mu_value key, mu_str class_name)
{
    const mu_reference_context *context = evaluator->context;
    mu_str text;
    if (context->resolve == NULL || !mu_value_render(evaluator->arena, key, &text))
        return MU_VALUE_NULL;
    return context->resolve(context->context, evaluator->arena, class_name, text);
}

mu_value mu_reference_resolve(mu_evaluator *evaluator, mu_value key, mu_str class_name)
{
    if (key.kind != MU_TYPE_LIST)
        return record_of(evaluator, key, class_name);
    mu_value_list records;
    mu_value_list_init(&records, evaluator->arena);
    for (uint32_t i = 0; i < key.n; i++) {
        mu_value record = record_of(evaluator, key.items[i], class_name);
        if (!mu_value_is_null(record))
            mu_value_list_add(&records, record);
    }
    return mu_value_of_list(&records);
}
