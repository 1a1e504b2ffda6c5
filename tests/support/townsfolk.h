/* townsfolk.h -- people of a small town in a running API, for questions about audiences.
 *
 * Person i (from 0) has the customer id CRM-i (six digits) in the namespace lumaCrmId, the first
 * name P<i>, and lives in Leeds when i is a multiple of 4, else in York. Multiples of 3 bought
 * something: an event "buy-<i>" of the type commerce.purchases, i minutes ago. Odd ones
 * have a device too, the ECID of 38 digits that townsfolk_ecid says, linked by an event "link-<i>".
 */
#ifndef MU_TESTS_TOWNSFOLK_H
#define MU_TESTS_TOWNSFOLK_H

#include "tests/support/api_fixture.h"

#define TOWNSFOLK_DATASET MU_STR("5e1f0a1b2c3d4e5f60718293")

/* Registers the namespace. */
void townsfolk_settle(api_fixture *f);
/* Adds the people first .. first + n - 1. */
void townsfolk_add(api_fixture *f, uint32_t first, uint32_t n);
/* Writes what there is to a part on disk. */
void townsfolk_fold(api_fixture *f);

const char *townsfolk_crm(api_fixture *f, uint32_t person);
const char *townsfolk_ecid(api_fixture *f, uint32_t person);
/* XIDs of these identities. */
const char *townsfolk_crm_xid(api_fixture *f, uint32_t person);
const char *townsfolk_ecid_xid(api_fixture *f, uint32_t person);

/* A record of the person's customer id: more attributes, as JSON. */
void townsfolk_change(api_fixture *f, uint32_t person, const char *document);
/* An event of that person, so many milliseconds ago. */
void townsfolk_event(api_fixture *f, uint32_t person, const char *id, int64_t ms,
                     const char *event_type);
/* `n` events of the type "x.y" of each of the first n_people. */
void townsfolk_be_busy(api_fixture *f, uint32_t n_people, uint32_t n);
/* Makes one person of two. */
void townsfolk_join(api_fixture *f, uint32_t a, uint32_t b);
/* Forgets a person with all there is. */
void townsfolk_erase(api_fixture *f, uint32_t person);

#endif
