/* errors.c -- error bodies: the UPS envelope (api.md 3.1) and the gateway's (api.md 2.2). */
#include "http/http_int.h"

#include <stdio.h>

static void write_inner(mu_json_writer *writer, const mu_http_ups_error *error, mu_str message)
{
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("code"));
    if (error->inner_is_status)
        mu_json_integer(writer, error->status);
    else
        mu_json_string(writer, error->code);
    mu_json_name(writer, MU_STR("message"));
    mu_json_string(writer, message);
    mu_json_end_object(writer);
}

static void write_errors(mu_json_writer *writer, const mu_http_ups_error *error)
{
    char status[16];
    int length = snprintf(status, sizeof(status), "%u", error->status);
    mu_json_name(writer, MU_STR("errors"));
    mu_json_begin_object(writer);
    mu_json_name(writer, (mu_str){status, (size_t)length});
    mu_json_begin_array(writer);
    for (size_t i = 0; i < error->n_messages; i++)
        write_inner(writer, error, error->messages[i]);
    mu_json_end_array(writer);
    mu_json_end_object(writer);
}

void mu_http_write_ups_error(mu_json_writer *writer, mu_str request_id,
                             const mu_http_ups_error *error)
{
    MU_ASSERT(error->n_messages > 0);
    char type[128];
    int length = snprintf(type, sizeof(type), "https://ns.adobe.com/aep/errors/" MU_STR_FMT,
                          MU_STR_ARG(error->code));
    MU_ASSERT(length > 0 && (size_t)length < sizeof(type));
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("requestId"));
    mu_json_string(writer, request_id);
    write_errors(writer, error);
    mu_json_name(writer, MU_STR("type"));
    mu_json_string(writer, (mu_str){type, (size_t)length});
    mu_json_name(writer, MU_STR("title"));
    mu_json_string(writer, error->messages[0]);
    mu_json_name(writer, MU_STR("status"));
    mu_json_integer(writer, error->status);
    if (error->detail.len > 0) {
        mu_json_name(writer, MU_STR("detail"));
        mu_json_string(writer, error->detail);
    }
    mu_json_end_object(writer);
}

void mu_http_write_gateway_error(mu_json_writer *writer, mu_str error_code, mu_str message)
{
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("error_code"));
    mu_json_string(writer, error_code);
    mu_json_name(writer, MU_STR("message"));
    mu_json_string(writer, message);
    mu_json_end_object(writer);
}

/* By mu_http_problem. */
static const struct problem {
    uint16_t status;
    const char *code;
} problems[] = {
    [MU_HTTP_PROBLEM_BAD_REQUEST] = {400, "UPAPI-119911-400"},
    [MU_HTTP_PROBLEM_BAD_QUERY] = {400, "UPAPI-119912-400"},
    [MU_HTTP_PROBLEM_BAD_JSON] = {400, "UPAPI-119910-400"},
    [MU_HTTP_PROBLEM_NO_SUCH_PATH] = {404, "UPAPI-119916-404"},
    [MU_HTTP_PROBLEM_BAD_METHOD] = {405, "UPAPI-119917-405"},
    [MU_HTTP_PROBLEM_BODY_TOO_LARGE] = {413, "UPAPI-119918-413"},
    [MU_HTTP_PROBLEM_BAD_ENCODING] = {415, "UPAPI-119922-415"},
    [MU_HTTP_PROBLEM_INTERNAL] = {500, "UPAPI-119990-500"},
    [MU_HTTP_PROBLEM_BUSY] = {503, "UPAPI-119991-503"},
};

unsigned mu_http_problem_status(mu_http_problem problem)
{
    return problems[problem].status;
}

void mu_http_write_ups_problem(mu_http_request *request, mu_http_response *response,
                               mu_http_problem problem, mu_str text, void *context)
{
    (void)context;
    const mu_http_ups_error error = {.status = problems[problem].status,
                                     .code = mu_str_from(problems[problem].code),
                                     .messages = &text,
                                     .n_messages = 1};
    mu_http_write_ups_error(mu_http_response_json(response), mu_http_request_id(request), &error);
}
