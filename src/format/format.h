/* format.h - files and streams as rows: CSV, PostgreSQL's text format, Arrow.
 *
 * Three ways in: a file named in FROM (bound and read through hooks of sql and exec), COPY,
 * and Arrow's C stream interface. All read in blocks through os, turn what they read into
 * batches of vectors, and name file and line (or offset) in every error.
 */
#ifndef KDK_FORMAT_FORMAT_H
#define KDK_FORMAT_FORMAT_H

#include "arrow/arrow_c.h"
#include "exec/exec.h"
#include "sql/bind.h"

/* ------------------------------------------------------------- files in FROM ---- */

/* The hook of struct bind_env: by the name's ending, .csv .tsv .txt (CSV with the first
 * line as header, types found by looking at the first rows: BOOLEAN, BIGINT, DOUBLE, DATE,
 * TIMESTAMP, else TEXT) or .arrow .feather .ipc (an Arrow IPC file or stream). `context` is
 * the struct os. KDK_UNDEFINED_FILE, 0A000 for other endings. */
kdk_status format_bind_file(void *context, const char *path,
                            const struct ast_options *options, struct arena *arena,
                            struct bind_file *out, struct err *err) KDK_MUST_CHECK;
extern const struct exec_file_ops format_file_ops;

/* ---------------------------------------------------------------------- COPY ---- */

/* STDIN and STDOUT belong to the host: it gives functions. */
struct copy_io {
    int64_t (*read)(void *context, void *into, size_t bytes); /* 0 at the end, -1: failed */
    bool (*write)(void *context, const void *from, size_t bytes);
    void *context;
    /* Called now and then: bytes read of a file (total 0 when unknown). May be NULL. */
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *progress_context;
    /* COPY FROM STDIN in format arrow reads this instead, taking *stream over (it is NULL
     * then); progress counts rows. May be NULL. */
    struct arrow_stream **stream;
};
/* COPY ... FROM in the transaction of `env`, as one statement: all rows or none (the caller
 * rolls back). *rows counts them. Errors as PostgreSQL's, with err_while "COPY t, line 3,
 * column a: \"x\"" (files: "file:3"). */
kdk_status copy_from(const struct bound_copy *copy, const struct exec_env *env,
                     const struct copy_io *io, uint64_t *rows,
                     struct err *err) KDK_MUST_CHECK;
/* COPY ... TO: stmt->root gives the rows (for a table the caller has made it a scan: see
 * bind.h), optimized already. A file is written under a temporary name beside it and
 * renamed at the end. */
kdk_status copy_to(const struct bound_copy *copy, const struct bound_stmt *stmt,
                   const struct exec_env *env, const struct copy_io *io, uint64_t *rows,
                   struct err *err) KDK_MUST_CHECK;

/* --------------------------------------------------------------------- Arrow ---- */

/* Columns as an Arrow schema (plain profile: utf8, decimal128, microsecond timestamps,
 * date32), and the selected rows of a batch as a struct array. The caller releases them. */
kdk_status format_export_schema(const struct relcol *columns, uint32_t count,
                                struct ArrowSchema *out, struct err *err) KDK_MUST_CHECK;
kdk_status format_export_batch(const struct relcol *columns, uint32_t count,
                               const struct batch *batch, struct ArrowArray *out,
                               struct err *err) KDK_MUST_CHECK;
/* The other way: a schema's columns as names and types (in the arena); rows [from, from +
 * count) of an array as a batch made by batch_init with these types (count <= BATCH_ROWS;
 * strings point into the array). 0A000 for what has no type here. */
kdk_status format_import_schema(const struct ArrowSchema *schema, struct arena *arena,
                                struct relcol **columns, uint32_t *count,
                                struct err *err) KDK_MUST_CHECK;
kdk_status format_import_batch(const struct ArrowSchema *schema,
                               const struct ArrowArray *array, uint64_t from, uint32_t rows,
                               struct batch *out, struct err *err) KDK_MUST_CHECK;

#endif
