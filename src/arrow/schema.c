/* schema.c - types and fields: trees, their checks, copies, comparison and names. */
#include "arrow/arrow.h"

#include "base/buf.h"
#include "base/mem.h"

enum arrow_layout arrow_type_layout(enum arrow_type type)
{
    static const uint8_t layouts[] = {
#define X(NAME, LAYOUT, WIDTH, TEXT) ARROW_LAYOUT_##LAYOUT,
        ARROW_TYPES(X)
#undef X
    };
    ASSERT((unsigned)type < COUNT_OF(layouts));
    return (enum arrow_layout)layouts[type];
}

const char *arrow_type_name(enum arrow_type type)
{
    static const char *const names[] = {
#define X(NAME, LAYOUT, WIDTH, TEXT) TEXT,
        ARROW_TYPES(X)
#undef X
    };
    ASSERT((unsigned)type < COUNT_OF(names));
    return names[type];
}

size_t arrow_value_bytes(const struct arrow_schema *schema)
{
    static const uint8_t widths[] = {
#define X(NAME, LAYOUT, WIDTH, TEXT) WIDTH,
        ARROW_TYPES(X)
#undef X
    };
    return schema->type == ARROW_FIXED_SIZE_BINARY ? (size_t)schema->width
                                                   : widths[schema->type];
}

/* ---- Metadata ---- */

void arrow_metadata_deinit(struct arrow_metadata *metadata)
{
    for (size_t i = 0; i < metadata->count; i++) {
        mem_free(metadata->pairs[i].key);
        mem_free(metadata->pairs[i].value);
    }
    mem_free(metadata->pairs);
    *metadata = (struct arrow_metadata){0};
}

static char *dup_text(const void *bytes, size_t count)
{
    char *text = mem_alloc(size_add(count, 1));
    if (text) {
        if (count)
            memcpy(text, bytes, count);
        text[count] = 0;
    }
    return text;
}

kdk_status arrow_metadata_add(struct arrow_metadata *metadata, const void *key,
                              size_t key_bytes, const void *value, size_t value_bytes,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_pair pair = {.key_bytes = key_bytes, .value_bytes = value_bytes};

    TRY_MEM(pair.key = dup_text(key, key_bytes));
    TRY_MEM(pair.value = dup_text(value, value_bytes));
    /* The room doubles at each power of two, so no capacity need be kept. */
    if ((metadata->count & (metadata->count - 1)) == 0) {
        size_t room = metadata->count ? metadata->count * 2 : 1;
        struct arrow_pair *more = mem_realloc(metadata->pairs, size_mul(room, sizeof pair));
        TRY_MEM(more);
        metadata->pairs = more;
    }
    metadata->pairs[metadata->count++] = pair;
    pair = (struct arrow_pair){0};
out:
    mem_free(pair.key);
    mem_free(pair.value);
    return status;
}

kdk_status arrow_metadata_copy(struct arrow_metadata *out,
                               const struct arrow_metadata *from, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_metadata copy = {0};

    for (size_t i = 0; i < from->count; i++)
        TRY(arrow_metadata_add(&copy, from->pairs[i].key, from->pairs[i].key_bytes,
                               from->pairs[i].value, from->pairs[i].value_bytes, err));
    *out = copy;
    copy = (struct arrow_metadata){0};
out:
    arrow_metadata_deinit(&copy);
    return status;
}

const char *arrow_metadata_get(const struct arrow_metadata *metadata, const char *key,
                               size_t *bytes)
{
    size_t key_bytes = strlen(key);
    for (size_t i = 0; i < metadata->count; i++) {
        const struct arrow_pair *pair = &metadata->pairs[i];
        if (pair->key_bytes == key_bytes && memcmp(pair->key, key, key_bytes) == 0) {
            if (bytes)
                *bytes = pair->value_bytes;
            return pair->value;
        }
    }
    return NULL;
}

static bool metadata_equal(const struct arrow_metadata *a, const struct arrow_metadata *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct arrow_pair *x = &a->pairs[i], *y = &b->pairs[i];
        if (x->key_bytes != y->key_bytes || x->value_bytes != y->value_bytes ||
            memcmp(x->key, y->key, x->key_bytes) != 0 ||
            memcmp(x->value, y->value, x->value_bytes) != 0)
            return false;
    }
    return true;
}

/* ---- Trees ---- */

kdk_status arrow_schema_new(enum arrow_type type, const char *name,
                            struct arrow_schema **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_schema *schema = NULL;

    TRY_MEM(schema = MEM_NEW(struct arrow_schema));
    schema->type = type;
    schema->nullable = true;
    schema->dictionary_id = -1;
    TRY_MEM(schema->name = mem_strdup(name ? name : ""));
    *out = schema;
    schema = NULL;
out:
    arrow_schema_free(schema);
    return status;
}

void arrow_schema_free(struct arrow_schema *schema)
{
    if (!schema)
        return;
    for (size_t i = 0; i < schema->child_count; i++)
        arrow_schema_free(schema->children[i]);
    mem_free(schema->children);
    arrow_schema_free(schema->dictionary);
    arrow_metadata_deinit(&schema->metadata);
    mem_free(schema->timezone);
    mem_free(schema->name);
    mem_free(schema);
}

kdk_status arrow_schema_add(struct arrow_schema *parent, struct arrow_schema *child,
                            struct err *err)
{
    kdk_status status = KDK_OK;

    if ((parent->child_count & (parent->child_count - 1)) == 0) {
        size_t room = parent->child_count ? parent->child_count * 2 : 1;
        struct arrow_schema **more =
            mem_realloc(parent->children, size_mul(room, sizeof(struct arrow_schema *)));
        TRY_MEM(more);
        parent->children = more;
    }
    parent->children[parent->child_count++] = child;
    child = NULL;
out:
    arrow_schema_free(child);
    return status;
}

kdk_status arrow_schema_add_new(struct arrow_schema *parent, enum arrow_type type,
                                const char *name, struct arrow_schema **out,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_schema *child = NULL;

    TRY(arrow_schema_new(type, name, &child, err));
    TRY(arrow_schema_add(parent, child, err));
    if (out)
        *out = child;
out:
    return status;
}

static kdk_status copy_node(const struct arrow_schema *from, struct arrow_schema **out,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_schema *copy = NULL;

    TRY(arrow_schema_new(from->type, from->name, &copy, err));
    copy->unit = from->unit;
    copy->precision = from->precision;
    copy->scale = from->scale;
    copy->width = from->width;
    copy->nullable = from->nullable;
    copy->keys_sorted = from->keys_sorted;
    copy->ordered = from->ordered;
    copy->dictionary_id = from->dictionary_id;
    if (from->timezone)
        TRY_MEM(copy->timezone = mem_strdup(from->timezone));
    TRY(arrow_metadata_copy(&copy->metadata, &from->metadata, err));
    if (from->dictionary)
        TRY(arrow_schema_copy(from->dictionary, &copy->dictionary, err));
    *out = copy;
    copy = NULL;
out:
    arrow_schema_free(copy);
    return status;
}

kdk_status arrow_schema_copy(const struct arrow_schema *from, struct arrow_schema **out,
                             struct err *err)
{
    return arrow_schema_select(from, NULL, 0, out, err);
}

kdk_status arrow_schema_select(const struct arrow_schema *from, const uint32_t *columns,
                               size_t count, struct arrow_schema **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_schema *copy = NULL, *child = NULL;

    TRY(copy_node(from, &copy, err));
    if (!columns)
        count = from->child_count;
    for (size_t i = 0; i < count; i++) {
        size_t at = columns ? columns[i] : i;
        if (at >= from->child_count) {
            status = err_set(err, KDK_BAD_PARAMETER, "there is no column %zu", at);
            goto out;
        }
        TRY(arrow_schema_copy(from->children[at], &child, err));
        TRY(arrow_schema_add(copy, child, err));
    }
    *out = copy;
    copy = NULL;
out:
    arrow_schema_free(copy);
    return status;
}

/* ---- Checks ---- */

static kdk_status bad(const struct arrow_schema *schema, const char *what, struct err *err)
{
    return err_set(err, KDK_BAD_PARAMETER, "Arrow field \"%s\" of type %s: %s",
                   schema->name, arrow_type_name(schema->type), what);
}

static kdk_status check_depth(const struct arrow_schema *schema, int depth, struct err *err)
{
    static const uint8_t digits[] = {[ARROW_DECIMAL32] = 9,
                                     [ARROW_DECIMAL64] = 18,
                                     [ARROW_DECIMAL128] = 38,
                                     [ARROW_DECIMAL256] = 76};
    kdk_status status = KDK_OK;
    size_t children = 0;

    if (depth >= ARROW_DEPTH_MAX)
        return err_set(err, KDK_TOO_COMPLEX, "Arrow type is nested deeper than %d",
                       ARROW_DEPTH_MAX);
    if ((unsigned)schema->type >= ARROW_TYPE_COUNT)
        return err_set(err, KDK_BAD_PARAMETER, "bad Arrow type");
    switch (arrow_type_layout(schema->type)) {
    case ARROW_LAYOUT_NONE:
    case ARROW_LAYOUT_BIT:
    case ARROW_LAYOUT_FIXED:
    case ARROW_LAYOUT_VAR32:
    case ARROW_LAYOUT_VAR64:
    case ARROW_LAYOUT_VIEW:
        break;
    case ARROW_LAYOUT_LIST32:
    case ARROW_LAYOUT_LIST64:
    case ARROW_LAYOUT_LIST_VIEW32:
    case ARROW_LAYOUT_LIST_VIEW64:
    case ARROW_LAYOUT_FIXED_LIST:
        children = 1;
        break;
    case ARROW_LAYOUT_STRUCT:
        children = schema->child_count;
        break;
    }
    if (schema->child_count != children)
        return bad(schema, "wrong number of children", err);
    if (schema->type >= ARROW_DECIMAL32 && schema->type <= ARROW_DECIMAL256 &&
        (schema->precision < 1 || schema->precision > digits[schema->type]))
        return bad(schema, "precision out of range", err);
    if ((unsigned)schema->unit > ARROW_NANOSECOND ||
        (schema->type == ARROW_TIME32 && schema->unit > ARROW_MILLISECOND) ||
        (schema->type == ARROW_TIME64 && schema->unit < ARROW_MICROSECOND))
        return bad(schema, "wrong unit", err);
    if (schema->width < 0)
        return bad(schema, "negative width", err);
    if (schema->type == ARROW_MAP &&
        (schema->children[0]->type != ARROW_STRUCT || schema->children[0]->dictionary ||
         schema->children[0]->child_count != 2))
        return bad(schema, "entries are not a struct of key and value", err);
    for (size_t i = 0; i < schema->child_count; i++)
        TRY(check_depth(schema->children[i], depth + 1, err));
    if (schema->dictionary) {
        if (schema->type < ARROW_INT8 || schema->type > ARROW_UINT64)
            return bad(schema, "dictionary index is not an integer", err);
        if (schema->dictionary->dictionary)
            return bad(schema, "dictionary of a dictionary", err);
        TRY(check_depth(schema->dictionary, depth + 1, err));
    }
out:
    return status;
}

kdk_status arrow_schema_check(const struct arrow_schema *schema, struct err *err)
{
    return check_depth(schema, 0, err);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool has_unit(enum arrow_type type)
{
    return type == ARROW_TIME32 || type == ARROW_TIME64 || type == ARROW_TIMESTAMP ||
           type == ARROW_DURATION;
}

static bool same(const struct arrow_schema *a, const struct arrow_schema *b, bool all)
{
    if (a->type != b->type || a->child_count != b->child_count ||
        !a->dictionary != !b->dictionary)
        return false;
    if (has_unit(a->type) && a->unit != b->unit)
        return false;
    if (a->type >= ARROW_DECIMAL32 && a->type <= ARROW_DECIMAL256 &&
        (a->precision != b->precision || a->scale != b->scale))
        return false;
    if ((a->type == ARROW_FIXED_SIZE_BINARY || a->type == ARROW_FIXED_SIZE_LIST) &&
        a->width != b->width)
        return false;
    if (a->type == ARROW_TIMESTAMP && !same_text(a->timezone, b->timezone))
        return false;
    if (a->type == ARROW_MAP && a->keys_sorted != b->keys_sorted)
        return false;
    if (a->dictionary && !same(a->dictionary, b->dictionary, all))
        return false;
    if (all && (a->nullable != b->nullable || (a->dictionary && a->ordered != b->ordered) ||
                !metadata_equal(&a->metadata, &b->metadata)))
        return false;
    for (size_t i = 0; i < a->child_count; i++) {
        /* Names inside lists and maps are decoration ("item", "element"); a struct's are
         * its keys. */
        if ((all || a->type == ARROW_STRUCT) &&
            strcmp(a->children[i]->name, b->children[i]->name) != 0)
            return false;
        if (!same(a->children[i], b->children[i], all))
            return false;
    }
    return true;
}

bool arrow_schema_same_type(const struct arrow_schema *a, const struct arrow_schema *b)
{
    return same(a, b, false);
}

bool arrow_schema_equal(const struct arrow_schema *a, const struct arrow_schema *b)
{
    return strcmp(a->name, b->name) == 0 && same(a, b, true);
}

/* ---- Names ---- */

static void print(const struct arrow_schema *schema, struct buf *out)
{
    static const char *const units[] = {"s", "ms", "us", "ns"};

    if (schema->dictionary) {
        buf_printf(out, "dictionary<%s, ", arrow_type_name(schema->type));
        print(schema->dictionary, out);
        buf_add_str(out, schema->ordered ? ", ordered>" : ">");
        return;
    }
    buf_add_str(out, arrow_type_name(schema->type));
    if (schema->type == ARROW_TIMESTAMP && schema->timezone)
        buf_printf(out, "[%s, %s]", units[schema->unit], schema->timezone);
    else if (has_unit(schema->type))
        buf_printf(out, "[%s]", units[schema->unit]);
    else if (schema->type >= ARROW_DECIMAL32 && schema->type <= ARROW_DECIMAL256)
        buf_printf(out, "(%d, %d)", (int)schema->precision, (int)schema->scale);
    else if (schema->type == ARROW_FIXED_SIZE_BINARY ||
             schema->type == ARROW_FIXED_SIZE_LIST)
        buf_printf(out, "[%d]", (int)schema->width);
    if (schema->child_count == 0 && schema->type != ARROW_STRUCT)
        return;
    buf_add_char(out, '<');
    for (size_t i = 0; i < schema->child_count; i++) {
        buf_printf(out, "%s%s: ", i ? ", " : "", schema->children[i]->name);
        print(schema->children[i], out);
    }
    buf_add_char(out, '>');
}

kdk_status arrow_schema_print(const struct arrow_schema *schema, struct buf *out,
                              struct err *err)
{
    print(schema, out);
    return buf_status(out, err);
}
