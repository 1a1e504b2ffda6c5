#include "identity/identity.h"

#include "base/utf8.h"

typedef struct builtin_namespace {
    mu_str id; /* decimal, as an identityMap may have it for a key */
    mu_str code;
} builtin_namespace;

/* A mu_str as a constant initializer. */
#define TEXT(lit)                                                                                  \
    {                                                                                              \
        "" lit, sizeof(lit) - 1                                                                    \
    }

/* profile.md b.1. FPID has no number of its own. */
static const builtin_namespace builtins[] = {
    {TEXT("0"), TEXT("CORE")},
    {TEXT("4"), TEXT("ECID")},
    {TEXT("6"), TEXT("Email")},
    {TEXT("7"), TEXT("Phone")},
    {TEXT("8"), TEXT("WAID")},
    {TEXT("9"), TEXT("TNTID")},
    {TEXT("10"), TEXT("AAID")},
    {TEXT("11"), TEXT("Email_LC_SHA256")},
    {TEXT("14"), TEXT("Phone_E.164")},
    {TEXT("15"), TEXT("Phone_SHA256")},
    {TEXT("16"), TEXT("Phone_SHA256_E.164")},
    {TEXT("411"), TEXT("AdCloud")},
    {TEXT("20914"), TEXT("GAID")},
    {TEXT("20915"), TEXT("IDFA")},
    {TEXT("20919"), TEXT("FCM")},
    {TEXT("20920"), TEXT("APNS")},
    {TEXT("FPID"), TEXT("FPID")},
};

static const builtin_namespace *find_builtin(mu_str code)
{
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++)
        if (mu_str_equal_ascii_nocase(builtins[i].code, code) || mu_str_equal(builtins[i].id, code))
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
        if (find_builtin(code) == NULL && find_code(namespaces->n, codes, code) == NULL)
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
    const builtin_namespace *builtin = find_builtin(code);
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
