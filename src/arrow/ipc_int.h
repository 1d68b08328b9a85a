/* ipc_int.h - what the IPC reader and writer share: messages as structs. */
#ifndef KDK_ARROW_IPC_INT_H
#define KDK_ARROW_IPC_INT_H

#include "arrow/arrow_int.h"
#include "arrow/arrow_ipc.h"
#include "arrow/flatbuf.h"

#define IPC_MAGIC       "ARROW1"
#define IPC_MAGIC_BYTES 6
#define IPC_CONTINUE    UINT32_MAX
#define IPC_ALIGN       64
#define IPC_VERSION_4   3 /* Metadata versions begin at 0. */
#define IPC_VERSION_5   4

enum ipc_header {
    IPC_SCHEMA = 1,
    IPC_DICTIONARY = 2,
    IPC_BATCH = 3,
    IPC_TENSOR,
    IPC_SPARSE
};

/* Where a message is, for error messages. */
struct ipc_place {
    const char *name;
    uint64_t offset;
};
kdk_status ipc_corrupt(struct ipc_place place, const char *what, struct err *err);
/* Puts the place in front of the message of an error from below. */
kdk_status ipc_corrupt_at(struct ipc_place place, kdk_status status, struct err *err);

struct ipc_message {
    struct fb fb;
    struct fb_table root, header;
    enum ipc_header kind;
    int64_t body_bytes;
    int16_t version;
};
/* `data` is borrowed for the message's life. The message must not be moved. */
kdk_status ipc_message_parse(struct ipc_place place, const void *data, size_t bytes,
                             struct ipc_message *out, struct err *err) KDK_MUST_CHECK;
kdk_status ipc_metadata_parse(struct ipc_place place, const struct fb_table *table,
                              unsigned field, struct arrow_metadata *out,
                              struct err *err) KDK_MUST_CHECK;
kdk_status ipc_schema_parse(struct ipc_place place, const struct fb_table *table,
                            struct arrow_schema **out, struct err *err) KDK_MUST_CHECK;
/* The layout of a batch (a RecordBatch table) of columns of `schema`, whose body begins at
 * `body`. Decoded lengths of compressed buffers are not known yet: stored_bytes - 8. */
kdk_status ipc_layout_parse(struct ipc_place place, const struct fb_table *table,
                            const struct arrow_schema *schema, uint64_t body,
                            int64_t body_bytes, struct arrow_batch_layout *out,
                            struct err *err) KDK_MUST_CHECK;

/* Each builds a whole flatbuffer into `buf`. */
kdk_status ipc_schema_build(const struct arrow_schema *schema, struct buf *buf,
                            struct err *err) KDK_MUST_CHECK;
struct ipc_batch_build {
    const struct arrow_batch_layout *layout; /* Offsets from `body` on. */
    uint64_t body;
    int64_t body_bytes;
    enum arrow_codec codec;
    const int64_t *variadic;
    size_t variadic_count;
    const struct arrow_metadata *metadata; /* May be NULL. */
    bool dictionary, delta;
    int64_t id;
};
kdk_status ipc_batch_build(const struct ipc_batch_build *batch, struct buf *buf,
                           struct err *err) KDK_MUST_CHECK;
struct ipc_block {
    uint64_t offset;
    int32_t metadata_bytes;
    int64_t body_bytes;
};
kdk_status ipc_footer_build(const struct arrow_schema *schema,
                            const struct ipc_block *batches, size_t batch_count,
                            const struct ipc_block *dictionaries, size_t dictionary_count,
                            const struct arrow_metadata *metadata, struct buf *buf,
                            struct err *err) KDK_MUST_CHECK;

/* The most that `payload` bytes can decode to: what is claimed beyond is damage, and never
 * allocated. */
uint64_t ipc_decoded_max(enum arrow_codec codec, uint64_t payload);

#endif
