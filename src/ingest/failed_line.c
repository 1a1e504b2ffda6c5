#include "ingest/failed_int.h"

/* d.4, P48: what clients of the batch interface know. A reason of Profile's keeps its own name. */
static mu_str violation_code(const mu_xdm_violation *violation)
{
    bool is_missing = mu_str_equal(violation->keyword, MU_STR("required")) ||
                      mu_str_ends_with(violation->message, MU_STR("found: Null"));
    return is_missing ? MU_STR("INGEST-1555-400") : MU_STR("INGEST-1552-400");
}

mu_str mu_failed_code(const mu_acceptance *acceptance, mu_str *description)
{
    if (acceptance->outcome == MU_ACCEPT_REJECTED) {
        *description = MU_STR("Records that Profile does not take.");
        return acceptance->reason_code;
    }
    mu_str code = violation_code(&acceptance->violations[0]);
    *description = mu_str_equal(code, MU_STR("INGEST-1555-400"))
                       ? MU_STR("A required field is missing or null.")
                       : MU_STR("A value does not fit the schema.");
    return code;
}

static void write_error(mu_json_writer *writer, mu_str code, mu_str message, mu_str column)
{
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("code"));
    mu_json_string(writer, code);
    mu_json_name(writer, MU_STR("message"));
    mu_json_string(writer, message);
    if (column.len > 0) {
        mu_json_name(writer, MU_STR("column"));
        mu_json_string(writer, column);
    }
    mu_json_end_object(writer);
}

/* "#/a/b" is the column a/b. */
static mu_str column_of(mu_str pointer)
{
    if (mu_str_starts_with(pointer, MU_STR("#/")))
        return (mu_str){pointer.ptr + 2, pointer.len - 2};
    return MU_STR("");
}

static void write_errors(mu_json_writer *writer, const mu_acceptance *acceptance)
{
    mu_json_name(writer, MU_STR("_errors"));
    mu_json_begin_array(writer);
    if (acceptance->outcome == MU_ACCEPT_REJECTED)
        write_error(writer, acceptance->reason_code, acceptance->reason, MU_STR(""));
    for (uint32_t i = 0; acceptance->outcome == MU_ACCEPT_INVALID && i < acceptance->n_violations;
         i++) {
        const mu_xdm_violation *violation = &acceptance->violations[i];
        write_error(writer, violation_code(violation), violation->message,
                    column_of(violation->pointer));
    }
    mu_json_end_array(writer);
}

void mu_failed_line(mu_buf *out, const mu_json *record, const mu_acceptance *acceptance)
{
    mu_json_writer writer;
    mu_json_writer_init(&writer, out);
    mu_json_begin_object(&writer);
    for (uint32_t i = 0; record->kind == MU_JSON_OBJECT && i < record->n; i++) {
        mu_json_name(&writer, record->names[i]);
        mu_json_value(&writer, &record->items[i]);
    }
    write_errors(&writer, acceptance);
    mu_json_end_object(&writer);
    mu_buf_add_char(out, '\n');
}

void mu_failed_corrupt_line(mu_buf *out, mu_str text, mu_str code, mu_str message)
{
    mu_json_writer writer;
    mu_json_writer_init(&writer, out);
    mu_json_begin_object(&writer);
    mu_json_name(&writer, MU_STR("_corrupt_record"));
    mu_json_string(&writer, text);
    mu_json_name(&writer, MU_STR("_errors"));
    mu_json_begin_array(&writer);
    write_error(&writer, code, message, MU_STR(""));
    mu_json_end_array(&writer);
    mu_json_end_object(&writer);
    mu_buf_add_char(out, '\n');
}
