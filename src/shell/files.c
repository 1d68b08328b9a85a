/* files.c - `kodiak files DATABASE`: each file of the database's folder with its size, by name. */
#include "shell/shell.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/mem.h"

enum { DEPTH_MAX = 4 };

static int skip_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static bool list(struct shell *sh, const char *dir, size_t prefix, uint32_t depth,
                 uint64_t *count, uint64_t *bytes)
{
    struct dirent **entries;
    int n = scandir(dir, &entries, skip_dots, alphasort);
    bool ok = true;
    if (n < 0)
        return shell_error(sh,
                           status_sqlstate(errno == ENOENT ? KDK_UNDEFINED_FILE : KDK_IO),
                           "could not list \"%s\": %s", dir, strerror(errno));
    for (int i = 0; i < n; i++) {
        struct buf path = {0};
        struct stat about;
        (void)buf_printf(&path, "%s/%s", dir, entries[i]->d_name);
        if (ok && path.nomem)
            ok = shell_error(sh, status_sqlstate(KDK_NOMEM), "out of memory");
        if (ok && lstat(path.data, &about) == 0) { /* A file may go while we look. */
            if (S_ISDIR(about.st_mode) && depth < DEPTH_MAX) {
                ok = list(sh, path.data, prefix, depth + 1, count, bytes);
            } else if (S_ISREG(about.st_mode)) {
                printf("%14lld  %s\n", (long long)about.st_size, path.data + prefix);
                ++*count;
                *bytes += (uint64_t)about.st_size;
            }
        }
        buf_deinit(&path);
        free(entries[i]); /* scandir's. */
    }
    free(entries);
    return ok;
}

bool files_list(struct shell *sh, const char *database)
{
    uint64_t count = 0, bytes = 0;
    if (!list(sh, database, strlen(database) + 1, 0, &count, &bytes))
        return false;
    printf("%14llu  bytes in %llu file%s\n", (unsigned long long)bytes,
           (unsigned long long)count, count == 1 ? "" : "s");
    return shell_flush(sh);
}
