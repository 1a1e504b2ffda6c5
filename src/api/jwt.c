#include "api/jwt.h"

#include "base/file.h"
#include "json/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_BITS       2048u
#define KEY_FILE_MAX   ((size_t)64 << 10)
#define KEY_ID_BYTES   32u
#define KEY_ID_SHOWN   16u /* hexadecimal digits */
#define ALGORITHM      MU_STR("RS256")
#define CLOCK_SLACK_S  60
#define PATH_BYTES_MAX 4096

struct mu_jwt_key {
    gnutls_privkey_t private_key;
    gnutls_pubkey_t public_key;
    char id[KEY_ID_SHOWN + 1]; /* of the public key's digest */
};

static mu_code gnutls_failed(mu_err *err, const char *what, int result)
{
    return mu_fail(err, result == GNUTLS_E_MEMORY_ERROR ? MU_E_NOMEM : MU_E_IO, "%s: %s", what,
                   gnutls_strerror(result));
}

/* -------- base64url without padding (RFC 4648 5) -------- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static mu_str encode(mu_arena *arena, mu_str bytes)
{
    char *out = mu_arena_alloc(arena, bytes.len * 4 / 3 + 4);
    size_t n = 0;
    uint32_t bits = 0, value = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        value = (value << 8 | (unsigned char)bytes.ptr[i]) & 0xffffff;
        for (bits += 8; bits >= 6; bits -= 6)
            out[n++] = digits[value >> (bits - 6) & 63];
    }
    if (bits > 0)
        out[n++] = digits[value << (6 - bits) & 63];
    return (mu_str){out, n};
}

static int digit_value(char c)
{
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* False for anything but the one text that encodes these bytes. */
static bool decode(mu_arena *arena, mu_str text, mu_str *out)
{
    char *bytes = mu_arena_alloc(arena, text.len + 1);
    size_t n = 0;
    uint32_t bits = 0, value = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_value(text.ptr[i]);
        if (digit < 0)
            return false;
        value = (value << 6 | (uint32_t)digit) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes[n++] = (char)(value >> bits & 255);
        }
    }
    *out = (mu_str){bytes, n};
    return bits < 6 && (value & ((1u << bits) - 1)) == 0;
}

/* -------- the key's file -------- */

static mu_code write_new(const char *path, const gnutls_datum_t *pem, mu_err *err)
{
    char folder[PATH_BYTES_MAX], temporary[PATH_BYTES_MAX];
    int n = snprintf(temporary, sizeof temporary, "%s.new", path);
    if (n < 0 || (size_t)n >= sizeof temporary)
        return mu_fail(err, MU_E_INPUT, "the name of the data folder is too long");
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    (void)unlink(temporary); /* of a start that was cut off */
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return mu_fail_errno(err, "cannot make %s", temporary);
    bool done = write(fd, pem->data, pem->size) == (ssize_t)pem->size && fsync(fd) == 0;
    done = close(fd) == 0 && done;
    if (!done || rename(temporary, path) != 0)
        return mu_fail_errno(err, "cannot write %s", path);
    return mu_sync_directory(slash == NULL ? "." : folder, err);
}

static mu_code make_file(const char *path, mu_err *err)
{
    gnutls_x509_privkey_t key;
    gnutls_datum_t pem = {0};
    int result = gnutls_x509_privkey_init(&key);
    if (result < 0)
        return gnutls_failed(err, "cannot make a signing key", result);
    result = gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, KEY_BITS, 0);
    if (result >= 0)
        result = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem);
    gnutls_x509_privkey_deinit(key);
    if (result < 0)
        return gnutls_failed(err, "cannot make a signing key", result);
    mu_code code = write_new(path, &pem, err);
    gnutls_memset(pem.data, 0, pem.size);
    gnutls_free(pem.data);
    return code;
}

/* MU_E_NOT_FOUND: there is none yet. */
static mu_code check_file(const char *path, mu_err *err)
{
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? mu_fail(err, MU_E_NOT_FOUND, "there is no %s", path)
                               : mu_fail_errno(err, "cannot read %s", path);
    if (!S_ISREG(info.st_mode) || (info.st_mode & 077) != 0)
        return mu_fail(err, MU_E_INPUT,
                       "%s must be a file that its owner alone may read (mode 0600)", path);
    return MU_OK;
}

/* -------- the key -------- */

static int take_public(mu_jwt_key *key)
{
    int result = gnutls_pubkey_init(&key->public_key);
    return result < 0 ? result
                      : gnutls_pubkey_import_privkey(key->public_key, key->private_key, 0, 0);
}

static int take_id(mu_jwt_key *key)
{
    unsigned char id[KEY_ID_BYTES];
    size_t len = sizeof id;
    int result = gnutls_pubkey_get_key_id(key->public_key, GNUTLS_KEYID_USE_SHA256, id, &len);
    for (size_t i = 0; result >= 0 && i < KEY_ID_SHOWN / 2; i++)
        snprintf(key->id + 2 * i, 3, "%02x", id[i]);
    return result;
}

static mu_code read_key(const char *path, mu_jwt_key *key, mu_err *err)
{
    mu_arena arena;
    mu_str text;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = mu_file_read(&arena, path, KEY_FILE_MAX, &text, err);
    int result = GNUTLS_E_SUCCESS;
    if (code == MU_OK) {
        const gnutls_datum_t pem = {(unsigned char *)(uintptr_t)text.ptr, (unsigned)text.len};
        result = gnutls_privkey_init(&key->private_key);
        if (result >= 0)
            result = gnutls_privkey_import_x509_raw(key->private_key, &pem, GNUTLS_X509_FMT_PEM,
                                                    NULL, 0);
        gnutls_memset(pem.data, 0, pem.size);
    }
    mu_arena_free(&arena);
    MU_TRY(code);
    unsigned bits = 0;
    if (result < 0 || gnutls_privkey_get_pk_algorithm(key->private_key, &bits) != GNUTLS_PK_RSA ||
        bits < KEY_BITS)
        return mu_fail(err, MU_E_INPUT, "%s holds no RSA key of at least %u bits", path, KEY_BITS);
    result = take_public(key);
    if (result >= 0)
        result = take_id(key);
    return result < 0 ? gnutls_failed(err, "cannot use the signing key", result) : MU_OK;
}

mu_code mu_jwt_key_open(const char *path, mu_jwt_key **out, mu_err *err)
{
    mu_code code = check_file(path, err);
    if (code == MU_E_NOT_FOUND)
        code = make_file(path, err);
    MU_TRY(code);
    mu_jwt_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for the signing key");
    code = read_key(path, key, err);
    if (code != MU_OK) {
        mu_jwt_key_free(key);
        return code;
    }
    *out = key;
    return MU_OK;
}

void mu_jwt_key_free(mu_jwt_key *key)
{
    if (key == NULL)
        return;
    gnutls_privkey_deinit(key->private_key);
    gnutls_pubkey_deinit(key->public_key);
    free(key);
}

/* -------- signing -------- */

static mu_code encoded_json(mu_arena *arena, const mu_json *json, mu_str *out, mu_err *err)
{
    mu_str text;
    MU_TRY(mu_json_text(arena, json, &text, err));
    *out = encode(arena, text);
    return MU_OK;
}

mu_code mu_jwt_sign(const mu_jwt_key *key, mu_arena *arena, const mu_jwt_claims *claims,
                    mu_str *out, mu_err *err)
{
    mu_str head, payload;
    gnutls_datum_t signature;
    mu_json header = MU_JSON_OBJECT_OF(arena, {MU_STR("alg"), mu_json_of_string(ALGORITHM)},
                                       {MU_STR("typ"), mu_json_of_string(MU_STR("JWT"))},
                                       {MU_STR("kid"), mu_json_of_string(mu_str_from(key->id))});
    mu_json body = MU_JSON_OBJECT_OF(arena, {MU_STR("iss"), mu_json_of_string(claims->issuer)},
                                     {MU_STR("sub"), mu_json_of_string(claims->subject)},
                                     {MU_STR("client_id"), mu_json_of_string(claims->client_id)},
                                     {MU_STR("org"), mu_json_of_string(claims->organization)},
                                     {MU_STR("iat"), mu_json_of_integer(claims->issued_s)},
                                     {MU_STR("exp"), mu_json_of_integer(claims->expires_s)});
    MU_TRY(encoded_json(arena, &header, &head, err));
    MU_TRY(encoded_json(arena, &body, &payload, err));
    mu_str signed_part =
        mu_arena_format(arena, MU_STR_FMT "." MU_STR_FMT, MU_STR_ARG(head), MU_STR_ARG(payload));
    const gnutls_datum_t data = {(unsigned char *)(uintptr_t)signed_part.ptr,
                                 (unsigned)signed_part.len};
    int result =
        gnutls_privkey_sign_data2(key->private_key, GNUTLS_SIGN_RSA_SHA256, 0, &data, &signature);
    if (result < 0)
        return gnutls_failed(err, "cannot sign a token", result);
    mu_str end = encode(arena, (mu_str){(const char *)signature.data, signature.size});
    gnutls_free(signature.data);
    *out =
        mu_arena_format(arena, MU_STR_FMT "." MU_STR_FMT, MU_STR_ARG(signed_part), MU_STR_ARG(end));
    return out->len <= MU_JWT_BYTES_MAX
               ? MU_OK
               : mu_fail(err, MU_E_INPUT, "the client's names make a token that is too long");
}

/* -------- checking -------- */

static mu_code no_token(mu_err *err)
{
    return mu_fail(err, MU_E_INPUT, "the token is not valid");
}

/* Cuts at the first dot. */
static bool cut(mu_str *rest, mu_str *part)
{
    const char *dot = rest->len == 0 ? NULL : memchr(rest->ptr, '.', rest->len);
    if (dot == NULL)
        return false;
    *part = (mu_str){rest->ptr, (size_t)(dot - rest->ptr)};
    *rest = (mu_str){dot + 1, rest->len - part->len - 1};
    return true;
}

static bool is_text(const mu_json *json, const char *name, mu_str wanted)
{
    const mu_json *value = mu_json_member(json, mu_str_from(name));
    return value != NULL && value->kind == MU_JSON_STRING && mu_str_equal(value->string, wanted);
}

/* Only what mu_jwt_sign writes: no other algorithm, no extension that would have to be understood.
 */
static bool is_own_header(const mu_jwt_key *key, mu_arena *arena, mu_str encoded)
{
    mu_str text;
    mu_json header;
    return decode(arena, encoded, &text) && mu_json_parse(arena, text, &header, NULL) == MU_OK &&
           header.kind == MU_JSON_OBJECT && is_text(&header, "alg", ALGORITHM) &&
           is_text(&header, "kid", mu_str_from(key->id)) &&
           mu_json_member(&header, MU_STR("crit")) == NULL;
}

static bool is_signed(const mu_jwt_key *key, mu_arena *arena, mu_str signed_part, mu_str encoded)
{
    mu_str signature;
    if (!decode(arena, encoded, &signature) || signature.len == 0)
        return false;
    const gnutls_datum_t data = {(unsigned char *)(uintptr_t)signed_part.ptr,
                                 (unsigned)signed_part.len};
    const gnutls_datum_t bytes = {(unsigned char *)(uintptr_t)signature.ptr,
                                  (unsigned)signature.len};
    return gnutls_pubkey_verify_data2(key->public_key, GNUTLS_SIGN_RSA_SHA256, 0, &data, &bytes) >=
           0;
}

static bool take_text(const mu_json *json, const char *name, mu_str *out)
{
    const mu_json *value = mu_json_member(json, mu_str_from(name));
    if (value == NULL || value->kind != MU_JSON_STRING || value->string.len == 0)
        return false;
    *out = value->string;
    return true;
}

static bool take_time(const mu_json *json, const char *name, int64_t *out)
{
    const mu_json *value = mu_json_member(json, mu_str_from(name));
    if (value == NULL || value->kind != MU_JSON_INTEGER)
        return false;
    *out = value->integer;
    return true;
}

static bool take_claims(mu_arena *arena, mu_str encoded, mu_jwt_claims *out)
{
    mu_str text;
    mu_json json;
    return decode(arena, encoded, &text) && mu_json_parse(arena, text, &json, NULL) == MU_OK &&
           take_text(&json, "iss", &out->issuer) && take_text(&json, "sub", &out->subject) &&
           take_text(&json, "client_id", &out->client_id) &&
           take_text(&json, "org", &out->organization) && take_time(&json, "iat", &out->issued_s) &&
           take_time(&json, "exp", &out->expires_s);
}

mu_code mu_jwt_verify(const mu_jwt_key *key, mu_arena *arena, mu_str token, mu_str issuer,
                      int64_t now_s, mu_jwt_claims *out, mu_err *err)
{
    mu_str header, payload, rest = token;
    mu_jwt_claims claims;
    if (token.len > MU_JWT_BYTES_MAX || !cut(&rest, &header) || !cut(&rest, &payload))
        return no_token(err);
    mu_str signed_part = {token.ptr, header.len + 1 + payload.len};
    if (!is_own_header(key, arena, header) || !is_signed(key, arena, signed_part, rest) ||
        !take_claims(arena, payload, &claims))
        return no_token(err);
    if (!mu_str_equal(claims.issuer, issuer) || claims.issued_s > now_s + CLOCK_SLACK_S ||
        claims.expires_s <= now_s)
        return no_token(err);
    *out = claims;
    return MU_OK;
}

/* -------- the public key -------- */

/* Without zero bytes in front, which GnuTLS puts there for the sign. */
static mu_str number_text(mu_arena *arena, const gnutls_datum_t *number)
{
    mu_str bytes = {(const char *)number->data, number->size};
    while (bytes.len > 1 && bytes.ptr[0] == '\0')
        bytes = (mu_str){bytes.ptr + 1, bytes.len - 1};
    return encode(arena, bytes);
}

mu_json mu_jwt_keys_json(const mu_jwt_key *key, mu_arena *arena)
{
    gnutls_datum_t modulus = {0}, exponent = {0};
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, 1);
    uint32_t n = 0;
    if (key != NULL && gnutls_pubkey_export_rsa_raw(key->public_key, &modulus, &exponent) >= 0) {
        items[n++] = MU_JSON_OBJECT_OF(
            arena, {MU_STR("kty"), mu_json_of_string(MU_STR("RSA"))},
            {MU_STR("use"), mu_json_of_string(MU_STR("sig"))},
            {MU_STR("alg"), mu_json_of_string(ALGORITHM)},
            {MU_STR("kid"), mu_json_of_string(mu_arena_copy(arena, mu_str_from(key->id)))},
            {MU_STR("n"), mu_json_of_string(number_text(arena, &modulus))},
            {MU_STR("e"), mu_json_of_string(number_text(arena, &exponent))});
        gnutls_free(modulus.data);
        gnutls_free(exponent.data);
    }
    return MU_JSON_OBJECT_OF(
        arena, {MU_STR("keys"), (mu_json){.kind = MU_JSON_ARRAY, .n = n, .items = items}});
}
