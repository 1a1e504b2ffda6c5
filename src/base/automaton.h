/* automaton.h -- the plain part of regular expressions as a deterministic automaton: one look-up
 * per byte of the text.
 *
 * It knows characters, classes, alternatives, groups without repetition, repeated characters, ^ and
 * $ -- and texts of ASCII without line breaks, as long as a backtracking search of them cannot
 * reach MU_REGEX_STEPS_MAX. Everything else is left to base/regex.h, which decides what a pattern
 * means; for what the automaton answers, both give the same.
 */
#ifndef MU_BASE_AUTOMATON_H
#define MU_BASE_AUTOMATON_H

#include "base/arena.h"
#include "base/str.h"

typedef struct mu_automaton mu_automaton;
typedef enum mu_automaton_result {
    MU_AUTOMATON_NO,
    MU_AUTOMATON_YES,
    MU_AUTOMATON_UNKNOWN /* ask mu_regex_search */
} mu_automaton_result;

/* A pattern that mu_regex_new takes; NULL when it has parts that are not known, or too many states.
 * Belongs to the arena. Immutable: any thread may search. */
const mu_automaton *mu_automaton_new(mu_arena *arena, mu_str pattern);

/* Is the pattern found anywhere in the text? */
mu_automaton_result mu_automaton_search(const mu_automaton *automaton, mu_str text);

#endif
