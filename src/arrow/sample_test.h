/* sample_test.h - arrays of every type, for tests. */
#ifndef KDK_ARROW_SAMPLE_TEST_H
#define KDK_ARROW_SAMPLE_TEST_H

#include "arrow/arrow_ipc.h"

/* Reads a whole file; the caller frees out->data with mem_free(). */
bool sample_load(const char *path, struct arrow_memory *out);
/* A struct with a column of each type, dictionaries and nestings among them. */
struct arrow_schema *sample_schema(void);
/* `rows` slots of values drawn from `seed`, a fifth of them NULL; dictionaries have
 * `entries`. */
struct arrow_array *sample_array(const struct arrow_schema *schema, int64_t rows,
                                 uint64_t seed, int64_t entries);
/* Writes batches as file or stream; checks that it works. */
void sample_write(const struct arrow_schema *schema, struct arrow_array *const *batches,
                  size_t count, const struct arrow_writer_options *options,
                  const struct arrow_batch_options *batch_options, struct buf *out);
/* Reads everything from bytes; the first failure. Each batch is given to `each` (may be
 * NULL), and checked. */
kdk_status sample_read(const void *bytes, size_t count, bool file,
                       void (*each)(void *context, const struct arrow_schema *schema,
                                    struct arrow_array *batch),
                       void *context, struct err *err);

#endif
