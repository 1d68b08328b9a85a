/* csv_value.c - fields to values: quotes and escapes undone, NULLs recognized, a column at
 * a time into a vector. */
#include "format/csv.h"

#include "base/utf8.h"

/* ------------------------------------------------------------ one field ---- */

/* Drops quotes and escapes; never longer than what was there. */
static size_t unquote(const struct csv *csv, char *text, size_t bytes)
{
    const char quote = csv->options.quote, escape = csv->options.escape;
    char *out = text;
    const char *at = text, *end = text + bytes;
    bool in = false;
    while (at < end) {
        char c = *at++;
        if (in && c == escape && at < end && (*at == escape || *at == quote)) {
            *out++ = *at++;
        } else if (c == quote) {
            in = !in;
        } else {
            *out++ = c;
        }
    }
    return (size_t)(out - text);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Backslash sequences of the text format. *check: they may have made what is no text. */
static size_t unescape(char *text, size_t bytes, bool *check)
{
    char *out = text;
    const char *at = text, *end = text + bytes;
    while (at < end) {
        char c = *at++;
        if (c != '\\') {
            *out++ = c;
            continue;
        }
        if (at >= end)
            break;
        c = *at++;
        if (c >= '0' && c <= '7') {
            int v = c - '0';
            for (int i = 0; i < 2 && at < end && *at >= '0' && *at <= '7'; i++)
                v = v * 8 + (*at++ - '0');
            c = (char)v; /* \777 is one byte, too. */
            *check |= (v & 0xff) == 0 || (v & 0x80);
        } else if (c == 'x' && at < end && hex_digit(*at) >= 0) {
            int v = hex_digit(*at++);
            if (at < end && hex_digit(*at) >= 0)
                v = v * 16 + hex_digit(*at++);
            c = (char)v;
            *check |= v == 0 || (v & 0x80);
        } else {
            static const char from[] = "bfnrtv", to[] = "\b\f\n\r\t\v";
            const char *found = c ? strchr(from, c) : NULL;
            if (found)
                c = to[found - from];
        }
        *out++ = c;
    }
    return (size_t)(out - text);
}

static inline bool is_null_text(const struct csv *csv, const char *text, size_t bytes)
{
    return bytes == csv->null_bytes && memcmp(text, csv->options.null_text, bytes) == 0;
}

kdk_status csv_value(struct csv *csv, struct csv_field *field,
                     const struct csv_column *column, const char **text, size_t *bytes,
                     bool *null, struct err *err)
{
    char *at = csv->data + field->at;
    size_t n = field->bytes;

    if (!field->special || !csv->options.csv)
        *null = is_null_text(csv, at, n);
    else
        *null = false;
    if (*null && column && column->force_not_null) {
        *null = false;
    } else if (field->special && !*null) {
        bool check = false;
        size_t bad = 0;
        n = csv->options.csv ? unquote(csv, at, n) : unescape(at, n, &check);
        *field = (struct csv_field){field->at, (uint32_t)n, false};
        if (check) {
            const char *nul = memchr(at, 0, n);
            if (nul || !utf8_valid(at, n, &bad))
                return err_set(err, KDK_BAD_ENCODING,
                               "invalid byte sequence for encoding \"UTF8\": 0x%02x",
                               nul ? 0 : (uint8_t)at[bad]);
        }
        *null = column && column->force_null && is_null_text(csv, at, n);
    }
    *text = at;
    *bytes = n;
    return KDK_OK;
}

/* ------------------------------------------------------------ fast paths ---- */

/* Up to 18 digits with a minus, nothing else. */
static inline bool plain_integer(const char *text, size_t bytes, int64_t *out)
{
    bool minus = bytes && *text == '-';
    const char *at = text + minus;
    size_t digits = bytes - minus;
    uint64_t v = 0;
    if (digits - 1 >= 18)
        return false;
    for (size_t i = 0; i < digits; i++) {
        unsigned d = (unsigned)(uint8_t)at[i] - '0';
        if (d > 9)
            return false;
        v = v * 10 + d;
    }
    *out = minus ? -(int64_t)v : (int64_t)v;
    return true;
}

static const uint64_t tens[19] = {1ull,
                                  10ull,
                                  100ull,
                                  1000ull,
                                  10000ull,
                                  100000ull,
                                  1000000ull,
                                  10000000ull,
                                  100000000ull,
                                  1000000000ull,
                                  10000000000ull,
                                  100000000000ull,
                                  1000000000000ull,
                                  10000000000000ull,
                                  100000000000000ull,
                                  1000000000000000ull,
                                  10000000000000000ull,
                                  100000000000000000ull,
                                  1000000000000000000ull};

/* Digits with a point, no more places than the scale, 18 digits in all. */
static inline bool plain_decimal(const char *text, size_t bytes, uint32_t precision,
                                 uint32_t scale, int64_t *out)
{
    bool minus = bytes && *text == '-';
    const char *at = text + minus, *end = text + bytes;
    uint64_t v = 0;
    uint32_t digits = 0, places = 0;
    bool point = false;
    if ((size_t)(end - at) > 19)
        return false;
    for (; at < end; at++) {
        unsigned d = (unsigned)(uint8_t)*at - '0';
        if (d <= 9) {
            v = v * 10 + d;
            digits++;
            places += point;
        } else if (*at == '.' && !point) {
            point = true;
        } else {
            return false;
        }
    }
    if (!digits || places > scale || digits + (scale - places) > 18)
        return false;
    v *= tens[scale - places];
    if (precision < 18 && v >= tens[precision])
        return false;
    *out = minus ? -(int64_t)v : (int64_t)v;
    return true;
}

/* -------------------------------------------------------------- a column ---- */

static const int64_t least[] = {[LT_TINYINT] = INT8_MIN,
                                [LT_SMALLINT] = INT16_MIN,
                                [LT_INTEGER] = INT32_MIN,
                                [LT_BIGINT] = INT64_MIN};

static void put_integer(struct vec *v, uint32_t row, int64_t value)
{
    switch ((enum vwidth)v->width) {
    case W_8:
        ((int8_t *)v->data)[row] = (int8_t)value;
        break;
    case W_16:
        ((int16_t *)v->data)[row] = (int16_t)value;
        break;
    case W_32:
        ((int32_t *)v->data)[row] = (int32_t)value;
        break;
    case W_64:
        ((int64_t *)v->data)[row] = value;
        break;
    case W_128:
        ((int128 *)v->data)[row] = value;
        break;
    case W_BIT:
    case W_F32:
    case W_F64:
    case W_STR:
        break;
    }
}

/* Rows 0..rows-1 of one column. On an error *failed is its row. `count`: rows of the
 * vector. */
static kdk_status column_convert(struct csv *csv, uint32_t c,
                                 const struct csv_column *column, uint32_t rows,
                                 uint32_t count, struct vec *v, struct arena *arena,
                                 uint32_t *failed, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct ltype type = column->type;
    const uint32_t precision = type.precision ? type.precision : 38,
                   scale = type.precision ? type.scale : 10;
    struct csv_field *f = csv->fields + c;
    const char *text;
    size_t bytes;
    uint32_t row;
    bool null = false;

    for (row = 0; row < rows; row++, f += csv->stride) {
        int64_t i;
        struct datum d;
        text = csv->data + f->at;
        bytes = f->bytes;
        if (KDK_UNLIKELY(f->special || bytes == csv->null_bytes)) {
            null = false;
            TRY(csv_value(csv, f, column, &text, &bytes, &null, err));
            if (null) {
                vec_set_null(v, row, count);
                continue;
            }
        }
        switch ((enum ltype_id)type.id) {
        case LT_TINYINT:
        case LT_SMALLINT:
        case LT_INTEGER:
        case LT_BIGINT:
            if (KDK_LIKELY(plain_integer(text, bytes, &i) && i >= least[type.id] &&
                           i <= ~least[type.id])) {
                put_integer(v, row, i);
                continue;
            }
            break;
        case LT_NUMERIC:
            if (KDK_LIKELY(plain_decimal(text, bytes, precision, scale, &i))) {
                put_integer(v, row, i);
                continue;
            }
            break;
        case LT_TEXT: /* It is UTF-8 already. */
            if (KDK_LIKELY((!type.length || bytes <= type.length) && !type.fixed &&
                           bytes <= VALUE_BYTES_MAX)) {
                ((struct str *)v->data)[row] = str_of(text, bytes);
                continue;
            }
            break;
        case LT_UNKNOWN:
        case LT_BOOLEAN:
        case LT_REAL:
        case LT_DOUBLE:
        case LT_BYTEA:
        case LT_DATE:
        case LT_TIMESTAMP:
        case LT_TIME:
        case LT_TIMESTAMPTZ:
        case LT_UUID:
        case LT_INTERVAL:
        case LT_JSON:
        case LT_LIST:
        case LT_STRUCT:
        case LT_ENUM:
        case LT_COUNT:
            break;
        }
        TRY(datum_parse(type, text, bytes, arena, &d, err));
        if (d.null)
            vec_set_null(v, row, count);
        else
            vec_put(v, row, &d, count);
    }
out:
    if (status != KDK_OK) {
        size_t bad;
        *failed = row;
        if (memchr(text, 0, bytes) || !utf8_valid(text, bytes, &bad))
            text = NULL, bytes = 0;
        if (csv->hint && status != KDK_NOMEM)
            err_hint(err, "%s", csv->hint);
        csv_while(csv, csv->lines[row], column->name, text, bytes, null, err);
    }
    return status;
}

kdk_status csv_batch(struct csv *csv, const struct csv_column *columns, struct arena *arena,
                     struct batch *batch, bool *more, struct err *err)
{
    kdk_status status = KDK_OK;
    struct err first = {0};
    uint32_t good;

    *more = false;
    batch_all(batch, 0);
    if (csv->pending.status != KDK_OK) {
        csv->failed = true;
        if (err)
            *err = csv->pending;
        return csv->pending.status;
    }
    TRY_ASSERT(!csv->failed);
    TRY(csv_records(csv, err));
    good = csv->rows;
    if (csv->fault.kind == CSV_STRUCTURE) {
        first = csv->fault.err;
    } else if (csv->fault.kind == CSV_MISSING) {
        /* PostgreSQL comes to the columns that are there before it misses one; the context
         * was made when the line was at hand. */
        const struct err was = csv->fault.err;
        err_set(&first, KDK_BAD_COPY, "missing data for column \"%s\"",
                columns[csv->fault.column].name);
        memcpy(first.chain, was.chain, sizeof first.chain);
    }
    for (uint32_t c = 0; c < csv->stride; c++) {
        uint32_t failed = 0, rows = good + (csv->fault.kind == CSV_MISSING &&
                                            good == csv->rows && c < csv->fault.column);
        struct err here = {0};
        if (columns[c].slot == UINT32_MAX)
            continue;
        struct vec *v = &batch->columns[columns[c].slot];
        vec_reset(v, ltype_width(columns[c].type));
        if (column_convert(csv, c, &columns[c], rows, rows, v, arena, &failed, &here) !=
            KDK_OK) {
            first = here;
            if (failed == csv->rows)
                csv->fault.kind =
                    CSV_FINE; /* The short record: what it misses matters no more, other columns of it neither. */
            good = MIN(failed, csv->rows);
        }
    }
    batch_all(batch, good);
    *more = good > 0;
    if (first.status == KDK_OK)
        goto out;
    csv->finished = true;
    csv->pending = first;
    if (!good) {
        csv->failed = true;
        if (err)
            *err = first;
        status = first.status;
    }
out:
    return status;
}
