/* sample_audiences.c -- made-up audiences over the made-up shop, as a busy sandbox has them.
 *
 * Seven in ten share a sub-condition of a small set ("who we may write to", "the gold club" ...);
 * windows, event types and countries come from short lists, so that a job of many audiences has few
 * distinct atoms; the others are one of a kind. Everything follows from the seed and the number of
 * the audience.
 */
#include "app/sample_int.h"
#include "json/json.h"

#include <stdio.h>

enum { STREAM_AUDIENCES = 4 };

static const char *const countries[] = {"US", "GB", "DE", "FR", "IT", "ES", "NL", "SE"};
static const char *const tiers[] = {"bronze", "silver", "gold", "platinum"};
static const char *const event_types[] = {
    "web.webpagedetails.pageViews", "web.webinteraction.linkClicks",
    "commerce.productViews",        "commerce.productListAdds",
    "commerce.checkouts",           "commerce.purchases",
    "directMarketing.emailOpened",  "directMarketing.emailClicked"};
static const char *const pages[] = {"home",   "women:running", "women:outdoor", "equipment:yoga",
                                    "search", "sale",          "account",       "stores"};
static const char *const windows[] = {"24 hours", "3 days", "7 days", "14 days", "30 days"};

#define PICK(random, list) (list)[mu_random_below((random), sizeof(list) / sizeof *(list))]

/* What many audiences have in common. */
static const char *const shared_conditions[] = {
    "consents.marketing.email.val = \"y\"",
    "homeAddress.countryCode = \"US\"",
    "loyalty.tier in [\"gold\", \"platinum\"]",
    "not (consents.collect.val = \"n\")",
    ("xEvent[eventType = \"commerce.purchases\" and timestamp occurs <= 30 days before "
     "now].count() "
     ">= 1"),
    "homeAddress.countryCode in [\"GB\", \"DE\", \"FR\"]",
    "person.gender = \"female\"",
    "xEvent[timestamp occurs <= 7 days before now].count() > 0",
};

static void add_attribute(mu_random *random, mu_buf *buf)
{
    switch (mu_random_below(random, 7)) {
    case 0:
        mu_buf_add_format(buf, "homeAddress.countryCode = \"%s\"", PICK(random, countries));
        break;
    case 1:
        mu_buf_add_format(buf, "loyalty.tier = \"%s\"", PICK(random, tiers));
        break;
    case 2:
        mu_buf_add_format(buf, "loyalty.points > %u", mu_random_below(random, 50) * 100);
        break;
    case 3:
        mu_buf_add_format(buf, "person.birthDate occurs before date(%u, 1, 1)",
                          1950 + mu_random_below(random, 55));
        break;
    case 4:
        mu_buf_add_format(buf, "homeAddress.postalCode.startsWith(\"%u\")",
                          mu_random_below(random, 100));
        break;
    case 5:
        mu_buf_add_format(buf, "person.birthDate.getMonth() = %u", 1 + mu_random_below(random, 12));
        break;
    default:
        mu_buf_add_format(buf, "personalEmail.address.endsWith(\"%u@example.com\")",
                          mu_random_below(random, 10));
    }
}

static void add_event_condition(mu_random *random, mu_buf *buf)
{
    mu_buf_add_format(buf, "eventType = \"%s\"", PICK(random, event_types));
    if (mu_random_below(random, 4) == 0)
        mu_buf_add_format(buf, " and web.webPageDetails.name = \"%s\"", PICK(random, pages));
}

static void add_events(mu_random *random, mu_buf *buf)
{
    const char *window = PICK(random, windows);
    switch (mu_random_below(random, 8)) {
    case 0:
    case 1:
    case 2:
        MU_BUF_ADD(buf, "CHAIN(xEvent, timestamp, [A: WHAT(");
        add_event_condition(random, buf);
        mu_buf_add_format(buf, ") WHEN(<= %s before now)])", window);
        break;
    case 3:
        MU_BUF_ADD(buf, "xEvent[");
        add_event_condition(random, buf);
        mu_buf_add_format(buf, " and timestamp occurs <= %s before now].count() >= %u", window,
                          1 + mu_random_below(random, 5));
        break;
    case 4:
        mu_buf_add_format(
            buf, "xEvent[timestamp occurs <= %s before now].sum(commerce.order.priceTotal) > %u",
            window, 20 * (1 + mu_random_below(random, 20)));
        break;
    case 5:
        MU_BUF_ADD(buf, "CHAIN(xEvent, timestamp, [A: WHAT(");
        add_event_condition(random, buf);
        mu_buf_add_format(buf, ") WHEN(<= %s before now), B: WHAT(", window);
        add_event_condition(random, buf);
        mu_buf_add_format(buf, ") WHEN(<= %u hours after A)])", 1 + mu_random_below(random, 48));
        break;
    case 6:
        MU_BUF_ADD(buf,
                   "CHAIN(xEvent, timestamp, [A: WHAT(eventType = \"commerce.productListAdds\") ");
        mu_buf_add_format(
            buf, "WHEN(<= %s before now), EXCLUDE(WHAT(eventType = \"commerce.purchases\"))])",
            window);
        break;
    default:
        mu_buf_add_format(buf,
                          "not (xEvent[eventType = \"%s\" and timestamp occurs <= %s before now])",
                          PICK(random, event_types), window);
    }
}

static void add_expression(mu_random *random, uint64_t index, mu_buf *buf)
{
    uint32_t n_own = 1 + mu_random_below(random, 3);
    if (mu_random_below(random, 10) < 7) {
        mu_buf_add_format(buf, "%s and ", PICK(random, shared_conditions));
    } else if (index > 0 && mu_random_below(random, 4) == 0) {
        mu_buf_add_format(buf, "inSegment(\"audience-%llu\") and ",
                          (unsigned long long)(mu_random_next(random) % index));
    }
    for (uint32_t i = 0; i < n_own; i++) {
        if (i > 0)
            mu_buf_add_str(buf, mu_random_below(random, 5) == 0 ? MU_STR(" or ") : MU_STR(" and "));
        if (mu_random_below(random, 2) == 0)
            add_attribute(random, buf);
        else
            add_events(random, buf);
    }
}

void mu_sample_audience_write(uint64_t seed, uint64_t index, mu_buf *buf)
{
    mu_random random;
    mu_buf expression;
    mu_json_writer writer;
    mu_random_init(&random, seed, index, STREAM_AUDIENCES);
    mu_buf_init(&expression, (size_t)1 << 20);
    add_expression(&random, index, &expression);
    mu_json_writer_init(&writer, buf);
    mu_json_begin_object(&writer);
    mu_json_name(&writer, MU_STR("id"));
    char id[32];
    int length = snprintf(id, sizeof id, "audience-%llu", (unsigned long long)index);
    mu_json_string(&writer, (mu_str){id, (size_t)length});
    mu_json_name(&writer, MU_STR("expression"));
    mu_json_string(&writer, mu_buf_str(&expression));
    mu_json_end_object(&writer);
    mu_buf_add_char(buf, '\n');
    mu_buf_free(&expression);
}
