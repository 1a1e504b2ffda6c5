/* replay.c -- runs a fuzz target over files, so that every corpus is replayed by the ordinary
 * tests. */
#include "base/file.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int replay_file(const char *path)
{
    mu_arena arena;
    mu_str text;
    mu_err err = {0};
    mu_arena_init(&arena, SIZE_MAX);
    if (mu_file_read(&arena, path, (size_t)1 << 30, &text, &err) != MU_OK) {
        fprintf(stderr, "%s\n", err.text);
        mu_arena_free(&arena);
        return 1;
    }
    LLVMFuzzerTestOneInput((const uint8_t *)text.ptr, text.len);
    mu_arena_free(&arena);
    return 0;
}

static int replay_folder(const char *folder, size_t *n_files)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        perror(folder);
        return 1;
    }
    int failed = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096];
        struct stat info;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
            continue;
        failed |= replay_file(path);
        (*n_files)++;
    }
    closedir(dir);
    return failed;
}

int main(int argc, char **argv)
{
    size_t n_files = 0;
    int failed = argc < 2;
    for (int i = 1; i < argc; i++)
        failed |= replay_folder(argv[i], &n_files);
    printf("%zu inputs replayed\n", n_files);
    return failed != 0 || n_files == 0;
}
