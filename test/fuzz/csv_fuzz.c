/* csv_fuzz.c - any bytes as CSV and as text, in pieces of any size: the same records and
 * the same first error, whatever the pieces; and values that are UTF-8 without NUL. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "format/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pieces {
    const uint8_t *data;
    size_t bytes, at, step;
};

static kdk_status read_pieces(void *context, void *into, size_t bytes, size_t *got,
                              struct err *err)
{
    struct pieces *p = context;
    size_t n = p->bytes - p->at;
    (void)err;
    n = n < bytes ? n : bytes;
    n = n < p->step ? n : p->step;
    if (n)
        memcpy(into, p->data + p->at, n);
    p->at += n;
    *got = n;
    return KDK_OK;
}

/* All values and the error as text. */
static void digest(const struct csv_options *options, const uint8_t *data, size_t size,
                   size_t step, struct buf *out)
{
    struct pieces pieces = {data, size, 0, step};
    const struct csv_column columns[] = {
        {.type = LTYPE(TEXT), .name = "a", .slot = 0},
        {.type = LTYPE(INTEGER), .name = "b", .slot = 1, .force_null = true},
        {.type = LTYPE_NUM(10, 2), .name = "c", .slot = 2, .force_not_null = true}};
    const struct ltype types[] = {columns[0].type, columns[1].type, columns[2].type};
    const uint32_t count = options->csv ? 3 : 2;
    struct arena arena = {0}, values = {0};
    struct csv csv;
    struct batch batch;
    struct err err = {0};
    bool more = true;

    if (csv_init(&csv, options, &(struct csv_input){read_pieces, &pieces}, count, false,
                 &err) != KDK_OK)
        return;
    if (batch_init(&batch, types, 3, &arena, &err) == KDK_OK) {
        while (more && csv_batch(&csv, columns, &values, &batch, &more, &err) == KDK_OK) {
            for (uint32_t row = 0; row < batch.count; row++) {
                for (uint32_t c = 0; c < count; c++) {
                    struct datum d = vec_get(&batch.columns[c], row);
                    if (!d.null && c == 0 &&
                        (!utf8_valid(str_data(&d.s), d.s.len, NULL) ||
                         memchr(str_data(&d.s), 0, d.s.len)))
                        abort();
                    if (d.null ? buf_add_str(out, "null") != KDK_OK
                               : datum_print(types[c], &d, out) != KDK_OK)
                        abort();
                    (void)!buf_add_char(out, '|');
                }
                (void)!buf_printf(out, " line %llu\n", (unsigned long long)csv.lines[row]);
            }
            arena_reset(&values);
        }
        (void)!buf_printf(out, "%s %s", status_name(err.status), err.message);
    }
    csv_deinit(&csv);
    arena_deinit(&arena);
    arena_deinit(&values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct csv_options options[] = {{true, ',', '"', '"', ""},
                                                 {true, ';', '\'', '\\', "NULL"},
                                                 {false, '\t', '"', '"', "\\N"},
                                                 {false, '|', '"', '"', ""}};
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        struct buf whole = {0}, bytes = {0}, parts = {0};
        digest(&options[i], data, size, SIZE_MAX, &whole);
        digest(&options[i], data, size, 1, &bytes);
        digest(&options[i], data, size, 67, &parts);
        if (whole.len != bytes.len || whole.len != parts.len ||
            (whole.len && (memcmp(whole.data, bytes.data, whole.len) != 0 ||
                           memcmp(whole.data, parts.data, whole.len) != 0)))
            abort();
        buf_deinit(&whole);
        buf_deinit(&bytes);
        buf_deinit(&parts);
    }
    return 0;
}
