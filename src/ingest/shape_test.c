#include "ingest/ingest_int.h"

#include "tests/support/dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct fixture {
    mu_arena arena, scratch;
    mu_json_reader *reader;
    const mu_type *known; /* {"known": integer, "places": map of double} */
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    mu_arena_init(&f->arena, SIZE_MAX);
    mu_arena_init(&f->scratch, SIZE_MAX);
    f->reader = mu_json_reader_new();
    static const mu_str names[] = {{"known", 5}, {"places", 6}};
    const mu_type **types = MU_NEW_ARRAY(&f->arena, const mu_type *, 2);
    types[0] = mu_type_of(MU_TYPE_INTEGER);
    types[1] = mu_type_map(&f->arena, mu_type_of(MU_TYPE_DOUBLE));
    f->known = mu_type_object(&f->arena, 2, names, types);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    mu_json_reader_free(f->reader);
    mu_arena_free(&f->scratch);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

static mu_code add_line(fixture *f, mu_encoder *encoder, uint32_t root, const char *line,
                        mu_err *err)
{
    mu_json json;
    mu_encoder_begin(encoder);
    MU_TRY(mu_json_read(f->reader, &f->arena, mu_str_from(line), &json, err));
    MU_TRY(mu_encode_json(encoder, root, &json, err));
    mu_shape_count(encoder->shape, encoder->seen, encoder->n_seen);
    return MU_OK;
}

static void write_type(mu_buf *out, const mu_type *type)
{
    if (type->kind != MU_TYPE_OBJECT) {
        mu_arena arena;
        mu_arena_init(&arena, SIZE_MAX);
        mu_buf_add_str(out, type->kind == MU_TYPE_LIST ? MU_STR("[") : MU_STR(""));
        if (type->kind == MU_TYPE_LIST)
            write_type(out, type->item);
        else
            mu_buf_add_str(out, mu_type_name(&arena, type));
        mu_buf_add_str(out, type->kind == MU_TYPE_LIST ? MU_STR("]") : MU_STR(""));
        mu_arena_free(&arena);
        return;
    }
    for (uint32_t i = 0; i < type->n_fields; i++) {
        mu_buf_add_str(out, i == 0 ? MU_STR("{") : MU_STR(", "));
        mu_buf_add_str(out, type->field_names[i]);
        mu_buf_add_str(out, MU_STR(": "));
        write_type(out, type->field_types[i]);
    }
    mu_buf_add_str(out, type->n_fields == 0 ? MU_STR("{}") : MU_STR("}"));
}

/* The settled type of lines, spread over two workers in a shuffled order. */
static void settle_lines(fixture *f, const char *const *lines, size_t n, uint64_t seed, mu_buf *out)
{
    mu_dice dice;
    mu_dice_init(&dice, seed);
    size_t *order = calloc(n, sizeof *order);
    for (size_t i = 0; i < n; i++) {
        size_t k = mu_dice_below(&dice, (uint32_t)i + 1);
        order[i] = order[k];
        order[k] = i;
    }
    mu_shape shapes[2], joined;
    mu_encoder encoders[2];
    uint32_t roots[2];
    for (int w = 0; w < 2; w++) {
        mu_shape_init(&shapes[w], &f->arena);
        roots[w] = mu_shape_root(&shapes[w], f->known);
        mu_encoder_init(&encoders[w], &shapes[w], &f->scratch, false);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t w = mu_dice_below(&dice, 2);
        mu_err err;
        assert_int_equal(add_line(f, &encoders[w], roots[w], lines[order[i]], &err), MU_OK);
    }
    mu_shape_init(&joined, &f->arena);
    uint32_t root = mu_shape_root(&joined, f->known);
    for (int w = 0; w < 2; w++) {
        uint32_t *map = calloc(shapes[w].n_nodes, sizeof *map);
        mu_shape_join(&joined, &shapes[w], map);
        free(map);
    }
    mu_buf_init(out, 1 << 20);
    write_type(out, mu_shape_settle(&joined, root, &f->arena));
    for (int w = 0; w < 2; w++) {
        mu_encoder_free(&encoders[w]);
        mu_shape_free(&shapes[w]);
    }
    mu_shape_free(&joined);
    free(order);
}

static void types_do_not_depend_on_the_order_of_lines(void **state)
{
    fixture *f = *state;
    static const char *const lines[] = {
        "{\"i\":1,\"d\":1,\"t\":\"2026-01-02T03:04:05Z\",\"s\":\"2026-01-02T03:04:05Z\"}",
        "{\"i\":2,\"d\":2.5,\"t\":\"2026-01-02T03:04:05+02:00\",\"s\":\"2026-01-02\"}",
        "{\"known\":7,\"b\":true,\"o\":{\"z\":1,\"a\":\"x\"},\"l\":[1,2.5]}",
        "{\"l\":[],\"only_empty\":[],\"only_null\":null,\"places\":{\"x\":1}}",
        "{\"clash\":1,\"o\":{\"z\":null}}",
        "{\"clash\":\"one\",\"tie\":1,\"e\":{}}",
        "{\"clash\":2,\"tie\":\"one\",\"nested\":[[],[[1]]]}",
        "{\"clash\":false,\"objects\":[{\"p\":1},{\"q\":true},{\"p\":0.5}]}",
    };
    static const char expected[] =
        "{known: integer, places: map of double, b: boolean, clash: integer, d: double, e: {}, "
        "i: integer, l: [double], nested: [[[integer]]], o: {a: string, z: integer}, "
        "objects: [{p: double, q: boolean}], s: string, t: date-time, tie: string}";
    uint64_t seed = mu_dice_seed("shape_test", 5);
    for (uint32_t i = mu_dice_cases(400); i > 0; i--) {
        mu_buf found;
        settle_lines(f, lines, sizeof lines / sizeof *lines, seed + i, &found);
        mu_buf_add_char(&found, 0);
        assert_string_equal(found.ptr, expected);
        mu_buf_free(&found);
    }
}

static void cells_are_text_unless_all_parse(void **state)
{
    (void)state;
    static const struct {
        const char *cells[4];
        const char *type;
    } cases[] = {
        {{"1", "-2", "0"}, "integer"},
        {{"1", "2.5", "1e3"}, "double"},
        {{"true", "FALSE"}, "boolean"},
        {{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.5+02:00"}, "date-time"},
        {{"2026-01-02"}, "string"},
        {{"1", "007"}, "string"},
        {{"1", "two"}, "string"},
        {{"+491701234567"}, "string"},
        {{"04453636816169626407574918311415852851"}, "string"},
        {{"87425148613594122803641603982383516983"}, "string"},
        {{"-0"}, "string"},
        {{"1", "true"}, "string"},
        {{"0.50", "0"}, "double"},
        {{"NaN"}, "string"},
        {{"2026-01-02T03:04:05Z", "5"}, "string"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mu_shape shape;
        mu_encoder encoder;
        mu_err err;
        mu_shape_init(&shape, &f->arena);
        uint32_t root = mu_shape_root(&shape, f->known);
        uint32_t node = mu_shape_field(&shape, root, 0, MU_STR("cell"));
        mu_encoder_init(&encoder, &shape, &f->scratch, false);
        for (int c = 0; c < 4 && cases[i].cells[c] != NULL; c++) {
            mu_encoder_begin(&encoder);
            mu_str cell = mu_str_from(cases[i].cells[c]);
            assert_int_equal(mu_encode_cell(&encoder, f->reader, node, cell, &err), MU_OK);
            mu_shape_count(&shape, encoder.seen, encoder.n_seen);
        }
        mu_shape_settle(&shape, root, &f->arena);
        mu_str name = mu_type_name(&f->arena, shape.nodes[node].settled);
        if (!mu_str_equal(name, mu_str_from(cases[i].type)))
            fail_msg("%s... became %.*s", cases[i].cells[0], (int)name.len, name.ptr);
        mu_encoder_free(&encoder);
        mu_shape_free(&shape);
    }
}

/* A record decodes to what it was made from; fields come in any order and at any place. */
static void records_decode_to_settled_types(void **state)
{
    fixture *f = *state;
    static const char line[] =
        "{\"known\":7.0,\"n\":1,\"s\":\"x\",\"gone\":[],\"l\":[1,null,2.5],\"o\":{\"b\":true},"
        "\"places\":{\"x\":1,\"y\":null},\"t\":\"2026-01-02T03:04:05Z\",\"xdm:name\":\"N\"}";
    static const char expected[] =
        "{\"known\":7,\"places\":{\"x\":1.0},\"l\":[1.0,null,2.5],\"n\":1,\"name\":\"N\","
        "\"o\":{\"b\":true},\"s\":\"x\",\"t\":\"2026-01-02T03:04:05Z\"}";
    mu_shape shape;
    mu_encoder encoder;
    mu_err err;
    mu_shape_init(&shape, &f->arena);
    uint32_t root = mu_shape_root(&shape, f->known);
    mu_encoder_init(&encoder, &shape, &f->scratch, false);
    assert_int_equal(add_line(f, &encoder, root, line, &err), MU_OK);
    const mu_type *type = mu_shape_settle(&shape, root, &f->arena);
    uint32_t *slots = calloc(shape.n_nodes, sizeof *slots);
    for (uint32_t n = 0; n < shape.n_nodes; n++)
        slots[n] = shape.nodes[n].settled == NULL ? MU_NO_SLOT : shape.nodes[n].slot;
    mu_decoder decoder = {.shape = &shape, .slots = slots, .arena = &f->arena};
    const uint8_t *at = (const uint8_t *)encoder.out.ptr;
    mu_value value = MU_VALUE_NULL;
    assert_int_equal(mu_decode(&decoder, root, type, &at, &value, &err), MU_OK);
    assert_ptr_equal(at, encoder.out.ptr + encoder.out.len);
    mu_buf text;
    mu_json_writer writer;
    mu_buf_init(&text, 1 << 20);
    mu_json_writer_init(&writer, &text);
    mu_value_write(&writer, value);
    mu_buf_add_char(&text, 0);
    assert_string_equal(text.ptr, expected);
    mu_buf_free(&text);
    free(slots);
    mu_encoder_free(&encoder);
    mu_shape_free(&shape);
}

static void depth_is_limited(void **state)
{
    fixture *f = *state;
    for (int depth = 60; depth <= 70; depth += 10) {
        mu_buf line;
        mu_buf_init(&line, 1 << 20);
        for (int i = 0; i < depth; i++)
            MU_BUF_ADD(&line, "{\"a\":");
        MU_BUF_ADD(&line, "1");
        for (int i = 0; i < depth; i++)
            MU_BUF_ADD(&line, "}");
        mu_buf_add_char(&line, 0);
        mu_shape shape;
        mu_encoder encoder;
        mu_err err;
        mu_shape_init(&shape, &f->arena);
        uint32_t root = mu_shape_root(&shape, f->known);
        mu_encoder_init(&encoder, &shape, &f->scratch, false);
        mu_code code = add_line(f, &encoder, root, line.ptr, &err);
        assert_int_equal(code, depth <= 64 ? MU_OK : MU_E_INPUT);
        if (code == MU_OK)
            mu_shape_settle(&shape, root, &f->arena);
        else
            assert_string_equal(err.text, "values are nested more than 64 deep");
        mu_encoder_free(&encoder);
        mu_shape_free(&shape);
        mu_buf_free(&line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(types_do_not_depend_on_the_order_of_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(cells_are_text_unless_all_parse, setup, teardown),
        cmocka_unit_test_setup_teardown(records_decode_to_settled_types, setup, teardown),
        cmocka_unit_test_setup_teardown(depth_is_limited, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
