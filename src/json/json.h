/* json.h -- JSON read into an arena tree, and JSON written.
 *
 * Reading checks the whole text: UTF-8, grammar, depth, what follows the value. Of duplicate names
 * the last wins. Integers that fit 64 bits are INTEGER; other numbers are DOUBLE; a number whose
 * value is not a finite double is an error. A NUL character inside a string (\u0000) is kept.
 */
#ifndef MU_JSON_JSON_H
#define MU_JSON_JSON_H

#include "base/arena.h"
#include "base/buf.h"

typedef enum mu_json_kind {
    MU_JSON_NULL,
    MU_JSON_BOOLEAN,
    MU_JSON_INTEGER,
    MU_JSON_DOUBLE,
    MU_JSON_STRING,
    MU_JSON_ARRAY,
    MU_JSON_OBJECT
} mu_json_kind;

typedef struct mu_json mu_json;

struct mu_json {
    mu_json_kind kind;
    uint32_t n; /* items of an array, members of an object */
    union {
        bool boolean;
        int64_t integer;
        double number;
        mu_str string;
        struct {
            const mu_str *names; /* objects only: n distinct names in the order of the text */
            const mu_json *items;
        };
    };
};

#define MU_JSON_DEPTH_MAX 1000 /* a rule of 200 nested operators takes up to 600 */

/* Reusable buffers of the parser. One thread at a time. */
typedef struct mu_json_reader mu_json_reader;
mu_json_reader *mu_json_reader_new(void);
void mu_json_reader_free(mu_json_reader *reader);

/* Parses one value; strings are copied into `arena`, `text` may go away afterwards. Blanks around
 * the value are allowed, anything else is not. On failure err->text says what is wrong. */
MU_CHECKED mu_code mu_json_read(mu_json_reader *reader, mu_arena *arena, mu_str text, mu_json *out,
                                mu_err *err);

/* The member `name` of an object, or NULL (also when `json` is NULL or no object). */
const mu_json *mu_json_member(const mu_json *json, mu_str name);

/* The member's text when it is a string, else `otherwise`. */
mu_str mu_json_member_string(const mu_json *json, mu_str name, mu_str otherwise);

/* -------- writing: compact, members in the order of the calls, commas by itself -------- */

typedef struct mu_json_writer {
    mu_buf *buf;
    bool needs_comma; /* before the next value or name */
} mu_json_writer;

void mu_json_writer_init(mu_json_writer *writer, mu_buf *buf);
void mu_json_begin_object(mu_json_writer *writer);
void mu_json_end_object(mu_json_writer *writer);
void mu_json_begin_array(mu_json_writer *writer);
void mu_json_end_array(mu_json_writer *writer);
void mu_json_name(mu_json_writer *writer, mu_str name);
void mu_json_null(mu_json_writer *writer);
void mu_json_boolean(mu_json_writer *writer, bool value);
void mu_json_integer(mu_json_writer *writer, int64_t value);
/* Shortest form that reads back the same, with a fraction ("5.0"); not finite is written as null.
 */
void mu_json_double(mu_json_writer *writer, double value);
void mu_json_string(mu_json_writer *writer, mu_str value);
void mu_json_value(mu_json_writer *writer, const mu_json *value);

#endif
