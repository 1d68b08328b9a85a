/* ipc_dict.h - the dictionaries of a schema that is read: by id, as they are now. Private
 * to the readers. */
#ifndef KDK_ARROW_IPC_DICT_H
#define KDK_ARROW_IPC_DICT_H

#include "arrow/ipc_int.h"

#include "base/strmap.h"

struct ipc_dictionary {
    int64_t id;
    const struct arrow_schema *values; /* In the schema. */
    struct arrow_array *now;           /* NULL: none seen yet. */
    bool loaded;                       /* Files: all batches were read. */
};
struct ipc_dictionaries {
    struct ipc_dictionary **all;
    size_t count;
    struct strmap by_id;
};
/* Finds all dictionary-encoded fields; those of one id must agree on the type. */
kdk_status ipc_dictionaries_init(struct ipc_dictionaries *dicts, struct ipc_place place,
                                 const struct arrow_schema *schema,
                                 struct err *err) KDK_MUST_CHECK;
void ipc_dictionaries_deinit(struct ipc_dictionaries *dicts);
struct ipc_dictionary *ipc_dictionaries_find(const struct ipc_dictionaries *dicts,
                                             int64_t id);

/* Gives the values of a dictionary, borrowed. */
typedef kdk_status (*ipc_lookup)(void *context, int64_t id, struct arrow_array **out,
                                 struct err *err);

/* Where the body of a batch is: in memory as a whole, or to be read buffer by buffer. */
struct ipc_body {
    struct arrow_buffer *whole; /* Borrowed; NULL: read from `source`. */
    uint64_t offset;            /* Where the body begins. */
    const struct arrow_source *source;
};
/* Makes the batch (a struct array) of a layout, checked. `wanted`, if given, tells which
 * columns; others are left out. */
kdk_status ipc_batch_decode(struct ipc_place place, const struct arrow_schema *schema,
                            const struct arrow_batch_layout *layout,
                            const struct ipc_body *body, const uint32_t *columns,
                            size_t column_count, ipc_lookup lookup, void *context,
                            struct arrow_array **out, struct err *err) KDK_MUST_CHECK;
/* Takes a dictionary batch in: `values` moves in. Replaces, or extends what is there. */
kdk_status ipc_dictionary_put(struct ipc_dictionary *dictionary, struct ipc_place place,
                              struct arrow_array *values, bool delta,
                              struct err *err) KDK_MUST_CHECK;
/* Children are not const, though here nobody changes them. */
static inline struct arrow_schema *ipc_unconst(const struct arrow_schema *schema)
{
    return (struct arrow_schema *)(uintptr_t)schema;
}
/* A schema of one column, which is the value type of a dictionary: how dictionary batches
 * are laid out. `column` is room for the child pointer. */
static inline struct arrow_schema ipc_dictionary_schema(struct arrow_schema **column)
{
    static char name[] = "dictionary";
    return (struct arrow_schema){
        .type = ARROW_STRUCT, .name = name, .children = column, .child_count = 1};
}

#endif
