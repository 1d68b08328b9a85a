/* arrow_vec.c - Arrow arrays to vectors and back.
 *
 * In: every Arrow type that holds values of one of our types, widened where we have none as
 * small (unsigned integers, float16). Out: one plain form for each type, which every reader
 * has.
 */
#include "format/format_int.h"

#include <math.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "vec/calendar.h"

/* ------------------------------------------------------------------- types ---- */

kdk_status arrow_ltype(const struct arrow_schema *column, struct ltype *out,
                       struct err *err)
{
    kdk_status status = KDK_OK;
    const struct arrow_schema *values = column->dictionary ? column->dictionary : column;
    struct buf name = {0};

    switch (values->type) {
    case ARROW_BOOL:
        *out = LTYPE(BOOLEAN);
        return KDK_OK;
    case ARROW_INT8:
        *out = LTYPE(TINYINT);
        return KDK_OK;
    case ARROW_UINT8:
    case ARROW_INT16:
        *out = LTYPE(SMALLINT);
        return KDK_OK;
    case ARROW_UINT16:
    case ARROW_INT32:
        *out = LTYPE(INTEGER);
        return KDK_OK;
    case ARROW_UINT32:
    case ARROW_INT64:
        *out = LTYPE(BIGINT);
        return KDK_OK;
    case ARROW_UINT64:
        *out = LTYPE_NUM(20, 0);
        return KDK_OK;
    case ARROW_FLOAT16:
    case ARROW_FLOAT32:
        *out = LTYPE(REAL);
        return KDK_OK;
    case ARROW_FLOAT64:
        *out = LTYPE(DOUBLE);
        return KDK_OK;
    case ARROW_DECIMAL32:
    case ARROW_DECIMAL64:
    case ARROW_DECIMAL128:
        if (values->scale < 0 || values->scale > values->precision)
            break;
        *out = LTYPE_NUM((uint8_t)values->precision, (uint8_t)values->scale);
        return KDK_OK;
    case ARROW_DATE32:
    case ARROW_DATE64:
        *out = LTYPE(DATE);
        return KDK_OK;
    case ARROW_TIMESTAMP:
        *out = LTYPE(TIMESTAMP);
        return KDK_OK;
    case ARROW_NULL: /* All NULL, of whatever type. */
    case ARROW_UTF8:
    case ARROW_LARGE_UTF8:
    case ARROW_UTF8_VIEW:
        *out = LTYPE(TEXT);
        return KDK_OK;
    case ARROW_BINARY:
    case ARROW_LARGE_BINARY:
    case ARROW_BINARY_VIEW:
    case ARROW_FIXED_SIZE_BINARY:
        *out = LTYPE(BYTEA);
        return KDK_OK;
    case ARROW_DECIMAL256:
    case ARROW_TIME32:
    case ARROW_TIME64:
    case ARROW_DURATION:
    case ARROW_INTERVAL_YEAR_MONTH:
    case ARROW_INTERVAL_DAY_TIME:
    case ARROW_INTERVAL_MONTH_DAY_NANO:
    case ARROW_LIST:
    case ARROW_LARGE_LIST:
    case ARROW_LIST_VIEW:
    case ARROW_LARGE_LIST_VIEW:
    case ARROW_FIXED_SIZE_LIST:
    case ARROW_STRUCT:
    case ARROW_MAP:
    case ARROW_TYPE_COUNT:
        break;
    }
    TRY(arrow_schema_print(values, &name, err));
    TRY(buf_status(&name, err));
    status = err_set(err, KDK_UNSUPPORTED,
                     "column \"%s\" has the Arrow type %s, which is not supported",
                     column->name, name.data ? name.data : "");
out:
    buf_deinit(&name);
    return status;
}

/* ---------------------------------------------------------------------- in ---- */

static float half_to_float(uint16_t h)
{
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    float v;
    if (exponent == 31)
        v = mantissa ? (float)NAN : (float)INFINITY;
    else if (exponent)
        v = ldexpf((float)(1024 + mantissa), exponent - 25);
    else
        v = ldexpf((float)mantissa, -24);
    return h & 0x8000 ? -v : v;
}

static kdk_status out_of_range(const struct arrow_schema *column, kdk_status status,
                               const char *what, int64_t row, struct err *err)
{
    return err_set(err, status, "%s out of range in column \"%s\", row %lld", what,
                   column->name, (long long)row + 1);
}

/* One value of a valid slot; *ok false: out of range. */
static inline int64_t timestamp_of(enum arrow_unit unit, int64_t v, bool *ok)
{
    static const int64_t per[] = {1000000, 1000, 1, 1};
    if (unit == ARROW_MICROSECOND && !timestamp_finite(v))
        return v;
    if (unit == ARROW_NANOSECOND)
        v = v / 1000 - (v % 1000 < 0);
    else if (__builtin_mul_overflow(v, per[unit], &v))
        *ok = false;
    if (v < TIMESTAMP_MIN || v > TIMESTAMP_MAX)
        *ok = false;
    return v;
}

/* Values of slots of `a`; `slots` NULL: those from `from` on. Rows whose bit in validity is
 * off are skipped. */
struct reading {
    const struct arrow_schema *column; /* For messages. */
    const struct arrow_schema *s;
    const struct arrow_array *a;
    int64_t from;
    const int64_t *slots;
    uint32_t rows;
    const uint64_t *validity;
};

#define EACH(R, ROW, SLOT)                                                                 \
    for (uint32_t ROW = 0; ROW < (R)->rows; ROW++)                                         \
        if (!(R)->validity || bit_get((R)->validity, ROW))                                 \
            for (int64_t SLOT = (R)->slots ? (R)->slots[ROW] : (R)->from + ROW, once_ = 1; \
                 once_; once_ = 0)

/* Values as they are: one copy. */
static bool copy_plain(const struct reading *r, struct vec *out)
{
    const size_t width = vwidth_bytes((enum vwidth)out->width);
    if (r->slots || arrow_value_bytes(r->s) != width || !r->rows)
        return false;
    memcpy(out->data, arrow_fixed(r->a, width, r->from), r->rows * width);
    return true;
}

#define COPY_AS(FROM, TO)                                                                  \
    do {                                                                                   \
        const FROM *in_ = (const FROM *)r->a->buffers[1]->data + r->a->offset;             \
        EACH(r, row, slot)                                                                 \
        ((TO *)out->data)[row] = (TO)in_[slot];                                            \
    } while (0)

static kdk_status read_decimals(const struct reading *r, struct vec *out, struct err *err)
{
    int128 limit = 1;
    for (int i = 0; i < r->s->precision; i++)
        limit *= 10;
    EACH(r, row, slot)
    {
        int128 v;
        if (r->s->type == ARROW_DECIMAL32)
            v = *(const int32_t *)arrow_fixed(r->a, 4, slot);
        else if (r->s->type == ARROW_DECIMAL64)
            v = *(const int64_t *)arrow_fixed(r->a, 8, slot);
        else
            memcpy(&v, arrow_fixed(r->a, 16, slot), sizeof v);
        if (v >= limit || v <= -limit)
            return out_of_range(r->column, KDK_OUT_OF_RANGE, "decimal", r->from + row, err);
        ((int128 *)out->data)[row] = v;
    }
    return KDK_OK;
}

static kdk_status read_times(const struct reading *r, struct vec *out, struct err *err)
{
    EACH(r, row, slot)
    {
        if (r->s->type == ARROW_TIMESTAMP) {
            bool ok = true;
            int64_t v = *(const int64_t *)arrow_fixed(r->a, 8, slot);
            ((int64_t *)out->data)[row] = timestamp_of(r->s->unit, v, &ok);
            if (!ok)
                return out_of_range(r->column, KDK_DATETIME_RANGE, "timestamp",
                                    r->from + row, err);
        } else {
            int64_t days;
            if (r->s->type == ARROW_DATE32) {
                days = *(const int32_t *)arrow_fixed(r->a, 4, slot);
            } else {
                const int64_t ms = *(const int64_t *)arrow_fixed(r->a, 8, slot),
                              per_day = US_PER_DAY / 1000;
                days = ms / per_day - (ms % per_day < 0);
            }
            if ((days < DATE_MIN || days > DATE_MAX) &&
                (r->s->type == ARROW_DATE64 || date_finite(days)))
                return out_of_range(r->column, KDK_DATETIME_RANGE, "date", r->from + row,
                                    err);
            ((int32_t *)out->data)[row] = (int32_t)days;
        }
    }
    return KDK_OK;
}

static kdk_status read_strings(const struct reading *r, struct vec *out, struct err *err)
{
    const bool text = out->type.id == LT_TEXT;
    EACH(r, row, slot)
    {
        size_t bytes;
        const char *data = (const char *)arrow_bytes(r->s, r->a, slot, &bytes);
        if (bytes > VALUE_BYTES_MAX)
            return err_set(err, KDK_LIMIT,
                           "a value of column \"%s\" has more than %u bytes",
                           r->column->name, VALUE_BYTES_MAX);
        if (text && memchr(data, 0, bytes)) /* A character to Arrow, but none to SQL. */
            return err_set(err, KDK_BAD_ENCODING,
                           "invalid byte sequence for encoding \"UTF8\": 0x00 in column "
                           "\"%s\", row %lld",
                           r->column->name, (long long)r->from + row + 1);
        ((struct str *)out->data)[row] = str_of(data, bytes);
    }
    return KDK_OK;
}

static kdk_status read_values(const struct reading *r, struct vec *out, struct err *err)
{
    switch (r->s->type) {
    case ARROW_BOOL:
        EACH(r, row, slot)
        bit_put(out->data, row, arrow_bool(r->a, slot));
        return KDK_OK;
    case ARROW_INT8:
        if (!copy_plain(r, out))
            COPY_AS(int8_t, int8_t);
        return KDK_OK;
    case ARROW_INT16:
        if (!copy_plain(r, out))
            COPY_AS(int16_t, int16_t);
        return KDK_OK;
    case ARROW_INT32:
        if (!copy_plain(r, out))
            COPY_AS(int32_t, int32_t);
        return KDK_OK;
    case ARROW_INT64:
        if (!copy_plain(r, out))
            COPY_AS(int64_t, int64_t);
        return KDK_OK;
    case ARROW_FLOAT32:
        if (!copy_plain(r, out))
            COPY_AS(float, float);
        return KDK_OK;
    case ARROW_FLOAT64:
        if (!copy_plain(r, out))
            COPY_AS(double, double);
        return KDK_OK;
    case ARROW_UINT8:
        COPY_AS(uint8_t, int16_t);
        return KDK_OK;
    case ARROW_UINT16:
        COPY_AS(uint16_t, int32_t);
        return KDK_OK;
    case ARROW_UINT32:
        COPY_AS(uint32_t, int64_t);
        return KDK_OK;
    case ARROW_UINT64:
        COPY_AS(uint64_t, int128);
        return KDK_OK;
    case ARROW_FLOAT16:
        EACH(r, row, slot)
        ((float *)out->data)[row] =
            half_to_float(*(const uint16_t *)arrow_fixed(r->a, 2, slot));
        return KDK_OK;
    case ARROW_DECIMAL32:
    case ARROW_DECIMAL64:
    case ARROW_DECIMAL128:
        return read_decimals(r, out, err);
    case ARROW_DATE32:
    case ARROW_DATE64:
    case ARROW_TIMESTAMP:
        return read_times(r, out, err);
    case ARROW_UTF8:
    case ARROW_LARGE_UTF8:
    case ARROW_UTF8_VIEW:
    case ARROW_BINARY:
    case ARROW_LARGE_BINARY:
    case ARROW_BINARY_VIEW:
    case ARROW_FIXED_SIZE_BINARY:
        return read_strings(r, out, err);
    case ARROW_NULL: /* No valid slots. */
        return KDK_OK;
    case ARROW_DECIMAL256:
    case ARROW_TIME32:
    case ARROW_TIME64:
    case ARROW_DURATION:
    case ARROW_INTERVAL_YEAR_MONTH:
    case ARROW_INTERVAL_DAY_TIME:
    case ARROW_INTERVAL_MONTH_DAY_NANO:
    case ARROW_LIST:
    case ARROW_LARGE_LIST:
    case ARROW_LIST_VIEW:
    case ARROW_LARGE_LIST_VIEW:
    case ARROW_FIXED_SIZE_LIST:
    case ARROW_STRUCT:
    case ARROW_MAP:
    case ARROW_TYPE_COUNT:
        break;
    }
    return err_set(err, KDK_INTERNAL, "column \"%s\" was not refused", r->column->name);
}

kdk_status arrow_to_vec(const struct arrow_schema *column, const struct arrow_array *array,
                        int64_t from, uint32_t rows, struct vec *out, struct err *err)
{
    int64_t slots[BATCH_ROWS];
    struct reading r = {
        .column = column, .s = column, .a = array, .from = from, .rows = rows};
    const enum vwidth width = ltype_width(out->type);

    vec_reset(out, width);
    /* Values that are not there read as zero (V1). */
    if (width != W_BIT && width != W_STR)
        memset(out->data, 0, rows * (size_t)vwidth_bytes(width));
    if (array->null_count || column->type == ARROW_NULL) {
        vec_validity_on(out, rows);
        if (column->type == ARROW_NULL)
            memset(out->validity, 0, bits_words(rows) * sizeof(uint64_t));
        else if (array->buffers[0])
            bits_copy(out->validity, array->buffers[0]->data,
                      (size_t)(array->offset + from), rows);
    }
    if (column->dictionary) {
        r.s = column->dictionary;
        r.a = array->dictionary;
        r.slots = slots;
        for (uint32_t i = 0; i < rows; i++) {
            slots[i] = arrow_index(column, array, from + i);
            if (slots[i] >= 0 && arrow_is_valid(r.a, slots[i]) &&
                column->dictionary->type != ARROW_NULL)
                continue;
            vec_set_null(out, i, rows);
        }
    }
    r.validity = out->validity;
    return read_values(&r, out, err);
}

/* --------------------------------------------------------------------- out ---- */

static enum arrow_type plain_type(struct ltype type)
{
    switch ((enum ltype_id)type.id) {
    case LT_BOOLEAN:
        return ARROW_BOOL;
    case LT_TINYINT:
        return ARROW_INT8;
    case LT_SMALLINT:
        return ARROW_INT16;
    case LT_INTEGER:
        return ARROW_INT32;
    case LT_BIGINT:
        return ARROW_INT64;
    case LT_NUMERIC:
        return ARROW_DECIMAL128;
    case LT_REAL:
        return ARROW_FLOAT32;
    case LT_DOUBLE:
        return ARROW_FLOAT64;
    case LT_TEXT:
    case LT_UNKNOWN:
        return ARROW_UTF8;
    case LT_BYTEA:
        return ARROW_BINARY;
    case LT_DATE:
        return ARROW_DATE32;
    case LT_TIMESTAMP:
        return ARROW_TIMESTAMP;
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
    return ARROW_TYPE_COUNT;
}

kdk_status columns_to_arrow(const struct relcol *columns, uint32_t count,
                            struct arrow_schema **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_schema *schema = NULL, *child;

    TRY(arrow_schema_new(ARROW_STRUCT, "", &schema, err));
    schema->nullable = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct ltype type = columns[i].type;
        enum arrow_type plain = plain_type(type);
        if (plain == ARROW_TYPE_COUNT)
            TRY(err_set(err, KDK_UNSUPPORTED, "type %s has no Arrow form yet",
                        ltype_id_name(type.id)));
        TRY(arrow_schema_add_new(schema, plain, columns[i].name ? columns[i].name : "",
                                 &child, err));
        if (plain == ARROW_TIMESTAMP)
            child->unit = ARROW_MICROSECOND;
        if (plain == ARROW_DECIMAL128) {
            /* numeric(2,3) is a decimal(3,3) there. */
            child->precision = type.precision ? MAX(type.precision, type.scale) : 38;
            child->scale = type.precision ? type.scale : 10;
        }
    }
    *out = schema;
    schema = NULL;
out:
    arrow_schema_free(schema);
    return status;
}

/* Bytes of CHAR(n) come with their padding, as everywhere they are shown. */
static uint32_t padding_of(struct ltype type, const struct str *s)
{
    if (!type.fixed || !type.length)
        return 0;
    size_t have = utf8_count(str_data(s), s->len);
    return have < type.length ? type.length - (uint32_t)have : 0;
}

static kdk_status write_strings(struct ltype type, const struct vec *v,
                                const struct sel *sel, struct arrow_array *array,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    uint64_t total = 0;
    for (uint32_t k = 0; k < sel->count; k++) {
        struct datum d = vec_get(v, SEL_ROW(sel, k));
        if (!d.null)
            total += (uint64_t)d.s.len + padding_of(type, &d.s);
    }
    if (total > INT32_MAX)
        TRY(err_set(err, KDK_LIMIT, "the text of one batch does not fit 32-bit offsets"));
    TRY(arrow_buffer_new(((size_t)sel->count + 1) * 4, &array->buffers[1], err));
    TRY(arrow_buffer_new((size_t)total, &array->buffers[2], err));
    int32_t *offsets = (int32_t *)(void *)array->buffers[1]->data, at = 0;
    uint8_t *data = array->buffers[2]->data;
    for (uint32_t k = 0; k < sel->count; k++) {
        struct datum d = vec_get(v, SEL_ROW(sel, k));
        offsets[k] = at;
        if (d.null)
            continue;
        uint32_t padding = padding_of(type, &d.s);
        memcpy(data + at, str_data(&d.s), d.s.len);
        memset(data + at + d.s.len, ' ', padding);
        at += (int32_t)(d.s.len + padding);
    }
    offsets[sel->count] = at;
out:
    return status;
}

static void write_value(enum vwidth width, void *data, uint32_t k, const struct datum *d)
{
    switch (width) {
    case W_8:
        ((int8_t *)data)[k] = (int8_t)d->i;
        break;
    case W_16:
        ((int16_t *)data)[k] = (int16_t)d->i;
        break;
    case W_32:
        ((int32_t *)data)[k] = (int32_t)d->i;
        break;
    case W_64:
        ((int64_t *)data)[k] = d->i;
        break;
    case W_128:
        ((int128 *)data)[k] = d->w;
        break;
    case W_F32:
        ((float *)data)[k] = (float)d->f;
        break;
    case W_F64:
        ((double *)data)[k] = d->f;
        break;
    case W_BIT:
        if (d->i)
            ((uint8_t *)data)[k / 8] |= (uint8_t)(1u << k % 8);
        break;
    case W_STR:
        break;
    }
}

static kdk_status vec_to_arrow(struct ltype type, const struct vec *v,
                               const struct sel *sel, struct arrow_array **out,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_array *array = NULL;
    struct arrow_buffer *validity = NULL;
    const enum vwidth width = ltype_width(type);
    int64_t nulls = 0;

    TRY(arrow_array_new(sel->count, 0, width == W_STR ? 3 : 2, 0, &array, err));
    if (v->validity) {
        TRY(arrow_buffer_new((sel->count + 7) / 8, &validity, err));
        memset(validity->data, 0, validity->bytes);
        for (uint32_t k = 0; k < sel->count; k++) {
            if (vec_valid(v, SEL_ROW(sel, k)))
                validity->data[k / 8] |= (uint8_t)(1u << k % 8);
            else
                nulls++;
        }
        array->null_count = nulls;
        if (nulls) {
            array->buffers[0] = validity;
            validity = NULL;
        }
    }
    if (width == W_STR) {
        TRY(write_strings(type, v, sel, array, err));
    } else {
        size_t bytes = width == W_BIT ? (sel->count + 7) / 8
                                      : sel->count * (size_t)vwidth_bytes(width);
        TRY(arrow_buffer_new(bytes, &array->buffers[1], err));
        void *data = array->buffers[1]->data;
        if (v->form == VF_FLAT && v->width == width && width != W_BIT && !sel->rows &&
            bytes) {
            memcpy(data, v->data, bytes);
        } else if (bytes) {
            memset(data, 0, bytes);
            for (uint32_t k = 0; k < sel->count; k++) {
                struct datum d = vec_get(v, SEL_ROW(sel, k));
                if (!d.null)
                    write_value(width, data, k, &d);
            }
        }
    }
    *out = array;
    array = NULL;
out:
    arrow_buffer_unref(validity);
    arrow_array_unref(array);
    return status;
}

kdk_status batch_to_arrow(const struct relcol *columns, uint32_t count,
                          const struct batch *batch, struct arrow_array **out,
                          struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_array *array = NULL;

    TRY_ASSERT(count <= batch->column_count);
    TRY(arrow_array_new(batch->sel.count, 0, 1, count, &array, err));
    for (uint32_t i = 0; i < count; i++) {
        struct vec *v = &batch->columns[i];
        if (v->form == VF_LAZY)
            TRY(v->load(v, &batch->sel, batch->count, err));
        TRY(vec_to_arrow(columns[i].type, v, &batch->sel, &array->children[i], err));
    }
    *out = array;
    array = NULL;
out:
    arrow_array_unref(array);
    return status;
}
