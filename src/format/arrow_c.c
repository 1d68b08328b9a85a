/* arrow_c.c - the Arrow C data interface at the edge of the database. */
#include "format/format_int.h"

#include "base/mem.h"

kdk_status format_export_schema(const struct relcol *columns, uint32_t count,
                                struct ArrowSchema *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_schema *schema = NULL;
    out->release = NULL;
    TRY(columns_to_arrow(columns, count, &schema, err));
    TRY(arrow_export_schema(schema, out, err));
out:
    arrow_schema_free(schema);
    return status;
}

kdk_status format_export_batch(const struct relcol *columns, uint32_t count,
                               const struct batch *batch, struct ArrowArray *out,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_schema *schema = NULL;
    struct arrow_array *array = NULL;
    out->release = NULL;
    TRY(columns_to_arrow(columns, count, &schema, err));
    TRY(batch_to_arrow(columns, count, batch, &array, err));
    TRY(arrow_export_array(schema, array, out, err));
out:
    arrow_array_unref(array);
    arrow_schema_free(schema);
    return status;
}

kdk_status format_import_schema(const struct ArrowSchema *in, struct arena *arena,
                                struct relcol **columns, uint32_t *count, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_schema *schema = NULL;
    struct relcol *cols;

    TRY(arrow_import_schema(in, &schema, err));
    if (schema->type != ARROW_STRUCT || schema->dictionary)
        TRY(err_set(err, KDK_BAD_PARAMETER, "an Arrow schema of rows is a struct, not %s",
                    arrow_type_name(schema->type)));
    if (schema->child_count > TABLE_COLUMNS_MAX)
        TRY(err_set(err, KDK_TOO_MANY_COLUMNS, "more than %d columns", TABLE_COLUMNS_MAX));
    TRY_MEM(cols = ARENA_ARRAY(arena, struct relcol, schema->child_count + 1));
    for (size_t i = 0; i < schema->child_count; i++) {
        TRY(arrow_ltype(schema->children[i], &cols[i].type, err));
        TRY_MEM(cols[i].name = arena_strdup(arena, schema->children[i]->name));
        cols[i].column = (uint32_t)i;
    }
    *columns = cols;
    *count = (uint32_t)schema->child_count;
out:
    arrow_schema_free(schema);
    return status;
}

/* A view of some rows of the caller's array, to be imported (and checked) as an array of
 * its own: the buffers stay the caller's. */
struct window {
    struct ArrowArray *children;
    struct ArrowArray **pointers;
};
static void window_keep(struct ArrowArray *array)
{
    array->release = NULL;
}
static void window_free(struct ArrowArray *array)
{
    struct window *window = array->private_data;
    mem_free(window->children);
    mem_free(window->pointers);
    mem_free(window);
    array->release = NULL;
}

static void unpin(void *array)
{
    arrow_array_unref(array);
}

static bool any_null(const struct ArrowArray *array, int64_t from, uint32_t rows)
{
    const uint8_t *bits = array->n_buffers ? array->buffers[0] : NULL;
    for (uint32_t i = 0; bits && i < rows; i++) {
        uint64_t at = (uint64_t)(array->offset + from) + i;
        if (!(bits[at / 8] >> (at % 8) & 1))
            return true;
    }
    return false;
}

kdk_status format_import_batch(const struct ArrowSchema *in_schema,
                               const struct ArrowArray *in, uint64_t from, uint32_t rows,
                               struct batch *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_schema *schema = NULL;
    struct arrow_array *array = NULL;
    struct window *window = NULL;
    struct ArrowArray slice = {0};

    batch_unpin(out);
    TRY(arrow_import_schema(in_schema, &schema, err));
    if (!in->release || in->length < 0 || in->offset < 0 || from > (uint64_t)in->length ||
        rows > (uint64_t)in->length - from || rows > BATCH_ROWS || in->n_children < 0 ||
        (uint64_t)in->n_children != schema->child_count ||
        schema->child_count != out->column_count)
        TRY(err_set(err, KDK_BAD_PARAMETER,
                    "the Arrow array is not one of this schema, or has no such rows"));
    if (in->null_count && any_null(in, (int64_t)from, rows))
        TRY(err_set(err, KDK_UNSUPPORTED,
                    "Arrow records that are NULL as a whole are not supported"));
    TRY_MEM(window = MEM_NEW(struct window));
    TRY_MEM(window->children = MEM_ARRAY(struct ArrowArray, schema->child_count + 1));
    TRY_MEM(window->pointers = MEM_ARRAY(struct ArrowArray *, schema->child_count + 1));
    static const void *no_buffers[1];
    slice = (struct ArrowArray){.length = rows,
                                .n_buffers = 1,
                                .buffers = no_buffers,
                                .n_children = in->n_children};
    for (size_t i = 0; i < schema->child_count; i++) {
        const struct ArrowArray *child = in->children[i];
        /* A child is seen through its parent's offset. */
        const int64_t skip = in->offset + (int64_t)from;
        if (!child || child->length < skip || child->length - skip < rows)
            TRY(err_set(err, KDK_BAD_PARAMETER,
                        "column \"%s\" of the Arrow array has too few rows",
                        schema->children[i]->name));
        window->children[i] = *child;
        window->children[i].offset += skip;
        window->children[i].length = rows;
        if (child->null_count)
            window->children[i].null_count =
                schema->children[i]->type == ARROW_NULL ? (int64_t)rows : -1;
        window->children[i].release = window_keep;
        window->pointers[i] = &window->children[i];
    }
    slice.children = window->pointers;
    slice.private_data = window;
    slice.release = window_free;
    window = NULL;
    TRY(arrow_import_array(&slice, schema, &array, err));
    for (size_t i = 0; i < schema->child_count; i++)
        TRY(arrow_to_vec(schema->children[i], array->children[i], 0, rows, &out->columns[i],
                         err));
    batch_all(out, rows);
    out->unpin = unpin;
    out->pinned = array;
    array = NULL;
out:
    if (status != KDK_OK && from)
        err_while(err, "reading an Arrow array from row %llu on",
                  (unsigned long long)from + 1);
    if (window) {
        mem_free(window->children);
        mem_free(window->pointers);
        mem_free(window);
    }
    arrow_array_unref(array);
    arrow_schema_free(schema);
    return status;
}
