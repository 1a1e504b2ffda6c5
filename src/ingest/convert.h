/* convert.h -- values of batch rows brought to the types of their columns (profile.md d.4). */
#ifndef MU_INGEST_CONVERT_H
#define MU_INGEST_CONVERT_H

#include "xdm/type.h"
#include "json/json.h"

/* Text to any scalar or date, numbers to one another and to text, numbers to dates and date-times
 * (milliseconds). What does not convert stays as it is, for validation to name. `json` itself when
 * nothing changes, else in `arena`. Fields that `type` does not have stay. */
const mu_json *mu_convert(mu_arena *arena, const mu_type *type, const mu_json *json);

#endif
