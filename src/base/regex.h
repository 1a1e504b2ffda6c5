/* regex.h -- Java-style regular expressions over PCRE2: one engine and one step limit for
 * everybody.
 *
 * A pattern is found anywhere in the text (pql.md D33). Classes such as \w and \d are ASCII, as in
 * Java; case is folded over Unicode. What Java has and PCRE2 lacks is translated (\p{Alpha},
 * \p{IsLatin}, \uXXXX, the flags u and d) or refused (class unions and intersections, the flag U),
 * never read as something else. Matching never compiles to machine code, so that the steps are the
 * same on every machine.
 */
#ifndef MU_BASE_REGEX_H
#define MU_BASE_REGEX_H

#include "base/str.h"

#define MU_REGEX_STEPS_MAX    1000000u
#define MU_REGEX_HEAP_KIB_MAX 65536u
#define MU_REGEX_PATTERN_MAX  ((size_t)1 << 16)

typedef struct mu_regex mu_regex;
typedef enum mu_regex_result { MU_REGEX_NO, MU_REGEX_YES, MU_REGEX_LIMIT } mu_regex_result;

/* Java-style pattern (pql.md 8.1). MU_E_SYNTAX when it does not compile. Thread-safe after. */
MU_CHECKED mu_code mu_regex_new(mu_str pattern, mu_regex **out, mu_err *err);
void mu_regex_free(mu_regex *regex); /* NULL allowed */
mu_regex_result mu_regex_search(const mu_regex *regex, mu_str text);
/* Group `group` of the first match; -1: group 1, or 0 when the pattern has none. *out is part of
 * `text`; MU_REGEX_YES with out->ptr NULL when the group took no part or does not exist. */
mu_regex_result mu_regex_group(const mu_regex *regex, mu_str text, int group, mu_str *out);

#endif
