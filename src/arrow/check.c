/* check.c - whether an array from outside is what it says (A1 to A4), and whether two are
 * equal. */
#include "arrow/arrow.h"
#include "arrow/arrow_int.h"

#include "base/buf.h"
#include "base/utf8.h"

static kdk_status wrong(const char *what, struct err *err)
{
    return err_set(err, KDK_CORRUPT, "bad Arrow array: %s", what);
}

/* Buffer `i` holds at least `bytes`. A missing buffer of nothing becomes the zeroes. */
static kdk_status need(struct arrow_array *array, size_t i, size_t bytes, struct err *err)
{
    if (!array->buffers[i] || (array->buffers[i]->bytes == 0 && bytes == 0)) {
        arrow_buffer_unref(array->buffers[i]);
        array->buffers[i] = arrow_buffer_zeroes();
    }
    if (array->buffers[i]->bytes < bytes) {
        kdk_status status = wrong("buffer is too short", err);
        err_detail(err, "buffer %zu has %zu bytes, %zu are needed", i,
                   array->buffers[i]->bytes, bytes);
        return status;
    }
    return KDK_OK;
}

/* Offsets from slot `offset` on do not decrease, start at 0 or more, and end within
 * `limit`. */
static kdk_status check_offsets(const struct arrow_array *array, bool wide, uint64_t limit,
                                struct err *err)
{
    const uint8_t *data = array->buffers[1]->data;
    int64_t from = array->offset, to = array->offset + array->length, last;
    bool ok;

    last = wide ? arrow_get_i64(data, from) : arrow_get_i32(data, from);
    ok = last >= 0;
    for (int64_t i = from + 1; i <= to; i++) {
        int64_t v = wide ? arrow_get_i64(data, i) : arrow_get_i32(data, i);
        ok &= v >= last;
        last = v;
    }
    if (!ok)
        return wrong("offsets decrease", err);
    if ((uint64_t)last > limit)
        return wrong("offsets end past the data", err);
    return KDK_OK;
}

static kdk_status check_text(const struct arrow_schema *schema,
                             const struct arrow_array *array, struct err *err)
{
    for (int64_t i = 0; i < array->length; i++) {
        size_t bytes, at;
        const uint8_t *text;
        if (!arrow_is_valid(array, i))
            continue;
        text = arrow_bytes(schema, array, i, &bytes);
        if (!utf8_valid((const char *)text, bytes, &at)) {
            kdk_status status = wrong("text is not UTF-8", err);
            err_detail(err, "slot %lld, byte %zu", (long long)i, at);
            return status;
        }
    }
    return KDK_OK;
}

/* Text with offsets. Mostly all of it is good and one call tells: then only the slots must
 * begin where characters do. Otherwise what lies under NULLs may be at fault, and slots are
 * checked one by one. */
static kdk_status check_var_text(const struct arrow_schema *schema,
                                 const struct arrow_array *array, struct err *err)
{
    size_t bytes, all;
    const uint8_t *first, *last;
    bool ok = true;

    if (array->length == 0)
        return KDK_OK;
    first = arrow_bytes(schema, array, 0, &bytes);
    last = arrow_bytes(schema, array, array->length - 1, &bytes) + bytes;
    all = (size_t)(last - first);
    if (!utf8_valid((const char *)first, all, NULL))
        return check_text(schema, array, err);
    for (int64_t i = 1; i < array->length; i++) {
        const uint8_t *at = arrow_bytes(schema, array, i, &bytes);
        ok &= at == last || (*at & 0xc0) != 0x80;
    }
    return ok ? KDK_OK : check_text(schema, array, err);
}

static kdk_status check_views(struct arrow_array *array, struct err *err)
{
    const uint8_t *views = array->buffers[1]->data;

    for (size_t i = 2; i < array->buffer_count; i++) {
        kdk_status status = need(array, i, 0, err);
        if (status != KDK_OK)
            return status;
    }
    for (int64_t i = 0; i < array->length; i++) {
        const uint8_t *view = views + (array->offset + i) * 16;
        uint32_t bytes = get_u32(view), buffer, from;
        if (!arrow_is_valid(array, i) || bytes <= 12)
            continue;
        buffer = get_u32(view + 8);
        from = get_u32(view + 12);
        if (bytes > INT32_MAX || buffer >= array->buffer_count - 2 ||
            from > array->buffers[2 + buffer]->bytes ||
            bytes > array->buffers[2 + buffer]->bytes - from)
            return wrong("view points past its buffer", err);
        if (memcmp(view + 4, array->buffers[2 + buffer]->data + from, 4) != 0)
            return wrong("prefix of a view differs from its data", err);
    }
    return KDK_OK;
}

static kdk_status check_list_views(const struct arrow_schema *schema,
                                   const struct arrow_array *array, struct err *err)
{
    int64_t limit = array->children[0]->length;

    for (int64_t i = 0; i < array->length; i++) {
        int64_t from, count;
        if (!arrow_is_valid(array, i))
            continue;
        from = arrow_list(schema, array, i, &count);
        if (from < 0 || count < 0 || from > limit || count > limit - from)
            return wrong("list view points past its child", err);
    }
    return KDK_OK;
}

static kdk_status check_array(const struct arrow_schema *schema, struct arrow_array *array,
                              struct err *err)
{
    enum arrow_layout layout = arrow_type_layout(schema->type);
    kdk_status status = KDK_OK;
    bool text = schema->type == ARROW_UTF8 || schema->type == ARROW_LARGE_UTF8 ||
                schema->type == ARROW_UTF8_VIEW;
    int64_t nulls, child_need;
    size_t end, buffers = arrow_buffer_min(layout);

    if (array->length < 0 || array->offset < 0 || array->length > ARROW_LENGTH_MAX ||
        array->offset > ARROW_LENGTH_MAX)
        return wrong("length out of range", err);
    end = (size_t)(array->length + array->offset);
    if (array->buffer_count < buffers ||
        (array->buffer_count > buffers && layout != ARROW_LAYOUT_VIEW))
        return wrong("wrong number of buffers", err);
    if (array->child_count != schema->child_count)
        return wrong("wrong number of children", err);
    if (!array->dictionary != !schema->dictionary)
        return wrong(schema->dictionary ? "no dictionary" : "unexpected dictionary", err);

    for (size_t i = 0; i < array->child_count; i++) {
        status = check_array(schema->children[i], array->children[i], err);
        if (status != KDK_OK) {
            err_while(err, "checking Arrow field \"%s\"", schema->children[i]->name);
            return status;
        }
    }
    if (buffers && array->buffers[0] && array->buffers[0]->bytes == 0 && end == 0) {
        arrow_buffer_unref(array->buffers[0]);
        array->buffers[0] = NULL;
    }
    if (buffers && array->buffers[0])
        TRY(need(array, 0, (end + 7) / 8, err));
    nulls = arrow_nulls_count(schema, array);
    /* Writers disagree on how many NULLs an array of type null has. */
    if (array->null_count != -1 && array->null_count != nulls &&
        layout != ARROW_LAYOUT_NONE)
        return wrong("null count differs from the validity bitmap", err);
    array->null_count = nulls;

    switch (layout) {
    case ARROW_LAYOUT_NONE:
        break;
    case ARROW_LAYOUT_BIT:
        TRY(need(array, 1, (end + 7) / 8, err));
        break;
    case ARROW_LAYOUT_FIXED:
        TRY(need(array, 1, size_mul(end, arrow_value_bytes(schema)), err));
        break;
    case ARROW_LAYOUT_VAR32:
    case ARROW_LAYOUT_VAR64: {
        bool wide = layout == ARROW_LAYOUT_VAR64;
        if (end == 0)
            TRY(need(array, 1, 0, err));
        TRY(need(array, 1, (end + 1) * (wide ? 8 : 4), err));
        TRY(need(array, 2, 0, err));
        TRY(check_offsets(array, wide, array->buffers[2]->bytes, err));
        if (text)
            TRY(check_var_text(schema, array, err));
        break;
    }
    case ARROW_LAYOUT_VIEW:
        TRY(need(array, 1, end * 16, err));
        TRY(check_views(array, err));
        if (text)
            TRY(check_text(schema, array, err));
        break;
    case ARROW_LAYOUT_LIST32:
    case ARROW_LAYOUT_LIST64: {
        bool wide = layout == ARROW_LAYOUT_LIST64;
        if (end == 0)
            TRY(need(array, 1, 0, err));
        TRY(need(array, 1, (end + 1) * (wide ? 8 : 4), err));
        TRY(check_offsets(array, wide, (uint64_t)array->children[0]->length, err));
        break;
    }
    case ARROW_LAYOUT_LIST_VIEW32:
    case ARROW_LAYOUT_LIST_VIEW64: {
        size_t width = layout == ARROW_LAYOUT_LIST_VIEW64 ? 8 : 4;
        TRY(need(array, 1, end * width, err));
        TRY(need(array, 2, end * width, err));
        TRY(check_list_views(schema, array, err));
        break;
    }
    case ARROW_LAYOUT_FIXED_LIST:
        if (__builtin_mul_overflow((int64_t)end, (int64_t)schema->width, &child_need) ||
            array->children[0]->length < child_need)
            return wrong("child of a fixed-size list is too short", err);
        break;
    case ARROW_LAYOUT_STRUCT:
        for (size_t i = 0; i < array->child_count; i++)
            if (array->children[i]->length < (int64_t)end)
                return wrong("child of a struct is too short", err);
        break;
    }
    if (schema->dictionary) {
        int64_t entries = array->dictionary->length;
        for (int64_t i = 0; i < array->length; i++) {
            int64_t index = arrow_index(schema, array, i);
            if (index >= entries || (index < 0 && arrow_is_valid(array, i)))
                return wrong("dictionary index out of range", err);
        }
    }
out:
    return status;
}

kdk_status arrow_array_check(const struct arrow_schema *schema, struct arrow_array *array,
                             struct err *err)
{
    kdk_status status = check_array(schema, array, err);
    if (status != KDK_OK)
        err_while(err, "checking Arrow field \"%s\"", schema->name);
    return status;
}

/* ---- Equality ---- */

/* Where two arrays differ: innermost first, written while unwinding. */
static bool differ(struct buf *why, const struct arrow_schema *schema, int64_t i,
                   const char *what)
{
    if (why) {
        struct buf type = {0};
        if (arrow_schema_print(schema, &type, NULL) == KDK_OK)
            buf_printf(why, "%s in slot %lld of \"%s\" (%s)", what, (long long)i,
                       schema->name, type.data ? type.data : "");
        buf_deinit(&type);
    }
    return false;
}

static bool equal_slot(const struct arrow_schema *schema, const struct arrow_array *a,
                       int64_t i, const struct arrow_array *b, int64_t j, struct buf *why);

/* A dictionary-encoded slot is NULL also when its entry is. */
static bool slot_valid(const struct arrow_schema *schema, const struct arrow_array *a,
                       int64_t i)
{
    if (!arrow_is_valid(a, i))
        return false;
    return !schema->dictionary ||
           slot_valid(schema->dictionary, a->dictionary, arrow_index(schema, a, i));
}

static bool equal_valid(const struct arrow_schema *schema, const struct arrow_array *a,
                        int64_t i, const struct arrow_array *b, int64_t j, struct buf *why)
{
    size_t a_bytes, b_bytes;
    int64_t a_from, b_from, a_count, b_count;
    const uint8_t *x, *y;

    if (schema->dictionary)
        return equal_slot(schema->dictionary, a->dictionary, arrow_index(schema, a, i),
                          b->dictionary, arrow_index(schema, b, j), why);
    switch (arrow_type_layout(schema->type)) {
    case ARROW_LAYOUT_NONE:
        return true;
    case ARROW_LAYOUT_BIT:
        return arrow_bool(a, i) == arrow_bool(b, j) ||
               differ(why, schema, i, "value differs");
    case ARROW_LAYOUT_FIXED:
    case ARROW_LAYOUT_VAR32:
    case ARROW_LAYOUT_VAR64:
    case ARROW_LAYOUT_VIEW:
        x = arrow_bytes(schema, a, i, &a_bytes);
        y = arrow_bytes(schema, b, j, &b_bytes);
        return (a_bytes == b_bytes && memcmp(x, y, a_bytes) == 0) ||
               differ(why, schema, i, "value differs");
    case ARROW_LAYOUT_LIST32:
    case ARROW_LAYOUT_LIST64:
    case ARROW_LAYOUT_LIST_VIEW32:
    case ARROW_LAYOUT_LIST_VIEW64:
    case ARROW_LAYOUT_FIXED_LIST:
        a_from = arrow_list(schema, a, i, &a_count);
        b_from = arrow_list(schema, b, j, &b_count);
        if (a_count != b_count)
            return differ(why, schema, i, "number of elements differs");
        for (int64_t k = 0; k < a_count; k++)
            if (!equal_slot(schema->children[0], a->children[0], a_from + k, b->children[0],
                            b_from + k, why))
                return false;
        return true;
    case ARROW_LAYOUT_STRUCT:
        for (size_t k = 0; k < schema->child_count; k++)
            if (!equal_slot(schema->children[k], a->children[k], a->offset + i,
                            b->children[k], b->offset + j, why))
                return false;
        return true;
    }
    return false;
}

static bool equal_slot(const struct arrow_schema *schema, const struct arrow_array *a,
                       int64_t i, const struct arrow_array *b, int64_t j, struct buf *why)
{
    bool valid = slot_valid(schema, a, i);

    if (valid != slot_valid(schema, b, j))
        return differ(why, schema, i, "NULL on one side only");
    return !valid || equal_valid(schema, a, i, b, j, why);
}

bool arrow_array_equal(const struct arrow_schema *schema, const struct arrow_array *a,
                       const struct arrow_array *b, struct buf *why)
{
    if (a->length != b->length) {
        if (why)
            buf_printf(why, "length of \"%s\" is %lld and %lld", schema->name,
                       (long long)a->length, (long long)b->length);
        return false;
    }
    /* Nothing but a count to compare, and that may be large. */
    if (schema->type == ARROW_NULL ||
        (schema->type == ARROW_STRUCT && !schema->child_count && a->null_count == 0 &&
         b->null_count == 0))
        return true;
    for (int64_t i = 0; i < a->length; i++)
        if (!equal_slot(schema, a, i, b, i, why))
            return false;
    return true;
}
