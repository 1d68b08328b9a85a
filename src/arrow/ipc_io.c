/* ipc_io.c - sources, inputs and sinks over memory. */
#include "arrow/ipc_int.h"

static kdk_status memory_read(void *context, uint64_t offset, void *into, size_t bytes,
                              struct err *err)
{
    const struct arrow_memory *memory = context;

    if (offset > memory->bytes || bytes > memory->bytes - offset)
        return err_set(err, KDK_CORRUPT, "read past the end, at byte %llu",
                       (unsigned long long)offset);
    if (bytes)
        memcpy(into, memory->data + offset, bytes);
    return KDK_OK;
}

static kdk_status memory_take(void *context, void *into, size_t bytes, size_t *got,
                              struct err *err)
{
    struct arrow_memory *memory = context;

    (void)err;
    *got = MIN(bytes, memory->bytes - memory->at);
    if (*got)
        memcpy(into, memory->data + memory->at, *got);
    memory->at += *got;
    return KDK_OK;
}

static kdk_status buf_write(void *context, const void *from, size_t bytes, struct err *err)
{
    struct buf *buf = context;

    buf_add(buf, from, bytes);
    return buf_status(buf, err);
}

struct arrow_source arrow_source_of_memory(struct arrow_memory *memory, const char *name)
{
    return (struct arrow_source){memory_read, memory->bytes, name, memory};
}

struct arrow_input arrow_input_of_memory(struct arrow_memory *memory, const char *name)
{
    return (struct arrow_input){memory_take, name, memory};
}

struct arrow_sink arrow_sink_of_buf(struct buf *buf)
{
    return (struct arrow_sink){buf_write, buf};
}
