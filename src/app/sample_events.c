#include "app/sample_int.h"
#include "base/time.h"

#include <math.h>
#include <stdlib.h>

enum { STREAM_EVENTS = 3 };

typedef struct product {
    const char *sku, *name;
    uint32_t cents;
    const char *category_id, *category, *path;
} product;

static const product products[] = {
    {"LM-JK-01", "Ridge Wind Jacket", 8900, "c-jackets", "Jackets", "women/outdoor/jackets"},
    {"LM-JK-02", "Harbor Rain Shell", 11900, "c-jackets", "Jackets", "women/outdoor/jackets"},
    {"LM-TS-01", "Dawn Running Tee", 3900, "c-tees", "Tees", "women/running/tees"},
    {"LM-TS-02", "Cedar Tank", 2400, "c-tees", "Tees", "women/running/tees"},
    {"LM-SH-01", "Pace Short", 3200, "c-bottoms", "Bottoms", "women/running/bottoms"},
    {"LM-SH-02", "Trail Legging", 5400, "c-bottoms", "Bottoms", "women/running/bottoms"},
    {"LM-YM-04", "Studio Yoga Mat", 4500, "c-gear", "Gear", "equipment/yoga"},
    {"LM-YB-01", "Cork Yoga Block", 1800, "c-gear", "Gear", "equipment/yoga"},
    {"LM-BG-01", "Commuter Pack", 7600, "c-gear", "Gear", "equipment/bags"},
    {"LM-BT-01", "Steel Bottle", 2200, "c-gear", "Gear", "equipment/bottles"},
    {"LM-WT-01", "Lap Watch", 12900, "c-gear", "Gear", "equipment/watches"},
    {"LM-GC-50", "Gift Card", 5000, "c-gear", "Gear", "equipment/gifts"},
};
#define N_PRODUCTS (sizeof products / sizeof products[0])

typedef enum action {
    ACTION_PAGE_VIEW,
    ACTION_LINK_CLICK,
    ACTION_EMAIL_OPENED,
    ACTION_EMAIL_CLICKED,
    /* from here on in the order of a purchase */
    ACTION_PRODUCT_VIEW,
    ACTION_LIST_ADD,
    ACTION_CHECKOUT,
    ACTION_PURCHASE,
    ACTION_COUNT_
} action;

static const struct {
    const char *type;
    const char *measure; /* under commerce; NULL when none */
    uint16_t share;      /* of 1000 events */
} actions[ACTION_COUNT_] = {
    [ACTION_PAGE_VIEW] = {"web.webpagedetails.pageViews", NULL, 620},
    [ACTION_LINK_CLICK] = {"web.webinteraction.linkClicks", NULL, 80},
    [ACTION_EMAIL_OPENED] = {"directMarketing.emailOpened", NULL, 7},
    [ACTION_EMAIL_CLICKED] = {"directMarketing.emailClicked", NULL, 3},
    [ACTION_PRODUCT_VIEW] = {"commerce.productViews", "productViews", 200},
    [ACTION_LIST_ADD] = {"commerce.productListAdds", "productListAdds", 50},
    [ACTION_CHECKOUT] = {"commerce.checkouts", "checkouts", 25},
    [ACTION_PURCHASE] = {"commerce.purchases", "purchases", 15},
};

static const char *const pages[] = {"home",   "women:running", "women:outdoor", "equipment:yoga",
                                    "search", "sale",          "account",       "stores",
                                    "help",   "equipment:bags"};
static const char *const channels[] = {"web", "app", "store"};
static const uint16_t channel_shares[] = {70, 25, 5};

static const struct {
    const char *system, *browser, *version, *agent;
    uint32_t width, height;
} devices[] = {
    {"Android", "Chrome Mobile", "134.0", "Mozilla/5.0 (Linux; Android 15) Chrome/134.0 Mobile",
     412, 915},
    {"iOS", "Mobile Safari", "18.3",
     "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) Version/18.3 Mobile Safari", 390, 844},
    {"Windows", "Chrome", "134.0", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/134.0", 1920,
     1080},
    {"Mac OS", "Safari", "18.3", "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_7) Version/18.3 Safari",
     1440, 900},
    {"Linux", "Firefox", "136.0", "Mozilla/5.0 (X11; Linux x86_64; rv:136.0) Firefox/136.0", 1680,
     1050},
};

/* -------- when -------- */

#define DAY_MINUTES 1440
#define WINDOW_DAYS 30

/* Sessions begin by a daily wave whose peak, at 20:00 UTC, is three times its mean. */
struct mu_sample_clock {
    uint32_t until[DAY_MINUTES]; /* cumulated weights */
    uint32_t total;
};

const mu_sample_clock *mu_sample_clock_new(mu_arena *arena)
{
    mu_sample_clock *clock = MU_NEW(arena, mu_sample_clock);
    for (int minute = 0; minute < DAY_MINUTES; minute++) {
        double wave = (1 + cos(6.283185307179586 * (minute - 1200) / DAY_MINUTES)) / 2;
        clock->total += (uint32_t)(100000 * (wave * wave * wave + 0.03125));
        clock->until[minute] = clock->total;
    }
    return clock;
}

/* A minute of the day, by its weight. */
static int64_t draw_minute(const mu_sample_clock *clock, mu_random *random)
{
    uint32_t at = mu_random_below(random, clock->total), low = 0, high = DAY_MINUTES - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (clock->until[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static int64_t draw_start_ms(const mu_sample_options *options, const mu_sample_clock *clock,
                             mu_random *random)
{
    int64_t day = mu_day_of_ms(options->until_ms) - mu_random_below(random, WINDOW_DAYS);
    int64_t ms =
        day * MU_DAY_MS + draw_minute(clock, random) * 60000 + mu_random_below(random, 60000);
    return ms < options->until_ms ? ms : ms - WINDOW_DAYS * MU_DAY_MS;
}

static int compare_times(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* -------- what happens in a session -------- */

#define SESSION_MAX 64
#define CART_MAX    3

typedef struct event {
    action action;
    int64_t ms;
    uint64_t id[2];
    const char *page;
    const product *items[CART_MAX];
    uint32_t quantities[CART_MAX];
    uint32_t n_items;
    uint32_t cents; /* of the order; 0 when there is none */
} event;

typedef struct session {
    mu_random *random;
    uint32_t n;
    event events[SESSION_MAX];
    uint32_t device, channel, number;
    char page[32]; /* of the product looked at last */
} session;

/* Draws the session's actions, then puts those of the way to a purchase in its order. */
static void draw_actions(session *s)
{
    uint32_t counts[ACTION_COUNT_] = {0};
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t at = mu_random_below(s->random, 1000);
        action drawn = ACTION_PAGE_VIEW;
        while (at >= actions[drawn].share)
            at -= actions[drawn++].share;
        s->events[i].action = drawn;
        counts[drawn]++;
    }
    action next = ACTION_PRODUCT_VIEW;
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->events[i].action < ACTION_PRODUCT_VIEW)
            continue;
        while (counts[next] == 0)
            next++;
        counts[next]--;
        s->events[i].action = next;
    }
}

static void draw_times(session *s, int64_t start_ms, int64_t until_ms)
{
    int64_t ms = start_ms;
    for (uint32_t i = 0; i < s->n; i++) {
        s->events[i].ms = ms;
        ms += 2000 + mu_random_below(s->random, 120000);
    }
    int64_t beyond = s->events[s->n - 1].ms - (until_ms - 1);
    for (uint32_t i = 0; beyond > 0 && i < s->n; i++)
        s->events[i].ms -= beyond;
}

static void fill_cart(session *s, const product **cart, uint32_t *n_cart, const product *seen)
{
    if (*n_cart < CART_MAX)
        cart[(*n_cart)++] = seen != NULL ? seen : &products[mu_random_below(s->random, N_PRODUCTS)];
}

static void set_items(session *s, event *e, const product *const *items, uint32_t n)
{
    e->n_items = n;
    for (uint32_t i = 0; i < n; i++) {
        e->items[i] = items[i];
        e->quantities[i] = 1 + (mu_random_below(s->random, 8) == 0);
        if (e->action == ACTION_PURCHASE)
            e->cents += items[i]->cents * e->quantities[i];
    }
}

static void draw_contents(session *s)
{
    const product *seen = NULL, *cart[CART_MAX];
    uint32_t n_cart = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        event *e = &s->events[i];
        e->id[0] = mu_random_next(s->random);
        e->id[1] = mu_random_next(s->random);
        e->n_items = 0;
        e->cents = 0;
        switch (e->action) {
        case ACTION_PRODUCT_VIEW:
            seen = &products[mu_random_below(s->random, N_PRODUCTS)];
            set_items(s, e, &seen, 1);
            e->page = NULL; /* product:SKU */
            break;
        case ACTION_LIST_ADD:
            fill_cart(s, cart, &n_cart, seen);
            set_items(s, e, &cart[n_cart - 1], 1);
            e->page = "cart";
            break;
        case ACTION_CHECKOUT:
        case ACTION_PURCHASE:
            if (n_cart == 0)
                fill_cart(s, cart, &n_cart, seen);
            set_items(s, e, cart, n_cart);
            e->page = e->action == ACTION_CHECKOUT ? "checkout:start" : "checkout:thank-you";
            break;
        default:
            e->page = pages[mu_random_below(s->random, sizeof pages / sizeof pages[0])];
        }
    }
}

static void draw_session(session *s, uint32_t n, int64_t start_ms, int64_t until_ms)
{
    s->n = n;
    s->device = mu_random_below(s->random, sizeof devices / sizeof devices[0]);
    s->channel = mu_random_weighted(s->random, channel_shares, 100);
    s->number = mu_random_below(s->random, 1000000);
    draw_actions(s);
    draw_times(s, start_ms, until_ms);
    draw_contents(s);
}

/* -------- text -------- */

/* 2026-03-10T11:58:30.250Z, always with milliseconds. */
static char *put_time(char *at, int64_t ms)
{
    mu_civil civil = mu_civil_from_ms(ms);
    at = mu_put_digits(at, (uint64_t)civil.year, 4);
    at = mu_put_digits(MU_PUT(at, "-"), (uint64_t)civil.month, 2);
    at = mu_put_digits(MU_PUT(at, "-"), (uint64_t)civil.day, 2);
    at = mu_put_digits(MU_PUT(at, "T"), (uint64_t)civil.hour, 2);
    at = mu_put_digits(MU_PUT(at, ":"), (uint64_t)civil.minute, 2);
    at = mu_put_digits(MU_PUT(at, ":"), (uint64_t)civil.second, 2);
    at = mu_put_digits(MU_PUT(at, "."), (uint64_t)civil.millisecond, 3);
    return MU_PUT(at, "Z");
}

static char *put_hex(char *at, uint64_t bits, int digits)
{
    for (int i = digits - 1; i >= 0; i--, bits >>= 4)
        at[i] = "0123456789abcdef"[bits & 15];
    return at + digits;
}

/* 9f0c3c1e-52b7-4a5e-8c0a-6f1b2a7d4e11 */
static char *put_id(char *at, const uint64_t id[2])
{
    at = put_hex(at, id[0], 8);
    at = put_hex(MU_PUT(at, "-"), id[0] >> 32, 4);
    at = put_hex(MU_PUT(at, "-4"), id[0] >> 48, 3);
    at = put_hex(MU_PUT(at, "-8"), id[1], 3);
    return put_hex(MU_PUT(at, "-"), id[1] >> 12, 12);
}

static char *put_page(char *at, const event *e)
{
    return e->page != NULL ? mu_put_text(at, e->page)
                           : mu_put_text(MU_PUT(at, "product:"), e->items[0]->sku);
}

void mu_sample_event_header(const mu_sample_options *options, mu_buf *buf)
{
    MU_BUF_ADD(buf, "identity:lumaCrmId,identity:ECID,_id,timestamp,eventType,"
                    "web.webPageDetails.name,commerce.order.priceTotal,_luma.channel");
    if (options->is_wide)
        MU_BUF_ADD(buf, ",productListItems");
    MU_BUF_ADD(buf, "\n");
}

void mu_sample_products_write(mu_buf *buf)
{
    MU_BUF_ADD(buf, "SKU,name,category,path,price\n");
    for (size_t i = 0; i < N_PRODUCTS; i++)
        mu_buf_add_format(buf, "%s,%s,%s,%s,%u.%02u\n", products[i].sku, products[i].name,
                          products[i].category, products[i].path, products[i].cents / 100,
                          products[i].cents % 100);
}

static char *put_csv_items(char *at, const event *e)
{
    if (e->n_items == 0)
        return at;
    at = MU_PUT(at, "\"[");
    for (uint32_t i = 0; i < e->n_items; i++) {
        if (i > 0)
            *at++ = ',';
        at = mu_put_text(MU_PUT(at, "{\"\"SKU\"\":\"\""), e->items[i]->sku);
        at = mu_put_number(MU_PUT(at, "\"\",\"\"quantity\"\":"), e->quantities[i]);
        at = mu_put_cents(MU_PUT(at, ",\"\"priceTotal\"\":"),
                          (uint64_t)e->items[i]->cents * e->quantities[i]);
        *at++ = '}';
    }
    return MU_PUT(at, "]\"");
}

static char *put_csv_event(char *at, const mu_sample_options *options,
                           const mu_sample_person *person, const session *s, const event *e)
{
    at = mu_put(at, person->crm_id, person->crm_length);
    *at++ = ',';
    if (!person->is_known)
        at = mu_put(at, person->ecid, sizeof person->ecid);
    at = put_id(MU_PUT(at, ","), e->id);
    at = put_time(MU_PUT(at, ","), e->ms);
    at = mu_put_text(MU_PUT(at, ","), actions[e->action].type);
    at = put_page(MU_PUT(at, ","), e);
    *at++ = ',';
    if (e->cents != 0)
        at = mu_put_cents(at, e->cents);
    at = mu_put_text(MU_PUT(at, ","), channels[s->channel]);
    if (options->is_wide)
        at = put_csv_items(MU_PUT(at, ","), e);
    return MU_PUT(at, "\n");
}

static char *put_event_identities(char *at, const mu_sample_person *person)
{
    at = MU_PUT(at, "\"identityMap\":{\"ECID\":[{\"id\":\"");
    at = mu_put(at, person->ecid, sizeof person->ecid);
    if (!person->is_known)
        return MU_PUT(at, "\",\"primary\":true,\"authenticatedState\":\"ambiguous\"}]}");
    at = MU_PUT(at, "\",\"primary\":false,\"authenticatedState\":\"ambiguous\"}],\"lumaCrmId\":"
                    "[{\"id\":\"");
    at = mu_put(at, person->crm_id, person->crm_length);
    return MU_PUT(at, "\",\"primary\":true,\"authenticatedState\":\"authenticated\"}]}");
}

static char *put_web(char *at, const event *e)
{
    at = put_page(MU_PUT(at, ",\"web\":{\"webPageDetails\":{\"name\":\""), e);
    at = put_page(MU_PUT(at, "\",\"URL\":\"https://shop.example.com/"), e);
    at = MU_PUT(at, "\",\"siteSection\":\"shop\",\"server\":\"shop.example.com\",\"isHomePage\":");
    at = mu_put_text(at, e->page != NULL && strcmp(e->page, "home") == 0 ? "true" : "false");
    if (e->action != ACTION_LINK_CLICK)
        at = MU_PUT(at, ",\"pageViews\":{\"value\":1}");
    else
        at =
            MU_PUT(at, "},\"webInteraction\":{\"name\":\"banner\",\"URL\":"
                       "\"https://shop.example.com/sale\",\"type\":\"other\",\"region\":\"header\","
                       "\"linkClicks\":{\"value\":1}");
    return MU_PUT(at, "},\"webReferrer\":{\"URL\":\"https://shop.example.com/\",\"type\":"
                      "\"internal\"}}");
}

static char *put_order(char *at, const session *s, const event *e)
{
    at = mu_put_digits(MU_PUT(at, ",\"order\":{\"purchaseID\":\"LM-2026-"), s->number, 7);
    at = mu_put_cents(MU_PUT(at, "\",\"currencyCode\":\"USD\",\"orderType\":\"checkout\","
                                 "\"priceTotal\":"),
                      e->cents);
    at = mu_put_cents(MU_PUT(at, ",\"taxAmount\":"), e->cents / 12);
    at = put_hex(MU_PUT(at, ",\"payments\":[{\"transactionID\":\"tx-"), e->id[1], 6);
    at = mu_put_cents(MU_PUT(at, "\",\"paymentAmount\":"), e->cents);
    at = mu_put_text(MU_PUT(at, ",\"paymentType\":\""),
                     s->number % 3 == 0 ? "paypal" : "credit_card");
    return MU_PUT(at, "\",\"currencyCode\":\"USD\"}]}");
}

static char *put_item(char *at, const product *p, uint32_t quantity)
{
    at = mu_put_text(MU_PUT(at, "{\"SKU\":\""), p->sku);
    at = mu_put_text(MU_PUT(at, "\",\"name\":\""), p->name);
    at = mu_put_text(MU_PUT(at, "\",\"product\":\"https://shop.example.com/p/"), p->sku);
    at = mu_put_number(MU_PUT(at, "\",\"quantity\":"), quantity);
    at = mu_put_cents(MU_PUT(at, ",\"priceTotal\":"), p->cents * quantity);
    at = MU_PUT(at, ",\"currencyCode\":\"USD\",\"productAddMethod\":\"product page\","
                    "\"selectedOptions\":[{\"attribute\":\"size\",\"value\":\"M\"}],"
                    "\"productCategories\":[{\"categoryID\":\"");
    at = mu_put_text(at, p->category_id);
    at = mu_put_text(MU_PUT(at, "\",\"categoryName\":\""), p->category);
    at = mu_put_text(MU_PUT(at, "\",\"categoryPath\":\""), p->path);
    return MU_PUT(at, "\"}]}");
}

static char *put_commerce(char *at, const session *s, const event *e)
{
    at = mu_put_text(MU_PUT(at, ",\"commerce\":{\""), actions[e->action].measure);
    at = MU_PUT(at, "\":{\"value\":1}");
    if (e->action == ACTION_PURCHASE)
        at = put_order(at, s, e);
    at = MU_PUT(at, "},\"productListItems\":[");
    for (uint32_t i = 0; i < e->n_items; i++) {
        if (i > 0)
            *at++ = ',';
        at = put_item(at, e->items[i], e->quantities[i]);
    }
    return MU_PUT(at, "]");
}

static char *put_environment(char *at, const session *s)
{
    at = mu_put_text(MU_PUT(at, ",\"environment\":{\"type\":\"browser\",\"operatingSystem\":\""),
                     devices[s->device].system);
    at = mu_put_number(MU_PUT(at, "\",\"viewportWidth\":"), devices[s->device].width);
    at = mu_put_number(MU_PUT(at, ",\"viewportHeight\":"), devices[s->device].height);
    at = mu_put_text(MU_PUT(at, ",\"browserDetails\":{\"name\":\""), devices[s->device].browser);
    at = mu_put_text(MU_PUT(at, "\",\"version\":\""), devices[s->device].version);
    at = mu_put_text(MU_PUT(at, "\",\"acceptLanguage\":\"en-US\",\"userAgent\":\""),
                     devices[s->device].agent);
    return MU_PUT(at, "\"}}");
}

static char *put_json_event(char *at, const mu_sample_options *options,
                            const mu_sample_person *person, const session *s, const event *e)
{
    if (options->as_messages)
        at = mu_sample_put_message_head(at, options,
                                        "4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe34",
                                        "4b5e57f6eb2f42b9039b3d1e", "Luma storefront");
    at = put_id(MU_PUT(at, "{\"_id\":\""), e->id);
    at = put_time(MU_PUT(at, "\",\"timestamp\":\""), e->ms);
    at = mu_put_text(MU_PUT(at, "\",\"eventType\":\""), actions[e->action].type);
    at = put_event_identities(MU_PUT(at, "\",\"producedBy\":\"self\","), person);
    if (e->action != ACTION_EMAIL_OPENED && e->action != ACTION_EMAIL_CLICKED)
        at = put_web(at, e);
    if (actions[e->action].measure != NULL)
        at = put_commerce(at, s, e);
    at = put_environment(at, s);
    at = mu_put_text(MU_PUT(at, ",\"_luma\":{\"channel\":\""), channels[s->channel]);
    if (e->action >= ACTION_LIST_ADD)
        at = mu_put_digits(MU_PUT(at, "\",\"cartId\":\"cart-"), s->number, 6);
    at = MU_PUT(at, "\"}}");
    if (options->as_messages)
        at = mu_sample_put_message_tail(at);
    return MU_PUT(at, "\n");
}

/* -------- faults -------- */

/* A line that no loader may take, of one of several kinds. */
static char *put_invalid(char *at, const mu_sample_options *options, mu_random *random)
{
    uint32_t kind = mu_random_below(random, 3);
    if (options->is_csv)
        return kind == 0   ? MU_PUT(at, ",,no-identity,2026-03-01T00:00:00Z,none,,,\n")
               : kind == 1 ? MU_PUT(at, "CRM-1,,too,few,cells\n")
                           : MU_PUT(at, "CRM-1,,bad-time,yesterday,none,,,\n");
    return kind == 0   ? MU_PUT(at, "{\"_id\":\"cut\",\"timestamp\":\"2026-03-01T00:\n")
           : kind == 1 ? MU_PUT(at, "{\"_id\":\"no-identity\",\"timestamp\":"
                                    "\"2026-03-01T00:00:00Z\",\"eventType\":\"none\"}\n")
                       : MU_PUT(at, "{\"_id\":\"bad-type\",\"timestamp\":\"2026-03-01T00:00:00Z\","
                                    "\"identityMap\":{\"Email\":[{\"id\":\"a@example.com\"}]},"
                                    "\"commerce\":{\"order\":{\"priceTotal\":\"two\"}}}\n");
}

static char *put_faults(char *at, const mu_sample_options *options, mu_random *random,
                        const char *line, size_t length)
{
    uint32_t draw = mu_random_below(random, 1000);
    if (draw < 5)
        at = mu_put(at, line, length);
    else if (draw == 5)
        at = put_invalid(at, options, random);
    return at;
}

/* -------- all of a person's events -------- */

static void write_session(const mu_sample_options *options, const mu_sample_person *person,
                          const session *s, mu_buf *buf)
{
    for (uint32_t i = 0; i < s->n; i++) {
        char *at = mu_buf_reserve(buf, (size_t)2 * MU_SAMPLE_LINE_MAX);
        if (at == NULL)
            return;
        char *end = options->is_csv ? put_csv_event(at, options, person, s, &s->events[i])
                                    : put_json_event(at, options, person, s, &s->events[i]);
        if (options->with_faults)
            end = put_faults(end, options, s->random, at, (size_t)(end - at));
        buf->len += (size_t)(end - at);
    }
}

void mu_sample_events_write(const mu_sample_options *options, const mu_sample_clock *clock,
                            const mu_sample_person *person, uint64_t n, mu_arena *scratch,
                            mu_buf *buf)
{
    if (n == 0)
        return;
    mu_random random;
    mu_random_init(&random, options->seed, person->index, STREAM_EVENTS);
    uint32_t *lengths = MU_NEW_ARRAY(scratch, uint32_t, n);
    uint64_t n_sessions = 0;
    for (uint64_t left = n; left > 0; left -= lengths[n_sessions++]) {
        uint32_t length = mu_random_geometric(&random, 6);
        if (length > SESSION_MAX)
            length = SESSION_MAX;
        lengths[n_sessions] = length < left ? length : (uint32_t)left;
    }
    int64_t *starts = MU_NEW_ARRAY(scratch, int64_t, n_sessions);
    for (uint64_t i = 0; i < n_sessions; i++)
        starts[i] = draw_start_ms(options, clock, &random);
    qsort(starts, n_sessions, sizeof *starts, compare_times);
    session *s = MU_NEW(scratch, session);
    s->random = &random;
    for (uint64_t i = 0; i < n_sessions; i++) {
        draw_session(s, lengths[i], starts[i], options->until_ms);
        write_session(options, person, s, buf);
    }
}
