/* shelf.h -- documents of a place in memory, parsed: what is listed, searched and read much oftener
 * than it changes.
 *
 *   mu_documents  ── read once per kind ──>  shelf of a kind: an immutable state, items in the
 *        ^                                   order of creation, found by id
 *        └── mu_shelves_edit: one transaction, then new states of the kinds it changed
 *
 * A kind that is kept on shelves is changed through mu_shelves_edit only. Readers hold a state
 * (mu_shelf_acquire) and never wait for a writer. Any thread may call anything.
 */
#ifndef MU_CATALOG_SHELF_H
#define MU_CATALOG_SHELF_H

#include "catalog/documents.h"
#include "json/json.h"

typedef struct mu_shelves mu_shelves; /* all kinds of one place */

/* `documents` must outlive it. `place` is what mu_documents calls sandbox; copied. */
MU_CHECKED mu_code mu_shelves_new(mu_documents *documents, mu_str place, mu_shelves **out,
                                  mu_err *err);
void mu_shelves_free(mu_shelves *shelves);

/* One version of one document. Lives while a state that has it is held, or while it is held. */
typedef struct mu_shelf_item {
    mu_document document; /* id, json text, number, times, version */
    mu_json json;         /* the same text as a tree */
} mu_shelf_item;

/* One state of one kind. */
typedef struct mu_shelf {
    uint32_t n;
    const mu_shelf_item *const *items; /* in the order of creation */
    uint64_t generation;               /* differs between any two states of the kind */
} mu_shelf;

/* The present state; a kind's first call reads its documents. Release it. */
MU_CHECKED mu_code mu_shelf_acquire(mu_shelves *shelves, mu_str kind, const mu_shelf **out,
                                    mu_err *err);
void mu_shelf_release(const mu_shelf *shelf);

/* NULL when there is none. */
const mu_shelf_item *mu_shelf_find(const mu_shelf *shelf, mu_str id);

/* An item beyond its state. */
const mu_shelf_item *mu_shelf_item_hold(const mu_shelf_item *item);
void mu_shelf_item_release(const mu_shelf_item *item);

/* All edits in one transaction, or none: as mu_document_edit_all. Who has seen a new state of one
 * kind finds the new ones of all; whoever acquires a kind after it
 * has returned sees them. Edits of a place take turns. */
MU_CHECKED mu_code mu_shelves_edit(mu_shelves *shelves, int64_t now_ms, uint32_t n,
                                   const mu_document_edit *edits, mu_err *err);

/* For edits that depend on what is there: between these two no other edit of the place happens.
 * mu_shelves_edit_locked is mu_shelves_edit for whoever holds the lock. */
void mu_shelves_lock(mu_shelves *shelves);
void mu_shelves_unlock(mu_shelves *shelves);
MU_CHECKED mu_code mu_shelves_edit_locked(mu_shelves *shelves, int64_t now_ms, uint32_t n,
                                          const mu_document_edit *edits, mu_err *err);

#endif
