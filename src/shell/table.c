/* table.c - rows in aligned columns, as psql shows them.
 *
 * Widths come from the first rows, which are held until there are TABLE_ROWS of them or
 * TABLE_BYTES; what follows is written as it comes, so that a result of any size needs the
 * same memory. A later value that is wider than its column pushes its line to the right.
 */
#include "shell/shell.h"

#include <string.h>

#include "base/mem.h"

enum { TABLE_ROWS = 1000, TABLE_BYTES = 1 << 20 };

/* The cells of the rows held: their texts one after another. */
struct table_rows {
    struct buf text;
    struct buf cells; /* struct held_cell each */
    uint32_t count;
};
struct held_cell {
    kdk_kind kind;
    bool null;
    size_t at, bytes;
};

/* A cell's text is shown line by line; control characters would spoil the columns and show
 * as spaces. */
static void put_clean(FILE *to, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        putc((unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i], to);
}

static size_t clean_width(const char *text, size_t bytes)
{
    size_t width = display_width(text, bytes);
    for (size_t i = 0; i < bytes; i++)
        width += (unsigned char)text[i] < 0x20 || text[i] == 0x7f;
    return width;
}

static const char *line_of(const char *text, size_t bytes, size_t *length)
{
    const char *end = memchr(text, '\n', bytes);
    *length = end ? (size_t)(end - text) : bytes;
    return end;
}

static size_t cell_width(const char *text, size_t bytes)
{
    size_t width = 0;
    for (;;) {
        size_t length;
        const char *end = line_of(text, bytes, &length);
        width = MAX(width, clean_width(text, length));
        if (!end)
            return width;
        bytes -= length + 1;
        text = end + 1;
    }
}

static void spaces(FILE *to, size_t n)
{
    fprintf(to, "%*s", (int)n, "");
}

static void dashes(FILE *to, size_t n)
{
    while (n--)
        putc('-', to);
}

static struct cell shown(const struct writer *w, const struct cell *cell)
{
    const char *null = w->look.null ? w->look.null : "NULL";
    return cell->text ? *cell : (struct cell){KDK_KIND_NULL, null, strlen(null)};
}

static void head(struct writer *w)
{
    if (!w->look.header)
        return;
    for (uint32_t c = 0; c < w->column_count; c++) {
        const char *name = w->columns[c].name;
        size_t pad = w->widths[c] - clean_width(name, strlen(name));
        fputs(c ? "| " : " ", w->to);
        spaces(w->to, pad / 2);
        put_clean(w->to, name, strlen(name));
        if (c + 1 < w->column_count)
            spaces(w->to, pad - pad / 2 + 1);
    }
    putc('\n', w->to);
    for (uint32_t c = 0; c < w->column_count; c++) {
        if (c)
            putc('+', w->to);
        dashes(w->to, w->widths[c] + 2);
    }
    putc('\n', w->to);
}

/* A row is as many lines as its tallest cell; a `+` says that a cell goes on below. */
static void put_row(struct writer *w, const struct cell *cells)
{
    bool more = true;
    for (size_t line = 0; more; line++) {
        more = false;
        for (uint32_t c = 0; c < w->column_count; c++) {
            struct cell cell = shown(w, &cells[c]);
            const char *text = cell.text, *end = NULL;
            size_t length = 0, left = cell.bytes, width, skip = 0;
            for (;; skip++) {
                end = line_of(text, left, &length);
                if (skip == line || !end)
                    break;
                left -= length + 1;
                text = end + 1;
            }
            if (skip < line) { /* It has ended above. */
                length = 0;
                end = NULL;
            }
            if (length && text[length - 1] == '\r')
                length--;
            width = clean_width(text, length);
            size_t pad = w->widths[c] > width ? w->widths[c] - width : 0;
            bool last = c + 1 == w->column_count;
            fputs(c ? "| " : " ", w->to);
            if (w->columns[c].right)
                spaces(w->to, pad);
            put_clean(w->to, text, length);
            if (!w->columns[c].right && (!last || end))
                spaces(w->to, pad);
            if (end)
                putc('+', w->to);
            else if (!last)
                putc(' ', w->to);
            more |= end != NULL;
        }
        putc('\n', w->to);
    }
}

static bool show_held(struct writer *w)
{
    const struct held_cell *held =
        (const struct held_cell *)(const void *)w->held->cells.data;
    struct cell *row = MEM_ARRAY(struct cell, w->column_count + 1);
    if (!row)
        return false;
    w->shown = true;
    head(w);
    for (uint32_t r = 0; r < w->held->count; r++) {
        for (uint32_t c = 0; c < w->column_count; c++, held++)
            row[c] = (struct cell){
                held->kind, held->null ? NULL : w->held->text.data + held->at, held->bytes};
        put_row(w, row);
    }
    mem_free(row);
    buf_deinit(&w->held->text);
    buf_deinit(&w->held->cells);
    memset(w->held, 0, sizeof *w->held);
    return true;
}

bool table_begin(struct writer *w)
{
    w->held = MEM_NEW(struct table_rows);
    w->widths = MEM_ARRAY(size_t, w->column_count + 1);
    if (!w->held || !w->widths)
        return false;
    for (uint32_t c = 0; c < w->column_count && w->look.header; c++)
        w->widths[c] = clean_width(w->columns[c].name, strlen(w->columns[c].name));
    return true;
}

bool table_row(struct writer *w, const struct cell *cells)
{
    struct table_rows *held = w->held;
    if (w->shown) {
        put_row(w, cells);
        return true;
    }
    for (uint32_t c = 0; c < w->column_count; c++) {
        struct held_cell one = {cells[c].kind, !cells[c].text, held->text.len,
                                cells[c].bytes};
        struct cell cell = shown(w, &cells[c]);
        w->widths[c] = MAX(w->widths[c], cell_width(cell.text, cell.bytes));
        if (cells[c].text && buf_add(&held->text, cells[c].text, cells[c].bytes) != KDK_OK)
            return false;
        if (buf_reserve(&held->text, 1) != KDK_OK ||
            buf_add(&held->cells, &one, sizeof one) != KDK_OK)
            return false;
    }
    if (++held->count < TABLE_ROWS && held->text.len < TABLE_BYTES)
        return true;
    return show_held(w);
}

bool table_end(struct writer *w)
{
    if (!w->shown && !show_held(w))
        return false;
    if (w->look.header)
        fprintf(w->to, "(%llu row%s)\n\n", (unsigned long long)w->rows,
                w->rows == 1 ? "" : "s");
    return true;
}

void table_deinit(struct writer *w)
{
    if (w->held) {
        buf_deinit(&w->held->text);
        buf_deinit(&w->held->cells);
    }
    mem_free(w->held);
    mem_free(w->widths);
}
