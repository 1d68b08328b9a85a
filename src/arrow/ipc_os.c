/* ipc_os.c - a file of the operating system as a source. */
#include "arrow/arrow_ipc.h"

#include "os/os.h"

static kdk_status file_read(void *context, uint64_t offset, void *into, size_t bytes,
                            struct err *err)
{
    return os_read_exact(context, offset, into, bytes, err);
}

kdk_status arrow_source_of_file(struct os_file *file, struct arrow_source *out,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    uint64_t bytes;

    TRY(os_size(file, &bytes, err));
    *out = (struct arrow_source){file_read, bytes, os_file_path(file), file};
out:
    return status;
}
