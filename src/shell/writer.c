/* writer.c - rows as CSV, JSON, lines and Markdown. Tables are in table.c.
 *
 * CSV is what PostgreSQL's COPY writes: a value is quoted when it holds a comma, a quote or
 * a line end, or when it would read as NULL.
 */
#include "shell/shell.h"

#include <string.h>
#include <wchar.h>

#include "base/mem.h"
#include "base/utf8.h"

const char *const format_names[FORMAT_COUNT] = {
#define FORMAT_NAME(ID, NAME) NAME,
    FORMATS(FORMAT_NAME)
#undef FORMAT_NAME
};

bool format_find(const char *name, enum format *out)
{
    for (int i = 0; i < FORMAT_COUNT; i++)
        if (strcmp(format_names[i], name) == 0) {
            *out = (enum format)i;
            return true;
        }
    return false;
}

size_t display_width(const char *text, size_t bytes)
{
    size_t width = 0;
    for (size_t i = 0; i < bytes;) {
        size_t length = 1;
        if ((unsigned char)text[i] < 0x80) {
            width += (unsigned char)text[i] >= 0x20 && text[i] != 0x7f;
        } else if (utf8_length((unsigned char)text[i]) <= bytes - i &&
                   utf8_valid(text + i, utf8_length((unsigned char)text[i]), NULL)) {
            int columns = wcwidth((wchar_t)utf8_decode(text + i, &length));
            width += columns < 0 ? 1u : (size_t)columns;
        } else {
            width++;
        }
        i += length;
    }
    return width;
}

bool type_is_number(const char *type)
{
    static const char *const numbers[] = {
        "tinyint", "smallint", "integer",  "bigint",    "hugeint",  "numeric", "real",
        "double",  "oid",      "utinyint", "usmallint", "uinteger", "ubigint"};
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (strncmp(type, numbers[i], strlen(numbers[i])) == 0 && !strchr(type, '['))
            return true;
    return false;
}

/* ------------------------------------------------------------------------ CSV ---- */

static void csv_value(FILE *to, const char *text, size_t bytes, const char *null,
                      bool alone)
{
    bool quote = (strlen(null) == bytes && memcmp(null, text, bytes) == 0) ||
                 (alone && bytes == 2 && memcmp(text, "\\.", 2) == 0);
    for (size_t i = 0; i < bytes && !quote; i++)
        quote = text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
    if (!quote) {
        fwrite(text, 1, bytes, to);
        return;
    }
    putc('"', to);
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '"')
            putc('"', to);
        putc(text[i], to);
    }
    putc('"', to);
}

static void csv_row(struct writer *w, const struct cell *cells)
{
    const char *null = w->look.null ? w->look.null : "";
    for (uint32_t c = 0; c < w->column_count; c++) {
        if (c)
            putc(',', w->to);
        if (!cells)
            csv_value(w->to, w->columns[c].name, strlen(w->columns[c].name), null,
                      w->column_count == 1);
        else if (cells[c].text)
            csv_value(w->to, cells[c].text, cells[c].bytes, null, w->column_count == 1);
        else
            fputs(null, w->to);
    }
    putc('\n', w->to);
}

/* ----------------------------------------------------------------------- JSON ---- */

static void json_string(FILE *to, const char *text, size_t bytes)
{
    putc('"', to);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", to);
        else if (c == '\r')
            fputs("\\r", to);
        else if (c == '\t')
            fputs("\\t", to);
        else if (c < 0x20 || c == 0x7f)
            fprintf(to, "\\u%04x", c);
        else
            putc(c, to);
    }
    putc('"', to);
}

static void json_value(FILE *to, const struct cell *cell)
{
    bool number = cell->kind == KDK_KIND_INT || cell->kind == KDK_KIND_DOUBLE ||
                  cell->kind == KDK_KIND_NUMERIC;
    if (!cell->text)
        fputs("null", to);
    else if (cell->kind == KDK_KIND_BOOL)
        fputs(cell->text[0] == 't' ? "true" : "false", to);
    else if (number && cell->bytes &&
             (cell->text[cell->bytes - 1] >= '0' && cell->text[cell->bytes - 1] <= '9'))
        fwrite(cell->text, 1, cell->bytes,
               to); /* Not NaN and Infinity, for which JSON has no number. */
    else
        json_string(to, cell->text, cell->bytes);
}

static void json_row(struct writer *w, const struct cell *cells)
{
    putc('{', w->to);
    for (uint32_t c = 0; c < w->column_count; c++) {
        if (c)
            putc(',', w->to);
        json_string(w->to, w->columns[c].name, strlen(w->columns[c].name));
        putc(':', w->to);
        json_value(w->to, &cells[c]);
    }
    putc('}', w->to);
}

/* -------------------------------------------------------------- line, Markdown ---- */

static void line_row(struct writer *w, const struct cell *cells)
{
    size_t width = 0;
    if (w->rows > 1)
        putc('\n', w->to);
    for (uint32_t c = 0; c < w->column_count; c++)
        width = MAX(width, display_width(w->columns[c].name, strlen(w->columns[c].name)));
    for (uint32_t c = 0; c < w->column_count; c++) {
        const char *name = w->columns[c].name;
        fprintf(w->to, "%*s%s = ", (int)(width - display_width(name, strlen(name))), "",
                name);
        if (cells[c].text)
            fwrite(cells[c].text, 1, cells[c].bytes, w->to);
        else
            fputs(w->look.null ? w->look.null : "", w->to);
        putc('\n', w->to);
    }
}

static void markdown_value(FILE *to, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '|' || text[i] == '\\')
            putc('\\', to);
        if (text[i] == '\n')
            fputs("<br>", to);
        else if (text[i] != '\r')
            putc(text[i], to);
    }
}

static void markdown_row(struct writer *w, const struct cell *cells)
{
    putc('|', w->to);
    for (uint32_t c = 0; c < w->column_count; c++) {
        putc(' ', w->to);
        if (!cells)
            markdown_value(w->to, w->columns[c].name, strlen(w->columns[c].name));
        else if (cells[c].text)
            markdown_value(w->to, cells[c].text, cells[c].bytes);
        else
            fputs(w->look.null ? w->look.null : "", w->to);
        fputs(" |", w->to);
    }
    putc('\n', w->to);
}

static void markdown_head(struct writer *w)
{
    markdown_row(w, NULL);
    putc('|', w->to);
    for (uint32_t c = 0; c < w->column_count; c++)
        fputs(w->columns[c].right ? " ---: |" : " --- |", w->to);
    putc('\n', w->to);
}

/* ------------------------------------------------------------------------ all ---- */

bool writer_begin(struct writer *w, const struct look *look, FILE *to,
                  const struct column *columns, uint32_t count)
{
    memset(w, 0, sizeof *w);
    w->look = *look;
    w->to = to;
    w->column_count = count;
    w->columns = mem_dup(columns, sizeof *columns * count);
    if (!w->columns)
        return false;
    switch (look->format) {
    case FORMAT_TABLE:
        return table_begin(w);
    case FORMAT_CSV:
        if (look->header)
            csv_row(w, NULL);
        break;
    case FORMAT_JSON:
        putc('[', to);
        break;
    case FORMAT_MARKDOWN: /* Without its head it would be no table. */
        markdown_head(w);
        break;
    case FORMAT_JSONL:
    case FORMAT_LINE:
    case FORMAT_ARROW:
    case FORMAT_COUNT:
        break;
    }
    return true;
}

bool writer_row(struct writer *w, const struct cell *cells)
{
    w->rows++;
    switch (w->look.format) {
    case FORMAT_TABLE:
        return table_row(w, cells);
    case FORMAT_CSV:
        csv_row(w, cells);
        break;
    case FORMAT_JSON:
        if (w->rows > 1)
            fputs(",\n ", w->to);
        json_row(w, cells);
        break;
    case FORMAT_JSONL:
        json_row(w, cells);
        putc('\n', w->to);
        break;
    case FORMAT_LINE:
        line_row(w, cells);
        break;
    case FORMAT_MARKDOWN:
        markdown_row(w, cells);
        break;
    case FORMAT_ARROW:
    case FORMAT_COUNT:
        break;
    }
    return true;
}

bool writer_end(struct writer *w)
{
    if (w->look.format == FORMAT_TABLE)
        return table_end(w);
    if (w->look.format == FORMAT_JSON)
        fputs("]\n", w->to);
    return true;
}

void writer_deinit(struct writer *w)
{
    table_deinit(w);
    mem_free(w->columns);
    memset(w, 0, sizeof *w);
}
