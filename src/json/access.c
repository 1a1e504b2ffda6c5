#include "json/json.h"

const mu_json *mu_json_member(const mu_json *json, mu_str name)
{
    if (json == NULL || json->kind != MU_JSON_OBJECT)
        return NULL;
    for (uint32_t i = 0; i < json->n; i++)
        if (mu_str_equal(json->names[i], name))
            return &json->items[i];
    return NULL;
}

mu_str mu_json_member_string(const mu_json *json, mu_str name, mu_str otherwise)
{
    const mu_json *member = mu_json_member(json, name);
    return member != NULL && member->kind == MU_JSON_STRING ? member->string : otherwise;
}
