/* audience_refusal.c -- what is wrong with a change of an audience, in the words and codes of the
 * path that was asked (api.md 3.4, 8.3, 10). */
#include "api/audience_int.h"

bool mu_refuse_member(mu_refusal *refusal, const char *pointer, const char *expected)
{
    *refusal = (mu_refusal){.kind = MU_REFUSAL_MEMBER,
                            .pointer = mu_str_from(pointer),
                            .expected = mu_str_from(expected)};
    return false;
}

bool mu_refuse(mu_refusal *refusal, mu_refusal_kind kind, mu_str pointer, mu_str text)
{
    *refusal = (mu_refusal){.kind = kind, .pointer = pointer, .text = text};
    return false;
}

bool mu_refuse_failed(mu_refusal *refusal, const mu_err *err)
{
    *refusal = (mu_refusal){.kind = MU_REFUSAL_FAILED, .err = *err};
    return false;
}

typedef struct answering {
    mu_http_request *request;
    mu_http_response *response;
    mu_arena *arena;
    const mu_refusal *refusal;
} answering;

static mu_http_outcome answer(const answering *a, unsigned status, const char *code,
                              bool inner_is_status, size_t n, const mu_str *messages)
{
    const mu_http_ups_error error = {.status = status,
                                     .code = mu_str_from(code),
                                     .inner_is_status = inner_is_status,
                                     .messages = messages,
                                     .n_messages = n};
    return mu_api_refuse(a->request, a->response, &error);
}

static mu_http_outcome answer_one(const answering *a, unsigned status, const char *code,
                                  bool inner_is_status, mu_str message)
{
    return answer(a, status, code, inner_is_status, 1, &message);
}

static mu_str with_pointer(const answering *a, mu_str text)
{
    return a->refusal->pointer.len == 0
               ? text
               : mu_arena_format(a->arena, MU_STR_FMT ": " MU_STR_FMT,
                                 MU_STR_ARG(a->refusal->pointer), MU_STR_ARG(text));
}

static mu_str member_text(const answering *a)
{
    return with_pointer(
        a, mu_arena_format(a->arena, "must be " MU_STR_FMT, MU_STR_ARG(a->refusal->expected)));
}

/* -------- /audiences -------- */

static mu_http_outcome answer_audience_member(const answering *a)
{
    const mu_str messages[] = {
        MU_STR("The audience cannot be read: a member is missing or has the wrong type"),
        mu_arena_format(a->arena, "There is no usable value at " MU_STR_FMT,
                        MU_STR_ARG(a->refusal->pointer)),
        mu_arena_format(a->arena, "It must be " MU_STR_FMT, MU_STR_ARG(a->refusal->expected))};
    return answer(a, 400, "UPLIB-101206-500", true, 3, messages);
}

static mu_http_outcome answer_audience_rule(const answering *a)
{
    const mu_str messages[] = {
        mu_arena_format(a->arena, "The audience is not valid: " MU_STR_FMT,
                        MU_STR_ARG(with_pointer(a, a->refusal->text))),
    };
    return answer(a, 400, "UPAPI-113434-400", true, 1, messages);
}

static mu_http_outcome answer_audience_expression(const answering *a)
{
    uint32_t n = a->refusal->n_texts;
    mu_str *messages = MU_NEW_ARRAY(a->arena, mu_str, (size_t)n + 1);
    messages[0] = MU_STR("The audience is not valid: its expression cannot be used");
    for (uint32_t i = 0; i < n; i++)
        messages[i + 1] = a->refusal->texts[i];
    return answer(a, 400, "UPAPI-113434-400", true, (size_t)n + 1, messages);
}

static mu_http_outcome answer_audience(const answering *a)
{
    mu_str text = a->refusal->text;
    switch (a->refusal->kind) {
    case MU_REFUSAL_MEMBER:
        return answer_audience_member(a);
    case MU_REFUSAL_RULE:
    case MU_REFUSAL_NAME_USED:
        return answer_audience_rule(a);
    case MU_REFUSAL_EXPRESSION:
        return answer_audience_expression(a);
    case MU_REFUSAL_NOT_FOUND:
        return answer_one(a, 404, "UPAPI-113430-404", true, text);
    default:
        break;
    }
    return answer_one(a, 400, "UPAPI-113631-403", true, text); /* DEPENDENTS */
}

/* -------- /segment/definitions -------- */

static mu_http_outcome answer_definition(const answering *a)
{
    mu_str text = a->refusal->text;
    switch (a->refusal->kind) {
    case MU_REFUSAL_MEMBER:
        return answer_one(a, 400, "UPAPI-119911-400", false, member_text(a));
    case MU_REFUSAL_RULE:
        return answer_one(a, 400, "UPAPI-119911-400", false, with_pointer(a, text));
    case MU_REFUSAL_EXPRESSION:
        return answer(a, 400, "UPAPI-119913-400", false, a->refusal->n_texts, a->refusal->texts);
    case MU_REFUSAL_NAME_USED:
        return answer_one(a, 422, "UPAPI-119915-422", false, text);
    case MU_REFUSAL_NOT_FOUND:
        return answer_one(a, 404, "UPAPI-113000-404", false, text);
    default:
        break;
    }
    return answer_one(a, 400, "UPAPI-113631-403", true, text); /* DEPENDENTS */
}

static mu_http_outcome answer_dataset(const answering *a)
{
    const mu_str messages[] = {
        a->refusal->text,
        MU_STR("The catalog's answer: 404, there is no such dataset"),
    };
    return answer(a, 400, "UPLIB-101554-503", true, 2, messages);
}

mu_http_outcome mu_audience_answer_refusal(mu_http_request *request, mu_http_response *response,
                                           mu_audience_view view, const mu_refusal *refusal)
{
    const answering a = {request, response, mu_http_request_arena(request), refusal};
    switch (refusal->kind) {
    case MU_REFUSAL_DATASET:
        return answer_dataset(&a);
    case MU_REFUSAL_DISABLED:
        return answer_one(&a, 403, "UPAPI-113740-403", true, refusal->text);
    case MU_REFUSAL_GUARDRAIL:
        return answer_one(&a, 400, "UPAPI-119920-400", false, refusal->text);
    case MU_REFUSAL_PRECONDITION:
        return answer_one(&a, 412, "UPAPI-119914-412", false, refusal->text);
    case MU_REFUSAL_FAILED:
        return mu_api_fail(request, response, &refusal->err);
    default:
        break;
    }
    return view == MU_AUDIENCE_VIEW_AUDIENCES ? answer_audience(&a) : answer_definition(&a);
}
