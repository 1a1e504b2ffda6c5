/* pid_set.h -- sets of profiles by pid: compressed bitmaps (CRoaring). Names and ownership are the
 * library's: roaring_bitmap_create, roaring_bitmap_free.
 */
#ifndef MU_AUDIENCE_PID_SET_H
#define MU_AUDIENCE_PID_SET_H

#include <roaring/roaring.h>

typedef roaring_bitmap_t mu_pid_set;

#endif
