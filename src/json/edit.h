/* edit.h -- JSON trees made and changed: members, PATCH operations, merge patches.
 *
 * Trees are values: a changed object gets its own items in the arena, so that other holders of the
 * old tree see no change. Everything new is in the arena given.
 */
#ifndef MU_JSON_EDIT_H
#define MU_JSON_EDIT_H

#include "json/json.h"

/* Parses stored text. */
MU_CHECKED mu_code mu_json_parse(mu_arena *arena, mu_str text, mu_json *out, mu_err *err);
/* Compact text in `arena`; at most 64 MiB, else MU_E_LIMIT. */
MU_CHECKED mu_code mu_json_text(mu_arena *arena, const mu_json *json, mu_str *out, mu_err *err);

/* Sets a member of an object (its items are copied into `arena`, so that other holders of the old
 * tree see no change); `json` that is no object becomes one. */
void mu_json_set(mu_arena *arena, mu_json *json, mu_str name, mu_json value);
/* An object of these members; names are borrowed. */
typedef struct mu_json_pair {
    mu_str name;
    mu_json value;
} mu_json_pair;
mu_json mu_json_object(mu_arena *arena, size_t n, const mu_json_pair *members);
#define MU_JSON_OBJECT_OF(arena, ...)                                                              \
    mu_json_object((arena), sizeof((mu_json_pair[]){__VA_ARGS__}) / sizeof(mu_json_pair),          \
                   (mu_json_pair[]){__VA_ARGS__})
/* An array of one string. */
mu_json mu_json_strings(mu_arena *arena, size_t n, const mu_str *items);
void mu_json_unset(mu_arena *arena, mu_json *json, mu_str name);
static inline mu_json mu_json_of_string(mu_str text)
{
    return (mu_json){.kind = MU_JSON_STRING, .string = text};
}
static inline mu_json mu_json_of_integer(int64_t value)
{
    return (mu_json){.kind = MU_JSON_INTEGER, .integer = value};
}
static inline mu_json mu_json_of_boolean(bool value)
{
    return (mu_json){.kind = MU_JSON_BOOLEAN, .boolean = value};
}
/* Always with milliseconds: "2026-01-02T03:04:05.006Z". */
mu_json mu_json_of_time(mu_arena *arena, int64_t ms);

/* A member that is not null, or NULL: JSON null counts as absent (api.md 1). */
const mu_json *mu_json_get(const mu_json *json, mu_str name);
/* By a dotted path of member names. */
const mu_json *mu_json_at(const mu_json *json, mu_str dotted);
/* A boolean, or the string "true" or "false" in any case (P2.4); else `otherwise`. */
bool mu_json_truth(const mu_json *json, bool otherwise);
bool mu_json_equal(const mu_json *a, const mu_json *b);

/* Applies a PATCH body: one operation or an array of them (P2.4), {"op","path","value"} with op
 * add, replace, remove or test; path "/a/b", "a.b" or "/a.b". Missing objects on the way are made.
 * "true" and "false" become booleans where a boolean was. MU_E_INPUT says what is wrong. */
MU_CHECKED mu_code mu_json_apply_patch(mu_arena *arena, mu_json *document, const mu_json *body,
                                       mu_err *err);
/* Whether a body is operations, and not members to be merged. */
bool mu_json_is_patch_body(const mu_json *body);
/* RFC 7396: members laid over, null removes; at most 64 deep. */
MU_CHECKED mu_code mu_json_merge(mu_arena *arena, mu_json *document, const mu_json *patch,
                                 mu_err *err);

#endif
