#include "store/store_int.h"

static bool extends(const mu_type *type, const mu_type *old, unsigned depth)
{
    if (depth > MU_PART_DEPTH_MAX)
        return false;
    if (type->kind != old->kind)
        return old->kind == MU_TYPE_INTEGER && type->kind == MU_TYPE_DOUBLE;
    if (old->kind == MU_TYPE_LIST || old->kind == MU_TYPE_MAP)
        return extends(type->item, old->item, depth + 1);
    if (old->kind != MU_TYPE_OBJECT)
        return true;
    for (uint32_t f = 0; f < old->n_fields; f++) {
        int field = mu_type_field(type, old->field_names[f]);
        if (field < 0 || !extends(type->field_types[field], old->field_types[f], depth + 1))
            return false;
    }
    return true;
}

bool mu_type_extends(const mu_type *type, const mu_type *old)
{
    return extends(type, old, 0);
}

const mu_type *mu_schema_entity_type(const mu_schema *schema, mu_str entity)
{
    if (mu_str_equal(entity, MU_STR("profile")) || mu_str_equal(entity, MU_ENTITY_GRAPH))
        return schema->row;
    const mu_lookup_class *class = mu_schema_lookup_class(schema, entity);
    return class == NULL ? NULL : class->type;
}
