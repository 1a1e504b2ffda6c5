#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ingest/accept_int.h"
#include "tests/support/golden.h"
#include "tests/support/luma.h"

#include "base/number.h"

#include <stdlib.h>

typedef struct fixture {
    luma_shop *luma;
    const mu_json *base; /* the message that cases change */
    bool shows_document;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->luma = luma_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    luma_free(f->luma);
    free(f);
    return 0;
}

/* -------- cases: JSON merge patches (RFC 7396) on a message -------- */

/* Texts that stand for something: "@null" for null, "@repeat x 1025" for 1025
 * times x. */
static mu_json spelled_out(mu_arena *arena, const mu_json *patch)
{
    if (patch->kind != MU_JSON_STRING || !mu_str_starts_with(patch->string, MU_STR("@")))
        return *patch;
    if (mu_str_equal(patch->string, MU_STR("@null")))
        return (mu_json){.kind = MU_JSON_NULL};
    assert_true(mu_str_starts_with(patch->string, MU_STR("@repeat ")));
    int64_t n;
    assert_true(mu_parse_integer((mu_str){patch->string.ptr + 10, patch->string.len - 10}, &n));
    char *text = mu_arena_alloc(arena, (size_t)n);
    memset(text, patch->string.ptr[8], (size_t)n);
    return (mu_json){.kind = MU_JSON_STRING, .string = {text, (size_t)n}};
}

static mu_json patched(mu_arena *arena, const mu_json *base, const mu_json *patch)
{
    if (patch->kind == MU_JSON_ARRAY) {
        mu_json *list = MU_NEW_ARRAY(arena, mu_json, patch->n);
        for (uint32_t i = 0; i < patch->n; i++)
            list[i] = patched(arena, NULL, &patch->items[i]);
        mu_json array = {.kind = MU_JSON_ARRAY, .n = patch->n};
        array.items = list;
        return array;
    }
    if (patch->kind != MU_JSON_OBJECT)
        return spelled_out(arena, patch);
    uint32_t n_base = base != NULL && base->kind == MU_JSON_OBJECT ? base->n : 0, n = 0;
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, n_base + patch->n);
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, n_base + patch->n);
    for (uint32_t i = 0; i < n_base; i++) {
        const mu_json *change = mu_json_member(patch, base->names[i]);
        if (change != NULL && change->kind == MU_JSON_NULL)
            continue;
        names[n] = base->names[i];
        items[n++] = change == NULL ? base->items[i] : patched(arena, &base->items[i], change);
    }
    for (uint32_t i = 0; i < patch->n; i++) {
        if (patch->items[i].kind == MU_JSON_NULL ||
            (n_base > 0 && mu_json_member(base, patch->names[i]) != NULL))
            continue;
        names[n] = patch->names[i];
        items[n++] = patched(arena, NULL, &patch->items[i]);
    }
    mu_json result = {.kind = MU_JSON_OBJECT, .n = n};
    result.names = names;
    result.items = items;
    return result;
}

/* -------- results -------- */

static const char *kind_name(mu_record_kind kind)
{
    switch (kind) {
    case MU_RECORD_CREATE:
        return "create";
    case MU_RECORD_MERGE:
        return "merge";
    case MU_RECORD_DELETE:
        return "delete";
    case MU_RECORD_EVENT:
        return "event";
    default:
        return "other";
    }
}

/* Long values shortened, so that a case stays readable. */
static void add_short(mu_buf *out, mu_str text)
{
    if (text.len <= 60) {
        mu_buf_add_str(out, text);
        return;
    }
    mu_buf_add(out, text.ptr, 20);
    mu_buf_add_format(out, "...(%zu)", text.len);
}

static void add_record(fixture *f, const mu_acceptance *accepted, mu_buf *out)
{
    const mu_record *record = &accepted->record;
    mu_buf_add_format(out, "%s %.*s", kind_name(record->kind), (int)record->dataset.len,
                      record->dataset.ptr);
    if (record->kind == MU_RECORD_EVENT)
        mu_buf_add_format(out, " at %lld key %.*s", (long long)record->time_ms,
                          (int)record->key.len, record->key.ptr);
    for (uint32_t i = 0; i < record->n_identities; i++) {
        mu_buf_add_str(out, i < record->n_linked ? MU_STR("\n  linked ") : MU_STR("\n  alone "));
        mu_buf_add_str(out, record->identities[i].namespace_code);
        mu_buf_add_char(out, ':');
        add_short(out, record->identities[i].value);
    }
    if (accepted->n_dropped_identities > 0)
        mu_buf_add_format(out, "\n  dropped %u", accepted->n_dropped_identities);
    mu_buf_add_char(out, '\n');
    if (f->shows_document) {
        mu_buf_add_str(out, record->document);
        mu_buf_add_char(out, '\n');
    }
}

static void add_acceptance(fixture *f, const mu_acceptance *accepted, mu_buf *out)
{
    switch (accepted->outcome) {
    case MU_ACCEPTED:
        add_record(f, accepted, out);
        break;
    case MU_ACCEPTED_NOT_KEPT:
        mu_buf_add_str(out, MU_STR("valid, not kept\n"));
        break;
    case MU_ACCEPT_INVALID:
        for (uint32_t i = 0; i < accepted->n_violations; i++) {
            const mu_xdm_violation *violation = &accepted->violations[i];
            mu_buf_add_format(out, "invalid %.*s %.*s: ", (int)violation->pointer.len,
                              violation->pointer.ptr, (int)violation->keyword.len,
                              violation->keyword.ptr);
            mu_buf_add_str(out, violation->message);
            mu_buf_add_char(out, '\n');
        }
        break;
    case MU_ACCEPT_REJECTED:
        mu_buf_add_format(out, "rejected %.*s: ", (int)accepted->reason_code.len,
                          accepted->reason_code.ptr);
        mu_buf_add_str(out, accepted->reason);
        mu_buf_add_char(out, '\n');
        break;
    }
}

static void take_message(fixture *f, const mu_json *json, mu_buf *out)
{
    mu_message message;
    mu_str refusal;
    mu_acceptance accepted;
    if (!mu_message_read(&f->luma->arena, &f->luma->rules, json, &message, &refusal)) {
        mu_buf_add_str(out, MU_STR("refused "));
        mu_buf_add_str(out, refusal);
        mu_buf_add_char(out, '\n');
        return;
    }
    mu_message_accept(&f->luma->arena, &f->luma->rules, &message, &accepted);
    add_acceptance(f, &accepted, out);
}

/* Instructions: @base FILE [PLACE], @priorities on|off, @document on|off, @now
 * MS, @dataset ID profile|identity|validated|customer on|off. */
static void change_dataset(fixture *f, mu_str id, mu_str what, bool on)
{
    mu_dataset *dataset = luma_dataset(f->luma, id);
    assert_non_null(dataset);
    if (mu_str_equal(what, MU_STR("profile")))
        dataset->for_profile = on;
    else if (mu_str_equal(what, MU_STR("identity")))
        dataset->for_identity = on;
    else if (mu_str_equal(what, MU_STR("validated")))
        dataset->is_validated = on;
    else if (mu_str_equal(what, MU_STR("customer")))
        dataset->orders_by_customer = on;
    else
        fail_msg("what is " MU_STR_FMT, MU_STR_ARG(what));
}

static mu_str next_word(mu_str *text)
{
    const char *blank = text->len > 0 ? memchr(text->ptr, ' ', text->len) : NULL;
    size_t length = blank == NULL ? text->len : (size_t)(blank - text->ptr);
    mu_str word = {text->ptr, length};
    size_t step = blank == NULL ? length : length + 1;
    *text = (mu_str){text->ptr + step, text->len - step};
    return word;
}

static void follow(fixture *f, mu_str text)
{
    mu_str verb = next_word(&text), first = next_word(&text), second = next_word(&text);
    bool on = mu_str_equal(first, MU_STR("on"));
    int64_t number = 0;
    if (mu_str_equal(verb, MU_STR("base"))) {
        f->base = luma_json(f->luma, mu_arena_copy(&f->luma->arena, first).ptr);
        if (mu_parse_integer(second, &number))
            f->base = &mu_json_member(f->base, MU_STR("messages"))->items[number];
    } else if (mu_str_equal(verb, MU_STR("priorities"))) {
        luma_set_priorities(f->luma, on);
    } else if (mu_str_equal(verb, MU_STR("document"))) {
        f->shows_document = on;
    } else if (mu_str_equal(verb, MU_STR("now"))) {
        assert_true(mu_parse_integer(first, &f->luma->rules.accept.now_ms));
    } else {
        assert_true(mu_str_equal(verb, MU_STR("dataset")));
        change_dataset(f, first, second, mu_str_equal(next_word(&text), MU_STR("on")));
    }
}

static void run_case(void *context, bool is_instruction, mu_str text, mu_buf *out)
{
    fixture *f = context;
    if (is_instruction) {
        follow(f, text);
        return;
    }
    mu_json message = patched(&f->luma->arena, f->base, luma_parse(f->luma, text));
    take_message(f, &message, out);
}

static void messages_become_what_the_table_says(void **state)
{
    assert_true(mu_golden_run("accept.txt", run_case, *state) > 50);
}

/* -------- sizes -------- */

/* The base message's entity, made `size` bytes long by a text at `name`. */
static void accept_sized(fixture *f, const char *file, mu_str name, size_t size, mu_acceptance *out)
{
    mu_arena *arena = &f->luma->arena;
    const mu_json *json = luma_json(f->luma, file);
    mu_message message;
    mu_str refusal, text;
    assert_true(mu_message_read(arena, &f->luma->rules, json, &message, &refusal));
    mu_json *entity = MU_NEW(arena, mu_json);
    *entity = *message.entity;
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, entity->n);
    memcpy(items, entity->items, entity->n * sizeof *items);
    entity->items = items;
    uint32_t at = 0;
    while (!mu_str_equal(entity->names[at], name))
        at++;
    assert_true(mu_compact_entity(arena, entity, 1 << 20, &text));
    size_t length = size - text.len + items[at].string.len;
    char *filled = mu_arena_alloc(arena, length);
    memset(filled, 'x', length);
    items[at].string = (mu_str){filled, length};
    assert_true(mu_compact_entity(arena, entity, 1 << 20, &text));
    assert_int_equal(text.len, size);
    message.entity = entity;
    mu_message_accept(arena, &f->luma->rules, &message, out);
}

static void an_entity_is_taken_up_to_its_ceiling_and_not_a_byte_more(void **state)
{
    fixture *f = *state;
    mu_acceptance accepted;
    accept_sized(f, "payload-b.json", MU_STR("_id"), 10240, &accepted);
    assert_int_equal(accepted.outcome, MU_ACCEPTED);
    assert_int_equal(accepted.record.document.len, 10240);
    accept_sized(f, "payload-b.json", MU_STR("_id"), 10241, &accepted);
    assert_int_equal(accepted.outcome, MU_ACCEPT_REJECTED);
    assert_true(mu_str_equal(accepted.reason_code, MU_STR("too-large")));
    accept_sized(f, "payload-a.json", MU_STR("_id"), 102400, &accepted);
    assert_int_equal(accepted.outcome, MU_ACCEPTED);
    accept_sized(f, "payload-a.json", MU_STR("_id"), 102401, &accepted);
    assert_int_equal(accepted.outcome, MU_ACCEPT_REJECTED);
    assert_true(mu_str_equal(accepted.reason_code, MU_STR("too-large")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_become_what_the_table_says, setup, teardown),
        cmocka_unit_test_setup_teardown(an_entity_is_taken_up_to_its_ceiling_and_not_a_byte_more,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
