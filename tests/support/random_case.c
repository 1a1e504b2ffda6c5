#include "tests/support/random_case.h"

#include "base/file.h"
#include "base/time.h"
#include "tests/support/notation.h"
#include "tests/support/random_rule.h"

#define ADDRESS                                                                                    \
    "{country:string, countryCode:string, countryISO:string, stateProvince:string, "               \
    "stateOrProvince:string, city:string, postalCode:string}"

static const char examples_profile[] =
    "{homeAddress:" ADDRESS ", workAddress:" ADDRESS ", "
    "person:{birthYear:integer, birthMonth:integer, age:integer, gender:string, "
    "name:{firstName:string, lastName:string, fullName:string}, birthday:date, birthDate:date, "
    "favoriteColors:[string], favoriteCities:[string], visitedCities:[string], "
    "eatenFoods:[string], orders:[{storeId:string, price:double}]}, "
    "_acme:{loyalty:{points:integer}, memberId:string, flags:{vip:boolean}, "
    "renewalDate:timestamp, lastSeen:timestamp, createdAt:timestamp, "
    "favoriteStore:string->store, testLoyaltyID:string, "
    "purchaseSummary:{totalSpend:double, countPurchases:integer}, count:{value:integer}, "
    "from:string}, plan:string, region:string, a:integer, b:integer, c:integer, x:integer, "
    "y:integer, timestamp:timestamp, product1:{price:double}, product2:{price:double}, "
    "totalProduct:{price:double, sold:integer}, personalEmail:{address:string}, "
    "person1:{favoriteColors:[string]}, person2:{favoriteColors:[string]}, "
    "orders:[{storeId:string, price:double, paid:boolean}], numbers:[integer], "
    "pushNotificationDetails:[{platform:string, denylisted:boolean}], "
    "identityMap:<[{id:string, primary:boolean}]>, segmentMembership:<<{status:string}>>, "
    "mobilePhone:{number:string}, consents:{marketing:{email:{val:string}, any:{val:string}}}, "
    "optInOut:{globalOptout:boolean}, product:{saleYear:integer, sale:date, saleDate:date}, "
    "favoriteStore:string, addresses:[{primary:boolean}], points:integer, "
    "order:{1697323153:integer}}";

static const char examples_event[] =
    "{_id:string, timestamp:timestamp, eventType:string, type:string, contentType:string, "
    "category:string, commerce:{order:{priceTotal:double, currencyCode:string}, "
    "item:{price:double}}, web:{webPageDetails:{pageViews:{value:double}}}, product:string, "
    "productListItems:[{SKU:string, name:string, _acme:{productId:string->product}}], "
    "externalSegmentMapProperty:<{stringProperty:string}>, sku:string}";

const mu_schema *mu_examples_schema(mu_arena *arena)
{
    mu_lookup_class *classes = MU_NEW_ARRAY(arena, mu_lookup_class, 2);
    classes[0] = (mu_lookup_class){.name = MU_STR("store"),
                                   .type = mu_notation_read(arena, "{id:string, city:string}"),
                                   .key_path = MU_STR("id")};
    classes[1] = (mu_lookup_class){.name = MU_STR("product"),
                                   .type = mu_notation_read(arena, "{id:string, category:string}"),
                                   .key_path = MU_STR("id")};
    return mu_schema_of_types(arena, mu_notation_read(arena, examples_profile),
                              mu_notation_read(arena, examples_event), 2, classes);
}

mu_str mu_examples_read(mu_arena *arena)
{
    mu_str text = {"", 0};
    mu_err err;
    if (mu_file_read(arena, MUSTER_SOURCE_DIR "/tests/data/pql-examples.tsv", 1 << 20, &text,
                     &err) != MU_OK)
        mu_assert_failed(err.text, __FILE__, __LINE__);
    return text;
}

/* The third column of a random line, or len 0 for a line that has none. */
static mu_str random_example(mu_dice *dice, mu_str examples)
{
    size_t at = mu_dice_below(dice, (uint32_t)examples.len);
    while (at > 0 && examples.ptr[at - 1] != '\n')
        at--;
    unsigned tabs = 0;
    size_t start = at, end = at;
    for (; at < examples.len && examples.ptr[at] != '\n' && tabs < 3; at++)
        if (examples.ptr[at] == '\t') {
            tabs++;
            if (tabs == 2)
                start = at + 1;
            end = at;
        }
    return tabs == 3 ? (mu_str){examples.ptr + start, end - start} : (mu_str){"", 0};
}

static mu_str random_text(mu_dice *dice, mu_arena *arena, const mu_random_rule_options *options,
                          mu_str examples)
{
    if (examples.len > 0 && mu_dice_percent(dice, 50)) {
        mu_str example = random_example(dice, examples);
        mu_str text = mu_dice_percent(dice, 20) ? mu_arena_copy(arena, example)
                                                : mu_random_mutation(dice, arena, example);
        if (!mu_dice_percent(dice, 15))
            return text;
        mu_random_rule_options shallow = *options;
        shallow.depth = 1;
        mu_str other = mu_random_rule(dice, arena, &shallow);
        return mu_arena_format(arena, "(%s) and not (%s)", text.ptr, other.ptr);
    }
    return mu_random_rule(dice, arena, options);
}

static void make_rules(mu_dice *dice, mu_arena *arena, mu_str examples, bool is_cheap,
                       uint32_t n_rules, mu_case *out, mu_rule_tally *tally)
{
    out->rules = MU_NEW_ARRAY(arena, mu_case_rule, n_rules + 1);
    for (uint32_t try = 0; try < n_rules * 3 && out->n_rules < n_rules; try++) {
        mu_random_rule_options options = {.schema = out->data.schema,
                                          .now_ms = out->now_ms,
                                          .depth = mu_dice_below(dice, is_cheap ? 3 : 5),
                                          .n_segments = out->n_rules,
                                          .is_cheap = is_cheap};
        mu_str text = random_text(dice, arena, &options, examples);
        if (mu_dice_percent(dice, 8))
            text = mu_arena_format(arena, "(%s) %s inSegment(\"known%u\")", text.ptr,
                                   mu_dice_percent(dice, 50) ? "and" : "or",
                                   mu_dice_below(dice, MU_CASE_KNOWN));
        tally->n_made++;
        if (text.len > 20000 ||
            mu_case_bind_rule(arena, out->data.schema, out->n_rules, out->rules, text) == NULL)
            continue;
        tally->n_bound++;
        mu_str id = mu_arena_format(arena, "s%u", out->n_rules);
        mu_str unless = {"", 0};
        if (out->n_rules > 0 && mu_dice_percent(dice, 10))
            unless = out->rules[mu_dice_below(dice, out->n_rules)].text;
        out->rules[out->n_rules++] = (mu_case_rule){id, text, unless};
    }
}

void mu_random_case_make(mu_dice *dice, mu_arena *arena, mu_str examples, mu_random_shape shape,
                         uint32_t n_rules, mu_case *out, mu_rule_tally *tally)
{
    *out = (mu_case){0};
    bool follows_examples = mu_dice_percent(dice, 16);
    const mu_schema *schema =
        follows_examples ? mu_examples_schema(arena) : mu_random_schema(dice, arena);
    mu_random_data_make(dice, arena, schema, shape, &out->data);
    out->now_ms = out->data.style.now_ms;
    make_rules(dice, arena, follows_examples ? examples : MU_STR(""), shape != MU_SHAPE_SMALL,
               n_rules, out, tally);
}

void mu_random_instants(mu_dice *dice, int64_t now_ms, int64_t out[3])
{
    out[0] = now_ms;
    do {
        out[1] = mu_random_time(dice, now_ms);
    } while (mu_civil_from_ms(out[1]).year < 1900 || mu_civil_from_ms(out[1]).year > 2200);
    out[2] = now_ms + mu_dice_between(dice, -2 * MU_DAY_MS, 400 * MU_DAY_MS);
}
