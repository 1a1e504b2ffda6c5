/* json_body.c -- a body as a JSON tree, under the limits of depth and memory. */
#include "http/http_int.h"

#define READER_KEEP_BYTES (1u << 20) /* a reader that saw a larger text is not kept */

/* The most containers that are open at once. Only brackets and strings matter, so that malformed
 * text gets some number too; the parser refuses it later. */
static uint32_t depth_of(mu_str text)
{
    uint32_t depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            deepest = ++depth > deepest ? depth : deepest;
        else if (!in_string && (c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return deepest;
}

static mu_json_reader *acquire_reader(mu_http_server *server)
{
    mu_json_reader *reader = NULL;
    pthread_mutex_lock(&server->readers_lock);
    if (server->n_readers > 0)
        reader = server->readers[--server->n_readers];
    pthread_mutex_unlock(&server->readers_lock);
    return reader != NULL ? reader : mu_json_reader_new();
}

static void release_reader(mu_http_server *server, mu_json_reader *reader, size_t text_bytes)
{
    pthread_mutex_lock(&server->readers_lock);
    if (server->n_readers < MU_HTTP_READERS_MAX && text_bytes <= READER_KEEP_BYTES) {
        server->readers[server->n_readers++] = reader;
        reader = NULL;
    }
    pthread_mutex_unlock(&server->readers_lock);
    mu_json_reader_free(reader);
}

/* The arena has a ceiling while the tree is made; going over it comes back here. */
static mu_code read_limited(mu_http_request *request, mu_json_reader *reader, mu_json *out,
                            mu_err *err)
{
    jmp_buf limit;
    mu_arena *arena = &request->arena;
    arena->max_bytes = arena->used_bytes + request->server->limits.json_memory_max_bytes;
    arena->on_limit = &limit;
    if (setjmp(limit) != 0)
        return mu_fail(err, MU_E_LIMIT, "The body needs more than %llu bytes of memory",
                       (unsigned long long)request->server->limits.json_memory_max_bytes);
    return mu_json_read(reader, arena, mu_buf_str(&request->body), out, err);
}

mu_code mu_http_request_json(mu_http_request *request, mu_json *out, mu_err *err)
{
    mu_http_server *server = request->server;
    mu_str text = mu_buf_str(&request->body);
    uint32_t depth_max = request->match.entry->route.json_depth_max;
    if (depth_max == 0)
        depth_max = server->limits.json_depth_max;
    if (text.len == 0)
        return mu_fail(err, MU_E_SYNTAX, "The body is empty; JSON is expected");
    if (depth_of(text) > depth_max)
        return mu_fail(err, MU_E_INPUT, "The body is nested deeper than %u levels", depth_max);
    mu_json_reader *reader = acquire_reader(server);
    if (reader == NULL)
        return mu_fail(err, MU_E_NOMEM, "No memory to read the body");
    size_t before = request->arena.used_bytes;
    mu_code code = read_limited(request, reader, out, err);
    request->arena.max_bytes = SIZE_MAX;
    request->arena.on_limit = NULL;
    release_reader(server, reader, text.len);
    if (code == MU_OK && !mu_http_charge(request, request->arena.used_bytes - before))
        code = mu_fail(err, MU_E_NOMEM, "Too much is being received at once");
    return code;
}

bool mu_http_request_json_or_refuse(mu_http_request *request, mu_http_response *response,
                                    mu_json *out)
{
    mu_err err = {0};
    mu_code code = mu_http_request_json(request, out, &err);
    mu_str text = mu_arena_copy(&request->arena, mu_str_from(err.text));
    if (code == MU_OK)
        return true;
    if (code == MU_E_NOMEM)
        mu_http_refuse_busy(request, response, text, 1);
    else
        mu_http_refuse(
            request, response,
            code == MU_E_LIMIT ? MU_HTTP_PROBLEM_BODY_TOO_LARGE : MU_HTTP_PROBLEM_BAD_JSON, text);
    return false;
}
