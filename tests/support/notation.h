/* notation.h -- types written in one line, for tests and for the report of a failing case.
 *
 *   type   = "boolean" | "integer" | "double" | "string" | "date" | "timestamp"
 *          | "string" "->" name          source of a relationship to a lookup class
 *          | "[" type "]"                list
 *          | "<" type ">"                map
 *          | "{" [ name ":" type { "," name ":" type } ] "}"
 *   name   = letters, digits and underscores; blanks are allowed between tokens
 */
#ifndef MU_TESTS_SUPPORT_NOTATION_H
#define MU_TESTS_SUPPORT_NOTATION_H

#include "base/buf.h"
#include "xdm/type.h"

/* The type in `arena`. A notation that is wrong ends the process: it is part of the test. */
const mu_type *mu_notation_read(mu_arena *arena, const char *text);

void mu_notation_write(mu_buf *buf, const mu_type *type);

/* -------- types put together by hand -------- */

const mu_type *mu_type_new_list(mu_arena *arena, const mu_type *item);
const mu_type *mu_type_new_map(mu_arena *arena, const mu_type *item);
const mu_type *mu_type_new_key(mu_arena *arena, mu_str target_class);

/* `names` and `types` are copied. */
const mu_type *mu_type_new_object(mu_arena *arena, uint32_t n, const mu_str *names,
                                  const mu_type *const *types);

#endif
