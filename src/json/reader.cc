/* reader.cc -- JSON text into an arena tree, over simdjson's On-Demand interface.
 *
 * The text is copied once into the arena; strings are views into that copy, and a string with
 * escapes is unescaped in place (it never grows). On-Demand checks only what is visited, so every
 * value is visited. No exceptions, and no local object with a destructor: the arena may leave by
 * longjmp.
 */
#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <new>

#define _Noreturn [[noreturn]] /* the C headers say it in C's way */
extern "C" {
#include "base/hash.h"
#include "base/number.h"
#include "json/json.h"
}

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;

struct mu_json_reader {
    ondemand::parser parser;
    /* Items and names of the containers that are still open; copied to the arena on close. */
    mu_json *items = nullptr;
    mu_str *names = nullptr;
    size_t n_items = 0, items_capacity = 0;
};

namespace
{

/* Objects up to this size look for duplicate names pairwise, larger ones in a map. */
constexpr size_t PAIRWISE_MAX = 24;

struct reading {
    mu_json_reader *reader;
    mu_arena *arena;
    const char *copy; /* the text in the arena, padded */
    mu_str text;      /* the caller's, for places in messages */
    mu_err *err;
};

/* Where simdjson stands, as line and column of the original text. */
void set_place(reading *in, const char *at)
{
    if (in->err == nullptr || at == nullptr || at < in->copy || at > in->copy + in->text.len)
        return;
    uint32_t line = 1, column = 1;
    for (const char *p = in->text.ptr; p < in->text.ptr + (at - in->copy); p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if ((*p & 0xc0) != 0x80) {
            column++;
        }
    }
    in->err->line = line;
    in->err->column = column;
}

const char *describe(error_code error)
{
    switch (error) {
    case simdjson::EMPTY:
        return "the JSON text is empty";
    case simdjson::UTF8_ERROR:
        return "the JSON text is not valid UTF-8";
    case simdjson::UNESCAPED_CHARS:
        return "a JSON string holds a control character that is not escaped";
    case simdjson::UNCLOSED_STRING:
        return "a JSON string is not closed";
    case simdjson::STRING_ERROR:
        return "a JSON string holds a bad escape";
    case simdjson::INCOMPLETE_ARRAY_OR_OBJECT:
        return "a JSON array or object is not closed";
    case simdjson::CAPACITY:
        return "the JSON text is larger than 4 GiB";
    default:
        return "the text is not well-formed JSON";
    }
}

mu_code fail_at(reading *in, const char *at, error_code error)
{
    mu_code code = error == simdjson::MEMALLOC   ? MU_E_NOMEM
                   : error == simdjson::CAPACITY ? MU_E_LIMIT
                                                 : MU_E_SYNTAX;
    code = mu_fail(in->err, code, "%s",
                   code == MU_E_NOMEM ? "out of memory while reading JSON" : describe(error));
    set_place(in, at);
    return code;
}

bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

mu_str trimmed(std::string_view token)
{
    size_t len = token.size();
    while (len > 0 && is_blank(token[len - 1]))
        len--;
    return mu_str{token.data(), len};
}

mu_code grow(reading *in)
{
    mu_json_reader *reader = in->reader;
    size_t capacity = reader->items_capacity == 0 ? 256 : reader->items_capacity * 2;
    void *items = realloc(reader->items, capacity * sizeof(mu_json));
    if (items != nullptr)
        reader->items = static_cast<mu_json *>(items);
    void *names = realloc(reader->names, capacity * sizeof(mu_str));
    if (names != nullptr)
        reader->names = static_cast<mu_str *>(names);
    if (items == nullptr || names == nullptr)
        return fail_at(in, nullptr, simdjson::MEMALLOC);
    reader->items_capacity = capacity;
    return MU_OK;
}

/* The next place on the stack; it may move when something else is pushed. */
mu_code push(reading *in, mu_str name, mu_json **slot)
{
    mu_json_reader *reader = in->reader;
    if (reader->n_items == reader->items_capacity)
        MU_TRY(grow(in));
    reader->names[reader->n_items] = name;
    *slot = &reader->items[reader->n_items++];
    return MU_OK;
}

/* The sign and digits of JSON's number grammar, without fraction and exponent. */
bool is_integer_literal(mu_str token)
{
    size_t i = token.len > 0 && token.ptr[0] == '-';
    for (size_t k = i; k < token.len; k++)
        if (token.ptr[k] < '0' || token.ptr[k] > '9')
            return false;
    return i < token.len;
}

bool has_leading_zero(mu_str token)
{
    size_t i = token.len > 0 && token.ptr[0] == '-';
    return token.len > i + 1 && token.ptr[i] == '0' && token.ptr[i + 1] >= '0' &&
           token.ptr[i + 1] <= '9';
}

/* simdjson reads the ordinary number; what it refuses (beyond 64 bits) is read again here. */
template <typename V> mu_code read_number(reading *in, V &value, mu_str token, mu_json *out)
{
    int64_t integer;
    double number;
    if (is_integer_literal(token)) {
        if (value.get_int64().get(integer) == simdjson::SUCCESS) {
            out->kind = MU_JSON_INTEGER;
            out->integer = integer;
            return MU_OK;
        }
    } else if (value.get_double().get(number) == simdjson::SUCCESS) {
        out->kind = MU_JSON_DOUBLE;
        out->number = number;
        return MU_OK;
    }
    if (has_leading_zero(token) || !mu_parse_double(token, &number)) {
        mu_code code =
            mu_fail(in->err, MU_E_SYNTAX, "%.*s is not a number of JSON, or too large for a double",
                    (int)(token.len > 40 ? 40 : token.len), token.ptr);
        set_place(in, token.ptr);
        return code;
    }
    out->kind = MU_JSON_DOUBLE;
    out->number = number;
    return MU_OK;
}

/* Puts what simdjson unescaped over the escaped form in our copy. */
mu_str put_back(const char *raw, std::string_view unescaped)
{
    if (!unescaped.empty())
        memcpy(const_cast<char *>(raw), unescaped.data(), unescaped.size());
    return mu_str{raw, unescaped.size()};
}

template <typename V> mu_code read_string(reading *in, V &value, mu_str token, mu_json *out)
{
    out->kind = MU_JSON_STRING;
    bool is_plain = token.len >= 2 && token.ptr[token.len - 1] == '"' &&
                    memchr(token.ptr + 1, '\\', token.len - 2) == nullptr;
    if (is_plain) {
        ondemand::raw_json_string raw;
        error_code error = value.get_raw_json_string().get(raw);
        if (error != simdjson::SUCCESS)
            return fail_at(in, token.ptr, error);
        out->string = mu_str{token.ptr + 1, token.len - 2};
        return MU_OK;
    }
    std::string_view unescaped;
    error_code error = value.get_string().get(unescaped);
    if (error != simdjson::SUCCESS)
        return fail_at(in, token.ptr, error);
    out->string = put_back(token.ptr + 1, unescaped);
    return MU_OK;
}

template <typename V> mu_code read_boolean(reading *in, V &value, mu_str token, mu_json *out)
{
    bool boolean;
    error_code error = value.get_bool().get(boolean);
    if (error != simdjson::SUCCESS)
        return fail_at(in, token.ptr, error);
    out->kind = MU_JSON_BOOLEAN;
    out->boolean = boolean;
    return MU_OK;
}

template <typename V> mu_code read_null(reading *in, V &value, mu_str token, mu_json *out)
{
    bool is_null;
    error_code error = value.is_null().get(is_null);
    if (error != simdjson::SUCCESS || !is_null)
        return fail_at(in, token.ptr, simdjson::N_ATOM_ERROR);
    out->kind = MU_JSON_NULL;
    return MU_OK;
}

mu_code read_array(reading *in, ondemand::array array, unsigned depth, mu_json *out);
mu_code read_object(reading *in, ondemand::object object, unsigned depth, mu_json *out);

mu_code too_deep(reading *in, const char *at)
{
    mu_code code =
        mu_fail(in->err, MU_E_LIMIT, "JSON nested deeper than %d levels", MU_JSON_DEPTH_MAX);
    set_place(in, at);
    return code;
}

/* `value` is a value or the document: both offer the same calls. `depth` containers are open. */
template <typename V>
mu_code read_value(reading *in, V &value, mu_str token, unsigned depth, mu_json *out)
{
    *out = mu_json{};
    char first = token.len > 0 ? token.ptr[0] : '\0';
    if ((first == '{' || first == '[') && depth == MU_JSON_DEPTH_MAX)
        return too_deep(in, token.ptr);
    switch (first) {
    case '{': {
        ondemand::object object;
        error_code error = value.get_object().get(object);
        return error != simdjson::SUCCESS ? fail_at(in, token.ptr, error)
                                          : read_object(in, object, depth + 1, out);
    }
    case '[': {
        ondemand::array array;
        error_code error = value.get_array().get(array);
        return error != simdjson::SUCCESS ? fail_at(in, token.ptr, error)
                                          : read_array(in, array, depth + 1, out);
    }
    case '"':
        return read_string(in, value, token, out);
    case 't':
    case 'f':
        return read_boolean(in, value, token, out);
    case 'n':
        return read_null(in, value, token, out);
    default:
        if (first != '-' && (first < '0' || first > '9'))
            return fail_at(in, token.ptr, simdjson::TAPE_ERROR);
        return read_number(in, value, token, out);
    }
}

/* A scalar is read straight into its place on the stack: copies of small structs just written cost
 * more than reading them. */
mu_code read_item(reading *in, ondemand::value &value, mu_str name, unsigned depth)
{
    mu_str token = trimmed(value.raw_json_token());
    mu_json container, *slot;
    if (token.len > 0 && (token.ptr[0] == '{' || token.ptr[0] == '[')) {
        MU_TRY(read_value(in, value, token, depth, &container));
        MU_TRY(push(in, name, &slot));
        *slot = container;
        return MU_OK;
    }
    MU_TRY(push(in, name, &slot));
    return read_value(in, value, token, depth, slot);
}

/* Moves the items from `base` on into the arena and closes the container. */
void take_items(reading *in, size_t base, mu_json_kind kind, mu_json *out)
{
    mu_json_reader *reader = in->reader;
    size_t n = reader->n_items - base;
    out->kind = kind;
    out->n = static_cast<uint32_t>(n);
    reader->n_items = base;
    if (n == 0)
        return;
    mu_json *items = MU_NEW_ARRAY(in->arena, mu_json, n);
    memcpy(items, reader->items + base, n * sizeof *items);
    out->items = items;
    if (kind != MU_JSON_OBJECT)
        return;
    mu_str *names = MU_NEW_ARRAY(in->arena, mu_str, n);
    memcpy(names, reader->names + base, n * sizeof *names);
    out->names = names;
}

mu_code read_array(reading *in, ondemand::array array, unsigned depth, mu_json *out)
{
    size_t base = in->reader->n_items;
    for (auto element : array) {
        if (element.error() != simdjson::SUCCESS)
            return fail_at(in, nullptr, element.error());
        ondemand::value &&value = std::move(element).value_unsafe();
        MU_TRY(read_item(in, value, mu_str{"", 0}, depth));
    }
    take_items(in, base, MU_JSON_ARRAY, out);
    return MU_OK;
}

/* A member's name, unescaped in place when it has escapes. */
mu_code read_name(reading *in, ondemand::field &field, mu_str *out)
{
    const char *raw = field.key().raw();
    const char *end = raw;
    while (*end != '"' && *end != '\\')
        end++;
    if (*end == '"') {
        *out = mu_str{raw, static_cast<size_t>(end - raw)};
        return MU_OK;
    }
    std::string_view unescaped;
    error_code error = field.unescaped_key().get(unescaped);
    if (error != simdjson::SUCCESS)
        return fail_at(in, raw, error);
    *out = put_back(raw, unescaped);
    return MU_OK;
}

/* Moves the last value of a repeated name to the name's first place; returns how many remain. */
size_t drop_pairwise(mu_str *names, mu_json *items, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < kept && !mu_str_equal(names[k], names[i]))
            k++;
        names[k] = names[i];
        items[k] = items[i];
        kept += k == kept;
    }
    return kept;
}

size_t drop_by_map(mu_str *names, mu_json *items, size_t n)
{
    mu_strmap map;
    mu_strmap_init(&map);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        bool is_new;
        uint64_t *place = mu_strmap_put(&map, names[i], &is_new);
        if (is_new)
            *place = kept++;
        names[*place] = names[i];
        items[*place] = items[i];
    }
    mu_strmap_free(&map);
    return kept;
}

void drop_duplicates(mu_json_reader *reader, size_t base)
{
    size_t n = reader->n_items - base;
    if (n < 2)
        return;
    n = (n <= PAIRWISE_MAX ? drop_pairwise : drop_by_map)(reader->names + base,
                                                          reader->items + base, n);
    reader->n_items = base + n;
}

mu_code read_object(reading *in, ondemand::object object, unsigned depth, mu_json *out)
{
    size_t base = in->reader->n_items;
    for (auto member : object) {
        if (member.error() != simdjson::SUCCESS)
            return fail_at(in, nullptr, member.error());
        ondemand::field &&field = std::move(member).value_unsafe();
        mu_str name;
        MU_TRY(read_name(in, field, &name));
        MU_TRY(read_item(in, field.value(), name, depth));
    }
    drop_duplicates(in->reader, base);
    take_items(in, base, MU_JSON_OBJECT, out);
    return MU_OK;
}

/* Reads the document and checks that nothing follows it. */
mu_code read_document(reading *in, ondemand::document &document, mu_json *out)
{
    std::string_view raw;
    error_code error = document.raw_json_token().get(raw);
    if (error != simdjson::SUCCESS)
        return fail_at(in, in->copy, error);
    mu_str token = trimmed(raw);
    bool is_container = token.len > 0 && (token.ptr[0] == '{' || token.ptr[0] == '[');
    mu_json result;
    mu_code code = read_value(in, document, token, 0, &result);
    if (code != MU_OK) {
        const char *at = nullptr;
        if (in->err != nullptr && in->err->line == 0 && !document.current_location().get(at))
            set_place(in, at);
        return code;
    }
    /* A scalar's token reaches to the next token; a container leaves the document at what follows.
     */
    const char *at = raw.data() + raw.size();
    bool has_more = is_container ? document.current_location().get(at) == simdjson::SUCCESS
                                 : at < in->copy + in->text.len;
    if (has_more) {
        code = mu_fail(in->err, MU_E_SYNTAX, "something follows the JSON value");
        set_place(in, at);
        return code;
    }
    *out = result;
    return MU_OK;
}

} // namespace

mu_json_reader *mu_json_reader_new(void)
{
    return new (std::nothrow) mu_json_reader;
}

void mu_json_reader_free(mu_json_reader *reader)
{
    if (reader == nullptr)
        return;
    free(reader->items);
    free(reader->names);
    delete reader;
}

mu_code mu_json_read(mu_json_reader *reader, mu_arena *arena, mu_str text, mu_json *out,
                     mu_err *err)
{
    char *copy = static_cast<char *>(mu_arena_alloc(arena, text.len + simdjson::SIMDJSON_PADDING));
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    reading in = {reader, arena, copy, text, err};
    reader->n_items = 0;
    if (text.len == 0)
        return fail_at(&in, copy, simdjson::EMPTY);
    ondemand::document document;
    error_code error =
        reader->parser.iterate(copy, text.len, text.len + simdjson::SIMDJSON_PADDING).get(document);
    if (error != simdjson::SUCCESS)
        return fail_at(&in, nullptr, error);
    return read_document(&in, document, out);
}
