#include "app/app_int.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

mu_code mu_temporary_folder_make(mu_arena *arena, const char **out, mu_err *err)
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] == '\0')
        parent = "/tmp";
    mu_str path = mu_arena_format(arena, "%s/muster-XXXXXX", parent);
    char *writable = MU_NEW_ARRAY(arena, char, path.len + 1);
    memcpy(writable, path.ptr, path.len);
    if (mkdtemp(writable) == NULL)
        return mu_fail_errno(err, "no folder can be made in %s", parent);
    *out = writable;
    return MU_OK;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

void mu_temporary_folder_remove(const char *path)
{
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        mu_say("warning: the folder %s could not be removed", path);
}
