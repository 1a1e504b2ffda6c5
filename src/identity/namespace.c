#include "identity/identity.h"

#include "base/utf8.h"

#include <stdio.h>

/* A mu_str as a constant initializer. */
#define TEXT(lit)                                                                                  \
    {                                                                                              \
        "" lit, sizeof(lit) - 1                                                                    \
    }

/* profile.md b.1. The original gives FPID no number that we know of: ours is the last one before
 * the custom ones. */
static const mu_builtin_namespace builtins[] = {
    {0, TEXT("CORE"), TEXT("CORE"), MU_IDENTITY_COOKIE},
    {4, TEXT("ECID"), TEXT("ECID"), MU_IDENTITY_COOKIE},
    {6, TEXT("Email"), TEXT("Email"), MU_IDENTITY_EMAIL},
    {7, TEXT("Phone"), TEXT("Phone"), MU_IDENTITY_PHONE},
    {8, TEXT("WAID"), TEXT("Windows AID"), MU_IDENTITY_DEVICE},
    {9, TEXT("TNTID"), TEXT("Adobe Target (TNTID)"), MU_IDENTITY_COOKIE},
    {10, TEXT("AAID"), TEXT("Adobe Analytics (AAID)"), MU_IDENTITY_COOKIE},
    {11, TEXT("Email_LC_SHA256"), TEXT("Email (SHA256, lowercased)"), MU_IDENTITY_EMAIL},
    {14, TEXT("Phone_E.164"), TEXT("Phone (E.164)"), MU_IDENTITY_PHONE},
    {15, TEXT("Phone_SHA256"), TEXT("Phone (SHA256)"), MU_IDENTITY_PHONE},
    {16, TEXT("Phone_SHA256_E.164"), TEXT("Phone (SHA256_E.164)"), MU_IDENTITY_PHONE},
    {411, TEXT("AdCloud"), TEXT("AdCloud"), MU_IDENTITY_COOKIE},
    {20914, TEXT("GAID"), TEXT("Google Ad ID (GAID)"), MU_IDENTITY_DEVICE},
    {20915, TEXT("IDFA"), TEXT("Apple IDFA (ID for Apple)"), MU_IDENTITY_DEVICE},
    {20919, TEXT("FCM"), TEXT("Firebase Cloud Messaging"), MU_IDENTITY_DEVICE},
    {20920, TEXT("APNS"), TEXT("Apple Push Notification Service"), MU_IDENTITY_DEVICE},
    {MU_NAMESPACE_CUSTOM_ID_MIN - 1, TEXT("FPID"), TEXT("First-party ID"), MU_IDENTITY_COOKIE},
};

#define N_BUILTINS (sizeof builtins / sizeof builtins[0])

static const mu_str type_texts[] = {
    [MU_IDENTITY_PARTNER] = TEXT("PARTNER"),
    [MU_IDENTITY_COOKIE] = TEXT("COOKIE"),
    [MU_IDENTITY_DEVICE] = TEXT("DEVICE"),
    [MU_IDENTITY_CROSS_DEVICE] = TEXT("CROSS_DEVICE"),
    [MU_IDENTITY_EMAIL] = TEXT("EMAIL"),
    [MU_IDENTITY_PHONE] = TEXT("PHONE"),
    [MU_IDENTITY_NON_PEOPLE] = TEXT("NON_PEOPLE"),
};

mu_str mu_identity_type_text(mu_identity_type type)
{
    return type_texts[type];
}

/* MOBILE is what older namespaces have for PHONE. */
bool mu_identity_type_parse(mu_str text, mu_identity_type *out)
{
    if (mu_str_equal_ascii_nocase(text, MU_STR("MOBILE"))) {
        *out = MU_IDENTITY_PHONE;
        return true;
    }
    for (size_t i = 0; i < sizeof type_texts / sizeof type_texts[0]; i++)
        if (mu_str_equal_ascii_nocase(text, type_texts[i])) {
            *out = (mu_identity_type)i;
            return true;
        }
    return false;
}

uint32_t mu_builtin_namespaces(const mu_builtin_namespace **out)
{
    *out = builtins;
    return N_BUILTINS;
}

/* Whether `text` is the number in decimal as it is written shortest. */
static bool is_decimal(mu_str text, uint32_t number)
{
    char digits[16];
    int length = snprintf(digits, sizeof digits, "%u", number);
    return mu_str_equal(text, (mu_str){digits, (size_t)length});
}

const mu_builtin_namespace *mu_builtin_namespace_find(mu_str code)
{
    bool may_be_id = code.len > 0 && code.ptr[0] >= '0' && code.ptr[0] <= '9';
    for (size_t i = 0; i < N_BUILTINS; i++)
        if (mu_str_equal_ascii_nocase(builtins[i].code, code) ||
            (may_be_id && is_decimal(code, builtins[i].id)))
            return &builtins[i];
    return NULL;
}

static const mu_str *find_code(uint32_t n, const mu_str *codes, mu_str code)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal_ascii_nocase(codes[i], code))
            return &codes[i];
    return NULL;
}

const mu_namespaces *mu_namespaces_new(mu_arena *arena, const mu_schema *schema)
{
    size_t n_max = (size_t)schema->n_identity_paths + schema->n_unique_namespaces;
    mu_str *codes = MU_NEW_ARRAY(arena, mu_str, n_max);
    mu_namespaces *namespaces = MU_NEW(arena, mu_namespaces);
    for (size_t i = 0; i < n_max; i++) {
        size_t unique = i - schema->n_identity_paths;
        mu_str code = i < schema->n_identity_paths ? schema->identity_paths[i].namespace_code
                                                   : schema->unique_namespaces[unique];
        if (mu_builtin_namespace_find(code) == NULL &&
            find_code(namespaces->n, codes, code) == NULL)
            codes[namespaces->n++] = code;
    }
    namespaces->codes = codes;
    mu_str *ranked = MU_NEW_ARRAY(arena, mu_str, schema->n_unique_namespaces);
    for (uint32_t i = 0; i < schema->n_unique_namespaces; i++)
        ranked[i] = mu_namespaces_spelling(namespaces, schema->unique_namespaces[i]);
    namespaces->ranked = ranked;
    namespaces->n_ranked = schema->n_unique_namespaces;
    return namespaces;
}

mu_str mu_namespaces_spelling(const mu_namespaces *namespaces, mu_str code)
{
    const mu_builtin_namespace *builtin = mu_builtin_namespace_find(code);
    if (builtin != NULL)
        return builtin->code;
    const mu_str *own = find_code(namespaces->n, namespaces->codes, code);
    return own != NULL ? *own : code;
}

uint32_t mu_namespaces_rank(const mu_namespaces *namespaces, mu_str code)
{
    for (uint32_t i = 0; i < namespaces->n_ranked; i++)
        if (mu_str_equal(namespaces->ranked[i], code))
            return i;
    return namespaces->n_ranked;
}

static bool is_ecid(mu_str value)
{
    if (value.len != 38)
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return false;
    return true;
}

const char *mu_identity_problem(mu_identity identity)
{
    if (identity.value.len == 0)
        return "is empty";
    if (mu_str_equal(identity.namespace_code, MU_STR("ECID")))
        return is_ecid(identity.value) ? NULL : "is not 38 decimal digits";
    if (identity.value.len > MU_IDENTITY_CHARACTERS_MAX &&
        mu_utf8_length(identity.value) > MU_IDENTITY_CHARACTERS_MAX)
        return "has more than 1024 characters";
    return NULL;
}
