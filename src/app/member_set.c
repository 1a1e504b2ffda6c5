#include "app/member_set.h"

void mu_member_set_init(mu_member_set *set, mu_arena *arena, const mu_entity *entity)
{
    *set = (mu_member_set){.n_parts = entity == NULL ? 0 : entity->n_parts};
    set->words = MU_NEW_ARRAY(arena, uint64_t **, (size_t)set->n_parts + 1);
    for (uint32_t p = 0; p < set->n_parts; p++) {
        uint32_t n_blocks = mu_part_block_count(entity->parts[p]);
        set->words[p] = MU_NEW_ARRAY(arena, uint64_t *, (size_t)n_blocks + 1);
        for (uint32_t b = 0; b < n_blocks; b++)
            set->words[p][b] = MU_NEW_ARRAY(
                arena, uint64_t, mu_bits_words(mu_part_block(entity->parts[p], b).n_rows) + 1);
    }
}

void mu_member_set_add(mu_member_set *set, uint32_t part, uint32_t block, const uint64_t *members,
                       uint32_t n_rows)
{
    uint64_t *words = set->words[part][block];
    for (size_t w = 0; w < mu_bits_words(n_rows); w++)
        words[w] |= members[w];
}
