#include "app/sample_int.h"
#include "base/time.h"

#include <math.h>

enum { STREAM_IDENTITY = 1, STREAM_WEIGHT = 2 };

typedef struct country {
    const char *code, *name, *dial;
    uint16_t share; /* of 1000 people */
} country;

static const country countries[] = {
    {"US", "United States", "+1", 450}, {"GB", "United Kingdom", "+44", 150},
    {"DE", "Germany", "+49", 120},      {"FR", "France", "+33", 80},
    {"CA", "Canada", "+1", 50},         {"NL", "Netherlands", "+31", 40},
    {"ES", "Spain", "+34", 40},         {"IT", "Italy", "+39", 40},
    {"AU", "Australia", "+61", 30},
};

typedef struct city {
    uint8_t country;
    const char *name, *state, *postal;
} city;

/* The postal code is followed by two digits. Cities of a country lie together. */
static const city cities[] = {
    {0, "Chicago", "US-IL", "606"},  {0, "New York", "US-NY", "100"},
    {0, "Boston", "US-MA", "021"},   {0, "Austin", "US-TX", "787"},
    {0, "Seattle", "US-WA", "981"},  {0, "Denver", "US-CO", "802"},
    {1, "London", "GB-LND", "E1 4"}, {1, "Leeds", "GB-LDS", "LS1 "},
    {1, "York", "GB-YOR", "YO1 "},   {2, "Berlin", "DE-BE", "101"},
    {2, "Hamburg", "DE-HH", "200"},  {3, "Paris", "FR-75", "750"},
    {3, "Lyon", "FR-69", "690"},     {4, "Toronto", "CA-ON", "M5V 2"},
    {5, "Utrecht", "NL-UT", "35"},   {6, "Madrid", "ES-MD", "280"},
    {7, "Milano", "IT-MI", "201"},   {8, "Perth", "AU-WA", "60"},
};

static const char *const tiers[] = {"", "bronze", "silver", "gold", "platinum"};
static const uint16_t tier_shares[] = {50, 25, 15, 8, 2};
static const char *const genders[] = {"female", "male", "not_specified", "non_specific"};
static const uint16_t gender_shares[] = {48, 44, 6, 2};
static const char *const categories[] = {"running", "yoga", "outdoor", "travel", "gifts"};

/* What a profile record says, besides the identities. */
typedef struct attributes {
    const country *country;
    const city *city;
    uint32_t postal, street, given, family;
    uint32_t tier, points, purchases, spent_cents, recency_days;
    const char *gender;
    char birth_date[MU_TIME_TEXT_MAX], join_date[MU_TIME_TEXT_MAX];
    size_t birth_length, join_length;
    uint32_t categories;                             /* bit i: categories[i] */
    char collect, email_consent, sms_consent, share; /* 'y', 'n' or 0 */
    bool opted_out, has_phone, news_sale, news_events;
    uint32_t phone;
} attributes;

void mu_sample_person_make(const mu_sample_options *options, uint64_t index, mu_sample_person *out)
{
    out->index = index;
    mu_random_init(&out->random, options->seed, index, STREAM_IDENTITY);
    out->is_known = mu_random_below(&out->random, 100) < 40;
    /* Two halves of 19 digits: leading zeros happen, and must stay. */
    char *at = mu_put_digits(out->ecid, mu_random_next(&out->random) % 10000000000000000000u, 19);
    mu_put_digits(at, mu_random_next(&out->random) % 10000000000000000000u, 19);
    out->crm_length = 0;
    if (out->is_known) {
        at = mu_put_digits(MU_PUT(out->crm_id, "CRM-"), 100000 + index, index < 900000 ? 6 : 9);
        out->crm_length = (uint32_t)(at - out->crm_id);
    }
}

/* Known: log-normal, median 8, p99 300. Anonymous: geometric, mean 3. One in 100,000 is a robot. */
uint64_t mu_sample_event_weight(const mu_sample_options *options, uint64_t index)
{
    mu_sample_person person;
    mu_sample_person_make(options, index, &person);
    mu_random random;
    mu_random_init(&random, options->seed, index, STREAM_WEIGHT);
    if (mu_random_below(&random, 100000) == 0)
        return 6000 * 16;
    if (!person.is_known)
        return 16 * (uint64_t)mu_random_geometric(&random, 3);
    double normal =
        sqrt(-2 * log(mu_random_unit(&random))) * cos(6.283185307179586 * mu_random_unit(&random));
    double events = 8 * exp(1.558 * normal);
    return (uint64_t)(16 * (events < 3000 ? events : 3000)) + 1;
}

static char consent(mu_random *random, uint32_t yes, uint32_t no)
{
    uint32_t draw = mu_random_below(random, 100);
    return draw < yes ? 'y' : draw < yes + no ? 'n' : '\0';
}

static const city *draw_city(mu_random *random, uint32_t country_index)
{
    uint32_t first = 0, n = 0;
    while (cities[first].country != country_index)
        first++;
    while (first + n < sizeof cities / sizeof cities[0] &&
           cities[first + n].country == country_index)
        n++;
    return &cities[first + mu_random_below(random, n)];
}

static void draw_attributes(const mu_sample_options *options, mu_sample_person *person,
                            attributes *out)
{
    mu_random *random = &person->random;
    uint32_t at = mu_random_below(random, 1000), index = 0;
    while (at >= countries[index].share)
        at -= countries[index++].share;
    int64_t until_day = mu_day_of_ms(options->until_ms);
    int64_t first_birth = mu_days_from_civil(1945, 1, 1),
            last_birth = mu_days_from_civil(2007, 12, 31);
    *out = (attributes){
        .country = &countries[index],
        .city = draw_city(random, index),
        .postal = mu_random_below(random, 100),
        .street = 1 + mu_random_below(random, 9000),
        .given = mu_random_below(random, 400),
        .family = mu_random_below(random, 5000),
        .tier = mu_random_weighted(random, tier_shares, 100),
        .points = mu_random_below(random, 12000),
        .purchases = mu_random_geometric(random, 6),
        .recency_days = mu_random_below(random, 365),
        .gender = genders[mu_random_weighted(random, gender_shares, 100)],
        .categories = mu_random_below(random, 32),
        .collect = consent(random, 80, 10),
        .email_consent = consent(random, 60, 25),
        .sms_consent = consent(random, 30, 40),
        .share = consent(random, 50, 30),
        .opted_out = mu_random_below(random, 100) == 0,
        .has_phone = mu_random_below(random, 10) < 7,
        .news_sale = mu_random_below(random, 2) == 1,
        .news_events = mu_random_below(random, 3) == 0,
        .phone = mu_random_below(random, 10000),
    };
    out->spent_cents = out->purchases * (2000 + mu_random_below(random, 12000));
    out->birth_length = mu_format_date(
        first_birth + mu_random_below(random, (uint32_t)(last_birth - first_birth + 1)),
        out->birth_date);
    int64_t join_day = until_day - 40 - mu_random_below(random, 2500);
    out->join_length = mu_format_time(join_day * MU_DAY_MS, out->join_date);
}

/* -------- CSV -------- */

void mu_sample_profile_header(const mu_sample_options *options, mu_buf *buf)
{
    MU_BUF_ADD(buf, "identity:lumaCrmId,identity:ECID,person.name.firstName,person.name.lastName,"
                    "person.birthDate,person.gender,personalEmail.address,homeAddress.city,"
                    "homeAddress.stateProvince,homeAddress.postalCode,homeAddress.countryCode,"
                    "loyalty.tier,loyalty.points,loyalty.joinDate,consents.collect.val,"
                    "consents.share.val,consents.marketing.email.val,"
                    "optOutConsentLevel.privacyOptOuts,_luma.preferences.categories,"
                    "_luma.rfm.frequency,_luma.rfm.monetary");
    if (options->is_wide)
        MU_BUF_ADD(buf, ",_luma.preferences.storeId,_luma.affinities");
    MU_BUF_ADD(buf, "\n");
}

#define N_STORES 40

void mu_sample_stores_write(mu_buf *buf)
{
    MU_BUF_ADD(buf, "storeId,name,address.city,address.countryCode\n");
    for (uint32_t i = 0; i < N_STORES; i++) {
        const city *at = &cities[i % (sizeof cities / sizeof cities[0])];
        mu_buf_add_format(buf, "ST-%02u,Store %u,%s,%s\n", i, i, at->name,
                          countries[at->country].code);
    }
}

static char *put_email(char *at, const mu_sample_person *person)
{
    at = MU_PUT(at, "p");
    at = mu_put_number(at, person->index);
    return MU_PUT(at, "@example.com");
}

static char *put_categories(char *at, const attributes *a, const char *quote)
{
    const char *separator = "";
    at = MU_PUT(at, "[");
    for (uint32_t i = 0; i < sizeof categories / sizeof categories[0]; i++) {
        if (!(a->categories >> i & 1))
            continue;
        at = mu_put_text(mu_put_text(at, separator), quote);
        at = mu_put_text(mu_put_text(at, categories[i]), quote);
        separator = ",";
    }
    return MU_PUT(at, "]");
}

static char *put_consent_cell(char *at, char value)
{
    if (value != '\0')
        *at++ = value;
    *at++ = ',';
    return at;
}

/* The columns from first name to e-mail address, which only known people have. */
static char *put_csv_person(char *at, const mu_sample_person *person, const attributes *a)
{
    if (!person->is_known)
        return MU_PUT(at, ",,,,,");
    at = mu_put_digits(MU_PUT(at, "Given-"), a->given, 3);
    at = mu_put_digits(MU_PUT(at, ",Family-"), a->family, 4);
    at = mu_put(MU_PUT(at, ","), a->birth_date, a->birth_length);
    at = mu_put_text(MU_PUT(at, ","), a->gender);
    return MU_PUT(put_email(MU_PUT(at, ","), person), ",");
}

static char *put_csv_loyalty(char *at, const mu_sample_person *person, const attributes *a)
{
    if (!person->is_known || a->tier == 0)
        return MU_PUT(at, ",,,");
    at = MU_PUT(mu_put_text(at, tiers[a->tier]), ",");
    at = MU_PUT(mu_put_number(at, a->points), ",");
    return MU_PUT(mu_put(at, a->join_date, a->join_length), ",");
}

/* A score for each category that the person cares about. */
static char *put_affinities(char *at, const attributes *a)
{
    const char *separator = "";
    at = MU_PUT(at, "\"{");
    for (uint32_t i = 0; i < sizeof categories / sizeof categories[0]; i++) {
        if (!(a->categories >> i & 1))
            continue;
        at = mu_put_text(MU_PUT(mu_put_text(at, separator), "\"\""), categories[i]);
        at = mu_put_cents(MU_PUT(at, "\"\":"), (a->given * 7u + a->family * 13u + i * 29u) % 100);
        separator = ",";
    }
    return MU_PUT(at, "}\"");
}

static char *put_csv_wide(char *at, const mu_sample_person *person, const attributes *a)
{
    if (!person->is_known)
        return MU_PUT(at, ",,");
    at = mu_put_digits(MU_PUT(at, ",ST-"), a->given % N_STORES, 2);
    return put_affinities(MU_PUT(at, ","), a);
}

static char *put_csv_profile(char *at, const mu_sample_options *options,
                             const mu_sample_person *person, const attributes *a)
{
    at = mu_put(at, person->crm_id, person->crm_length);
    *at++ = ',';
    if (!person->is_known)
        at = mu_put(at, person->ecid, sizeof person->ecid);
    *at++ = ',';
    at = put_csv_person(at, person, a);
    if (person->is_known) {
        at = MU_PUT(mu_put_text(at, a->city->name), ",");
        at = MU_PUT(mu_put_text(at, a->city->state), ",");
        at = MU_PUT(mu_put_digits(mu_put_text(at, a->city->postal), a->postal, 2), ",");
    } else {
        at = MU_PUT(at, ",,,");
    }
    at = MU_PUT(mu_put_text(at, a->country->code), ",");
    at = put_csv_loyalty(at, person, a);
    at = put_consent_cell(at, a->collect);
    at = put_consent_cell(at, person->is_known ? a->share : '\0');
    at = put_consent_cell(at, person->is_known ? a->email_consent : '\0');
    if (a->opted_out)
        at = MU_PUT(at, "\"[{\"\"optOutType\"\":\"\"general_opt_out\"\","
                        "\"\"optOutValue\"\":\"\"out\"\"}]\"");
    *at++ = ',';
    if (person->is_known) {
        at = put_categories(MU_PUT(at, "\""), a, "\"\"");
        at = mu_put_number(MU_PUT(at, "\","), a->purchases);
        at = mu_put_cents(MU_PUT(at, ","), a->spent_cents);
    } else {
        at = MU_PUT(at, ",,");
    }
    if (options->is_wide)
        at = put_csv_wide(at, person, a);
    return MU_PUT(at, "\n");
}

/* -------- JSON -------- */

static char *put_identity_map(char *at, const mu_sample_person *person)
{
    at = MU_PUT(at, "\"identityMap\":{\"ECID\":[{\"id\":\"");
    at = mu_put(at, person->ecid, sizeof person->ecid);
    if (!person->is_known)
        return MU_PUT(at, "\",\"primary\":true,\"authenticatedState\":\"ambiguous\"}]}");
    at = MU_PUT(at, "\",\"primary\":false,\"authenticatedState\":\"ambiguous\"}],\"Email\":"
                    "[{\"id\":\"");
    at = put_email(at, person);
    at = MU_PUT(at, "\",\"primary\":false}],\"lumaCrmId\":[{\"id\":\"");
    at = mu_put(at, person->crm_id, person->crm_length);
    return MU_PUT(at, "\",\"primary\":true,\"authenticatedState\":\"authenticated\"}]}");
}

static char *put_consents(char *at, const mu_sample_person *person, const attributes *a)
{
    const char *separator = "";
    at = MU_PUT(at, ",\"consents\":{");
    if (a->collect != '\0') {
        at = MU_PUT(at, "\"collect\":{\"val\":\"");
        *at++ = a->collect;
        at = MU_PUT(at, "\"}");
        separator = ",";
    }
    if (person->is_known && a->share != '\0') {
        at = MU_PUT(mu_put_text(at, separator), "\"share\":{\"val\":\"");
        *at++ = a->share;
        at = MU_PUT(at, "\"}");
        separator = ",";
    }
    if (person->is_known && a->email_consent != '\0' && a->sms_consent != '\0') {
        at = MU_PUT(mu_put_text(at, separator),
                    "\"marketing\":{\"preferred\":\"email\",\"email\":{\"val\":\"");
        *at++ = a->email_consent;
        at = MU_PUT(at, "\",\"time\":\"");
        at = mu_put(at, a->join_date, a->join_length);
        at = MU_PUT(at, "\"},\"sms\":{\"val\":\"");
        *at++ = a->sms_consent;
        at = MU_PUT(at, "\",\"time\":\"");
        at = mu_put(at, a->join_date, a->join_length);
        at = MU_PUT(at, "\"}}");
    }
    at = MU_PUT(at, "}");
    if (a->opted_out)
        at = MU_PUT(at, ",\"optOutConsentLevel\":{\"privacyOptOuts\":[{\"optOutType\":"
                        "\"general_opt_out\",\"optOutValue\":\"out\"}]}");
    return at;
}

static char *put_loyalty(char *at, const mu_sample_person *person, const attributes *a)
{
    if (a->tier == 0)
        return at;
    at = mu_put_number(MU_PUT(at, ",\"loyalty\":{\"loyaltyID\":[\"LOY-"), person->index);
    at = mu_put_text(MU_PUT(at, "\"],\"program\":\"Luma Circle\",\"tier\":\""), tiers[a->tier]);
    at = mu_put_number(MU_PUT(at, "\",\"status\":\"active\",\"points\":"), a->points);
    at = mu_put_number(MU_PUT(at, ",\"lifetimePoints\":"), a->points * 3u);
    at = mu_put_number(MU_PUT(at, ",\"lifetimePurchases\":"), a->purchases);
    at = mu_put(MU_PUT(at, ",\"joinDate\":\""), a->join_date, a->join_length);
    return MU_PUT(at, "\"}");
}

static char *put_home(char *at, const attributes *a)
{
    at = mu_put_number(MU_PUT(at, ",\"homeAddress\":{\"primary\":true,\"street1\":\""), a->street);
    at = mu_put_text(MU_PUT(at, " Larch Avenue\",\"city\":\""), a->city->name);
    at = mu_put_text(MU_PUT(at, "\",\"postalCode\":\""), a->city->postal);
    at = mu_put_digits(at, a->postal, 2);
    at = mu_put_text(MU_PUT(at, "\",\"stateProvince\":\""), a->city->state);
    at = mu_put_text(MU_PUT(at, "\",\"country\":\""), a->country->name);
    at = mu_put_text(MU_PUT(at, "\",\"countryCode\":\""), a->country->code);
    return MU_PUT(at, "\",\"status\":\"active\"}");
}

static char *put_shop_group(char *at, const mu_sample_person *person, const attributes *a)
{
    at = MU_PUT(at, ",\"_luma\":{\"identification\":{\"crmId\":\"");
    at = mu_put(at, person->crm_id, person->crm_length);
    if (a->tier != 0)
        at = mu_put_number(MU_PUT(at, "\",\"loyaltyId\":\"LOY-"), person->index);
    at = put_categories(MU_PUT(at, "\"},\"preferences\":{\"categories\":"), a, "\"");
    at = mu_put_text(MU_PUT(at, ",\"newsletterTopics\":{\"sale\":"),
                     a->news_sale ? "true" : "false");
    at = mu_put_text(MU_PUT(at, ",\"events\":"), a->news_events ? "true" : "false");
    at = mu_put_digits(MU_PUT(at, "},\"storeId\":\"ST-"), a->given % N_STORES, 2);
    at = mu_put_number(MU_PUT(at, "\"},\"rfm\":{\"recency\":"), a->recency_days);
    at = mu_put_number(MU_PUT(at, ",\"frequency\":"), a->purchases);
    return MU_PUT(mu_put_cents(MU_PUT(at, ",\"monetary\":"), a->spent_cents), "}}");
}

static char *put_person(char *at, const mu_sample_person *person, const attributes *a)
{
    at = mu_put_digits(MU_PUT(at, ",\"person\":{\"name\":{\"firstName\":\"Given-"), a->given, 3);
    at = mu_put_digits(MU_PUT(at, "\",\"lastName\":\"Family-"), a->family, 4);
    at = mu_put_digits(MU_PUT(at, "\",\"fullName\":\"Given-"), a->given, 3);
    at = mu_put_digits(MU_PUT(at, " Family-"), a->family, 4);
    at = mu_put(MU_PUT(at, "\"},\"birthDate\":\""), a->birth_date, a->birth_length);
    at = mu_put_text(MU_PUT(at, "\",\"gender\":\""), a->gender);
    at = put_email(MU_PUT(at, "\"},\"personalEmail\":{\"address\":\""), person);
    at = MU_PUT(at, "\",\"primary\":true,\"type\":\"personal\",\"status\":\"active\"}");
    if (a->has_phone) {
        at = mu_put_text(MU_PUT(at, ",\"mobilePhone\":{\"number\":\""), a->country->dial);
        at = mu_put_digits(MU_PUT(at, " 555 "), a->phone, 4);
        at = MU_PUT(at, "\",\"primary\":true,\"status\":\"active\"}");
    }
    return at;
}

static char *put_json_profile(char *at, const mu_sample_options *options,
                              const mu_sample_person *person, const attributes *a)
{
    if (options->as_messages)
        at = mu_sample_put_message_head(at, options,
                                        "9261ceef0b969e70ac20f1510f07a1e0d8db05f20c75161a",
                                        "9261ceef0b969e70ac20f151", "Luma CRM nightly feed");
    at = mu_put_number(MU_PUT(at, "{\"_id\":\"record-"), person->index);
    at = put_identity_map(MU_PUT(at, "\","), person);
    if (person->is_known) {
        at = put_shop_group(at, person, a);
        at = put_person(at, person, a);
        at = put_home(at, a);
        at = put_loyalty(at, person, a);
    } else {
        at = mu_put_text(MU_PUT(at, ",\"homeAddress\":{\"countryCode\":\""), a->country->code);
        at = MU_PUT(at, "\"}");
    }
    at = MU_PUT(put_consents(at, person, a), "}");
    if (options->as_messages)
        at = mu_sample_put_message_tail(at);
    return MU_PUT(at, "\n");
}

void mu_sample_profile_write(const mu_sample_options *options, mu_sample_person *person,
                             mu_buf *buf)
{
    attributes drawn;
    draw_attributes(options, person, &drawn);
    char *at = mu_buf_reserve(buf, MU_SAMPLE_LINE_MAX);
    if (at == NULL)
        return;
    char *end = options->is_csv ? put_csv_profile(at, options, person, &drawn)
                                : put_json_profile(at, options, person, &drawn);
    buf->len += (size_t)(end - at);
}
