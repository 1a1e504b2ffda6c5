#include "tests/support/townsfolk.h"

#include "identity/xid.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define CRM_ID  10000001u
#define ECID_ID 4u

static void append(api_fixture *f, uint32_t n, mu_record *records)
{
    mu_sandbox *sandbox = mu_live_find_sandbox(f->live, MU_STR("prod"));
    uint64_t sequence;
    mu_err err;
    assert_non_null(sandbox);
    for (uint32_t i = 0; i < n; i++)
        records[i].sandbox = MU_STR("prod");
    if (mu_sandbox_append(sandbox, n, records, &sequence, &err) != MU_OK ||
        mu_live_wait(f->live, sequence, &err) != MU_OK)
        fail_msg("%s", err.text);
}

void townsfolk_settle(api_fixture *f)
{
    append(f, 1,
           &(mu_record){.kind = MU_RECORD_SETTINGS,
                        .document = MU_STR(
                            "{\"namespaces\":[{\"code\":\"lumaCrmId\",\"id\":10000001,\"idType\":"
                            "\"CROSS_DEVICE\"}]}")});
}

const char *townsfolk_crm(api_fixture *f, uint32_t person)
{
    return mu_arena_format(&f->arena, "CRM-%06u", person).ptr;
}

const char *townsfolk_ecid(api_fixture *f, uint32_t person)
{
    return mu_arena_format(&f->arena, "%038u", person).ptr;
}

static const char *xid_of(api_fixture *f, uint32_t namespace_id, const char *value)
{
    mu_xid xid = mu_identity_xid(namespace_id, mu_str_from(value));
    return mu_arena_copy(&f->arena, mu_xid_str(&xid)).ptr;
}

const char *townsfolk_crm_xid(api_fixture *f, uint32_t person)
{
    return xid_of(f, CRM_ID, townsfolk_crm(f, person));
}

const char *townsfolk_ecid_xid(api_fixture *f, uint32_t person)
{
    return xid_of(f, ECID_ID, townsfolk_ecid(f, person));
}

static mu_identity *crm_identity(api_fixture *f, uint32_t person)
{
    mu_identity *out = MU_NEW_ARRAY(&f->arena, mu_identity, 2);
    out[0] = (mu_identity){MU_STR("lumaCrmId"), mu_str_from(townsfolk_crm(f, person))};
    return out;
}

static mu_record attributes_of(api_fixture *f, uint32_t person, mu_str document)
{
    return (mu_record){.kind = MU_RECORD_MERGE,
                       .dataset = TOWNSFOLK_DATASET,
                       .received_ms = API_FIXTURE_NOW_MS,
                       .n_identities = 1,
                       .identities = crm_identity(f, person),
                       .document = document};
}

static mu_record event_of(api_fixture *f, uint32_t person, mu_str id, int64_t ms, mu_str type)
{
    return (mu_record){.kind = MU_RECORD_EVENT,
                       .dataset = TOWNSFOLK_DATASET,
                       .received_ms = API_FIXTURE_NOW_MS,
                       .time_ms = API_FIXTURE_NOW_MS - ms,
                       .key = id,
                       .n_identities = 1,
                       .identities = crm_identity(f, person),
                       .document = mu_arena_format(&f->arena,
                                                   "{\"_id\":\"" MU_STR_FMT
                                                   "\",\"eventType\":\"" MU_STR_FMT "\"}",
                                                   MU_STR_ARG(id), MU_STR_ARG(type))};
}

static mu_record link_of(api_fixture *f, uint32_t person, mu_identity other, mu_str id)
{
    mu_record out = event_of(f, person, id, 1000, MU_STR("link"));
    mu_identity *identities = crm_identity(f, person);
    identities[1] = other;
    out.identities = identities;
    out.n_identities = out.n_linked = 2;
    return out;
}

void townsfolk_add(api_fixture *f, uint32_t first, uint32_t n)
{
    mu_record *records = MU_NEW_ARRAY(&f->arena, mu_record, (size_t)n * 3);
    uint32_t n_records = 0;
    for (uint32_t i = first; i < first + n; i++) {
        records[n_records++] =
            attributes_of(f, i,
                          mu_arena_format(&f->arena,
                                          "{\"person\":{\"name\":{\"firstName\":\"P%u\"}},"
                                          "\"homeAddress\":{\"city\":\"%s\"}}",
                                          i, i % 4 == 0 ? "Leeds" : "York"));
        if (i % 3 == 0)
            records[n_records++] = event_of(f, i, mu_arena_format(&f->arena, "buy-%u", i),
                                            (int64_t)i * 60000, MU_STR("commerce.purchases"));
        if (i % 2 == 1)
            records[n_records++] =
                link_of(f, i, (mu_identity){MU_STR("ECID"), mu_str_from(townsfolk_ecid(f, i))},
                        mu_arena_format(&f->arena, "link-%u", i));
    }
    append(f, n_records, records);
}

void townsfolk_fold(api_fixture *f)
{
    mu_err err;
    if (mu_sandbox_fold(mu_live_find_sandbox(f->live, MU_STR("prod")), &err) != MU_OK)
        fail_msg("%s", err.text);
}

void townsfolk_change(api_fixture *f, uint32_t person, const char *document)
{
    mu_record record = attributes_of(f, person, mu_str_from(document));
    append(f, 1, &record);
}

void townsfolk_event(api_fixture *f, uint32_t person, const char *id, int64_t ms,
                     const char *event_type)
{
    mu_record record = event_of(f, person, mu_str_from(id), ms, mu_str_from(event_type));
    append(f, 1, &record);
}

void townsfolk_be_busy(api_fixture *f, uint32_t n_people, uint32_t n)
{
    mu_record *records = MU_NEW_ARRAY(&f->arena, mu_record, n);
    for (uint32_t i = 0; i < n_people; i++) {
        for (uint32_t k = 0; k < n; k++)
            records[k] = event_of(f, i, mu_arena_format(&f->arena, "busy-%u-%u", i, k),
                                  1000 + (int64_t)k, MU_STR("x.y"));
        append(f, n, records);
    }
}

void townsfolk_join(api_fixture *f, uint32_t a, uint32_t b)
{
    mu_record record =
        link_of(f, a, *crm_identity(f, b), mu_arena_format(&f->arena, "join-%u-%u", a, b));
    append(f, 1, &record);
}

void townsfolk_erase(api_fixture *f, uint32_t person)
{
    mu_record record = {.kind = MU_RECORD_ERASE,
                        .received_ms = API_FIXTURE_NOW_MS,
                        .n_identities = 1,
                        .identities = crm_identity(f, person)};
    append(f, 1, &record);
}
