/* automaton.c -- pattern -> program of single steps -> sets of steps as states. */
#include "base/automaton.h"

#include "base/regex.h"

#include <string.h>

/* -------- the program -------- */

#define STEPS_MAX 192u
#define SET_WORDS (STEPS_MAX / 64)

typedef struct byte_set {
    uint64_t bits[2]; /* ASCII */
} byte_set;

typedef enum step_kind {
    STEP_BYTE,
    STEP_SPLIT,
    STEP_JUMP,
    STEP_BEGIN,
    STEP_END,
    STEP_FOUND
} step_kind;

typedef struct step {
    step_kind kind;
    byte_set set;           /* BYTE: one of them, then the step behind */
    uint32_t first, second; /* SPLIT; JUMP: first */
} step;

/* How a backtracking search of n characters may go on: at most `ways` times as often as there are
 * ascending choices of a beginning and `n_ends` ends. */
typedef struct effort {
    double ways;
    uint32_t n_ends;
} effort;

typedef struct parser {
    mu_str pattern;
    size_t at;
    uint32_t depth;
    bool failed;
    uint32_t n_steps;
    step steps[STEPS_MAX];
} parser;

static const byte_set no_bytes = {{0, 0}};

static void set_add(byte_set *set, unsigned char c)
{
    set->bits[c / 64] |= (uint64_t)1 << (c % 64);
}

static bool set_has(const byte_set *set, unsigned char c)
{
    return c < 128 && (set->bits[c / 64] >> (c % 64) & 1) != 0;
}

static void set_add_range(byte_set *set, unsigned char first, unsigned char last)
{
    for (unsigned c = first; c <= last; c++)
        set_add(set, (unsigned char)c);
}

static byte_set set_without(byte_set set)
{
    return (byte_set){{~set.bits[0], ~set.bits[1]}};
}

static uint32_t add_step(parser *p, step s)
{
    if (p->n_steps == STEPS_MAX) {
        p->failed = true;
        return 0;
    }
    p->steps[p->n_steps] = s;
    return p->n_steps++;
}

/* -------- parsing: one pass, steps are written as they are met -------- */

static int peek(const parser *p, size_t ahead)
{
    return p->at + ahead < p->pattern.len ? (unsigned char)p->pattern.ptr[p->at + ahead] : -1;
}

static bool is_word(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* \d, \w, \s and their opposites; false for other letters. */
static bool class_of_letter(int letter, byte_set *out)
{
    *out = no_bytes;
    switch (letter | 0x20) {
    case 'd':
        set_add_range(out, '0', '9');
        break;
    case 'w':
        for (int c = 0; c < 128; c++)
            if (is_word(c))
                set_add(out, (unsigned char)c);
        break;
    case 's':
        set_add(out, ' ');
        set_add_range(out, '\t', '\r');
        break;
    default:
        return false;
    }
    if (letter < 'a')
        *out = set_without(*out);
    return true;
}

/* Behind a backslash: a class, or a mark that stands for itself. */
static byte_set parse_escape(parser *p)
{
    byte_set set = no_bytes;
    int c = peek(p, 1);
    if (c < 0 || c >= 128 || (is_word(c) && !class_of_letter(c, &set)))
        p->failed = true;
    else if (!is_word(c))
        set_add(&set, (unsigned char)c);
    p->at += 2;
    return set;
}

/* A plain character at the pattern's place; false for others. */
static bool plain_in_class(parser *p, unsigned char *out)
{
    int c = peek(p, 0);
    if (c == '\\') {
        int escaped = peek(p, 1);
        if (escaped < 0 || escaped >= 128 || is_word(escaped))
            return false;
        *out = (unsigned char)escaped;
        p->at += 2;
        return true;
    }
    if (c < ' ' || c >= 127 || c == '[' || c == '&' || c == '^')
        return false;
    *out = (unsigned char)c;
    p->at++;
    return true;
}

static byte_set parse_class(parser *p)
{
    byte_set set = no_bytes, letters;
    p->at++;
    bool is_negated = peek(p, 0) == '^';
    p->at += is_negated;
    if (peek(p, 0) == ']') /* Java and PCRE2 differ on what it means */
        p->failed = true;
    while (!p->failed && peek(p, 0) != ']') {
        unsigned char first, last;
        if (peek(p, 0) == '\\' && class_of_letter(peek(p, 1), &letters)) {
            set.bits[0] |= letters.bits[0];
            set.bits[1] |= letters.bits[1];
            p->at += 2;
            p->failed |= peek(p, 0) == '-';
            continue;
        }
        if (!plain_in_class(p, &first)) {
            p->failed = true;
            break;
        }
        if (peek(p, 0) == '-' && peek(p, 1) != ']') {
            p->at++;
            if (!plain_in_class(p, &last) || last < first)
                p->failed = true;
            else
                set_add_range(&set, first, last);
        } else {
            set_add(&set, first);
        }
    }
    p->at++;
    return is_negated ? set_without(set) : set;
}

typedef struct repetition {
    uint32_t least, most; /* most UINT32_MAX: any number */
} repetition;

static bool parse_number(parser *p, uint32_t *out)
{
    size_t start = p->at;
    for (*out = 0; peek(p, 0) >= '0' && peek(p, 0) <= '9' && p->at - start < 3; p->at++)
        *out = *out * 10 + (uint32_t)(peek(p, 0) - '0');
    return p->at > start;
}

/* {n}, {n,} or {n,m}. */
static repetition parse_braces(parser *p)
{
    repetition times = {1, 1};
    p->at++;
    p->failed |= !parse_number(p, &times.least);
    times.most = times.least;
    if (peek(p, 0) == ',') {
        p->at++;
        if (!parse_number(p, &times.most))
            times.most = UINT32_MAX;
    }
    p->failed |= peek(p, 0) != '}' || times.most < times.least;
    p->at++;
    return times;
}

static repetition parse_repetition(parser *p)
{
    repetition times = {1, 1};
    switch (peek(p, 0)) {
    case '*':
        times = (repetition){0, UINT32_MAX};
        break;
    case '+':
        times = (repetition){1, UINT32_MAX};
        break;
    case '?':
        times = (repetition){0, 1};
        break;
    case '{':
        times = parse_braces(p);
        p->at--;
        break;
    default:
        return times;
    }
    p->at++;
    if (peek(p, 0) == '?') /* lazy: the same texts */
        p->at++;
    int next = peek(p, 0); /* possessive, or repeated again */
    p->failed |= next == '+' || next == '*' || next == '?' || next == '{';
    return times;
}

static effort add_byte(parser *p, byte_set set)
{
    repetition times = parse_repetition(p);
    const step one = {.kind = STEP_BYTE, .set = set};
    for (uint32_t i = 0; i < times.least && !p->failed; i++)
        add_step(p, one);
    if (times.most == UINT32_MAX) {
        uint32_t split = add_step(p, (step){.kind = STEP_SPLIT});
        add_step(p, one);
        add_step(p, (step){.kind = STEP_JUMP, .first = split});
        p->steps[split].first = split + 1;
        p->steps[split].second = p->n_steps;
        return (effort){1, 1};
    }
    for (uint32_t i = times.least; i < times.most && !p->failed; i++) {
        uint32_t split = add_step(p, (step){.kind = STEP_SPLIT});
        add_step(p, one);
        p->steps[split].first = split + 1;
        p->steps[split].second = p->n_steps;
    }
    return (effort){(double)(times.most - times.least) + 1, 0};
}

static effort parse_alternatives(parser *p);

/* (...) and (?:...), perhaps optional. */
static effort parse_group(parser *p)
{
    p->at++;
    if (peek(p, 0) == '?') {
        p->failed |= peek(p, 1) != ':';
        p->at += 2;
    }
    if (++p->depth > 16)
        p->failed = true;
    uint32_t split = add_step(p, (step){.kind = STEP_SPLIT});
    effort inside = p->failed ? (effort){1, 0} : parse_alternatives(p);
    p->depth--;
    p->failed |= peek(p, 0) != ')';
    p->at++;
    repetition times = parse_repetition(p);
    bool is_optional = times.least == 0 && times.most == 1;
    p->failed |= !is_optional && (times.least != 1 || times.most != 1);
    p->steps[split].first = split + 1;
    p->steps[split].second = is_optional ? p->n_steps : split + 1;
    inside.ways += is_optional;
    return inside;
}

static effort parse_item(parser *p)
{
    byte_set set = no_bytes;
    int c = peek(p, 0);
    switch (c) {
    case '(':
        return parse_group(p);
    case '^':
    case '$':
        p->at++;
        add_step(p, (step){.kind = c == '^' ? STEP_BEGIN : STEP_END});
        parse_repetition(p);
        p->failed |= p->pattern.ptr[p->at - 1] != (char)c;
        return (effort){1, 0};
    case '\\':
        return add_byte(p, parse_escape(p));
    case '[':
        return add_byte(p, parse_class(p));
    case '.':
        p->at++;
        return add_byte(p, set_without(no_bytes));
    default:
        p->failed |= c < ' ' || c >= 127 || c == '*' || c == '+' || c == '?' || c == '{';
        p->at++;
        if (!p->failed)
            set_add(&set, (unsigned char)c);
        return add_byte(p, set);
    }
}

static effort parse_sequence(parser *p)
{
    effort all = {1, 0};
    while (!p->failed && peek(p, 0) >= 0 && peek(p, 0) != '|' && peek(p, 0) != ')') {
        effort one = parse_item(p);
        all.ways *= one.ways;
        all.n_ends += one.n_ends;
    }
    return all;
}

/* Each alternative jumps behind the last; the splits before them are inserted at the front by
 * moving the steps of the alternative one up, whose targets inside move along. */
static void insert_split(parser *p, uint32_t at)
{
    add_step(p, (step){.kind = STEP_FOUND});
    if (p->failed)
        return;
    memmove(&p->steps[at + 1], &p->steps[at], (p->n_steps - 1 - at) * sizeof *p->steps);
    for (uint32_t i = at + 1; i < p->n_steps; i++) {
        step *moved = &p->steps[i];
        if (moved->kind == STEP_SPLIT || moved->kind == STEP_JUMP) {
            moved->first += moved->first >= at;
            moved->second += moved->second >= at;
        }
    }
    p->steps[at] = (step){.kind = STEP_SPLIT, .first = at + 1};
}

#define ALTERNATIVES_MAX 32u

static effort parse_alternatives(parser *p)
{
    uint32_t jumps[ALTERNATIVES_MAX], n_jumps = 0, start = p->n_steps;
    effort all = parse_sequence(p);
    while (!p->failed && peek(p, 0) == '|') {
        p->at++;
        insert_split(p, start);
        if (n_jumps == ALTERNATIVES_MAX)
            p->failed = true;
        if (p->failed)
            break;
        jumps[n_jumps++] = add_step(p, (step){.kind = STEP_JUMP});
        p->steps[start].second = p->n_steps;
        start = p->n_steps;
        effort one = parse_sequence(p);
        all.ways += one.ways;
        all.n_ends = one.n_ends > all.n_ends ? one.n_ends : all.n_ends;
    }
    for (uint32_t i = 0; i < n_jumps; i++)
        p->steps[jumps[i]].first = p->n_steps;
    return all;
}

/* -------- states -------- */

typedef struct state_set {
    uint64_t steps[SET_WORDS];
} state_set;

#define STATES_MAX 128u

enum { STATE_NO, STATE_YES, STATE_UNKNOWN, STATE_FIRST_OTHER };

struct mu_automaton {
    size_t text_max; /* longer texts might take a backtracking search too long */
    uint8_t start;
    bool accepts_at_end[STATES_MAX];
    uint8_t next[][256]; /* per state */
};

typedef struct builder {
    const parser *program;
    uint8_t start;
    uint32_t n_states;
    state_set states[STATES_MAX];
    bool accepts_at_end[STATES_MAX];
    uint8_t next[STATES_MAX][256];
    bool failed;
} builder;

static bool has_step(const state_set *set, uint32_t at)
{
    return (set->steps[at / 64] >> (at % 64) & 1) != 0;
}

/* Adds a step and what it leads to without a byte. */
static void add_reachable(const parser *p, state_set *set, uint32_t first, bool at_begin,
                          bool at_end)
{
    uint32_t stack[STEPS_MAX * 2 + 1], n = 0;
    stack[n++] = first;
    while (n > 0) {
        uint32_t at = stack[--n];
        if (has_step(set, at))
            continue;
        set->steps[at / 64] |= (uint64_t)1 << (at % 64);
        const step *s = &p->steps[at];
        if (s->kind == STEP_SPLIT)
            stack[n++] = s->second;
        if (s->kind == STEP_SPLIT || s->kind == STEP_JUMP)
            stack[n++] = s->first;
        if ((s->kind == STEP_BEGIN && at_begin) || (s->kind == STEP_END && at_end))
            stack[n++] = at + 1;
    }
}

static bool is_found(const parser *p, const state_set *set)
{
    return has_step(set, p->n_steps - 1);
}

/* Does the text match when it ends here? */
static bool is_found_at_end(const parser *p, const state_set *set, bool at_begin)
{
    state_set end = {{0}};
    for (uint32_t i = 0; i < p->n_steps; i++)
        if (has_step(set, i))
            add_reachable(p, &end, i, at_begin, true);
    return is_found(p, &end);
}

/* Nothing can be found from here: there is no step that takes a byte or the end. */
static bool is_dead(const parser *p, const state_set *set)
{
    for (uint32_t i = 0; i < p->n_steps; i++)
        if (has_step(set, i) && (p->steps[i].kind == STEP_BYTE || p->steps[i].kind == STEP_END))
            return false;
    return true;
}

static uint8_t state_of(builder *b, const state_set *set, bool at_begin)
{
    if (is_found(b->program, set))
        return STATE_YES;
    if (!at_begin && is_dead(b->program, set))
        return STATE_NO;
    for (uint32_t i = STATE_FIRST_OTHER; i < b->n_states && !at_begin; i++)
        if (i != b->start && memcmp(&b->states[i], set, sizeof *set) == 0)
            return (uint8_t)i;
    if (b->n_states == STATES_MAX) {
        b->failed = true;
        return STATE_NO;
    }
    b->states[b->n_states] = *set;
    b->accepts_at_end[b->n_states] = is_found_at_end(b->program, set, at_begin);
    return (uint8_t)b->n_states++;
}

/* After one byte of a state; a search may begin behind it too. */
static uint8_t state_after(builder *b, uint32_t state, unsigned char byte)
{
    const parser *p = b->program;
    state_set after = {{0}};
    for (uint32_t i = 0; i < p->n_steps; i++)
        if (has_step(&b->states[state], i) && p->steps[i].kind == STEP_BYTE &&
            set_has(&p->steps[i].set, byte))
            add_reachable(p, &after, i + 1, false, false);
    add_reachable(p, &after, 0, false, false);
    return state_of(b, &after, false);
}

/* Line breaks and what is not ASCII are another's business. */
static bool is_known_byte(unsigned byte)
{
    return byte < 128 && !(byte >= '\n' && byte <= '\r');
}

/* The first byte that no step tells from `byte`. */
static unsigned representative(const parser *p, unsigned byte)
{
    for (unsigned other = 0; other < byte; other++) {
        bool is_same = is_known_byte(other);
        for (uint32_t i = 0; i < p->n_steps && is_same; i++)
            is_same =
                p->steps[i].kind != STEP_BYTE || set_has(&p->steps[i].set, (unsigned char)other) ==
                                                     set_has(&p->steps[i].set, (unsigned char)byte);
        if (is_same)
            return other;
    }
    return byte;
}

static void fill_states(builder *b)
{
    unsigned like[128];
    for (unsigned byte = 0; byte < 128; byte++)
        like[byte] = is_known_byte(byte) ? representative(b->program, byte) : byte;
    for (uint32_t state = 0; state < b->n_states && !b->failed; state++) {
        uint8_t *next = b->next[state];
        for (unsigned byte = 0; byte < 256; byte++) {
            if (state < STATE_FIRST_OTHER)
                next[byte] = (uint8_t)state;
            else if (!is_known_byte(byte))
                next[byte] = STATE_UNKNOWN;
            else
                next[byte] = like[byte] == byte ? state_after(b, state, (unsigned char)byte)
                                                : next[like[byte]];
        }
    }
}

/* -------- how long a text may be -------- */

/* At least the steps of a backtracking search: every way through the pattern, from every beginning.
 */
static double steps_of(const parser *p, effort all, double n)
{
    double choices = 1;
    for (uint32_t i = 0; i <= all.n_ends; i++)
        choices *= (n + 1 + i) / (i + 1.0);
    return choices * all.ways * (p->n_steps + 2.0);
}

static size_t longest_text(const parser *p, effort all)
{
    size_t lo = 0, hi = 4096;
    while (lo < hi) {
        size_t middle = lo + (hi - lo + 1) / 2;
        if (steps_of(p, all, (double)middle) < MU_REGEX_STEPS_MAX)
            lo = middle;
        else
            hi = middle - 1;
    }
    return lo;
}

static mu_automaton *copy_states(mu_arena *arena, const builder *b)
{
    size_t states_size = b->n_states * sizeof b->next[0];
    mu_automaton *out = mu_arena_alloc(arena, sizeof *out + states_size);
    out->start = b->start;
    memcpy(out->accepts_at_end, b->accepts_at_end, sizeof out->accepts_at_end);
    memcpy(out->next, b->next, states_size);
    return out;
}

const mu_automaton *mu_automaton_new(mu_arena *arena, mu_str pattern)
{
    parser p = {.pattern = pattern};
    effort all = parse_alternatives(&p);
    if (p.failed || p.at != pattern.len || p.n_steps == STEPS_MAX)
        return NULL;
    add_step(&p, (step){.kind = STEP_FOUND});
    builder b = {.program = &p, .n_states = STATE_FIRST_OTHER};
    state_set start = {{0}};
    add_reachable(&p, &start, 0, true, false);
    b.start = state_of(&b, &start, true);
    fill_states(&b);
    if (b.failed)
        return NULL;
    mu_automaton *automaton = copy_states(arena, &b);
    automaton->text_max = longest_text(&p, all);
    return automaton;
}

/* -------- searching -------- */

mu_automaton_result mu_automaton_search(const mu_automaton *automaton, mu_str text)
{
    unsigned state = automaton->start;
    if (text.len > automaton->text_max)
        return MU_AUTOMATON_UNKNOWN;
    for (size_t i = 0; i < text.len && state >= STATE_FIRST_OTHER; i++)
        state = automaton->next[state][(unsigned char)text.ptr[i]];
    if (state >= STATE_FIRST_OTHER)
        return automaton->accepts_at_end[state] ? MU_AUTOMATON_YES : MU_AUTOMATON_NO;
    return (mu_automaton_result)state;
}
