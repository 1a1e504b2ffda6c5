#include "app/app_int.h"
#include "store/store.h"

#include <sys/stat.h>

mu_exit mu_data_open(const mu_invocation *invocation, mu_data *out)
{
    const mu_options *options = &invocation->options;
    const char *folder = mu_option_text(options, MU_OPTION_DATA, NULL);
    mu_str sandbox = mu_str_from(mu_option_text(options, MU_OPTION_SANDBOX, "prod"));
    struct stat info;
    mu_err err;
    if (folder == NULL)
        return mu_usage_error(invocation->command, "--data DIR is needed: the folder that muster "
                                                   "load filled");
    if (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode)) {
        mu_say("there is no data folder %s; muster load --data %s FILE... makes one", folder,
               folder);
        return MU_EXIT_INPUT;
    }
    mu_data data = {0};
    if (mu_store_open(folder, sandbox, MU_STORE_READ, &data.store, &err) != MU_OK)
        return mu_report(&err);
    if (mu_snapshot_acquire(data.store, &data.snapshot, &err) != MU_OK) {
        mu_store_close(data.store);
        return mu_report(&err);
    }
    *out = data;
    return MU_EXIT_DONE;
}

void mu_data_close(mu_data *data)
{
    mu_snapshot_release(data->snapshot);
    mu_store_close(data->store);
    *data = (mu_data){0};
}
