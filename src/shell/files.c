/* files.c - `kodiak files DATABASE`: the block files with their tables, rows, strips and
 * sizes, and the log. */
#include "shell/shell.h"

#include <string.h>

struct listing {
    const char *database;
    bool live_only;
    uint64_t count, bytes, log_count, log_bytes;
};

static bool print_file(void *context, const kdk_file *file)
{
    struct listing *l = context;
    const char *path = file->path;
    size_t prefix = strlen(l->database);

    if (l->live_only && (file->is_log || !file->live))
        return true;
    if (strncmp(path, l->database, prefix) ==
        0) /* Shown as seen from the database's folder. */
        path += prefix + (path[prefix] == '/');
    if (file->is_log) {
        l->log_count++;
        l->log_bytes += file->bytes;
        printf("%14llu  %s\n", (unsigned long long)file->bytes, path);
        return true;
    }
    l->count++;
    l->bytes += file->bytes;
    printf("%14llu  %s  %s, %llu rows in %llu strip%s", (unsigned long long)file->bytes,
           path, file->table, (unsigned long long)file->rows,
           (unsigned long long)file->strips, file->strips == 1 ? "" : "s");
    if (file->hidden)
        printf(", %llu changed since", (unsigned long long)file->hidden);
    printf("%s\n", file->live ? "" : " (replaced)");
    return true;
}

bool files_list(struct shell *sh, const char *database, bool live_only)
{
    struct listing l = {.database = database, .live_only = live_only};
    kdk_status status;

    sh->options.must_exist = true;
    sh->options.read_only = true;
    if (!shell_open(sh, database))
        return false;
    status = kdk_files(sh->db, print_file, &l);
    if (status != KDK_OK)
        shell_error(sh, status_sqlstate(status), "the files could not be listed: %s",
                    status_text(status));
    else
        printf("%14llu  bytes in %llu block file%s\n", (unsigned long long)l.bytes,
               (unsigned long long)l.count, l.count == 1 ? "" : "s");
    if (status == KDK_OK && !live_only)
        printf("%14llu  bytes in %llu segment%s of the log\n",
               (unsigned long long)l.log_bytes, (unsigned long long)l.log_count,
               l.log_count == 1 ? "" : "s");
    bool ok = shell_flush(sh) && status == KDK_OK;
    shell_close(sh);
    return ok;
}
