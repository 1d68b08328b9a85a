/* arrow_c.h - the Arrow C data interface and C stream interface, both ways.
 *
 * The structs are Arrow's ABI, under its standard guards, so that a host that has them
 * already may include both. Ownership: who gets a struct releases it, once, from any
 * thread; a struct that was moved from or released has release == NULL.
 *
 * Sources  Arrow specification, "The Arrow C data interface" and "The Arrow C stream
 *          interface".
 */
#ifndef KDK_ARROW_ARROW_C_H
#define KDK_ARROW_ARROW_C_H

#include "arrow/arrow.h"

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE           2
#define ARROW_FLAG_MAP_KEYS_SORTED    4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif /* ARROW_C_DATA_INTERFACE */

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif /* ARROW_C_STREAM_INTERFACE */

/* Fills *out, which the receiver releases; on failure *out is released already (release ==
 * NULL). The schema is copied, the array's buffers are shared. */
kdk_status arrow_export_schema(const struct arrow_schema *schema, struct ArrowSchema *out,
                               struct err *err) KDK_MUST_CHECK;
kdk_status arrow_export_array(const struct arrow_schema *schema, struct arrow_array *array,
                              struct ArrowArray *out, struct err *err) KDK_MUST_CHECK;
/* Copies; `in` stays the caller's, to release. KDK_UNSUPPORTED for unions and run-end
 * encoding, KDK_BAD_PARAMETER for what is no valid schema. */
kdk_status arrow_import_schema(const struct ArrowSchema *in, struct arrow_schema **out,
                               struct err *err) KDK_MUST_CHECK;
/* Moves `in` in, whatever happens: in->release is NULL afterwards, and it is released with
 * the last reference (at once on failure). Checked as arrow_array_check() does, as far as
 * memory of unknown size can be; buffers that are not aligned to 16 bytes are copied.
 * KDK_CORRUPT, NOMEM. */
kdk_status arrow_import_array(struct ArrowArray *in, const struct arrow_schema *schema,
                              struct arrow_array **out, struct err *err) KDK_MUST_CHECK;
/* Moves the stream in, also on failure. */
kdk_status arrow_import_stream(struct ArrowArrayStream *in, struct arrow_stream **out,
                               struct err *err) KDK_MUST_CHECK;
/* Moves `stream` into *out, also on failure: it is closed when *out is released. */
kdk_status arrow_export_stream(struct arrow_stream *stream, struct ArrowArrayStream *out,
                               struct err *err) KDK_MUST_CHECK;

#endif
