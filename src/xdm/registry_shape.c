/* registry_shape.c -- patterns that are a row of character classes, matched without an engine.
 *
 *   shape = '^' step* '$'
 *   step  = ( '[' range+ ']' | letter | digit ) [ '{' n [ ',' m ] '}' | '+' ]
 *
 * A step of varying length is allowed at the end only, so that a match needs no second try.
 */
#include "xdm/registry_int.h"

#define REPEAT_MAX 1000u

typedef struct shape_reader {
    mu_str pattern;
    size_t at;
} shape_reader;

static bool is_plain_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == ':' || c == '@' || c == '/' || c == ' ';
}

static bool take(shape_reader *r, char c)
{
    if (r->at >= r->pattern.len || r->pattern.ptr[r->at] != c)
        return false;
    r->at++;
    return true;
}

static void add_range(uint64_t members[2], unsigned char first, unsigned char last)
{
    for (unsigned c = first; c <= last; c++)
        members[c >> 6] |= (uint64_t)1 << (c & 63);
}

static bool read_class(shape_reader *r, uint64_t members[2])
{
    while (r->at < r->pattern.len && r->pattern.ptr[r->at] != ']') {
        char first = r->pattern.ptr[r->at];
        if (!is_plain_char(first) || first == '-')
            return false;
        r->at++;
        char last = first;
        if (r->at + 1 < r->pattern.len && r->pattern.ptr[r->at] == '-') {
            last = r->pattern.ptr[r->at + 1];
            if (!is_plain_char(last) || last < first)
                return false;
            r->at += 2;
        }
        add_range(members, (unsigned char)first, (unsigned char)last);
    }
    return take(r, ']') && (members[0] | members[1]) != 0;
}

static bool read_count(shape_reader *r, uint32_t *out)
{
    uint32_t count = 0;
    size_t start = r->at;
    while (r->at < r->pattern.len && r->pattern.ptr[r->at] >= '0' && r->pattern.ptr[r->at] <= '9') {
        count = count * 10 + (uint32_t)(r->pattern.ptr[r->at++] - '0');
        if (count > REPEAT_MAX)
            return false;
    }
    *out = count;
    return r->at > start;
}

static bool read_repeat(shape_reader *r, uint32_t *min, uint32_t *max)
{
    *min = *max = 1;
    if (take(r, '+')) {
        *max = UINT32_MAX;
        return true;
    }
    if (!take(r, '{'))
        return true;
    if (!read_count(r, min))
        return false;
    *max = *min;
    if (take(r, ',') && !read_count(r, max))
        return false;
    return take(r, '}') && *min <= *max;
}

bool mu_xdm_shape_of(mu_str pattern, mu_xdm_shape *out)
{
    shape_reader r = {pattern, 0};
    mu_xdm_shape shape = {0};
    if (!take(&r, '^'))
        return false;
    while (r.at < pattern.len && pattern.ptr[r.at] != '$') {
        if (shape.n_steps == MU_XDM_SHAPE_STEPS_MAX ||
            (shape.n_steps > 0 &&
             shape.steps[shape.n_steps - 1].min != shape.steps[shape.n_steps - 1].max))
            return false;
        uint32_t step = shape.n_steps++;
        char c = pattern.ptr[r.at];
        if (take(&r, '[')) {
            if (!read_class(&r, shape.steps[step].members))
                return false;
        } else if (is_plain_char(c)) {
            r.at++;
            add_range(shape.steps[step].members, (unsigned char)c, (unsigned char)c);
        } else {
            return false;
        }
        if (!read_repeat(&r, &shape.steps[step].min, &shape.steps[step].max))
            return false;
    }
    if (!take(&r, '$') || r.at != pattern.len || shape.n_steps == 0)
        return false;
    *out = shape;
    return true;
}

bool mu_xdm_shape_matches(const mu_xdm_shape *shape, mu_str text)
{
    size_t at = 0;
    for (uint32_t s = 0; s < shape->n_steps; s++) {
        uint32_t n = 0;
        while (n < shape->steps[s].max && at < text.len) {
            unsigned char c = (unsigned char)text.ptr[at];
            if (c >= 128 || !(shape->steps[s].members[c >> 6] >> (c & 63) & 1))
                break;
            at++;
            n++;
        }
        if (n < shape->steps[s].min)
            return false;
    }
    return at == text.len;
}
