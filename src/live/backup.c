#include "live/live_int.h"

/* Whoever copies a data folder needs nothing from those who write it (docs/decisions/0132). What is
 * written reaches the disk a little at a time, so that commits of the log keep their latency. */
mu_code mu_live_backup(mu_live *live, const char *target, mu_err *err)
{
    static const mu_pace pace = {.sync_bytes = (uint64_t)4 << 20};
    mu_backup_report report;
    return mu_store_backup(mu_folder_path(live->folder), target, &pace, &report, err);
}
