/* fuzz_search_query.c -- any bytes as a query of the segment search: an error with a text, or a
 * tree that a small index answers. */
#include "audience/search_index.h"
#include "audience/search_query.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define N_ROWS 3

static mu_search_index *made_index(void)
{
    static const char *const names[N_ROWS] = {"Spring campaign 7", "blue umbrella, red boots",
                                              "hotel at the airport"};
    mu_search_index *index;
    mu_str texts[MU_SEARCH_FIELD_COUNT_] = {{0}};
    if (mu_search_index_new(&index, NULL) != MU_OK)
        abort();
    for (uint32_t i = 0; i < N_ROWS; i++) {
        texts[MU_SEARCH_TOP] = MU_STR("root");
        texts[MU_SEARCH_SEGMENT_NAME] = mu_str_from(names[i]);
        if (mu_search_index_put(index, i, texts, NULL) != MU_OK)
            abort();
    }
    return index;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mu_arena arena;
    mu_buf text;
    const mu_search_node *node;
    const float *scores;
    mu_err err = {0};
    mu_arena_init(&arena, SIZE_MAX);
    mu_buf_init(&text, 1 << 20);
    if (mu_search_query_read(&arena, (mu_str){(const char *)bytes, size}, &node, &err) == MU_OK) {
        mu_search_index *index = made_index();
        mu_search_query_write(&text, node);
        MU_ASSERT(text.len > 0 && !text.failed);
        mu_code code = mu_search_index_find(index, node, N_ROWS, &arena, &scores, &err);
        MU_ASSERT(code == MU_OK || (code == MU_E_INPUT && err.text[0] != '\0'));
        mu_search_index_free(index);
    } else {
        MU_ASSERT(err.code == MU_E_INPUT && err.text[0] != '\0');
    }
    mu_buf_free(&text);
    mu_arena_free(&arena);
    return 0;
}
