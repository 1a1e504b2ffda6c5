/* schedules_int.h -- what the two files of schedules share: a request with what it works on, and
 * changes of one schedule.
 */
#ifndef MU_API_SCHEDULES_INT_H
#define MU_API_SCHEDULES_INT_H

#include "api/api_int.h"

#define MU_API_SCHEDULE_MESSAGES 20u /* of one answer */

/* What a handler works with; the book is held until mu_api_schedule_end. */
typedef struct mu_api_schedule_ask {
    mu_http_request *request;
    mu_http_response *response;
    mu_api_call *call;
    mu_arena *arena;
    mu_workspace *workspace;
    const mu_audience_book *book;
    mu_str messages[MU_API_SCHEDULE_MESSAGES];
    uint32_t n_messages;
    mu_str code; /* of the error; UPAPI-119911-400 at first */
} mu_api_schedule_ask;

/* Answers itself when it returns false. */
MU_CHECKED bool mu_api_schedule_begin(mu_http_request *request, mu_http_response *response,
                                      mu_api_schedule_ask *out);
void mu_api_schedule_end(mu_api_schedule_ask *a);

/* One more thing that is wrong with the request: "/pointer: reason". */
void mu_api_schedule_complain(mu_api_schedule_ask *a, const char *format, ...) MU_PRINTF(2, 3);

mu_http_outcome mu_api_schedule_refuse(mu_api_schedule_ask *a); /* 400 with the complaints */
mu_http_outcome mu_api_schedule_not_found(const mu_api_schedule_ask *a);
mu_http_outcome mu_api_schedule_empty(const mu_api_schedule_ask *a, unsigned status);
/* The complaints, or else what `err` says. */
mu_http_outcome mu_api_schedule_failure(mu_api_schedule_ask *a, const mu_err *err);

/* "daily" and so on. */
mu_str mu_api_schedule_frequency(mu_str cron);

/* A change of one schedule: `apply` is called with the lock of the shelves held. */
typedef struct mu_api_schedule_change {
    mu_str id;
    const mu_json *body; /* operations, or ids */
    mu_code (*apply)(mu_api_schedule_ask *a, const struct mu_api_schedule_change *change,
                     const mu_shelf_item *item, mu_err *err);
    mu_json *answer; /* for `apply` */
} mu_api_schedule_change;

/* MU_E_NOT_FOUND; MU_E_INPUT with complaints. Wakes the clock. */
MU_CHECKED mu_code mu_api_schedule_make(mu_api_schedule_ask *a,
                                        const mu_api_schedule_change *change, mu_err *err);

/* For `apply`: stores `json` in the place of `item`, with updateEpoch. is_renewed: it fires only
 * after now. */
MU_CHECKED mu_code mu_api_schedule_replace(mu_api_schedule_ask *a, const mu_shelf_item *item,
                                           mu_json *json, bool is_renewed, mu_err *err);

/* Texts without duplicates. */
mu_json mu_api_schedule_distinct(mu_arena *arena, const mu_json *list);
/* Sets properties.segments. */
void mu_api_schedule_set_segments(mu_arena *arena, mu_json *json, mu_json segments);

/* schedule_audiences.c */
mu_http_handler mu_api_schedule_post_add, mu_api_schedule_post_remove, mu_api_schedule_post_map,
    mu_api_schedule_post_trigger;

/* schedule_exports.c: for mu_schedules_options; the context is the mu_api. */
MU_CHECKED mu_code mu_api_schedule_start_export(void *context, mu_workspace *workspace,
                                                mu_str schedule_id, mu_str run_id,
                                                const mu_json *properties, mu_err *err);
/* The sandbox was deleted. */
bool mu_api_schedule_is_gone(void *context, const mu_workspace *workspace);
MU_CHECKED mu_code mu_api_schedule_export_is_busy(void *context, mu_workspace *workspace,
                                                  mu_str schedule_id, bool *out, mu_err *err);
MU_CHECKED mu_code mu_api_schedule_export_has_run(void *context, mu_workspace *workspace,
                                                  mu_str run_id, bool *out, mu_err *err);

#endif
