/* body.c -- receives bodies: decompressed on the way, under a ceiling, into memory or a sink. */
#include "base/number.h"
#include "http/http_int.h"

#define INFLATE_PIECE (32u << 10)

void mu_http_refuse_now(mu_http_request *request, mu_http_problem problem, mu_str text)
{
    mu_http_refuse(request, &request->response, problem, text);
    request->is_answered = true;
}

static void refuse_size(mu_http_request *request)
{
    mu_str text = mu_arena_format(&request->arena, "The body is larger than %llu bytes",
                                  (unsigned long long)request->body_max_bytes);
    mu_http_refuse_now(request, MU_HTTP_PROBLEM_BODY_TOO_LARGE, text);
}

/* -------- decoded bytes -------- */

static void refuse_sink(mu_http_request *request, const mu_err *err)
{
    mu_http_problem problem = MU_HTTP_PROBLEM_INTERNAL;
    if (err->code == MU_E_LIMIT)
        problem = MU_HTTP_PROBLEM_BODY_TOO_LARGE;
    else if (err->code == MU_E_INPUT || err->code == MU_E_SYNTAX)
        problem = MU_HTTP_PROBLEM_BAD_REQUEST;
    else
        mu_log(request->server->options.logger, MU_LOG_ERROR, "http_sink_failed",
               mu_log_text("request_id", request->id), mu_log_text("why", mu_str_from(err->text)));
    mu_http_refuse_now(request, problem,
                       problem == MU_HTTP_PROBLEM_INTERNAL ? MU_STR("The body cannot be stored")
                                                           : mu_str_from(err->text));
}

static void take(mu_http_request *request, mu_str piece)
{
    const mu_http_route *route = &request->match.entry->route;
    request->body_bytes += piece.len;
    if (request->body_bytes > request->body_max_bytes) {
        refuse_size(request);
        return;
    }
    if (route->sink != NULL) {
        mu_err err = {0};
        mu_code code = route->sink(request, piece, route->context, &err);
        err.code = code;
        if (code != MU_OK)
            refuse_sink(request, &err);
        return;
    }
    if (!mu_http_charge(request, piece.len)) {
        mu_http_refuse_busy(request, &request->response,
                            MU_STR("Too much is being received at once"), 1);
        request->is_answered = true;
        return;
    }
    mu_buf_add_str(&request->body, piece);
    if (request->body.failed)
        mu_http_refuse_now(request, MU_HTTP_PROBLEM_INTERNAL, MU_STR("Out of memory"));
}

/* -------- compressed bytes -------- */

static void refuse_compressed(mu_http_request *request)
{
    mu_http_refuse_now(request, MU_HTTP_PROBLEM_BAD_REQUEST,
                       MU_STR("The compressed body is damaged or ends early"));
}

/* "deflate" means a zlib stream (RFC 9110 8.4.1.2), but some clients send it bare: a zlib header
 * begins with method 8. */
static bool start_inflater(mu_http_request *request, char first)
{
    int bits = 15 + 16;
    if (request->inflate == MU_HTTP_DEFLATE)
        bits = (first & 0x0f) == 8 ? 15 : -15;
    request->has_inflater = inflateInit2(&request->inflater, bits) == Z_OK;
    return request->has_inflater;
}

/* One round; false when the input is used up, or the request is refused. */
static bool inflate_round(mu_http_request *request)
{
    char out[INFLATE_PIECE];
    z_stream *stream = &request->inflater;
    if (request->inflate_ended) { /* a gzip file may have several members */
        if (request->inflate != MU_HTTP_GZIP || inflateReset(stream) != Z_OK) {
            refuse_compressed(request);
            return false;
        }
        request->inflate_ended = false;
    }
    stream->next_out = (Bytef *)out;
    stream->avail_out = sizeof(out);
    int result = inflate(stream, Z_NO_FLUSH);
    size_t n = sizeof(out) - stream->avail_out;
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        refuse_compressed(request);
        return false;
    }
    request->inflate_ended = result == Z_STREAM_END;
    if (n > 0)
        take(request, (mu_str){out, n});
    return !request->is_answered && (stream->avail_in > 0 || stream->avail_out == 0) &&
           result != Z_BUF_ERROR;
}

static void inflate_piece(mu_http_request *request, mu_str piece)
{
    if (!request->has_inflater && !start_inflater(request, piece.ptr[0])) {
        mu_http_refuse_now(request, MU_HTTP_PROBLEM_INTERNAL, MU_STR("Out of memory"));
        return;
    }
    request->inflater.next_in = (Bytef *)(uintptr_t)piece.ptr; /* zlib does not write to it */
    request->inflater.avail_in = (uInt)piece.len;
    while (inflate_round(request))
        continue;
}

/* -------- begin, piece, end -------- */

void mu_http_body_begin(mu_http_request *request)
{
    mu_str coding = MU_STR("identity"), length;
    const mu_http_route *route = &request->match.entry->route;
    request->body_max_bytes =
        route->body_max_bytes > 0 ? route->body_max_bytes : request->server->limits.body_max_bytes;
    mu_buf_init(&request->body, (size_t)request->body_max_bytes);
    if (!mu_http_has_body(request))
        return;
    (void)mu_http_request_header(request, MU_STR("Content-Encoding"), &coding);
    if (mu_str_equal_ascii_nocase(coding, MU_STR("gzip")) ||
        mu_str_equal_ascii_nocase(coding, MU_STR("x-gzip"))) {
        request->inflate = MU_HTTP_GZIP;
    } else if (mu_str_equal_ascii_nocase(coding, MU_STR("deflate"))) {
        request->inflate = MU_HTTP_DEFLATE;
    } else if (coding.len > 0 && !mu_str_equal_ascii_nocase(coding, MU_STR("identity"))) {
        mu_http_response_header(&request->response, MU_STR("Accept-Encoding"),
                                MU_STR("gzip, deflate"));
        mu_http_refuse_now(request, MU_HTTP_PROBLEM_BAD_ENCODING,
                           MU_STR("The Content-Encoding must be gzip, deflate or identity"));
        return;
    }
    int64_t bytes;
    if (mu_http_request_header(request, MU_STR("Content-Length"), &length) &&
        mu_parse_integer(length, &bytes) && (uint64_t)bytes > request->body_max_bytes)
        refuse_size(request);
}

bool mu_http_body_piece(mu_http_request *request, mu_str piece)
{
    request->wire_bytes += piece.len;
    atomic_fetch_add_explicit(&request->connection->bytes, piece.len, memory_order_relaxed);
    if (request->is_answered)
        return request->wire_bytes <=
               request->body_max_bytes + request->server->limits.discard_max_bytes;
    if (request->inflate == MU_HTTP_PLAIN)
        take(request, piece);
    else
        inflate_piece(request, piece);
    return true;
}

void mu_http_body_end(mu_http_request *request)
{
    if (request->inflate != MU_HTTP_PLAIN && request->wire_bytes > 0 && !request->inflate_ended)
        refuse_compressed(request);
}

void mu_http_body_fini(mu_http_request *request)
{
    if (request->has_inflater)
        (void)inflateEnd(&request->inflater);
    mu_buf_free(&request->body);
}
