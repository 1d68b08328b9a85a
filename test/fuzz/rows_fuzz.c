/* rows_fuzz.c - any bytes as an Arrow stream: refused, or batches of which every value can
 * be read and printed. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "format/format_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Slots cost nothing in arrays without buffers, so a short input may hold any number of
 * them. */
#define ROWS_MAX 100000

struct memory {
    const uint8_t *data;
    size_t bytes, at;
};

static int64_t read_memory(void *context, void *into, size_t bytes)
{
    struct memory *m = context;
    size_t n = m->bytes - m->at;
    n = n < bytes ? n : bytes;
    if (n)
        memcpy(into, m->data + m->at, n);
    m->at += n;
    return (int64_t)n;
}

static void look(const struct ltype *types, const struct batch *batch, struct buf *text)
{
    for (uint32_t c = 0; c < batch->column_count; c++) {
        for (uint32_t row = 0; row < batch->count; row++) {
            struct datum d = vec_get(&batch->columns[c], row);
            buf_clear(text);
            if (d.null)
                continue;
            if (types[c].id == LT_TEXT && (!utf8_valid(str_data(&d.s), d.s.len, NULL) ||
                                           memchr(str_data(&d.s), 0, d.s.len)))
                abort();
            if (datum_print(types[c], &d, text) != KDK_OK)
                abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memory memory = {data, size, 0};
    const struct copy_io io = {.read = read_memory, .context = &memory};
    struct arrow_rows rows = {.in = {.io = &io}};
    struct arena arena = {0};
    struct buf text = {0};
    struct err err = {0};
    struct batch batch = {0};
    uint32_t wanted[64], count = 0;
    struct ltype types[64];
    bool more = true;

    if (arrow_rows_open(&rows, NULL, NULL, &err) != KDK_OK)
        return 0;
    for (size_t i = 0; i < rows.schema->child_count && count < COUNT_OF(wanted); i++) {
        if (arrow_ltype(rows.schema->children[i], &types[count], &err) == KDK_OK)
            wanted[count++] = (uint32_t)i;
    }
    arrow_rows_want(&rows, wanted, count);
    if (batch_init(&batch, types, count, &arena, &err) == KDK_OK)
        while (rows.row < ROWS_MAX &&
               arrow_rows_next(&rows, &batch, &more, &err) == KDK_OK && more)
            look(types, &batch, &text);
    if (batch.columns)
        batch_unpin(&batch);
    arrow_rows_close(&rows);
    buf_deinit(&text);
    arena_deinit(&arena);
    return 0;
}
