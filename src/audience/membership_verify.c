/* membership_verify.c -- the files of memberships of a data folder, read and given up again. */
#include "audience/membership_int.h"

#include "json/edit.h"

typedef struct membership_check {
    const char *folder;
    void (*problem)(void *context, mu_str sentence);
    void *context;
} membership_check;

static void drop(void *context, mu_member_delta *delta, mu_member_record *whole)
{
    (void)context;
    if (delta != NULL)
        mu_member_delta_free(delta);
    mu_member_record_release(whole);
}

static mu_code check_file(const membership_check *check, mu_arena *arena,
                          const mu_placed_document *document, mu_err *err)
{
    mu_json json;
    uint64_t number, n_bytes;
    MU_TRY(mu_json_parse(arena, document->document.json, &json, err));
    MU_TRY(mu_member_manifest_read(document->document.id, &json, &number, &n_bytes, err));
    mu_str folder = mu_member_folder(arena, check->folder, document->sandbox);
    return mu_member_file_read(mu_member_path(arena, folder, number).ptr, number, n_bytes, drop,
                               NULL, err);
}

/* A running server may have replaced the file since the manifest was read. */
static mu_code is_named_still(const membership_check *check, mu_arena *arena,
                              const mu_placed_document *document, bool *out, mu_err *err)
{
    uint32_t n;
    const mu_placed_document *now;
    *out = false;
    MU_TRY(mu_documents_read_kind(check->folder, arena, MU_MEMBERSHIP_FILE_KIND, &n, &now, err));
    for (uint32_t i = 0; i < n; i++)
        *out |= now[i].document.number == document->document.number;
    return MU_OK;
}

static mu_code check_all(const membership_check *check, mu_arena *arena, mu_err *err)
{
    uint32_t n;
    const mu_placed_document *documents;
    mu_err what;
    MU_TRY(
        mu_documents_read_kind(check->folder, arena, MU_MEMBERSHIP_FILE_KIND, &n, &documents, err));
    for (uint32_t i = 0; i < n; i++) {
        bool is_named = true;
        if (check_file(check, arena, &documents[i], &what) == MU_OK)
            continue;
        MU_TRY(is_named_still(check, arena, &documents[i], &is_named, err));
        if (is_named)
            check->problem(check->context, mu_str_from(what.text));
    }
    return MU_OK;
}

mu_code mu_memberships_verify(const char *folder, void (*problem)(void *context, mu_str sentence),
                              void *context, mu_err *err)
{
    const membership_check check = {folder, problem, context};
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = check_all(&check, &arena, err);
    mu_arena_free(&arena);
    return code;
}
