/* file.c - files named in FROM: what they are, and their rows as batches. */
#include "format/format_int.h"
#include "format/sniff.h"

#include "base/mem.h"

enum file_kind { FILE_CSV, FILE_ARROW };

/* What the binder keeps of a file; in the statement's arena. */
struct format_file {
    enum file_kind kind;
    const char *path;
    struct sniffed csv;
    struct ltype *types; /* Arrow: as they were. */
    uint32_t column_count;
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    if (n < m)
        return false;
    for (size_t i = 0; i < m; i++) {
        char c = text[n - m + i];
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != end[i])
            return false;
    }
    return true;
}

static const struct {
    const char *ending;
    enum file_kind kind;
    char delimiter; /* 0: found out */
} endings[] = {
    {".csv", FILE_CSV, 0},     {".tsv", FILE_CSV, '\t'},   {".txt", FILE_CSV, 0},
    {".arrow", FILE_ARROW, 0}, {".arrows", FILE_ARROW, 0}, {".feather", FILE_ARROW, 0},
    {".ipc", FILE_ARROW, 0},
};

static kdk_status bind_csv(struct os *os, struct format_file *file, char delimiter,
                           struct arena *arena, struct bind_file *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct bytes_in in = {0};

    TRY(bytes_open(&in, os, file->path, err));
    if (in.stream)
        TRY(err_set(err, KDK_UNSUPPORTED,
                    "\"%s\" cannot be read twice, which a file in FROM is: to find its "
                    "types, then for its rows",
                    file->path));
    TRY(csv_sniff(&(struct csv_input){bytes_read, &in}, file->path, delimiter, arena,
                  &file->csv, err));
    out->column_count = file->csv.column_count;
    TRY_MEM(out->columns = ARENA_ARRAY(arena, struct ccolumn, out->column_count + 1));
    for (uint32_t i = 0; i < out->column_count; i++)
        out->columns[i] = (struct ccolumn){
            .name = file->csv.columns[i].name, .type = file->csv.columns[i].type, .id = i};
out:
    bytes_close(&in);
    return status;
}

/* UNKNOWN: one that we do not have. Its column stands in the way of nobody who does not
 * read it. */
static kdk_status arrow_type(const struct arrow_schema *column, struct ltype *out,
                             struct err *err)
{
    kdk_status status = arrow_ltype(column, out, err);
    if (status != KDK_UNSUPPORTED)
        return status;
    err_clear(err);
    *out = LTYPE(UNKNOWN);
    return KDK_OK;
}

static kdk_status bind_arrow(struct os *os, struct format_file *file, struct arena *arena,
                             struct bind_file *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_rows rows = {0};

    TRY(arrow_rows_open(&rows, os, file->path, err));
    if (rows.in.stream)
        TRY(err_set(err, KDK_UNSUPPORTED,
                    "\"%s\" cannot be read twice, which a file in FROM is: to find its "
                    "types, then for its rows",
                    file->path));
    if (rows.schema->child_count > TABLE_COLUMNS_MAX)
        TRY(err_set(err, KDK_TOO_MANY_COLUMNS, "\"%s\" has more than %d columns",
                    file->path, TABLE_COLUMNS_MAX));
    out->column_count = (uint32_t)rows.schema->child_count;
    TRY_MEM(out->columns = ARENA_ARRAY(arena, struct ccolumn, out->column_count + 1));
    TRY_MEM(file->types = ARENA_ARRAY(arena, struct ltype, out->column_count + 1));
    for (uint32_t i = 0; i < out->column_count; i++) {
        struct ccolumn *column = &out->columns[i];
        const char *name = rows.schema->children[i]->name;
        column->id = i;
        TRY_MEM(column->name = *name ? arena_strdup(arena, name)
                                     : arena_printf(arena, "column%u", i + 1));
        TRY(arrow_type(rows.schema->children[i], &file->types[i], err));
        column->type = file->types[i].id == LT_UNKNOWN ? LTYPE(TEXT) : file->types[i];
    }
    file->column_count = out->column_count;
out:
    arrow_rows_close(&rows);
    return status;
}

kdk_status format_bind_file(void *context, const char *path,
                            const struct ast_options *options, struct arena *arena,
                            struct bind_file *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct format_file *file;
    size_t k = 0;

    if (options && options->count)
        TRY(err_set(err, KDK_UNSUPPORTED,
                    "options of files in FROM are not supported yet"));
    while (k < COUNT_OF(endings) && !ends_with(path, endings[k].ending))
        k++;
    if (k == COUNT_OF(endings)) {
        status = err_set(err, KDK_UNSUPPORTED,
                         "the name of file \"%s\" does not say what it holds", path);
        err_hint(err, "Names that end in .csv, .tsv, .txt, .arrow, .feather or .ipc can "
                      "stand in FROM.");
        goto out;
    }
    TRY_MEM(file = ARENA_NEW(arena, struct format_file));
    TRY_MEM(file->path = arena_strdup(arena, path));
    file->kind = endings[k].kind;
    if (file->kind == FILE_CSV)
        TRY(bind_csv(context, file, endings[k].delimiter, arena, out, err));
    else
        TRY(bind_arrow(context, file, arena, out, err));
    out->file = file;
out:
    return status;
}

/* -------------------------------------------------------------------- scans ---- */

struct file_scan {
    const struct format_file *file;
    struct bytes_in in;
    struct csv csv;
    struct csv_column *columns;
    struct arena values; /* Of the batch given last. */
    struct arrow_rows arrow;
};

static void scan_close(void *context)
{
    struct file_scan *scan = context;
    if (!scan)
        return;
    csv_deinit(&scan->csv);
    bytes_close(&scan->in);
    arrow_rows_close(&scan->arrow);
    arena_deinit(&scan->values);
    mem_free(scan);
}

static kdk_status open_csv(struct file_scan *scan, struct os *os, const uint32_t *columns,
                           uint32_t count, struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct sniffed *found = &scan->file->csv;
    const struct csv_options options = {.csv = true,
                                        .delimiter = found->delimiter,
                                        .quote = '"',
                                        .escape = '"',
                                        .null_text = ""};
    bool more;

    TRY(bytes_open(&scan->in, os, scan->file->path, err));
    TRY_MEM(scan->columns = arena_dup(arena, found->columns,
                                      (found->column_count + 1) * sizeof *found->columns));
    for (uint32_t i = 0; i < count; i++)
        scan->columns[columns[i]].slot = i;
    TRY(csv_init(&scan->csv, &options, &(struct csv_input){bytes_read, &scan->in}, 0, true,
                 err));
    scan->csv.path = scan->file->path;
    scan->csv.skip_mark = true;
    scan->csv.hint = "The column's type was taken from the first rows of the file; COPY "
                     "into a table with the type you want.";
    TRY(csv_loose(&scan->csv, &more, err));
    TRY(csv_fix(&scan->csv, found->column_count, err));
out:
    return status;
}

static kdk_status open_arrow(struct file_scan *scan, struct os *os, const uint32_t *columns,
                             uint32_t count, struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct format_file *file = scan->file;
    uint32_t *wanted;

    TRY(arrow_rows_open(&scan->arrow, os, file->path, err));
    bool same = scan->arrow.schema->child_count == file->column_count;
    for (uint32_t i = 0; same && i < file->column_count; i++) {
        struct ltype type;
        TRY(arrow_type(scan->arrow.schema->children[i], &type, err));
        same = ltype_equal(type, file->types[i]);
    }
    if (!same)
        TRY(err_set(err, KDK_NOT_READY,
                    "file \"%s\" has other columns than when the statement was prepared",
                    file->path));
    TRY_MEM(wanted = ARENA_ARRAY(arena, uint32_t, count + 1));
    for (uint32_t i = 0; i < count; i++) {
        struct ltype type;
        wanted[i] = columns[i];
        TRY(arrow_ltype(scan->arrow.schema->children[columns[i]], &type, err));
    }
    arrow_rows_want(&scan->arrow, wanted, count);
out:
    return status;
}

static kdk_status scan_open(void *file, struct os *os, const uint32_t *columns,
                            uint32_t count, struct arena *arena, void **out,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    struct file_scan *scan;

    TRY_MEM(scan = MEM_NEW(struct file_scan));
    scan->file = file;
    if (scan->file->kind == FILE_CSV)
        TRY(open_csv(scan, os, columns, count, arena, err));
    else
        TRY(open_arrow(scan, os, columns, count, arena, err));
    *out = scan;
    scan = NULL;
out:
    scan_close(scan);
    return status;
}

static kdk_status scan_next(void *context, struct batch *batch, bool *more, struct err *err)
{
    struct file_scan *scan = context;
    if (scan->file->kind == FILE_ARROW)
        return arrow_rows_next(&scan->arrow, batch, more, err);
    batch_unpin(batch);
    arena_reset(&scan->values);
    return csv_batch(&scan->csv, scan->columns, &scan->values, batch, more, err);
}

static void scan_progress(void *context, uint64_t *done, uint64_t *total)
{
    const struct file_scan *scan = context;
    const struct bytes_in *in = scan->file->kind == FILE_CSV ? &scan->in : &scan->arrow.in;
    *done = in->at;
    *total = in->total;
}

const struct exec_file_ops format_file_ops = {
    .open = scan_open, .next = scan_next, .close = scan_close, .progress = scan_progress};
