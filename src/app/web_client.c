#include "app/web_client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <time.h>

#define ANSWER_MAX ((size_t)256 << 20)
#define BUSY_TRIES 60 /* a second apart */

struct mu_web_client {
    CURL *curl;
    mu_arena arena;
    mu_str url;
    struct curl_slist *headers;
    mu_json_reader *reader;
};

static mu_code add_header(mu_web_client *client, const char *name, mu_str value, mu_err *err)
{
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.ptr[i] < ' ')
            return mu_fail(err, MU_E_INPUT, "the value of %s has a control character", name);
    mu_str line = mu_arena_format(&client->arena, "%s: " MU_STR_FMT, name, MU_STR_ARG(value));
    struct curl_slist *headers = curl_slist_append(client->headers, line.ptr);
    if (headers == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for a request");
    client->headers = headers;
    return MU_OK;
}

static mu_code add_headers(mu_web_client *client, const mu_web_access *access, mu_err *err)
{
    mu_str bearer =
        mu_arena_format(&client->arena, "Bearer " MU_STR_FMT, MU_STR_ARG(access->token));
    MU_TRY(add_header(client, "Authorization", bearer, err));
    MU_TRY(add_header(client, "x-api-key", access->api_key, err));
    MU_TRY(add_header(client, "x-gw-ims-org-id", access->organization, err));
    MU_TRY(add_header(client, "x-sandbox-name", access->sandbox, err));
    return add_header(client, "Expect", MU_STR(""), err);
}

mu_code mu_web_client_new(const mu_web_access *access, mu_web_client **out, mu_err *err)
{
    mu_str url = access->url;
    if (!mu_str_starts_with(url, MU_STR("http://")) && !mu_str_starts_with(url, MU_STR("https://")))
        return mu_fail(err, MU_E_INPUT, "the address of a server begins with http:// or https://");
    while (url.len > 0 && url.ptr[url.len - 1] == '/')
        url.len--;
    mu_web_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for a client");
    mu_arena_init(&client->arena, SIZE_MAX);
    client->url = mu_arena_copy(&client->arena, url);
    client->reader = mu_json_reader_new();
    client->curl = curl_easy_init();
    mu_code code = client->reader == NULL || client->curl == NULL
                       ? mu_fail(err, MU_E_NOMEM, "out of memory for a client")
                       : add_headers(client, access, err);
    if (code != MU_OK) {
        mu_web_client_free(client);
        return code;
    }
    *out = client;
    return MU_OK;
}

void mu_web_client_free(mu_web_client *client)
{
    if (client == NULL)
        return;
    curl_slist_free_all(client->headers);
    if (client->curl != NULL)
        curl_easy_cleanup(client->curl);
    mu_json_reader_free(client->reader);
    mu_arena_free(&client->arena);
    free(client);
}

/* -------- one exchange -------- */

static size_t take_body(char *bytes, size_t size, size_t n, void *context)
{
    mu_buf *buf = context;
    mu_buf_add(buf, bytes, size * n);
    return buf->failed ? 0 : size * n;
}

static mu_code exchange(mu_web_client *client, mu_arena *arena, const char *method, mu_str path,
                        mu_str content_type, mu_str body, mu_buf *answer, unsigned *status,
                        mu_err *err)
{
    CURL *curl = client->curl;
    char problem[CURL_ERROR_SIZE] = "";
    long code = 0;
    mu_str url =
        mu_arena_format(arena, MU_STR_FMT MU_STR_FMT, MU_STR_ARG(client->url), MU_STR_ARG(path));
    mu_str type = mu_arena_format(arena, "Content-Type: " MU_STR_FMT, MU_STR_ARG(content_type));
    struct curl_slist content = {.data = (char *)(uintptr_t)type.ptr, .next = client->headers};
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url.ptr);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, &content);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, problem);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 20L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 300L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (body.len > 0 || strcmp(method, "GET") != 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.len == 0 ? "" : body.ptr);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    }
    CURLcode result = curl_easy_perform(curl);
    if (result != CURLE_OK)
        return mu_fail(err, MU_E_IO, "no answer from " MU_STR_FMT ": %s", MU_STR_ARG(client->url),
                       problem[0] != '\0' ? problem : curl_easy_strerror(result));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    *status = (unsigned)code;
    return MU_OK;
}

mu_code mu_web_send(mu_web_client *client, mu_arena *arena, const char *method, mu_str path,
                    mu_str content_type, mu_str body, mu_web_answer *out, mu_err *err)
{
    mu_buf answer;
    mu_code code = MU_OK;
    unsigned status = 0;
    mu_buf_init(&answer, ANSWER_MAX);
    for (int i = 0; i < BUSY_TRIES; i++) {
        mu_buf_clear(&answer);
        code = exchange(client, arena, method, path, content_type, body, &answer, &status, err);
        if (code != MU_OK || (status != 429 && status != 503))
            break;
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
    if (code == MU_OK) {
        *out = (mu_web_answer){.status = status, .body = mu_arena_copy(arena, mu_buf_str(&answer))};
        if (out->body.len == 0 ||
            mu_json_read(client->reader, arena, out->body, &out->json, NULL) != MU_OK)
            out->json = (mu_json){.kind = MU_JSON_NULL};
    }
    mu_buf_free(&answer);
    return code;
}

/* The sentence of whichever error body it is. */
static mu_str said(const mu_web_answer *answer)
{
    static const char *const names[] = {"detail", "message", "title", "error_description"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mu_str text = mu_json_member_string(&answer->json, mu_str_from(names[i]), MU_STR(""));
        if (text.len > 0)
            return text;
    }
    return MU_STR("it gave no reason");
}

mu_code mu_web_ask(mu_web_client *client, mu_arena *arena, const char *method, mu_str path,
                   mu_str body, mu_json *out, mu_err *err)
{
    mu_web_answer answer;
    MU_TRY(
        mu_web_send(client, arena, method, path, MU_STR("application/json"), body, &answer, err));
    if (answer.status < 200 || answer.status > 299) {
        mu_str text = said(&answer);
        return mu_fail(err, answer.status == 404 ? MU_E_NOT_FOUND : MU_E_INPUT,
                       "the server refuses %s " MU_STR_FMT " with status %u: " MU_STR_FMT, method,
                       MU_STR_ARG(path), answer.status, MU_STR_ARG(text));
    }
    *out = answer.json;
    return MU_OK;
}
