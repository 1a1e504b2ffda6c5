/* jwt_test.c -- signed tokens, and everything that is made to look like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/jwt.h"
#include "tests/support/part_rows.h"
#include "json/edit.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define NOW_S INT64_C(1767225600)

typedef struct fixture {
    mu_arena arena;
    char *folder;
    char path[512];
    mu_jwt_key *key;
} fixture;

static const mu_jwt_claims claims = {{"muster", 6},      {"key-a", 5}, {"key-a", 5},
                                     {"A@AdobeOrg", 10}, NOW_S,        NOW_S + 86399};

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    mu_err err;
    mu_arena_init(&f->arena, SIZE_MAX);
    f->folder = mu_make_temporary_folder();
    snprintf(f->path, sizeof f->path, "%s/key.pem", f->folder);
    if (mu_jwt_key_open(f->path, &f->key, &err) != MU_OK)
        fail_msg("%s", err.text);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mu_jwt_key_free(f->key);
    mu_remove_folder(f->folder);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

static mu_str sign(fixture *f, const mu_jwt_claims *what)
{
    mu_str token;
    assert_int_equal(mu_jwt_sign(f->key, &f->arena, what, &token, NULL), MU_OK);
    return token;
}

static bool is_good(fixture *f, mu_str token, int64_t now_s)
{
    mu_jwt_claims out;
    return mu_jwt_verify(f->key, &f->arena, token, MU_STR("muster"), now_s, &out, NULL) == MU_OK;
}

static mu_str encoded(fixture *f, mu_str text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    mu_buf out;
    mu_buf_init(&out, SIZE_MAX);
    for (size_t i = 0; i < text.len; i += 3) {
        uint32_t v = 0;
        size_t n = text.len - i < 3 ? text.len - i : 3;
        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < n ? (unsigned char)text.ptr[i + k] : 0u);
        for (size_t k = 0; k <= n; k++)
            mu_buf_add_char(&out, digits[v >> (18 - 6 * k) & 63]);
    }
    mu_str copy = mu_arena_copy(&f->arena, mu_buf_str(&out));
    mu_buf_free(&out);
    return copy;
}

static mu_str part(mu_str token, int which)
{
    const char *begin = token.ptr;
    for (int i = 0; i < which; i++)
        begin = strchr(begin, '.') + 1;
    size_t len = strcspn(begin, ".");
    return (mu_str){begin, len};
}

static mu_str joined(fixture *f, mu_str a, mu_str b, mu_str c)
{
    return mu_arena_format(&f->arena, MU_STR_FMT "." MU_STR_FMT "." MU_STR_FMT, MU_STR_ARG(a),
                           MU_STR_ARG(b), MU_STR_ARG(c));
}

static mu_str key_id(fixture *f)
{
    mu_json keys = mu_jwt_keys_json(f->key, &f->arena);
    return mu_json_member_string(&mu_json_member(&keys, MU_STR("keys"))->items[0], MU_STR("kid"),
                                 MU_STR(""));
}

static void a_token_says_what_was_signed(void **state)
{
    fixture *f = *state;
    mu_jwt_claims out;
    mu_str token = sign(f, &claims);
    assert_int_equal(mu_jwt_verify(f->key, &f->arena, token, MU_STR("muster"), NOW_S, &out, NULL),
                     MU_OK);
    assert_true(mu_str_equal(out.client_id, claims.client_id));
    assert_true(mu_str_equal(out.subject, claims.subject));
    assert_true(mu_str_equal(out.organization, claims.organization));
    assert_int_equal(out.issued_s, NOW_S);
    assert_int_equal(out.expires_s, NOW_S + 86399);
}

static void times_and_issuer_are_checked(void **state)
{
    fixture *f = *state;
    mu_jwt_claims out;
    mu_str token = sign(f, &claims);
    assert_true(is_good(f, token, NOW_S + 86398));
    assert_false(is_good(f, token, NOW_S + 86399));
    assert_true(is_good(f, token, NOW_S - 60));
    assert_false(is_good(f, token, NOW_S - 61));
    assert_int_equal(mu_jwt_verify(f->key, &f->arena, token, MU_STR("other"), NOW_S, &out, NULL),
                     MU_E_INPUT);
}

static void other_algorithms_are_refused(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"none",  "None",  "NONE",  "HS256", "RS384",
                                        "PS256", "ES256", "rs256", ""};
    mu_str token = sign(f, &claims), id = key_id(f);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mu_str header =
            encoded(f, mu_arena_format(
                           &f->arena, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"" MU_STR_FMT "\"}",
                           names[i], MU_STR_ARG(id)));
        assert_false(is_good(f, joined(f, header, part(token, 1), part(token, 2)), NOW_S));
        assert_false(is_good(f, joined(f, header, part(token, 1), MU_STR("")), NOW_S));
    }
    static const char *const headers[] = {"{}",
                                          "[]",
                                          "{\"alg\":1}",
                                          "\"RS256\"",
                                          "",
                                          "{\"alg\":\"RS256\"}",
                                          "{\"alg\":\"RS256\",\"kid\":\"0000000000000000\"}"};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        assert_false(is_good(
            f, joined(f, encoded(f, mu_str_from(headers[i])), part(token, 1), part(token, 2)),
            NOW_S));
}

/* The public key is known to everybody: as the secret of an HMAC it must prove nothing. */
static void an_hmac_with_the_public_key_is_refused(void **state)
{
    fixture *f = *state;
    mu_json keys = mu_jwt_keys_json(f->key, &f->arena);
    const mu_json *key = &mu_json_member(&keys, MU_STR("keys"))->items[0];
    mu_str secrets[2] = {mu_json_member_string(key, MU_STR("n"), MU_STR(""))}, whole;
    assert_int_equal(mu_json_text(&f->arena, &keys, &whole, NULL), MU_OK);
    secrets[1] = whole;
    mu_str payload = part(sign(f, &claims), 1);
    for (size_t i = 0; i < 2; i++) {
        unsigned char mac[32];
        mu_str header = encoded(
            f, mu_arena_format(&f->arena,
                               "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"" MU_STR_FMT "\"}",
                               MU_STR_ARG(key_id(f))));
        mu_str text = mu_arena_format(&f->arena, MU_STR_FMT "." MU_STR_FMT, MU_STR_ARG(header),
                                      MU_STR_ARG(payload));
        assert_int_equal(gnutls_hmac_fast(GNUTLS_MAC_SHA256, secrets[i].ptr, secrets[i].len,
                                          text.ptr, text.len, mac),
                         0);
        mu_str end = encoded(f, (mu_str){(const char *)mac, sizeof mac});
        assert_false(is_good(f, joined(f, header, payload, end), NOW_S));
    }
}

static void another_key_is_refused(void **state)
{
    fixture *f = *state;
    mu_jwt_key *other;
    char path[600];
    mu_str token;
    snprintf(path, sizeof path, "%s/other.pem", f->folder);
    assert_int_equal(mu_jwt_key_open(path, &other, NULL), MU_OK);
    assert_int_equal(mu_jwt_sign(other, &f->arena, &claims, &token, NULL), MU_OK);
    assert_false(is_good(f, token, NOW_S));
    mu_str own = sign(f, &claims); /* its header, the other's signature */
    assert_false(is_good(f, joined(f, part(own, 0), part(own, 1), part(token, 2)), NOW_S));
    mu_jwt_key_free(other);
}

static void tampered_tokens_are_refused(void **state)
{
    fixture *f = *state;
    mu_jwt_claims other = claims;
    other.organization = MU_STR("B@AdobeOrg");
    mu_str token = sign(f, &claims), payload = part(sign(f, &other), 1);
    assert_false(is_good(f, joined(f, part(token, 0), payload, part(token, 2)), NOW_S));
    for (size_t i = 0; i < token.len; i++) {
        char *changed = (char *)(uintptr_t)mu_arena_copy(&f->arena, token).ptr;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_false(is_good(f, (mu_str){changed, token.len}, NOW_S));
    }
    for (size_t len = 0; len < token.len; len += 7)
        assert_false(is_good(f, (mu_str){token.ptr, len}, NOW_S));
    static const char *const more[] = {"=", ".", "A", " ", "\n", "\x01"};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        assert_false(is_good(
            f, mu_arena_format(&f->arena, MU_STR_FMT "%s", MU_STR_ARG(token), more[i]), NOW_S));
        assert_false(is_good(
            f, mu_arena_format(&f->arena, "%s" MU_STR_FMT, more[i], MU_STR_ARG(token)), NOW_S));
    }
    assert_false(is_good(f, MU_STR(".."), NOW_S));
    char *large = mu_arena_alloc(&f->arena, 100000);
    memset(large, 'A', 100000);
    assert_false(is_good(f, (mu_str){large, 100000}, NOW_S));
}

static void the_key_stays_and_is_its_owners(void **state)
{
    fixture *f = *state;
    struct stat info;
    mu_err err;
    mu_str token = sign(f, &claims);
    assert_int_equal(stat(f->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    mu_jwt_key_free(f->key);
    assert_int_equal(mu_jwt_key_open(f->path, &f->key, NULL), MU_OK);
    assert_true(is_good(f, token, NOW_S));
    mu_jwt_key_free(f->key);
    f->key = NULL;
    assert_int_equal(chmod(f->path, 0640), 0);
    assert_int_equal(mu_jwt_key_open(f->path, &f->key, &err), MU_E_INPUT);
    assert_non_null(strstr(err.text, "0600"));
    assert_int_equal(chmod(f->path, 0600), 0);
    FILE *file = fopen(f->path, "w");
    assert_true(fputs("no key", file) >= 0);
    fclose(file);
    assert_int_equal(mu_jwt_key_open(f->path, &f->key, &err), MU_E_INPUT);
}

static void the_public_key_alone_is_shown(void **state)
{
    fixture *f = *state;
    mu_json keys = mu_jwt_keys_json(f->key, &f->arena);
    const mu_json *key = &mu_json_member(&keys, MU_STR("keys"))->items[0];
    assert_int_equal(key->n, 6);
    assert_int_equal(mu_json_member_string(key, MU_STR("n"), MU_STR("")).len, 342);
    assert_true(mu_str_equal(mu_json_member_string(key, MU_STR("e"), MU_STR("")), MU_STR("AQAB")));
    keys = mu_jwt_keys_json(NULL, &f->arena);
    assert_int_equal(mu_json_member(&keys, MU_STR("keys"))->n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_token_says_what_was_signed),    TEST(times_and_issuer_are_checked),
        TEST(other_algorithms_are_refused),    TEST(an_hmac_with_the_public_key_is_refused),
        TEST(another_key_is_refused),          TEST(tampered_tokens_are_refused),
        TEST(the_key_stays_and_is_its_owners), TEST(the_public_key_alone_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
