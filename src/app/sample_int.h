/* sample_int.h -- made-up shop data: who the people are, what they do, and how that is written.
 *
 * Everything about person i follows from (seed, i) alone, so people can be made in any order and by
 * any thread, and the same seed gives the same bytes. Numbers of people, mixes and names are those
 * of docs/commands.md.
 */
#ifndef MU_APP_SAMPLE_INT_H
#define MU_APP_SAMPLE_INT_H

#include "base/arena.h"
#include "base/buf.h"

/* -------- random numbers: xoshiro256** of Blackman and Vigna, seeded by splitmix64 -------- */

typedef struct mu_random {
    uint64_t state[4];
} mu_random;

/* `stream` tells apart the uses that one person's numbers are put to. */
void mu_random_init(mu_random *random, uint64_t seed, uint64_t person, uint64_t stream);

static inline uint64_t mu_random_next(mu_random *random)
{
    uint64_t *s = random->state;
    uint64_t x = s[1] * 5, result = ((x << 7) | (x >> 57)) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

/* In [0, n). */
static inline uint32_t mu_random_below(mu_random *random, uint32_t n)
{
    return (uint32_t)(((mu_random_next(random) >> 32) * n) >> 32);
}

/* In (0, 1). */
static inline double mu_random_unit(mu_random *random)
{
    return ((double)(mu_random_next(random) >> 12) + 0.5) * 0x1p-52;
}

/* 1 + a geometric number, with this mean. */
uint32_t mu_random_geometric(mu_random *random, double mean);

/* An index drawn by weights that sum to `total`. */
uint32_t mu_random_weighted(mu_random *random, const uint16_t *weights, uint32_t total);

/* -------- what is made -------- */

typedef struct mu_sample_options {
    uint64_t n_profiles, n_events, seed;
    int64_t until_ms; /* events lie in the 30 days before */
    bool is_csv;
    bool as_messages;                  /* header and body around each record; not with CSV */
    bool with_faults;                  /* resend some events, add some invalid lines */
    bool skips_profiles, skips_events; /* the others are the same bytes without them */
    bool is_wide;                      /* lists, maps and look-ups as well; CSV only */
    const char *org;                   /* of the messages */
    unsigned n_threads;
    void (*progress)(void *context, uint64_t done_events, uint64_t all_events);
    void *progress_context;
} mu_sample_options;

typedef struct mu_sample_summary {
    uint64_t n_profiles, n_events; /* without the faults */
    uint64_t n_bytes;
} mu_sample_summary;

/* Writes profiles.EXT and events.EXT into `folder`, replacing them when they exist; without a
 * folder (NULL) to standard output, where one of them must be skipped. */
MU_CHECKED mu_code mu_sample_write(const mu_sample_options *options, const char *folder,
                                   mu_sample_summary *out, mu_err *err);

/* -------- people -------- */

#define MU_SAMPLE_ECID_LENGTH 38

typedef struct mu_sample_person {
    uint64_t index;
    bool is_known;                    /* has a customer number; the others only a device */
    char ecid[MU_SAMPLE_ECID_LENGTH]; /* digits */
    char crm_id[16];                  /* known only; crm_length long */
    uint32_t crm_length;
    mu_random random; /* where its attributes come from next */
} mu_sample_person;

void mu_sample_person_make(const mu_sample_options *options, uint64_t index, mu_sample_person *out);

/* The share of all events that this person has, as a weight. */
uint64_t mu_sample_event_weight(const mu_sample_options *options, uint64_t index);

void mu_sample_profile_header(const mu_sample_options *options, mu_buf *buf);
void mu_sample_profile_write(const mu_sample_options *options, mu_sample_person *person,
                             mu_buf *buf);

/* -------- events -------- */

typedef struct mu_sample_clock mu_sample_clock;

/* When in a day sessions begin: immutable, in the arena. */
const mu_sample_clock *mu_sample_clock_new(mu_arena *arena);

void mu_sample_event_header(const mu_sample_options *options, mu_buf *buf);
/* All `n` events of a person, by session, in time order within each. */
void mu_sample_events_write(const mu_sample_options *options, const mu_sample_clock *clock,
                            const mu_sample_person *person, uint64_t n, mu_arena *scratch,
                            mu_buf *buf);

/* -------- what wide data refer to -------- */

/* CSV of the records that a profile's store and an item's SKU lead to, with header. */
void mu_sample_stores_write(mu_buf *buf);
void mu_sample_products_write(mu_buf *buf);

/* Writes stores.csv, products.csv and schema.json, which declares all of it, into `folder`. */
MU_CHECKED mu_code mu_sample_wide_write(const char *folder, mu_err *err);

/* -------- audiences -------- */

/* One line {"id":"audience-I","expression":"..."} over the shop's data; may name audiences before
 * it. */
void mu_sample_audience_write(uint64_t seed, uint64_t index, mu_buf *buf);

/* -------- text, appended without checks into room that was reserved -------- */

#define MU_SAMPLE_LINE_MAX 6144 /* no line is longer */

static inline char *mu_put(char *at, const char *text, size_t length)
{
    memcpy(at, text, length);
    return at + length;
}

#define MU_PUT(at, literal) mu_put((at), literal, sizeof(literal) - 1)

static inline char *mu_put_text(char *at, const char *zero_terminated)
{
    return mu_put(at, zero_terminated, strlen(zero_terminated));
}

/* Exactly `digits` digits. */
static inline char *mu_put_digits(char *at, uint64_t number, int digits)
{
    for (int i = digits - 1; i >= 0; i--, number /= 10)
        at[i] = (char)('0' + number % 10);
    return at + digits;
}

static inline char *mu_put_number(char *at, uint64_t number)
{
    int digits = 1;
    for (uint64_t rest = number; rest >= 10; rest /= 10)
        digits++;
    return mu_put_digits(at, number, digits);
}

/* 12995 -> 129.95 */
static inline char *mu_put_cents(char *at, uint64_t cents)
{
    at = mu_put_number(at, cents / 100);
    *at++ = '.';
    return mu_put_digits(at, cents % 100, 2);
}

char *mu_sample_put_message_head(char *at, const mu_sample_options *options, const char *schema,
                                 const char *dataset, const char *source);
char *mu_sample_put_message_tail(char *at);

#endif
