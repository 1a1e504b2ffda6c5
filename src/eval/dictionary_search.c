/* dictionary_search.c -- which codes of a sorted dictionary fulfil a test of texts, found by
 * halving.
 *
 * A dictionary is in byte order, so the codes that equal a text, lie before it or start with it are
 * one run. What the order does not tell is left to who asks, narrowed to the codes that may be.
 */
#include "eval/part_int.h"

/* The first code whose text is not less than `text`. */
static uint32_t lower_bound(const mu_dictionary *dictionary, mu_str text)
{
    uint32_t low = 0, high = dictionary->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (mu_str_compare(mu_dictionary_get(dictionary, middle), text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static code_span equal_to(const mu_dictionary *dictionary, mu_str text)
{
    uint32_t first = lower_bound(dictionary, text);
    bool is_there =
        first < dictionary->n && mu_str_equal(mu_dictionary_get(dictionary, first), text);
    return (code_span){first, first + is_there};
}

static code_span starting_with(const mu_dictionary *dictionary, mu_str prefix)
{
    uint32_t first = lower_bound(dictionary, prefix), low = first, high = dictionary->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (mu_str_starts_with(mu_dictionary_get(dictionary, middle), prefix))
            low = middle + 1;
        else
            high = middle;
    }
    return (code_span){first, low};
}

/* What every text that is like the pattern starts with. */
static mu_str like_prefix(mu_str pattern)
{
    size_t n = 0;
    while (n < pattern.len && pattern.ptr[n] != '%' && pattern.ptr[n] != '_' &&
           pattern.ptr[n] != '\\')
        n++;
    return (mu_str){pattern.ptr, n};
}

static code_span like(const mu_dictionary *dictionary, mu_str pattern, bool *is_exact)
{
    mu_str prefix = like_prefix(pattern);
    code_span span = starting_with(dictionary, prefix);
    *is_exact = pattern.len == prefix.len + 1 && pattern.ptr[prefix.len] == '%';
    return span;
}

static uint32_t search_constants(const text_predicate *test, const mu_dictionary *dictionary,
                                 mu_arena *arena, const code_span **out)
{
    code_span *spans = MU_NEW_ARRAY(arena, code_span, (size_t)test->n_constants + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < test->n_constants; i++) {
        code_span span = equal_to(dictionary, test->constants[i]);
        if (span.first == span.past)
            continue;
        if (n > 0 && spans[n - 1].past == span.first)
            spans[n - 1].past = span.past;
        else
            spans[n++] = span;
    }
    *out = spans;
    return n;
}

code_search dictionary_search(const text_predicate *test, const mu_dictionary *dictionary,
                              mu_arena *arena)
{
    code_span all = {0, dictionary->n};
    code_search found = {.is_exact = true, .n_spans = 1};
    code_span *span = MU_NEW(arena, code_span);
    found.spans = span;
    switch (test->function) {
    case MU_FN_EQUAL:
    case MU_FN_EQUALS:
    case MU_FN_NOT_EQUAL:
    case MU_FN_NOT_EQUAL_TO:
        *span = equal_to(dictionary, test->constant);
        break;
    case MU_FN_LESS:
        *span = (code_span){0, lower_bound(dictionary, test->constant)};
        break;
    case MU_FN_LESS_EQUAL:
        *span = (code_span){0, equal_to(dictionary, test->constant).past};
        break;
    case MU_FN_GREATER:
        *span = (code_span){equal_to(dictionary, test->constant).past, dictionary->n};
        break;
    case MU_FN_GREATER_EQUAL:
        *span = (code_span){lower_bound(dictionary, test->constant), dictionary->n};
        break;
    case MU_FN_STARTS_WITH:
    case MU_FN_DOES_NOT_START_WITH:
        *span = starting_with(dictionary, test->constant);
        break;
    case MU_FN_LIKE:
        *span = like(dictionary, test->constant, &found.is_exact);
        break;
    case MU_FN_IN:
    case MU_FN_NOT_IN:
        found.n_spans = search_constants(test, dictionary, arena, &found.spans);
        break;
    default:
        *span = all;
        found.is_exact = false;
    }
    found.is_inverted = test->function == MU_FN_NOT_EQUAL || test->function == MU_FN_NOT_EQUAL_TO ||
                        test->function == MU_FN_DOES_NOT_START_WITH ||
                        test->function == MU_FN_NOT_IN;
    return found;
}
