/* value.h -- one decoded value: what the reference evaluator computes with, what a row decodes to
 * and what the loader hands to the column writer.
 *
 * Values are small and go by value; what they point to belongs to an arena (or a mapped part) that
 * outlives them.
 */
#ifndef MU_XDM_VALUE_H
#define MU_XDM_VALUE_H

#include "base/buf.h"
#include "xdm/type.h"
#include "json/json.h"

typedef struct mu_value mu_value;

struct mu_value {
    mu_type_kind kind; /* NULL .. OBJECT, or FUNCTION; never ANY */
    uint32_t n;        /* LIST, MAP, OBJECT: how many items, entries, fields */
    union {
        bool boolean;
        int64_t integer; /* INTEGER; DATE: days; TIMESTAMP: milliseconds */
        double number;
        mu_str string;
        const void *function; /* FUNCTION: the reference evaluator's own */
        struct {
            const mu_value *items; /* LIST items, MAP values, OBJECT fields (NULL kind: absent) */
            const mu_str *keys;    /* MAP keys, OBJECT names; NULL for a LIST */
        };
    };
};

#define MU_VALUE_NULL ((mu_value){.kind = MU_TYPE_NULL})

static inline mu_value mu_value_boolean(bool value)
{
    return (mu_value){.kind = MU_TYPE_BOOLEAN, .boolean = value};
}

static inline mu_value mu_value_integer(int64_t value)
{
    return (mu_value){.kind = MU_TYPE_INTEGER, .integer = value};
}

/* NaN and infinities become null (pql.md 6.5). */
static inline mu_value mu_value_double(double value)
{
    if (__builtin_isfinite(value))
        return (mu_value){.kind = MU_TYPE_DOUBLE, .number = value};
    return MU_VALUE_NULL;
}

static inline mu_value mu_value_string(mu_str value)
{
    return (mu_value){.kind = MU_TYPE_STRING, .string = value};
}

static inline mu_value mu_value_date(int64_t day)
{
    return (mu_value){.kind = MU_TYPE_DATE, .integer = day};
}

static inline mu_value mu_value_timestamp(int64_t ms)
{
    return (mu_value){.kind = MU_TYPE_TIMESTAMP, .integer = ms};
}

static inline bool mu_value_is_null(mu_value value)
{
    return value.kind == MU_TYPE_NULL;
}

/* The field of an OBJECT or entry of a MAP, null when absent or when `value` is neither. */
mu_value mu_value_member(mu_value value, mu_str name);

/* The plain form of a field name (profile.md P4): "xdm:person" -> "person", "@id" -> "_id", "@type"
 * -> "_type"; anything else as it is. */
mu_str mu_xdm_plain_name(mu_str name);

/* JSON as a value without a schema: objects stay OBJECT, text stays STRING. Text is shared with
 * `json`. */
mu_value mu_value_from_json(mu_arena *arena, const mu_json *json);

/* JSON as a value of `type`: dates and times are parsed, integers widen to doubles where the type
 * says so, objects become MAP where it says so and are otherwise laid out dense in the type's field
 * order (value.keys == type->field_names). A null leaf is absent, a null item of a list stays. Text
 * is shared with `json`. Lenient as profile.md P4, P5 and P11 say: names with a prefix, date-times
 * without an offset or as epoch milliseconds, `primary` as the text "true"; a number without a
 * fraction (5.0) is an integer. Fails with MU_E_TYPE and a text that names the path and both types;
 * an unknown field fails too. */
MU_CHECKED mu_code mu_value_from_typed_json(mu_arena *arena, const mu_type *type,
                                            const mu_json *json, mu_value *out, mu_err *err);

/* A value of `from` as the same value of `to`, a later version of that type: fields that are new
 * are absent, integers become doubles where the type has them now. Shares what did not change. */
mu_value mu_value_extend(mu_arena *arena, const mu_type *from, const mu_type *to, mu_value value);

/* Writes a value as JSON: dates and times as text, absent object fields left out. */
void mu_value_write(mu_json_writer *writer, mu_value value);

/* Same kind and content, to the bit; object fields and map entries in any order. For tests. */
bool mu_value_identical(mu_value a, mu_value b);

#endif
