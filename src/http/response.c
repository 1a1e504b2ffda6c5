/* response.c -- the response object, filled before it is given to the library. */
#include "http/http_int.h"

#include <stdio.h>
#include <unistd.h>

void mu_http_response_init(mu_http_request *request)
{
    mu_http_response *response = &request->response;
    *response = (mu_http_response){.request = request, .status = 200, .fd = -1};
    response->last_header = &response->headers;
    mu_buf_init(&response->body, (size_t)request->server->limits.response_max_bytes);
}

/* Ends a stream and closes a file that a later choice of body replaces. */
static void drop_body(mu_http_response *response)
{
    if (response->body_kind == MU_HTTP_BODY_STREAM && response->end != NULL)
        response->end(response->end_context);
    if (response->fd >= 0)
        close(response->fd);
    response->fd = -1;
    response->end = NULL;
    response->read = NULL;
    response->body_kind = MU_HTTP_BODY_NONE;
    response->content_type = MU_STR("");
    mu_buf_clear(&response->body);
    response->body.failed = false;
}

void mu_http_response_fini(mu_http_response *response)
{
    drop_body(response);
    mu_buf_free(&response->body);
}

void mu_http_response_clear(mu_http_response *response)
{
    drop_body(response);
    response->headers = NULL;
    response->last_header = &response->headers;
}

void mu_http_response_status(mu_http_response *response, unsigned status)
{
    MU_ASSERT(status >= 200 && status <= 599);
    response->status = status;
}

void mu_http_response_header(mu_http_response *response, mu_str name, mu_str value)
{
    mu_arena *arena = &response->request->arena;
    char *safe = mu_arena_alloc(arena, 3 * value.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c < ' ' || c == 0x7f)
            len += (size_t)snprintf(safe + len, 4, "%%%02X", c);
        else
            safe[len++] = (char)c;
    }
    mu_http_header_item *item = MU_NEW(arena, mu_http_header_item);
    item->name = mu_arena_copy(arena, name);
    item->value = (mu_str){safe, len};
    *response->last_header = item;
    response->last_header = &item->next;
}

mu_buf *mu_http_response_body(mu_http_response *response, mu_str content_type)
{
    drop_body(response);
    response->body_kind = MU_HTTP_BODY_BUFFER;
    response->content_type = mu_arena_copy(&response->request->arena, content_type);
    return &response->body;
}

mu_json_writer *mu_http_response_json(mu_http_response *response)
{
    mu_json_writer_init(&response->writer,
                        mu_http_response_body(response, MU_STR("application/json")));
    return &response->writer;
}

void mu_http_response_stream(mu_http_response *response, mu_str content_type,
                             mu_http_stream_reader *read, mu_http_end_function *end, void *context)
{
    drop_body(response);
    response->body_kind = MU_HTTP_BODY_STREAM;
    response->content_type = mu_arena_copy(&response->request->arena, content_type);
    response->read = read;
    response->end = end;
    response->end_context = context;
}

void mu_http_response_file(mu_http_response *response, mu_str content_type, int fd, uint64_t offset,
                           uint64_t length)
{
    drop_body(response);
    response->body_kind = MU_HTTP_BODY_FILE;
    response->content_type = mu_arena_copy(&response->request->arena, content_type);
    response->fd = fd;
    response->offset = offset;
    response->length = length;
}

void mu_http_refuse(mu_http_request *request, mu_http_response *response, mu_http_problem problem,
                    mu_str text)
{
    const mu_http_options *options = &request->server->options;
    mu_http_response_status(response, mu_http_problem_status(problem));
    if (options->write_error == NULL)
        mu_http_write_ups_problem(request, response, problem, text, NULL);
    else
        options->write_error(request, response, problem, text, options->error_context);
}

void mu_http_refuse_busy(mu_http_request *request, mu_http_response *response, mu_str text,
                         unsigned retry_after_s)
{
    mu_http_response_header(response, MU_STR("Retry-After"),
                            mu_arena_format(&request->arena, "%u", retry_after_s));
    mu_http_refuse(request, response, MU_HTTP_PROBLEM_BUSY, text);
}
