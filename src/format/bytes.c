/* bytes.c - where bytes come from and go to: files, pipes, and the host's functions. */
#include "format/format_int.h"

#include <stdio.h>

#include "base/mem.h"

/* ------------------------------------------------------------------ reading ---- */

kdk_status bytes_open(struct bytes_in *in, struct os *os, const char *path, struct err *err)
{
    kdk_status status = KDK_OK;
    enum os_kind kind;
    TRY(os_kind(os, path, &kind, err));
    if (kind == OS_DIR)
        TRY(err_set(err, KDK_WRONG_OBJECT_TYPE, "\"%s\" is a directory", path));
    if (kind == OS_MISSING)
        TRY(err_set(err, KDK_UNDEFINED_FILE,
                    "could not open file \"%s\" for reading: No such file or directory",
                    path));
    TRY(os_open(os, path, OS_READ, &in->file, err));
    in->stream = kind != OS_FILE;
    if (!in->stream)
        TRY(os_size(in->file, &in->total, err));
out:
    return status;
}

void bytes_close(struct bytes_in *in)
{
    os_close(in->file);
    in->file = NULL;
}

kdk_status bytes_read(void *context, void *into, size_t bytes, size_t *got, struct err *err)
{
    kdk_status status = KDK_OK;
    struct bytes_in *in = context;
    *got = 0;
    if (in->file && in->stream) {
        TRY(os_stream_read(in->file, into, bytes, got, err));
    } else if (in->file) {
        TRY(os_read(in->file, in->at, into, bytes, got, err));
    } else {
        int64_t n =
            in->io && in->io->read ? in->io->read(in->io->context, into, bytes) : -1;
        if (n < 0 || (uint64_t)n > bytes)
            TRY(err_set(err, KDK_IO,
                        in->io && in->io->read ? "reading from STDIN failed"
                                               : "there is no STDIN to read from here"));
        *got = (size_t)n;
    }
    in->at += *got;
out:
    return status;
}

void bytes_progress(const struct bytes_in *in, const struct copy_io *io)
{
    if (io && io->progress)
        io->progress(io->progress_context, in->at, in->total);
}

/* ------------------------------------------------------------------ writing ---- */

kdk_status bytes_create(struct bytes_out *out, struct os *os, const char *path,
                        const struct copy_io *io, struct err *err)
{
    kdk_status status = KDK_OK;
    enum os_kind kind;
    *out = (struct bytes_out){.os = os, .path = path, .io = io};
    if (!path)
        return KDK_OK;
    TRY(os_kind(os, path, &kind, err));
    if (kind == OS_DIR)
        TRY(err_set(err, KDK_WRONG_OBJECT_TYPE, "\"%s\" is a directory", path));
    if (kind == OS_OTHER) { /* A device has no name to be renamed to. */
        TRY(os_open(os, path, OS_WRITE, &out->file, err));
        goto out;
    }
    uint64_t number;
    const size_t room = strlen(path) + 32;
    os_random(os, &number, sizeof number);
    TRY_MEM(out->temporary = mem_alloc(room));
    snprintf(out->temporary, room, "%s.%016llx.tmp", path, (unsigned long long)number);
    status =
        os_open(os, out->temporary, OS_WRITE | OS_CREATE | OS_EXCLUSIVE, &out->file, err);
    if (status !=
        KDK_OK) { /* Nothing of ours to be removed. The name that was given is the one to be told. */
        const char *why = err ? strstr(err->message, out->temporary) : NULL;
        char rest[ERR_MESSAGE_BYTES];
        if (why && (why = strstr(why + strlen(out->temporary), ": "))) {
            snprintf(rest, sizeof rest, "%s", why + 2);
            (void)err_set(err, status, "could not open file \"%s\" for writing: %s", path,
                          rest);
        }
        mem_free(out->temporary);
        out->temporary = NULL;
    }
out:
    return status;
}

kdk_status bytes_write(void *context, const void *from, size_t bytes, struct err *err)
{
    kdk_status status = KDK_OK;
    struct bytes_out *out = context;
    if (out->file)
        TRY(os_write(out->file, out->at, from, bytes, err));
    else if (!out->io || !out->io->write)
        TRY(err_set(err, KDK_IO, "there is no STDOUT to write to here"));
    else if (!out->io->write(out->io->context, from, bytes))
        TRY(err_set(err, KDK_IO, "writing to STDOUT failed"));
    out->at += bytes;
out:
    return status;
}

kdk_status bytes_finish(struct bytes_out *out, struct err *err)
{
    kdk_status status = KDK_OK;
    char *folder = NULL;
    if (!out->temporary)
        return KDK_OK;
    const char *slash = strrchr(out->path, '/');
    if (slash)
        TRY_MEM(folder = mem_dup(out->path, (size_t)(slash - out->path) + 2));
    if (folder)
        folder[slash == out->path ? 1 : slash - out->path] = '\0';
    TRY(os_sync(out->file, err));
    os_close(out->file);
    out->file = NULL;
    TRY(os_rename(out->os, out->temporary, out->path, err));
    mem_free(out->temporary);
    out->temporary = NULL;
    TRY(os_sync_dir(out->os, folder ? folder : ".", err));
out:
    mem_free(folder);
    return status;
}

void bytes_discard(struct bytes_out *out)
{
    os_close(out->file);
    out->file = NULL;
    if (out->temporary) {
        struct err ignored = {0}; /* The first failure is the one to be told. */
        if (os_remove(out->os, out->temporary, &ignored) != KDK_OK)
            err_clear(&ignored);
        mem_free(out->temporary);
        out->temporary = NULL;
    }
}
