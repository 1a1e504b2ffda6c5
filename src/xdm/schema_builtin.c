/* schema_builtin.c -- the standard XDM paths of the profile and event classes.
 *
 * Field names and shapes are those of the public XDM documentation; profile.md (a), (g.1) and
 * sample-data.md 2 list what is here. Tables hold paths in the notation of mu_draft_add.
 */
#include "xdm/schema_int.h"

typedef struct standard_field {
    const char *path;
    mu_type_kind kind;
} standard_field;

#define STRING  MU_TYPE_STRING
#define INTEGER MU_TYPE_INTEGER
#define DOUBLE  MU_TYPE_DOUBLE
#define BOOLEAN MU_TYPE_BOOLEAN
#define DATE    MU_TYPE_DATE
#define TIME    MU_TYPE_TIMESTAMP

static const standard_field identity_map_fields[] = {
    {"identityMap{}[].id", STRING},
    {"identityMap{}[].authenticatedState", STRING},
    {"identityMap{}[].primary", BOOLEAN},
};

static const standard_field profile_fields[] = {
    {"_id", STRING},
    {"personID", STRING},
    {"_repo.createDate", TIME},
    {"_repo.modifyDate", TIME},
    {"person.name.firstName", STRING},
    {"person.name.lastName", STRING},
    {"person.name.middleName", STRING},
    {"person.name.courtesyTitle", STRING},
    {"person.name.suffix", STRING},
    {"person.name.fullName", STRING},
    {"person.birthDate", DATE},
    {"person.birthDay", INTEGER},
    {"person.birthMonth", INTEGER},
    {"person.birthYear", INTEGER},
    {"person.gender", STRING},
    {"person.maritalStatus", STRING},
    {"person.nationality", STRING},
    {"personalEmail.address", STRING},
    {"personalEmail.primary", BOOLEAN},
    {"personalEmail.type", STRING},
    {"personalEmail.status", STRING},
    {"personalEmail.label", STRING},
    {"loyalty.loyaltyID[]", STRING},
    {"loyalty.program", STRING},
    {"loyalty.tier", STRING},
    {"loyalty.status", STRING},
    {"loyalty.points", DOUBLE},
    {"loyalty.pointsToNextTier", DOUBLE},
    {"loyalty.lifetimePoints", DOUBLE},
    {"loyalty.lifetimePurchases", DOUBLE},
    {"loyalty.joinDate", TIME},
    {"loyalty.tierExpiryDate", TIME},
    {"loyalty.pointsExpiration[].pointsExpiring", DOUBLE},
    {"loyalty.pointsExpiration[].pointsExpirationDate", TIME},
    {"optOutConsentLevel.privacyOptOuts[].optOutType", STRING},
    {"optOutConsentLevel.privacyOptOuts[].optOutValue", STRING},
    {"optOutConsentLevel.privacyOptOuts[].timestamp", TIME},
    {"privacyOptOuts[].optOutType", STRING},
    {"privacyOptOuts[].optOutValue", STRING},
    {"privacyOptOuts[].timestamp", TIME},
    {"optInOut.globalOptout", BOOLEAN},
    {"optInOut._channels{}", STRING},
    {"consents.metadata.time", TIME},
    {"segmentMembership{}{}.lastQualificationTime", TIME},
    {"segmentMembership{}{}.status", STRING},
    {"segmentMembership{}{}.version", STRING},
    {"segmentMembership{}{}.validUntil", TIME},
};

/* Under homeAddress and its like. */
static const char *const address_objects[] = {"homeAddress", "billingAddress", "shippingAddress",
                                              "workAddress"};
static const standard_field address_fields[] = {
    {"primary", BOOLEAN},      {"label", STRING},   {"street1", STRING}, {"street2", STRING},
    {"street3", STRING},       {"street4", STRING}, {"city", STRING},    {"postalCode", STRING},
    {"stateProvince", STRING}, {"state", STRING},   {"region", STRING},  {"country", STRING},
    {"countryCode", STRING},   {"dmaID", INTEGER},  {"status", STRING},
};

static const char *const phone_objects[] = {"mobilePhone", "homePhone"};
static const standard_field phone_fields[] = {
    {"number", STRING},
    {"countryCode", STRING},
    {"primary", BOOLEAN},
    {"status", STRING},
};

/* Choices under consents and, per identity, under consents.idSpecific. */
static const char *const consent_roots[] = {"consents", "consents.idSpecific{}{}"};
static const char *const consent_choices[] = {
    "collect",
    "share",
    "adID",
    "personalize.content",
    "marketing.any",
    "marketing.email",
    "marketing.push",
    "marketing.sms",
    "marketing.call",
    "marketing.fax",
    "marketing.postalMail",
    "marketing.whatsApp",
};
static const standard_field choice_fields[] = {{"val", STRING}, {"time", TIME}, {"reason", STRING}};

static const standard_field event_fields[] = {
    {"_id", STRING},
    {"timestamp", TIME},
    {"eventType", STRING},
    {"eventMergeId", STRING},
    {"producedBy", STRING},
    {"web.webPageDetails.name", STRING},
    {"web.webPageDetails.URL", STRING},
    {"web.webPageDetails.siteSection", STRING},
    {"web.webPageDetails.server", STRING},
    {"web.webPageDetails.viewName", STRING},
    {"web.webPageDetails.isHomePage", BOOLEAN},
    {"web.webPageDetails.isErrorPage", BOOLEAN},
    {"web.webPageDetails.pageViews.id", STRING},
    {"web.webPageDetails.pageViews.value", DOUBLE},
    {"web.webInteraction.name", STRING},
    {"web.webInteraction.URL", STRING},
    {"web.webInteraction.type", STRING},
    {"web.webInteraction.region", STRING},
    {"web.webInteraction.linkClicks.id", STRING},
    {"web.webInteraction.linkClicks.value", DOUBLE},
    {"web.webReferrer.URL", STRING},
    {"web.webReferrer.type", STRING},
    {"commerce.order.purchaseID", STRING},
    {"commerce.order.purchaseOrderNumber", STRING},
    {"commerce.order.currencyCode", STRING},
    {"commerce.order.priceTotal", DOUBLE},
    {"commerce.order.taxAmount", DOUBLE},
    {"commerce.order.discountAmount", DOUBLE},
    {"commerce.order.orderType", STRING},
    {"commerce.order.payments[].transactionID", STRING},
    {"commerce.order.payments[].paymentAmount", DOUBLE},
    {"commerce.order.payments[].paymentType", STRING},
    {"commerce.order.payments[].currencyCode", STRING},
    {"productListItems[].SKU", STRING},
    {"productListItems[].name", STRING},
    {"productListItems[].product", STRING},
    {"productListItems[].quantity", INTEGER},
    {"productListItems[].priceTotal", DOUBLE},
    {"productListItems[].discountAmount", DOUBLE},
    {"productListItems[].currencyCode", STRING},
    {"productListItems[].productAddMethod", STRING},
    {"productListItems[].selectedOptions[].attribute", STRING},
    {"productListItems[].selectedOptions[].value", STRING},
    {"productListItems[].productCategories[].categoryID", STRING},
    {"productListItems[].productCategories[].categoryName", STRING},
    {"productListItems[].productCategories[].categoryPath", STRING},
    {"environment.type", STRING},
    {"environment.operatingSystem", STRING},
    {"environment.viewportWidth", INTEGER},
    {"environment.viewportHeight", INTEGER},
    {"environment.connectionType", STRING},
    {"environment.browserDetails.name", STRING},
    {"environment.browserDetails.version", STRING},
    {"environment.browserDetails.userAgent", STRING},
    {"environment.browserDetails.acceptLanguage", STRING},
    {"device.screenWidth", INTEGER},
    {"device.screenHeight", INTEGER},
    {"device.screenOrientation", STRING},
    {"placeContext.localTime", TIME},
    {"placeContext.localTimezoneOffset", INTEGER},
    {"placeContext.geo.countryCode", STRING},
    {"placeContext.geo.city", STRING},
    {"implementationDetails.name", STRING},
    {"implementationDetails.version", STRING},
    {"implementationDetails.environment", STRING},
};

static const char *const commerce_measures[] = {
    "commerce.productViews",    "commerce.productListOpens",    "commerce.productListViews",
    "commerce.productListAdds", "commerce.productListRemovals", "commerce.saveForLaters",
    "commerce.checkouts",       "commerce.purchases",           "commerce.cartAbandons",
    "commerce.inStorePurchase",
};
static const standard_field measure_fields[] = {{"id", STRING}, {"value", DOUBLE}};

#define N_OF(array) (sizeof(array) / sizeof *(array))

static void add_path(mu_arena *arena, mu_draft *draft, mu_str path, mu_type_kind kind)
{
    mu_err err;
    mu_code code = mu_draft_add(arena, draft, path, kind, &err);
    MU_ASSERT(code == MU_OK);
}

static void add_fields(mu_arena *arena, mu_draft *draft, const standard_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_path(arena, draft, mu_str_from(fields[i].path), fields[i].kind);
}

/* Every field under every object. */
static void add_group(mu_arena *arena, mu_draft *draft, const char *const *objects,
                      size_t n_objects, const standard_field *fields, size_t n_fields)
{
    for (size_t o = 0; o < n_objects; o++)
        for (size_t i = 0; i < n_fields; i++)
            add_path(arena, draft, mu_arena_format(arena, "%s.%s", objects[o], fields[i].path),
                     fields[i].kind);
}

static void add_consents(mu_arena *arena, mu_draft *draft)
{
    for (size_t r = 0; r < N_OF(consent_roots); r++) {
        add_path(arena, draft, mu_arena_format(arena, "%s.marketing.preferred", consent_roots[r]),
                 STRING);
        for (size_t c = 0; c < N_OF(consent_choices); c++) {
            mu_str choice = mu_arena_format(arena, "%s.%s", consent_roots[r], consent_choices[c]);
            add_group(arena, draft, &choice.ptr, 1, choice_fields, N_OF(choice_fields));
        }
    }
}

static const mu_type *profile_type(mu_arena *arena)
{
    mu_draft *draft = mu_draft_of(arena, mu_type_of(MU_TYPE_OBJECT));
    add_fields(arena, draft, profile_fields, N_OF(profile_fields));
    add_fields(arena, draft, identity_map_fields, N_OF(identity_map_fields));
    add_group(arena, draft, address_objects, N_OF(address_objects), address_fields,
              N_OF(address_fields));
    add_group(arena, draft, phone_objects, N_OF(phone_objects), phone_fields, N_OF(phone_fields));
    add_consents(arena, draft);
    return mu_draft_type(arena, draft);
}

static const mu_type *event_type(mu_arena *arena)
{
    mu_draft *draft = mu_draft_of(arena, mu_type_of(MU_TYPE_OBJECT));
    add_fields(arena, draft, event_fields, N_OF(event_fields));
    add_fields(arena, draft, identity_map_fields, N_OF(identity_map_fields));
    add_group(arena, draft, commerce_measures, N_OF(commerce_measures), measure_fields,
              N_OF(measure_fields));
    return mu_draft_type(arena, draft);
}

const mu_schema *mu_schema_builtin(mu_arena *arena)
{
    mu_schema *schema = MU_NEW(arena, mu_schema);
    schema->version = 1;
    schema->profile = profile_type(arena);
    schema->event = event_type(arena);
    mu_schema_set_row(arena, schema);
    return schema;
}
