/* csv.c - cuts delimited text into records and fields, as PostgreSQL 15's COPY FROM does.
 *
 * PostgreSQL splits lines first and fields afterwards; here one pass does both. The two
 * agree, since its line splitter and its field splitter have the same idea of what is
 * quoted: a quote toggles, an escape inside quotes takes the next quote or escape with it.
 *
 * Sources  PostgreSQL 15 documentation, COPY (file formats), and the behaviour of its
 *          server; no code.
 */
#include "format/csv.h"

#include "base/mem.h"
#include "base/utf8.h"

enum outcome {
    DONE,       /* A record. */
    INCOMPLETE, /* The buffer ends in it, and there is more to come. */
    NOTHING,    /* The end of the data. */
    FAULT,      /* csv->fault */
};

static void set_splat(struct csv *csv)
{
    const char specials[4] = {csv->options.delimiter,
                              csv->options.csv ? csv->options.quote : '\\', '\n', '\r'};
    for (int i = 0; i < 4; i++)
        csv->splat[i] = (uint8_t)specials[i] * 0x0101010101010101ull;
}

kdk_status csv_init(struct csv *csv, const struct csv_options *options,
                    const struct csv_input *input, uint32_t columns, bool loose,
                    struct err *err)
{
    kdk_status status = KDK_OK;
    memset(csv, 0, sizeof *csv);
    csv->options = *options;
    csv->null_bytes = strlen(options->null_text);
    csv->input = *input;
    csv->bad_at = SIZE_MAX;
    set_splat(csv);
    csv->cap = CSV_BLOCK_BYTES;
    TRY_MEM(csv->data = mem_alloc(csv->cap + CSV_PADDING));
    memset(csv->data, 0, CSV_PADDING);
    csv->loose = loose;
    if (loose) {
        csv->field_cap = 64;
        csv->rows_max = 1;
        TRY_MEM(csv->fields = MEM_ARRAY(struct csv_field, csv->field_cap));
        TRY_MEM(csv->lines = MEM_ARRAY(uint64_t, 1));
    } else {
        TRY(csv_fix(csv, columns, err));
    }
out:
    if (status != KDK_OK)
        csv_deinit(csv);
    return status;
}

kdk_status csv_fix(struct csv *csv, uint32_t columns, struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t rows = MIN(MAX(CSV_FIELDS_MAX / MAX(columns, 1u), 1u), (uint32_t)BATCH_ROWS);
    mem_free(csv->fields);
    mem_free(csv->lines);
    csv->lines = NULL;
    csv->loose = false;
    csv->stride = columns;
    csv->rows = 0;
    csv->rows_max = rows;
    TRY_MEM(csv->fields = MEM_ARRAY(struct csv_field, size_mul(rows, MAX(columns, 1u))));
    TRY_MEM(csv->lines = MEM_ARRAY(uint64_t, rows));
out:
    return status;
}

void csv_deinit(struct csv *csv)
{
    mem_free(csv->data);
    mem_free(csv->fields);
    mem_free(csv->lines);
    csv->data = NULL;
    csv->fields = NULL;
    csv->lines = NULL;
}

/* ---------------------------------------------------------------- messages ---- */

/* Long values are cut as PostgreSQL cuts them. */
#define SHOWN_BYTES 100u

void csv_while(const struct csv *csv, uint64_t line, const char *column, const char *text,
               size_t bytes, bool null, struct err *err)
{
    const char *more = bytes > SHOWN_BYTES ? "..." : "";
    unsigned long long n = line;
    size_t shown = MIN(bytes, SHOWN_BYTES);
    char what[SHOWN_BYTES + 320];
    struct err scratch = {0}; /* Its formatting cuts at characters, and takes no libc. */

    // cppcheck-suppress nullPointer ; no bytes, no text
    while (shown && shown < bytes && ((uint8_t)text[shown] & 0xc0) == 0x80)
        shown--;
    if (column && null)
        err_set(&scratch, KDK_BAD_COPY, ", column %s: null input", column);
    else if (column && text)
        err_set(&scratch, KDK_BAD_COPY, ", column %s: \"%.*s%s\"", column, (int)shown, text,
                more);
    else if (column)
        err_set(&scratch, KDK_BAD_COPY, ", column %s", column);
    else if (text)
        err_set(&scratch, KDK_BAD_COPY, ": \"%.*s%s\"", (int)shown, text, more);
    memcpy(what, scratch.message, sizeof what - 1);
    what[sizeof what - 1] = '\0';
    if (csv->table)
        err_while(err, "COPY %s, line %llu%s", csv->table, n, what);
    if (csv->path && csv->table)
        err_while(err, "%s:%llu", csv->path, n);
    else if (csv->path)
        err_while(err, "%s:%llu%s", csv->path, n, what);
}

/* A fault in a record: what is there of its line goes into the context, as far as it is
 * text. */
static enum outcome fault(struct csv *csv, size_t start, size_t end, uint64_t line)
{
    size_t bytes = MIN(end - start, 4 * SHOWN_BYTES), bad;
    while (bytes && bytes < end - start &&
           ((uint8_t)csv->data[start + bytes] & 0xc0) == 0x80)
        bytes--;
    csv->fault.kind = CSV_STRUCTURE;
    csv->fault.end = end;
    csv->line = line;
    if (memchr(csv->data + start, 0, bytes) || !utf8_valid(csv->data + start, bytes, &bad))
        csv_while(csv, line, NULL, NULL, 0, false, &csv->fault.err);
    else
        csv_while(csv, line, NULL, csv->data + start, bytes, false, &csv->fault.err);
    return FAULT;
}

static void encoding_error(const char *text, size_t left, struct err *err)
{
    static const char hex[] = "0123456789abcdef";
    char shown[32];
    size_t n = MIN(MIN(utf8_length((unsigned char)text[0]), left), 4), at = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)text[i];
        const char part[5] = {' ', '0', 'x', hex[byte >> 4], hex[byte & 15]};
        memcpy(shown + at, part + (i == 0), sizeof part - (i == 0));
        at += sizeof part - (i == 0);
    }
    err_set(err, KDK_BAD_ENCODING, "invalid byte sequence for encoding \"UTF8\": %.*s",
            (int)at, shown);
}

/* ------------------------------------------------------------------- input ---- */

/* UTF-8 and no NUL in what is new; a character that the buffer cuts off waits. */
static void check_text(struct csv *csv)
{
    if (csv->bad_at != SIZE_MAX)
        return;
    const char *from = csv->data + csv->checked, *nul;
    size_t bytes = csv->len - csv->checked, bad;
    nul = memchr(from, 0, bytes);
    if (nul)
        bytes = (size_t)(nul - from);
    if (!utf8_valid(from, bytes, &bad)) {
        if (!nul && !csv->end && bytes - bad < 4 &&
            utf8_length((unsigned char)from[bad]) > bytes - bad) {
            csv->checked += bad;
            return;
        }
        csv->bad_at = csv->checked + bad;
    } else if (nul) {
        csv->bad_at = csv->checked + bytes;
    }
    csv->checked += bytes;
}

/* A host that is typed into ends with a line `\.`: nothing more is to be waited for. */
static bool ends_with_marker(const struct csv *csv)
{
    size_t n = csv->len;
    if (n && csv->data[n - 1] == '\n')
        n--;
    if (n && csv->data[n - 1] == '\r')
        n--;
    return n < csv->len && n >= 2 && csv->data[n - 1] == '.' && csv->data[n - 2] == '\\' &&
           (n == 2 || csv->data[n - 3] == '\n' || csv->data[n - 3] == '\r');
}

/* Moves what is left to the front and reads more, a block if it can be had. */
static kdk_status fill(struct csv *csv, struct err *err)
{
    kdk_status status = KDK_OK;
    size_t left = csv->len - csv->at, got;

    if (csv->at) {
        memmove(csv->data, csv->data + csv->at, left);
        csv->checked = csv->checked > csv->at ? csv->checked - csv->at : 0;
        if (csv->bad_at != SIZE_MAX)
            csv->bad_at -= csv->at;
        csv->at = 0;
        csv->len = left;
    }
    if (left > csv->cap / 2) {
        char *more;
        if (csv->cap >= CSV_RECORD_BYTES_MAX)
            TRY(err_set(err, KDK_LIMIT, "a line is longer than %u bytes",
                        CSV_RECORD_BYTES_MAX));
        TRY_MEM(more = mem_realloc(csv->data, csv->cap * 2 + CSV_PADDING));
        csv->data = more;
        csv->cap *= 2;
    }
    while (csv->len < csv->cap && !csv->end &&
           !(csv->len > left && ends_with_marker(csv))) {
        TRY(csv->input.read(csv->input.context, csv->data + csv->len, csv->cap - csv->len,
                            &got, err));
        csv->end = got == 0;
        csv->len += got;
        csv->bytes_read += got;
    }
    memset(csv->data + csv->len, 0, CSV_PADDING);
    if (csv->skip_mark && (csv->len >= 3 || csv->end)) {
        if (csv->len >= 3 && memcmp(csv->data, "\xef\xbb\xbf", 3) == 0)
            csv->at = 3;
        csv->skip_mark = false;
    }
    check_text(csv);
    csv->mask_at = csv->at;
    csv->mask = csv_mask(csv->data + csv->at, csv->splat);
out:
    return status;
}

/* ----------------------------------------------------------------- special bytes ---- */

/* The next special byte, or csv->len or more. */
static inline size_t special_next(struct csv *csv)
{
    while (!csv->mask) {
        csv->mask_at += 64;
        if (csv->mask_at >= csv->len)
            return csv->len;
        csv->mask = csv_mask(csv->data + csv->mask_at, csv->splat);
    }
    size_t at = csv->mask_at + (size_t)__builtin_ctzll(csv->mask);
    csv->mask &= csv->mask - 1;
    return at;
}
/* Goes on at `at`, which is not before what was looked at. */
static inline void special_from(struct csv *csv, size_t at)
{
    if (at - csv->mask_at < 64) {
        csv->mask &= ~0ull << (at - csv->mask_at);
        return;
    }
    csv->mask_at = MIN(at, csv->len);
    csv->mask = csv_mask(csv->data + csv->mask_at, csv->splat);
}

/* ----------------------------------------------------------------- records ---- */

static kdk_status put_loose(struct csv *csv, uint32_t n, struct csv_field field,
                            struct err *err)
{
    if (n == csv->field_cap) {
        struct csv_field *more =
            mem_realloc(csv->fields, size_mul(2ull * csv->field_cap, sizeof *more));
        if (!more)
            return err_nomem(err);
        csv->fields = more;
        csv->field_cap *= 2;
    }
    csv->fields[n] = field;
    csv->field_count = n + 1;
    return KDK_OK;
}

/* Field n of the record. One too many is only counted, by the caller. */
static inline kdk_status put_field(struct csv *csv, uint32_t n, size_t from, size_t to,
                                   bool special, struct err *err)
{
    const struct csv_field field = {(uint32_t)from, (uint32_t)(to - from), special};
    if (KDK_UNLIKELY(csv->loose))
        return put_loose(csv, n, field, err);
    if (KDK_LIKELY(n < csv->stride))
        csv->fields[(size_t)csv->rows * csv->stride + n] = field;
    return KDK_OK;
}

static enum outcome eol_error(struct csv *csv, bool cr, size_t start, size_t end,
                              uint64_t line)
{
    const char *what = cr ? "carriage return" : "newline";
    if (csv->options.csv) {
        err_set(&csv->fault.err, KDK_BAD_COPY, "unquoted %s found in data", what);
        err_hint(&csv->fault.err, "Use quoted CSV field to represent %s.", what);
    } else {
        err_set(&csv->fault.err, KDK_BAD_COPY, "literal %s found in data", what);
        err_hint(&csv->fault.err, "Use \"\\%c\" to represent %s.", cr ? 'r' : 'n', what);
    }
    return fault(csv, start, end, line);
}

/* A line end at `s`, where CR or LF is: *next is after it. */
static enum outcome line_end(struct csv *csv, size_t start, size_t s, uint64_t line,
                             size_t *next)
{
    *next = s + 1;
    if (csv->data[s] == '\n') {
        if (csv->eol == CSV_EOL_CR || csv->eol == CSV_EOL_CRNL)
            return eol_error(csv, false, start, s, line);
        csv->eol = CSV_EOL_NL;
        return DONE;
    }
    if (s + 1 >= csv->len && !csv->end)
        return INCOMPLETE;
    if (csv->eol == CSV_EOL_NL)
        return eol_error(csv, true, start, s, line);
    if (csv->eol == CSV_EOL_CR)
        return DONE;
    if (s + 1 < csv->len && csv->data[s + 1] == '\n') {
        csv->eol = CSV_EOL_CRNL;
        *next = s + 2;
        return DONE;
    }
    if (csv->eol == CSV_EOL_CRNL)
        return eol_error(csv, true, start, s, line);
    csv->eol = CSV_EOL_CR;
    return DONE;
}

/* `\.` at `s`. NOTHING: the data end here. DONE: it is data after all (CSV). */
static enum outcome end_marker(struct csv *csv, size_t start, size_t s, uint64_t line)
{
    size_t at = s + 2;
    const char *wrong = NULL;
    if (!csv->end && csv->len - at < 2 &&
        csv->len - at < (csv->eol == CSV_EOL_CRNL ? 2u : 1u))
        return INCOMPLETE;
    char c = at < csv->len ? csv->data[at] : '\0';
    if (csv->eol == CSV_EOL_CRNL) {
        if (c == '\n')
            wrong = "end-of-copy marker does not match previous newline style";
        else if (c != '\r')
            wrong = "end-of-copy marker corrupt";
        at++;
        c = at < csv->len ? csv->data[at] : '\0';
    }
    if (!wrong && c != '\r' && c != '\n')
        wrong = "end-of-copy marker corrupt";
    if (wrong && csv->options.csv)
        return DONE;
    if (!wrong &&
        ((csv->eol == CSV_EOL_NL && c != '\n') || (csv->eol == CSV_EOL_CRNL && c != '\n') ||
         (csv->eol == CSV_EOL_CR && c != '\r')))
        wrong = "end-of-copy marker does not match previous newline style";
    if (!wrong)
        return NOTHING;
    err_set(&csv->fault.err, KDK_BAD_COPY, "%s", wrong);
    return fault(csv, start, s, line);
}

/* From the quote at `open` to the quote that closes it. */
static enum outcome quoted(struct csv *csv, size_t start, size_t open, uint64_t *line)
{
    const char quote = csv->options.quote, escape = csv->options.escape;
    const char newline = csv->eol == CSV_EOL_CR ? '\r' : '\n';
    const bool same = quote == escape;
    size_t s = open;

    for (;;) {
        if (same) {
            s = special_next(csv);
        } else {
            for (s++; s < csv->len && csv->data[s] != quote && csv->data[s] != escape &&
                      csv->data[s] != newline;
                 s++)
                ;
        }
        if (s >= csv->len)
            break;
        char c = csv->data[s];
        if (c == escape && s + 1 >= csv->len && !csv->end)
            return INCOMPLETE;
        if (c == escape && s + 1 < csv->len &&
            (csv->data[s + 1] == quote || csv->data[s + 1] == escape)) {
            if (same)
                special_from(csv, s + 2);
            s++;
        } else if (c == quote) {
            if (!same)
                special_from(csv, s + 1);
            return DONE;
        } else if (c == newline) {
            ++*line;
        }
    }
    if (!csv->end)
        return INCOMPLETE;
    err_set(&csv->fault.err, KDK_BAD_COPY, "unterminated CSV quoted field");
    return fault(csv, start, csv->len, *line);
}

/* The record at csv->at: its fields into the next row, csv->at after it. */
static kdk_status record(struct csv *csv, enum outcome *outcome, struct err *err)
{
    kdk_status status = KDK_OK;
    const size_t start = csv->at;
    const bool is_csv = csv->options.csv;
    const char delimiter = csv->options.delimiter, quote = csv->options.quote;
    uint64_t line = csv->line + 1;
    size_t field = start, next = start, s;
    uint32_t n = 0;
    bool special = false;

    if (start >= csv->len) {
        *outcome = csv->end ? NOTHING : INCOMPLETE;
        return KDK_OK;
    }
    if (is_csv && csv->data[start] == '\\') {
        if (start + 1 >= csv->len && !csv->end) {
            *outcome = INCOMPLETE;
            return KDK_OK;
        }
        if (start + 1 < csv->len && csv->data[start + 1] == '.') {
            *outcome = end_marker(csv, start, start, line);
            if (*outcome != DONE)
                return KDK_OK;
        }
    }
    for (;;) {
        s = special_next(csv);
        if (KDK_UNLIKELY(s >= csv->len)) {
            if (!csv->end) {
                *outcome = INCOMPLETE;
                return KDK_OK;
            }
            s = next = csv->len;
            break;
        }
        const char c = csv->data[s];
        if (KDK_LIKELY(c == delimiter)) {
            TRY(put_field(csv, n, field, s, special, err));
            n++;
            field = s + 1;
            special = false;
        } else if (is_csv && c == quote) {
            special = true;
            *outcome = quoted(csv, start, s, &line);
            if (*outcome != DONE)
                return KDK_OK;
        } else if (c == '\n' || c == '\r') {
            *outcome = line_end(csv, start, s, line, &next);
            if (*outcome != DONE)
                return KDK_OK;
            special_from(csv, next);
            break;
        } else { /* A backslash in the text format. */
            special = true;
            if (s + 1 >= csv->len) {
                if (!csv->end) {
                    *outcome = INCOMPLETE;
                    return KDK_OK;
                }
                s = next = csv->len;
                break;
            }
            if (csv->data[s + 1] == '.') {
                *outcome = end_marker(csv, start, s, line);
                if (*outcome != NOTHING || s == start)
                    return KDK_OK;
                /* What stands before the marker in its line is the last record. */
                csv->finished = true;
                next = s;
                break;
            }
            special_from(csv, s + 2);
        }
    }
    TRY(put_field(csv, n, field, s, special, err));
    n++;
    *outcome = DONE;
    csv->at = next;
    csv->line = line;
    if (!csv->loose && n != csv->stride) {
        if (n == 1 && !csv->stride && s == start)
            goto out; /* Tables without columns have empty lines. */
        if (n > csv->stride) {
            err_set(&csv->fault.err, KDK_BAD_COPY, "extra data after last expected column");
            *outcome = fault(csv, start, s, line);
        } else {
            *outcome = FAULT;
            csv->fault.kind = CSV_MISSING;
            csv->fault.column = n;
            csv->fault.end = s;
            err_set(&csv->fault.err, KDK_BAD_COPY,
                    "missing data"); /* csv_batch() knows for which column. */
            csv_while(csv, line, NULL, csv->data + start, s - start, false,
                      &csv->fault.err);
        }
    }
out:
    return status;
}

kdk_status csv_records(struct csv *csv, struct err *err)
{
    kdk_status status = KDK_OK;
    enum outcome outcome;

    csv->rows = 0;
    csv->fault.kind = CSV_FINE;
    while (!csv->finished && csv->rows < csv->rows_max) {
        const size_t start = csv->at;
        TRY(record(csv, &outcome, err));
        /* Bytes that are no text are noticed by whoever gets that far. */
        if (csv->bad_at < csv->at || (outcome == FAULT && csv->bad_at < csv->fault.end) ||
            (outcome == INCOMPLETE && csv->bad_at < csv->len)) {
            encoding_error(csv->data + csv->bad_at, csv->len - csv->bad_at,
                           &csv->fault.err);
            csv->fault.kind = CSV_STRUCTURE;
            csv_while(csv, csv->at == start ? csv->line + 1 : csv->line, NULL, NULL, 0,
                      false, &csv->fault.err);
            outcome = FAULT;
        }
        switch (outcome) {
        case DONE:
            csv->lines[csv->rows++] = csv->line;
            break;
        case FAULT:
            csv->lines[csv->rows] = csv->line; /* Of the record that is too short. */
            csv->finished = true;
            break;
        case NOTHING:
            csv->finished = true;
            break;
        case INCOMPLETE:
            csv->at = start;
            if (csv->rows) {
                csv->mask_at = start;
                csv->mask = csv_mask(csv->data + start, csv->splat);
                goto out;
            }
            TRY(fill(csv, err));
            break;
        }
    }
out:
    return status;
}

kdk_status csv_loose(struct csv *csv, bool *more, struct err *err)
{
    kdk_status status = KDK_OK;
    TRY(csv_records(csv, err));
    if (csv->fault.kind != CSV_FINE) {
        if (err)
            *err = csv->fault.err;
        status = csv->fault.err.status;
        goto out;
    }
    *more = csv->rows > 0;
out:
    return status;
}
