/* tree_edit.h -- smaller neighbours of a rule's tree, for minimising. */
#ifndef MU_TESTS_SUPPORT_TREE_EDIT_H
#define MU_TESTS_SUPPORT_TREE_EDIT_H

#include "pql/pql.h"

/* Calls `try` with one tree after the other, each `root` with one node replaced by a smaller one,
 * until `try` returns true or all were offered. They may be ill-typed; nothing checks that here. */
bool mu_tree_edits(mu_arena *arena, const mu_pql *root,
                   bool (*try)(void *context, const mu_pql *edited), void *context);

#endif
