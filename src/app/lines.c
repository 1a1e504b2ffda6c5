#include "app/app_int.h"

void mu_line_reader_init(mu_line_reader *reader, FILE *file, size_t line_max_bytes)
{
    *reader = (mu_line_reader){.file = file, .line_max_bytes = line_max_bytes};
    mu_buf_init(&reader->buf, line_max_bytes + 1);
}

void mu_line_reader_fini(mu_line_reader *reader)
{
    mu_buf_free(&reader->buf);
}

bool mu_line_reader_next(mu_line_reader *reader, mu_str *out)
{
    mu_buf_clear(&reader->buf);
    int c = getc_unlocked(reader->file);
    if (c == EOF)
        return false;
    for (; c != EOF && c != '\n'; c = getc_unlocked(reader->file))
        if (reader->buf.len <= reader->line_max_bytes)
            mu_buf_add_char(&reader->buf, (char)c);
    reader->line++;
    *out = mu_buf_str(&reader->buf);
    return true;
}
