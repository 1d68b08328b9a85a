/* record.c - encoding and decoding of what a batch says. */
#include "wal/record.h"

enum {
    CODE_NULL = 0x00,
    CODE_FLOAT = 0x01,
    CODE_DOUBLE = 0x02,
    CODE_LONG = 0x03,
    CODE_INT = 0x10,
    CODE_SHORT = 0x40
};
#define INT_BYTES_MAX   16u
#define SHORT_BYTES_MAX 63u

const char *record_kind_name(enum record_kind kind)
{
    switch (kind) {
#define RECORD_NAME(NAME, NUMBER)                                                          \
    case RECORD_##NAME:                                                                    \
        return #NAME;
        RECORD_LIST(RECORD_NAME)
#undef RECORD_NAME
    }
    return "unknown";
}

/* ------------------------------------------------------------------- encode ---- */

static uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static void add_int(struct buf *out, int128 v)
{
    uint8_t bytes[1 + INT_BYTES_MAX];
    uint8_t count = 0;
    /* As many bytes as sign extension needs to give the value back; none for 0. */
    while (v != 0 && !(count > 0 && v == -1 && (bytes[count] & 0x80))) {
        if (count == INT_BYTES_MAX)
            break;
        bytes[++count] = (uint8_t)(v & 0xff);
        v >>= 8;
    }
    /* A positive number whose last byte looks negative needs a zero more. */
    if (v == 0 && count > 0 && (bytes[count] & 0x80) && count < INT_BYTES_MAX)
        bytes[++count] = 0;
    bytes[0] = (uint8_t)(CODE_INT + count);
    buf_add(out, bytes, 1u + count);
}

static void add_value(struct buf *out, struct ltype type, const struct datum *value)
{
    if (value->null) {
        buf_add_u8(out, CODE_NULL);
        return;
    }
    switch (ltype_width(type)) {
    case W_BIT:
    case W_8:
    case W_16:
    case W_32:
    case W_64:
        add_int(out, value->i);
        break;
    case W_128:
        add_int(out, value->w);
        break;
    case W_F32: {
        float f = (float)value->f;
        buf_add_u8(out, CODE_FLOAT);
        buf_add(out, &f, sizeof f);
        break;
    }
    case W_F64:
        buf_add_u8(out, CODE_DOUBLE);
        buf_add(out, &value->f, sizeof value->f);
        break;
    case W_STR:
        if (value->s.len <= SHORT_BYTES_MAX) {
            buf_add_u8(out, (uint8_t)(CODE_SHORT + value->s.len));
        } else {
            buf_add_u8(out, CODE_LONG);
            buf_add_varint(out, value->s.len);
        }
        buf_add(out, str_data(&value->s), value->s.len);
        break;
    }
}

static void add_head(struct buf *out, enum record_kind kind, uint64_t id)
{
    buf_add_u8(out, (uint8_t)kind);
    buf_add_varint(out, id);
}

void record_add_row(struct buf *out, uint32_t table, uint64_t row, const uint32_t *columns,
                    const struct ltype *types, const struct datum *values, uint32_t count)
{
    add_head(out, columns ? RECORD_ROW_PATCH : RECORD_ROW_FULL, table);
    buf_add_varint(out, row);
    buf_add_varint(out, count);
    for (uint32_t i = 0; i < count; i++) {
        if (columns) {
            ASSERT(i == 0 || columns[i] > columns[i - 1]);
            buf_add_varint(out, columns[i]);
        }
        add_value(out, types[i], &values[i]);
    }
}

void record_add_delete(struct buf *out, uint32_t table, uint64_t row)
{
    add_head(out, RECORD_ROW_DELETE, table);
    buf_add_varint(out, row);
}

void record_add_index(struct buf *out, bool plus, uint32_t table, uint32_t index,
                      uint64_t row, const void *key, size_t key_bytes, bool has_null)
{
    add_head(out, plus ? RECORD_INDEX_PLUS : RECORD_INDEX_MINUS, table);
    buf_add_varint(out, index);
    buf_add_varint(out, row);
    buf_add_varint(out, (uint64_t)key_bytes * 2 + has_null);
    buf_add(out, key, key_bytes);
}

static void add_bytes(struct buf *out, const void *bytes, size_t count)
{
    buf_add_varint(out, count);
    buf_add(out, bytes, count);
}

void record_add_file(struct buf *out, uint32_t table, uint64_t file, uint64_t first,
                     uint64_t last, uint64_t rows, const void *entries, size_t entry_bytes)
{
    add_head(out, RECORD_FILE, table);
    buf_add_varint(out, file);
    buf_add_varint(out, first);
    buf_add_varint(out, last);
    buf_add_varint(out, rows);
    add_bytes(out, entries, entry_bytes);
}

void record_add_run(struct buf *out, uint32_t table, uint32_t index, uint64_t run,
                    const void *reference, size_t reference_bytes)
{
    add_head(out, RECORD_RUN, table);
    buf_add_varint(out, index);
    buf_add_varint(out, run);
    add_bytes(out, reference, reference_bytes);
}

void record_add_dict(struct buf *out, uint32_t table, uint32_t column, uint32_t code,
                     const void *text, size_t text_bytes)
{
    add_head(out, RECORD_DICT, table);
    buf_add_varint(out, column);
    buf_add_varint(out, code);
    add_bytes(out, text, text_bytes);
}

void record_add_row_ids(struct buf *out, uint32_t table, uint64_t last)
{
    add_head(out, RECORD_ROW_IDS, table);
    buf_add_varint(out, last);
}

void record_add_object_ids(struct buf *out, uint64_t last)
{
    add_head(out, RECORD_OBJECT_IDS, last);
}

void record_add_sequence(struct buf *out, uint64_t id, int64_t last)
{
    add_head(out, RECORD_SEQUENCE, id);
    buf_add_varint(out, zigzag(last));
}

/* ------------------------------------------------------------------- decode ---- */

static uint32_t cursor_u32v(struct cursor *in)
{
    uint64_t v = cursor_varint(in);
    if (v > UINT32_MAX)
        in->bad = true;
    return (uint32_t)v;
}

/* Bytes of a value's body after its code; false: no such code. */
static bool value_bytes(uint8_t code, struct cursor *in, size_t *bytes)
{
    if (code == CODE_NULL)
        *bytes = 0;
    else if (code == CODE_FLOAT)
        *bytes = 4;
    else if (code == CODE_DOUBLE)
        *bytes = 8;
    else if (code == CODE_LONG)
        *bytes = cursor_varint(in);
    else if (code >= CODE_INT && code <= CODE_INT + INT_BYTES_MAX)
        *bytes = (size_t)(code - CODE_INT);
    else if (code >= CODE_SHORT && code <= CODE_SHORT + SHORT_BYTES_MAX)
        *bytes = (size_t)(code - CODE_SHORT);
    else
        return false;
    return *bytes <= VALUE_BYTES_MAX;
}

/* Past all values; bad when they are not what they should be. */
static void skip_values(struct cursor *in, bool patch, uint32_t count)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < count && !in->bad; i++) {
        size_t bytes = 0;
        if (patch) {
            uint32_t column = cursor_u32v(in);
            if (i > 0 && column <= last)
                in->bad = true;
            last = column;
        }
        uint8_t code = cursor_u8(in);
        if (in->bad || !value_bytes(code, in, &bytes)) {
            in->bad = true;
            return;
        }
        (void)cursor_bytes(in, bytes);
    }
}

kdk_status record_next(struct cursor *in, struct record_view *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    uint8_t tag = cursor_u8(in);
    out->kind = (enum record_kind)tag;
    switch (out->kind) {
    case RECORD_ROW_FULL:
    case RECORD_ROW_PATCH:
        out->table = cursor_u32v(in);
        out->row = cursor_varint(in);
        out->count = cursor_u32v(in);
        if (out->count > TABLE_COLUMNS_MAX)
            in->bad = true;
        out->values = *in;
        skip_values(in, out->kind == RECORD_ROW_PATCH, out->count);
        out->values.end = in->at;
        goto checked;
    case RECORD_ROW_DELETE:
    case RECORD_ROW_IDS:
        out->table = cursor_u32v(in);
        out->row = cursor_varint(in);
        goto checked;
    case RECORD_INDEX_PLUS:
    case RECORD_INDEX_MINUS:
        out->table = cursor_u32v(in);
        out->index = cursor_u32v(in);
        out->row = cursor_varint(in);
        out->key_bytes = cursor_varint(in);
        out->has_null = out->key_bytes & 1;
        out->key_bytes >>= 1;
        out->key = cursor_bytes(in, out->key_bytes);
        goto checked;
    case RECORD_FILE:
        out->table = cursor_u32v(in);
        out->number = cursor_varint(in);
        out->row = cursor_varint(in);
        out->last = cursor_varint(in);
        out->rows = cursor_varint(in);
        out->key_bytes = cursor_varint(in);
        out->key = cursor_bytes(in, out->key_bytes);
        goto checked;
    case RECORD_RUN:
        out->table = cursor_u32v(in);
        out->index = cursor_u32v(in);
        out->number = cursor_varint(in);
        out->key_bytes = cursor_varint(in);
        out->key = cursor_bytes(in, out->key_bytes);
        goto checked;
    case RECORD_DICT:
        out->table = cursor_u32v(in);
        out->column = cursor_u32v(in);
        out->number = cursor_u32v(in);
        out->key_bytes = cursor_varint(in);
        out->key = cursor_bytes(in, out->key_bytes);
        goto checked;
    case RECORD_OBJECT_IDS:
        out->number = cursor_varint(in);
        goto checked;
    case RECORD_SEQUENCE:
        out->number = cursor_varint(in);
        out->value = unzigzag(cursor_varint(in));
        goto checked;
    }
    in->bad = true;
checked:
    if (in->bad) {
        err_set(err, KDK_CORRUPT, "a record of the write-ahead log cannot be decoded");
        err_detail(err, "Its tag is %u.", tag);
        return KDK_CORRUPT;
    }
    return KDK_OK;
}

void record_value(struct record_view *record, struct record_value *out)
{
    struct cursor *in = &record->values;
    memset(out, 0, sizeof *out);
    if (record->kind == RECORD_ROW_PATCH)
        record->column = cursor_u32v(in);
    out->column = record->column;
    if (record->kind == RECORD_ROW_FULL)
        record->column++;
    uint8_t code = cursor_u8(in);
    size_t bytes = 0;
    if (!value_bytes(code, in, &bytes))
        in->bad = true;
    const uint8_t *at = cursor_bytes(in, bytes);
    ASSERT(!in->bad); /* record_next() has checked. */
    if (in->bad || !at || code == CODE_NULL) {
        out->class = VALUE_NULL;
        /* Zero bytes may be at no address. */
        if (in->bad || code == CODE_NULL)
            return;
    }
    if (code == CODE_FLOAT) {
        float f;
        memcpy(&f, at, sizeof f);
        out->class = VALUE_FLOAT;
        out->real = (double)f;
    } else if (code == CODE_DOUBLE) {
        out->class = VALUE_DOUBLE;
        memcpy(&out->real, at, sizeof out->real);
    } else if (code == CODE_LONG || code >= CODE_SHORT) {
        out->class = VALUE_STR;
        out->text = str_of((const char *)at, bytes);
    } else if (bytes <= 8) { /* As nearly all do. */
        uint64_t v = bytes > 0 && at[bytes - 1] & 0x80 ? ~(uint64_t)0 : 0;
        for (size_t i = bytes; i-- > 0;)
            v = v << 8 | at[i];
        out->class = VALUE_INT;
        out->number = (int64_t)v;
    } else {
        uint128 v = bytes > 0 && at[bytes - 1] & 0x80 ? ~(uint128)0 : 0;
        for (size_t i = bytes; i-- > 0;)
            v = v << 8 | at[i];
        out->class = VALUE_INT;
        out->number = (int128)v;
    }
}

/* Does a whole number fit the type? What was written did. */
static bool int_fits(struct ltype type, int128 v)
{
    switch (ltype_width(type)) {
    case W_BIT:
        return v == 0 || v == 1;
    case W_8:
        return v >= INT8_MIN && v <= INT8_MAX;
    case W_16:
        return v >= INT16_MIN && v <= INT16_MAX;
    case W_32:
        return v >= INT32_MIN && v <= INT32_MAX;
    case W_64:
        return v >= INT64_MIN && v <= INT64_MAX;
    case W_128:
        return true;
    case W_F32:
    case W_F64:
    case W_STR:
        return false;
    }
    return false;
}

kdk_status record_datum(const struct record_value *value, struct ltype type,
                        struct datum *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    switch (value->class) {
    case VALUE_NULL:
        out->null = true;
        return KDK_OK;
    case VALUE_INT:
        if (!int_fits(type, value->number))
            break;
        if (ltype_width(type) == W_128)
            out->w = value->number;
        else
            out->i = (int64_t)value->number;
        return KDK_OK;
    case VALUE_FLOAT:
    case VALUE_DOUBLE:
        if (ltype_width(type) != (value->class == VALUE_FLOAT ? W_F32 : W_F64))
            break;
        out->f = value->real;
        return KDK_OK;
    case VALUE_STR:
        if (ltype_width(type) != W_STR)
            break;
        out->s = value->text;
        return KDK_OK;
    }
    err_set(err, KDK_CORRUPT, "a value of the write-ahead log does not fit its column");
    err_detail(err, "Column %u.", value->column);
    return KDK_CORRUPT;
}
