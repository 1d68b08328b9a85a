/* form.c - how logical types lie in block files, and the names of files. */
#include "block/block_int.h"

#include <inttypes.h>
#include <stdio.h>

/* Of a NUMERIC in Arrow's sense, where no scale is above the precision: numeric(2,3) is a
 * decimal(3,3). */
static int32_t digits_of(struct ltype type)
{
    return type.precision ? MAX(type.precision, type.scale) : 38;
}

bool block_form(struct ltype type, enum strip_form *form)
{
    if (!ltype_supported(type) || type.id == LT_UNKNOWN)
        return false;
    switch ((enum ltype_id)type.id) {
    case LT_BOOLEAN:
        *form = STRIP_BOOL;
        return true;
    case LT_TINYINT:
        *form = STRIP_I8;
        return true;
    case LT_SMALLINT:
        *form = STRIP_I16;
        return true;
    case LT_INTEGER:
    case LT_DATE:
        *form = STRIP_I32;
        return true;
    case LT_BIGINT:
    case LT_TIMESTAMP:
        *form = STRIP_I64;
        return true;
    case LT_NUMERIC:
        *form = digits_of(type) > 18  ? STRIP_I128
                : digits_of(type) > 9 ? STRIP_I64
                                      : STRIP_I32;
        return true;
    case LT_REAL:
        *form = STRIP_F32;
        return true;
    case LT_DOUBLE:
        *form = STRIP_F64;
        return true;
    case LT_TEXT:
    case LT_BYTEA:
        *form = STRIP_TEXT;
        return true;
    case LT_UNKNOWN:
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
    return false;
}

enum vwidth block_form_width(enum strip_form form)
{
    static const uint8_t widths[STRIP_FORM_COUNT] = {
        [STRIP_BOOL] = W_BIT, [STRIP_I8] = W_8,    [STRIP_I16] = W_16,
        [STRIP_I32] = W_32,   [STRIP_I64] = W_64,  [STRIP_I128] = W_128,
        [STRIP_F32] = W_F32,  [STRIP_F64] = W_F64, [STRIP_TEXT] = W_STR,
        [STRIP_CODE] = W_STR};
    return (enum vwidth)widths[form];
}

uint32_t block_form_bytes(enum strip_form form)
{
    if (form == STRIP_TEXT)
        return 0;
    return form == STRIP_CODE ? 4 : vwidth_bytes(block_form_width(form));
}

bool block_form_fits(enum strip_form stored, struct ltype type)
{
    enum strip_form now;

    if (!block_form(type, &now))
        return false;
    if (now == STRIP_TEXT)
        return stored == STRIP_TEXT || stored == STRIP_CODE;
    if (now >= STRIP_I8 && now <= STRIP_I128)
        return stored >= STRIP_I8 && stored <= now;
    return stored == now;
}

kdk_status block_type_print(struct ltype type, struct buf *out, struct err *err)
{
    buf_printf(out, "%u %u %u %u %" PRIu32, type.id, type.precision, type.scale, type.fixed,
               type.length);
    return buf_status(out, err);
}

/* A decimal number from *at on, and the character after it. */
static bool number_read(const char **at, char end, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    const char *p = *at;

    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (uint64_t)(*p - '0');
        if (value > max)
            return false;
    }
    if (*p != end)
        return false;
    *at = p + (end != 0);
    *out = value;
    return true;
}
bool block_number_parse(const char *text, uint64_t max, uint64_t *out)
{
    return text && number_read(&text, 0, max, out);
}
bool block_type_parse(const char *text, struct ltype *out)
{
    uint64_t id, precision, scale, fixed, length;
    enum strip_form form;

    if (!text || !number_read(&text, ' ', LT_COUNT - 1, &id) ||
        !number_read(&text, ' ', 38, &precision) || !number_read(&text, ' ', 38, &scale) ||
        !number_read(&text, ' ', 1, &fixed) || !number_read(&text, 0, UINT32_MAX, &length))
        return false;
    *out = (struct ltype){.id = (uint8_t)id,
                          .precision = (uint8_t)precision,
                          .scale = (uint8_t)scale,
                          .fixed = (uint8_t)fixed,
                          .length = (uint32_t)length};
    return block_form(*out, &form);
}

kdk_status block_path(const char *dir, uint64_t number, char *into, size_t bytes,
                      struct err *err)
{
    int length = snprintf(into, bytes, "%s/%08" PRIu64 ".arrow", dir, number);

    if (length < 0 || (size_t)length >= bytes)
        return err_set(err, KDK_LIMIT, "the path of block file %" PRIu64 " is too long",
                       number);
    return KDK_OK;
}

/* ------------------------------------------------------------------ schema ---- */

static enum arrow_type arrow_type_of(struct ltype type, enum strip_form form)
{
    static const uint8_t types[STRIP_FORM_COUNT] = {
        [STRIP_BOOL] = ARROW_BOOL,   [STRIP_I8] = ARROW_INT8,
        [STRIP_I16] = ARROW_INT16,   [STRIP_I32] = ARROW_INT32,
        [STRIP_I64] = ARROW_INT64,   [STRIP_I128] = ARROW_DECIMAL128,
        [STRIP_F32] = ARROW_FLOAT32, [STRIP_F64] = ARROW_FLOAT64,
        [STRIP_TEXT] = ARROW_UTF8,   [STRIP_CODE] = ARROW_INT32};

    if (type.id == LT_NUMERIC)
        return form == STRIP_I32   ? ARROW_DECIMAL32
               : form == STRIP_I64 ? ARROW_DECIMAL64
                                   : ARROW_DECIMAL128;
    if (type.id == LT_DATE)
        return ARROW_DATE32;
    if (type.id == LT_TIMESTAMP)
        return ARROW_TIMESTAMP;
    if (type.id == LT_BYTEA && form == STRIP_TEXT)
        return ARROW_BINARY;
    return (enum arrow_type)types[form];
}

kdk_status block_field(const struct block_column *column, enum strip_form form,
                       struct arrow_schema **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_schema *field = NULL;
    struct buf text = {0};
    char number[16];

    TRY(arrow_schema_new(arrow_type_of(column->type, form), column->name, &field, err));
    if (column->type.id == LT_NUMERIC) {
        field->precision = digits_of(column->type);
        field->scale = column->type.precision ? column->type.scale : 10;
    }
    field->unit = ARROW_MICROSECOND;
    if (form == STRIP_CODE)
        TRY(arrow_schema_new(column->type.id == LT_BYTEA ? ARROW_BINARY : ARROW_UTF8, "",
                             &field->dictionary, err));
    snprintf(number, sizeof number, "%" PRIu32, column->number);
    TRY(arrow_metadata_add(&field->metadata, BLOCK_KEY "column", strlen(BLOCK_KEY "column"),
                           number, strlen(number), err));
    TRY(block_type_print(column->type, &text, err));
    TRY(arrow_metadata_add(&field->metadata, BLOCK_KEY "type", strlen(BLOCK_KEY "type"),
                           text.data, text.len, err));
    *out = field;
    field = NULL;
out:
    buf_deinit(&text);
    arrow_schema_free(field);
    return status;
}

uint32_t block_metadata_crc(const struct arrow_schema *schema,
                            const struct arrow_metadata *metadata)
{
    uint32_t crc = 0;

    /* Each text with the NUL after it. */
    for (size_t i = 0; i < schema->child_count; i++) {
        const struct arrow_schema *field = schema->children[i];
        crc = crc32c(crc, field->name, strlen(field->name) + 1);
        for (size_t k = 0; k < field->metadata.count; k++) {
            crc = crc32c(crc, field->metadata.pairs[k].key,
                         field->metadata.pairs[k].key_bytes + 1);
            crc = crc32c(crc, field->metadata.pairs[k].value,
                         field->metadata.pairs[k].value_bytes + 1);
        }
    }
    for (size_t k = 0; k < metadata->count; k++) {
        if (strcmp(metadata->pairs[k].key, BLOCK_KEY "crc") == 0)
            continue;
        crc = crc32c(crc, metadata->pairs[k].key, metadata->pairs[k].key_bytes + 1);
        crc = crc32c(crc, metadata->pairs[k].value, metadata->pairs[k].value_bytes + 1);
    }
    return crc;
}
