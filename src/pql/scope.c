#include "base/hash.h"
#include "pql/syntax_int.h"

typedef struct mu_scope_entry {
    struct mu_scope_entry *next;
    mu_str name;
    uint32_t count;
} scope_entry;

static scope_entry **bucket_of(const mu_scope *scope, mu_str name)
{
    uint64_t hash = mu_hash64(name.ptr, name.len, (uint64_t)(uintptr_t)scope);
    return (scope_entry **)&scope->buckets[hash % 256];
}

static scope_entry *find(const mu_scope *scope, mu_str name)
{
    scope_entry *entry = *bucket_of(scope, name);
    while (entry != NULL && !mu_str_equal(entry->name, name))
        entry = entry->next;
    return entry;
}

void mu_scope_push(mu_scope *scope, mu_str name)
{
    if (name.len == 0)
        return;
    scope_entry *entry = find(scope, name);
    if (entry == NULL) {
        scope_entry **bucket = bucket_of(scope, name);
        entry = scope->unused;
        if (entry == NULL)
            entry = MU_NEW(scope->arena, scope_entry);
        else
            scope->unused = entry->next;
        *entry = (scope_entry){.next = *bucket, .name = name};
        *bucket = entry;
    }
    entry->count++;
}

void mu_scope_pop(mu_scope *scope, mu_str name)
{
    if (name.len == 0)
        return;
    scope_entry **link = bucket_of(scope, name);
    while (!mu_str_equal((*link)->name, name))
        link = &(*link)->next;
    scope_entry *entry = *link;
    if (--entry->count > 0)
        return;
    *link = entry->next;
    entry->next = scope->unused;
    scope->unused = entry;
}

bool mu_scope_has(const mu_scope *scope, mu_str name)
{
    return find(scope, name) != NULL;
}
