/* random_data.h -- random schemas and rows, and a real store that holds them.
 *
 * Everything of one data set lives in one arena, and depends on nothing but the generator's state.
 */
#ifndef MU_TESTS_SUPPORT_RANDOM_DATA_H
#define MU_TESTS_SUPPORT_RANDOM_DATA_H

#include "store/store.h"
#include "tests/support/dice.h"

/* What the values of a data set look like. */
typedef struct mu_random_style {
    uint64_t seed;         /* each column's own style is drawn from this and its name */
    int64_t now_ms;        /* times crowd around it */
    unsigned null_percent; /* of leaves that are absent */
    unsigned wild_percent; /* of numbers that are huge, tiny or at an edge of their type */
} mu_random_style;

/* A profile row. Values are dense in the schema's row type, events in time order. */
typedef struct mu_random_profile {
    mu_value row;       /* as it is now */
    mu_value outdated;  /* what a dead row of an earlier part says; null when there is none */
    uint32_t part;      /* that holds `row`; n_parts: the profile was deleted, only its dead row
                           is left */
    uint32_t dead_part; /* that holds `outdated`, before `part` */
    mu_str identity;    /* value of its primary identity */
} mu_random_profile;

typedef struct mu_random_record {
    mu_str class_name, key;
    mu_value value; /* dense in the class's type */
} mu_random_record;

typedef struct mu_random_data {
    const mu_schema *schema;
    const mu_schema *first_schema; /* what part 0 was written with: lacks some fields of `schema`,
                                      and has integers for some of its doubles */
    mu_random_style style;
    uint32_t n_parts;
    uint32_t n_profiles;
    mu_random_profile *profiles;
    uint32_t n_records;
    mu_random_record *records;
} mu_random_data;

typedef enum mu_random_shape {
    MU_SHAPE_SMALL, /* up to 60 profiles with a few events each, rarely 200 */
    MU_SHAPE_WIDE,  /* more profiles than a block has rows, hardly any events */
    MU_SHAPE_DEEP   /* a few profiles with thousands of events */
} mu_random_shape;

/* Strings that fields, keys and rules share, so that rules find something. */
mu_str mu_random_word(mu_dice *dice);

/* -------- schemas -------- */

/* A schema with every kind of field, lookup classes, and events that have _id, timestamp and
 * eventType. */
const mu_schema *mu_random_schema(mu_dice *dice, mu_arena *arena);

/* A schema of the given types. Relationships are read off the types; lookup classes have their key
 * in the field "id". */
const mu_schema *mu_schema_of_types(mu_arena *arena, const mu_type *profile, const mu_type *event,
                                    uint32_t n_classes, const mu_lookup_class *classes);

/* -------- values -------- */

mu_value mu_random_value(mu_dice *dice, mu_arena *arena, const mu_type *type, mu_str name,
                         const mu_random_style *style);
int64_t mu_random_time(mu_dice *dice, int64_t now_ms);
int64_t mu_random_integer(mu_dice *dice, unsigned wild_percent);
double mu_random_double(mu_dice *dice, unsigned wild_percent);

/* `value` of type `from` as a value of `to`, which lacks fields of `from` or has more (null then).
 */
mu_value mu_value_reshape(mu_arena *arena, mu_value value, const mu_type *from, const mu_type *to);

/* -------- data sets and stores -------- */

void mu_random_data_make(mu_dice *dice, mu_arena *arena, const mu_schema *schema,
                         mu_random_shape shape, mu_random_data *out);

/* A store in a temporary folder with exactly this data. */
typedef struct mu_test_store {
    char folder[256];
    mu_store *store;
    mu_snapshot *snapshot;
} mu_test_store;

MU_CHECKED mu_code mu_test_store_open(const mu_random_data *data, mu_test_store *out, mu_err *err);

/* Removes the folder too. */
void mu_test_store_close(mu_test_store *store);

#endif
