/* Every golden set equals its JSON, as file and as stream; a JSON with one value changed
 * does not.
 *
 * Holds a small JSON parser and a reader of Arrow's JSON integration format, for tests
 * only.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "arrow/arrow_ipc.h"
#include "arrow/sample_test.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "check.h"

/* ---- JSON ---- */

struct json {
    char kind; /* '{' '[' '"' '0' 't' 'f' 'n' */
    char *key;
    char *text; /* Of strings and numbers; NUL-terminated. */
    size_t bytes;
    struct json **items;
    size_t count;
};
struct parser {
    const char *at, *end;
    struct arena *arena;
};

static void skip(struct parser *p)
{
    while (p->at < p->end && strchr(" \t\r\n", *p->at))
        p->at++;
}

static unsigned hex4(struct parser *p)
{
    unsigned v = 0;
    for (int i = 0; i < 4 && p->at < p->end; i++) {
        char c = *p->at++;
        v = v * 16 + (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return v;
}

static char *string(struct parser *p, size_t *bytes)
{
    struct buf out = {0};
    char *text, encoded[4];

    for (p->at++; p->at < p->end && *p->at != '"';) {
        char c = *p->at++;
        if (c != '\\') {
            buf_add_char(&out, c);
            continue;
        }
        c = *p->at++;
        if (c == 'u') {
            unsigned code = hex4(p);
            if (code >= 0xd800 && code < 0xdc00) {
                p->at += 2;
                code = 0x10000 + ((code - 0xd800) << 10) + (hex4(p) - 0xdc00);
            }
            buf_add(&out, encoded, utf8_encode(code, encoded));
        } else {
            const char *from = "bfnrt", *to = "\b\f\n\r\t", *found = strchr(from, c);
            buf_add_char(&out, found ? to[found - from] : c);
        }
    }
    p->at++;
    *bytes = out.len;
    text = arena_strndup(p->arena, out.data ? out.data : "", out.len);
    buf_deinit(&out);
    return text;
}

static struct json *parse(struct parser *p)
{
    struct json *j = ARENA_NEW(p->arena, struct json);
    size_t cap = 0;

    skip(p);
    if (p->at == p->end)
        return j;
    j->kind = *p->at;
    if (*p->at == '"') {
        j->text = string(p, &j->bytes);
    } else if (*p->at == '{' || *p->at == '[') {
        char close = *p->at++ == '{' ? '}' : ']';
        for (skip(p); p->at < p->end && *p->at != close; skip(p)) {
            char *key = NULL;
            size_t bytes;
            if (close == '}') {
                key = string(p, &bytes);
                skip(p);
                p->at++;
            }
            if (j->count == cap) {
                struct json **more;
                cap = cap ? cap * 2 : 8;
                more = ARENA_ARRAY(p->arena, struct json *, cap);
                if (j->count)
                    memcpy(more, j->items, j->count * sizeof *more);
                j->items = more;
            }
            j->items[j->count] = parse(p);
            j->items[j->count++]->key = key;
            skip(p);
            if (p->at < p->end && *p->at == ',')
                p->at++;
        }
        p->at++;
    } else if (*p->at == 't' || *p->at == 'f' || *p->at == 'n') {
        p->at += *p->at == 'f' ? 5 : 4;
    } else {
        const char *from = p->at;
        while (p->at < p->end && strchr("+-.0123456789eE", *p->at))
            p->at++;
        if (!CHECK(p->at > from)) /* No JSON: give up on the rest. */
            p->at = p->end;
        j->kind = '0';
        j->text = arena_strndup(p->arena, from, (size_t)(p->at - from));
        j->bytes = (size_t)(p->at - from);
    }
    return j;
}

static struct json *get(const struct json *j, const char *key)
{
    for (size_t i = 0; j && i < j->count; i++)
        if (j->items[i]->key && strcmp(j->items[i]->key, key) == 0)
            return j->items[i];
    return NULL;
}
static const char *text_of(const struct json *j, const char *key)
{
    const struct json *v = get(j, key);
    return v && v->text ? v->text : "";
}
static int64_t int_of(const struct json *j, const char *key)
{
    return strtoll(text_of(j, key), NULL, 10);
}
static bool true_of(const struct json *j, const char *key)
{
    const struct json *v = get(j, key);
    return v && v->kind == 't';
}

/* ---- Schemas ---- */

static enum arrow_unit unit_of(const struct json *type)
{
    const char *unit = text_of(type, "unit");
    return *unit == 'S'                       ? ARROW_SECOND
           : strcmp(unit, "MILLISECOND") == 0 ? ARROW_MILLISECOND
           : strcmp(unit, "MICROSECOND") == 0 ? ARROW_MICROSECOND
                                              : ARROW_NANOSECOND;
}

static enum arrow_type int_type(const struct json *type)
{
    bool is_signed = true_of(type, "isSigned");
    switch (int_of(type, "bitWidth")) {
    case 8:
        return is_signed ? ARROW_INT8 : ARROW_UINT8;
    case 16:
        return is_signed ? ARROW_INT16 : ARROW_UINT16;
    case 32:
        return is_signed ? ARROW_INT32 : ARROW_UINT32;
    default:
        return is_signed ? ARROW_INT64 : ARROW_UINT64;
    }
}

static void set_type(struct arrow_schema *s, const struct json *type)
{
    static const struct {
        const char *name;
        enum arrow_type type;
    } plain[] = {{"null", ARROW_NULL},
                 {"bool", ARROW_BOOL},
                 {"utf8", ARROW_UTF8},
                 {"largeutf8", ARROW_LARGE_UTF8},
                 {"utf8view", ARROW_UTF8_VIEW},
                 {"binary", ARROW_BINARY},
                 {"largebinary", ARROW_LARGE_BINARY},
                 {"binaryview", ARROW_BINARY_VIEW},
                 {"fixedsizebinary", ARROW_FIXED_SIZE_BINARY},
                 {"list", ARROW_LIST},
                 {"largelist", ARROW_LARGE_LIST},
                 {"listview", ARROW_LIST_VIEW},
                 {"largelistview", ARROW_LARGE_LIST_VIEW},
                 {"fixedsizelist", ARROW_FIXED_SIZE_LIST},
                 {"struct", ARROW_STRUCT},
                 {"map", ARROW_MAP},
                 {"duration", ARROW_DURATION},
                 {"timestamp", ARROW_TIMESTAMP}};
    const char *name = text_of(type, "name"), *unit = text_of(type, "unit");
    const char *zone = text_of(type, "timezone"), *precision = text_of(type, "precision");

    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (strcmp(plain[i].name, name) == 0)
            s->type = plain[i].type;
    if (strcmp(name, "int") == 0)
        s->type = int_type(type);
    if (strcmp(name, "floatingpoint") == 0)
        s->type = *precision == 'H'   ? ARROW_FLOAT16
                  : *precision == 'S' ? ARROW_FLOAT32
                                      : ARROW_FLOAT64;
    if (strcmp(name, "decimal") == 0) {
        int64_t bits = get(type, "bitWidth") ? int_of(type, "bitWidth") : 128;
        s->type = bits == 32    ? ARROW_DECIMAL32
                  : bits == 64  ? ARROW_DECIMAL64
                  : bits == 128 ? ARROW_DECIMAL128
                                : ARROW_DECIMAL256;
        s->precision = (int32_t)int_of(type, "precision");
        s->scale = (int32_t)int_of(type, "scale");
    }
    if (strcmp(name, "date") == 0)
        s->type = *unit == 'D' ? ARROW_DATE32 : ARROW_DATE64;
    if (strcmp(name, "time") == 0)
        s->type = int_of(type, "bitWidth") == 32 ? ARROW_TIME32 : ARROW_TIME64;
    if (strcmp(name, "interval") == 0)
        s->type = *unit == 'Y'   ? ARROW_INTERVAL_YEAR_MONTH
                  : *unit == 'D' ? ARROW_INTERVAL_DAY_TIME
                                 : ARROW_INTERVAL_MONTH_DAY_NANO;
    else if (*unit && strcmp(name, "date") != 0)
        s->unit = unit_of(type);
    if (*zone)
        s->timezone = mem_strdup(zone);
    if (get(type, "byteWidth"))
        s->width = (int32_t)int_of(type, "byteWidth");
    if (get(type, "listSize"))
        s->width = (int32_t)int_of(type, "listSize");
    s->keys_sorted = true_of(type, "keysSorted");
}

static void add_metadata(struct arrow_schema *s, const struct json *list)
{
    for (size_t i = 0; list && i < list->count; i++) {
        const struct json *key = get(list->items[i], "key"),
                          *value = get(list->items[i], "value");
        CHECK_EQ(arrow_metadata_add(&s->metadata, key->text, key->bytes, value->text,
                                    value->bytes, NULL),
                 KDK_OK);
    }
}

static struct arrow_schema *json_field(const struct json *field)
{
    struct arrow_schema *s = NULL, *index = NULL;
    const struct json *children = get(field, "children"),
                      *dictionary = get(field, "dictionary");

    CHECK_EQ(arrow_schema_new(ARROW_NULL, text_of(field, "name"), &s, NULL), KDK_OK);
    s->nullable = true_of(field, "nullable");
    set_type(s, get(field, "type"));
    for (size_t i = 0; children && i < children->count; i++)
        CHECK_EQ(arrow_schema_add(s, json_field(children->items[i]), NULL), KDK_OK);
    if (dictionary) {
        CHECK_EQ(
            arrow_schema_new(int_type(get(dictionary, "indexType")), s->name, &index, NULL),
            KDK_OK);
        index->nullable = s->nullable;
        index->dictionary = s;
        index->dictionary_id = int_of(dictionary, "id");
        index->ordered = true_of(dictionary, "isOrdered");
        s = index;
    }
    add_metadata(s, get(field, "metadata"));
    return s;
}

static struct arrow_schema *json_schema(const struct json *schema)
{
    struct arrow_schema *s = NULL;
    const struct json *fields = get(schema, "fields");

    CHECK_EQ(arrow_schema_new(ARROW_STRUCT, "", &s, NULL), KDK_OK);
    s->nullable = false;
    for (size_t i = 0; i < fields->count; i++)
        CHECK_EQ(arrow_schema_add(s, json_field(fields->items[i]), NULL), KDK_OK);
    add_metadata(s, get(schema, "metadata"));
    return s;
}

/* ---- Arrays ---- */

static uint8_t *from_hex(struct arena *arena, const char *hex, size_t *bytes)
{
    uint8_t *out = arena_alloc(arena, strlen(hex) / 2 + 1);
    *bytes = strlen(hex) / 2;
    for (size_t i = 0; i < *bytes; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return out;
}

/* A decimal integer of any length as 32 bytes, two's complement. */
static void wide_int(const char *text, uint8_t out[32])
{
    bool negative = *text == '-';
    memset(out, 0, 32);
    for (text += negative; *text; text++) {
        unsigned carry = (unsigned)(*text - '0');
        for (int i = 0; i < 32; i++) {
            carry += out[i] * 10u;
            out[i] = (uint8_t)carry;
            carry >>= 8;
        }
    }
    for (int i = 0, carry = 1; negative && i < 32; i++) {
        carry += (uint8_t)~out[i];
        out[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

static void add_fixed(struct arrow_builder *b, const struct arrow_schema *s,
                      const struct json *value, struct arena *arena)
{
    uint8_t bytes[32] = {0};
    size_t count;
    float f;
    double d;
    int32_t *parts = (int32_t *)(void *)bytes;

    if (s->type == ARROW_FLOAT32) {
        f = strtof(value->text, NULL);
        memcpy(bytes, &f, sizeof f);
    } else if (s->type == ARROW_FLOAT64) {
        d = strtod(value->text, NULL);
        memcpy(bytes, &d, sizeof d);
    } else if (s->type == ARROW_FIXED_SIZE_BINARY) {
        CHECK_EQ(arrow_builder_fixed(b, from_hex(arena, value->text, &count), NULL),
                 KDK_OK);
        return;
    } else if (s->type == ARROW_INTERVAL_DAY_TIME) {
        parts[0] = (int32_t)int_of(value, "days");
        parts[1] = (int32_t)int_of(value, "milliseconds");
    } else if (s->type == ARROW_INTERVAL_MONTH_DAY_NANO) {
        parts[0] = (int32_t)int_of(value, "months");
        parts[1] = (int32_t)int_of(value, "days");
        put_i64(bytes + 8, int_of(value, "nanoseconds"));
    } else {
        wide_int(value->text, bytes);
    }
    CHECK_EQ(arrow_builder_fixed(b, bytes, NULL), KDK_OK);
}

struct reading {
    const struct json *dictionaries;
    struct arena *arena;
};

static void add_view(struct arrow_builder *b, const struct arrow_schema *s,
                     const struct json *column, const struct json *view,
                     struct arena *arena)
{
    const struct json *inlined = get(view, "INLINED");
    size_t bytes = (size_t)int_of(view, "SIZE"), all;
    const void *data;

    if (inlined && s->type == ARROW_UTF8_VIEW)
        data = inlined->text;
    else if (inlined)
        data = from_hex(arena, inlined->text, &all);
    else
        data = from_hex(arena,
                        get(column, "VARIADIC_DATA_BUFFERS")
                            ->items[int_of(view, "BUFFER_INDEX")]
                            ->text,
                        &all) +
               int_of(view, "OFFSET");
    CHECK_EQ(arrow_builder_bytes(b, data, bytes, NULL), KDK_OK);
}

static struct arrow_array *json_dictionary(struct reading *r, const struct arrow_schema *s);

static void give_dictionaries(struct reading *r, struct arrow_builder *b,
                              const struct arrow_schema *s)
{
    for (size_t i = 0; i < s->child_count; i++)
        give_dictionaries(r, arrow_builder_child(b, i), s->children[i]);
    if (s->dictionary) {
        struct arrow_array *values = json_dictionary(r, s);
        arrow_builder_dictionary(b, values);
        arrow_array_unref(values);
    }
}

static void add_slots(struct reading *r, struct arrow_builder *b,
                      const struct arrow_schema *s, const struct json *column, int64_t from,
                      int64_t to)
{
    const struct json *validity = get(column, "VALIDITY"), *data = get(column, "DATA");
    const struct json *offsets = get(column, "OFFSET"), *sizes = get(column, "SIZE");
    const struct json *children = get(column, "children"), *views = get(column, "VIEWS");
    enum arrow_layout layout = arrow_type_layout(s->type);
    size_t bytes;

    for (int64_t i = from; i < to; i++) {
        int64_t first, last;
        if (layout == ARROW_LAYOUT_NONE ||
            (validity && validity->items[i]->text[0] == '0')) {
            CHECK_EQ(arrow_builder_null(b, NULL), KDK_OK);
            continue;
        }
        switch (layout) {
        case ARROW_LAYOUT_NONE:
            break;
        case ARROW_LAYOUT_BIT:
            CHECK_EQ(arrow_builder_bool(
                         b,
                         data->items[i]->kind == 't' ||
                             (data->items[i]->text && data->items[i]->text[0] == '1'),
                         NULL),
                     KDK_OK);
            break;
        case ARROW_LAYOUT_FIXED:
            add_fixed(b, s, data->items[i], r->arena);
            break;
        case ARROW_LAYOUT_VAR32:
        case ARROW_LAYOUT_VAR64:
            if (s->type == ARROW_UTF8 || s->type == ARROW_LARGE_UTF8) {
                CHECK_EQ(arrow_builder_bytes(b, data->items[i]->text, data->items[i]->bytes,
                                             NULL),
                         KDK_OK);
            } else {
                const uint8_t *v = from_hex(r->arena, data->items[i]->text, &bytes);
                CHECK_EQ(arrow_builder_bytes(b, v, bytes, NULL), KDK_OK);
            }
            break;
        case ARROW_LAYOUT_VIEW:
            add_view(b, s, column, views->items[i], r->arena);
            break;
        case ARROW_LAYOUT_LIST32:
        case ARROW_LAYOUT_LIST64:
        case ARROW_LAYOUT_LIST_VIEW32:
        case ARROW_LAYOUT_LIST_VIEW64:
        case ARROW_LAYOUT_FIXED_LIST:
            first = offsets ? strtoll(offsets->items[i]->text, NULL, 10) : i * s->width;
            last = sizes     ? first + strtoll(sizes->items[i]->text, NULL, 10)
                   : offsets ? strtoll(offsets->items[i + 1]->text, NULL, 10)
                             : first + s->width;
            add_slots(r, arrow_builder_child(b, 0), s->children[0], children->items[0],
                      first, last);
            CHECK_EQ(arrow_builder_slot(b, NULL), KDK_OK);
            break;
        case ARROW_LAYOUT_STRUCT:
            for (size_t k = 0; k < s->child_count; k++)
                add_slots(r, arrow_builder_child(b, k), s->children[k], children->items[k],
                          i, i + 1);
            CHECK_EQ(arrow_builder_slot(b, NULL), KDK_OK);
            break;
        }
    }
}

static struct arrow_array *json_column(struct reading *r, const struct arrow_schema *s,
                                       const struct json *column, int64_t count)
{
    struct arrow_builder *b = NULL;
    struct arrow_array *array = NULL;

    CHECK_EQ(arrow_builder_new(s, &b, NULL), KDK_OK);
    give_dictionaries(r, b, s);
    add_slots(r, b, s, column, 0, count);
    CHECK_EQ(arrow_builder_finish(b, &array, NULL), KDK_OK);
    arrow_builder_free(b);
    return array;
}

static struct arrow_array *json_dictionary(struct reading *r, const struct arrow_schema *s)
{
    for (size_t i = 0; i < r->dictionaries->count; i++)
        if (int_of(r->dictionaries->items[i], "id") == s->dictionary_id) {
            const struct json *data = get(r->dictionaries->items[i], "data");
            return json_column(r, s->dictionary, get(data, "columns")->items[0],
                               int_of(data, "count"));
        }
    CHECK(false);
    return NULL;
}

static struct arrow_array *json_batch(const struct json *root, const struct arrow_schema *s,
                                      const struct json *batch, struct arena *arena)
{
    struct reading r = {get(root, "dictionaries"), arena};
    struct arrow_array *array = NULL;
    const struct json *columns = get(batch, "columns");
    int64_t count = int_of(batch, "count");

    CHECK_EQ(arrow_array_new(count, 0, 1, s->child_count, &array, NULL), KDK_OK);
    for (size_t i = 0; i < s->child_count; i++)
        array->children[i] = json_column(&r, s->children[i], columns->items[i], count);
    return array;
}

/* ---- The sets ---- */

static const char *folder_of_sets(int which)
{
    return which == 0 ? KDK_SOURCE_DIR "/test/data/arrow" : getenv("KDK_ARROW_GOLDEN");
}

/* Reads all batches of a stream, which is closed, and compares; on a difference says so if
 * `loud`. */
static bool stream_equals(struct arrow_stream *stream, const struct json *root,
                          const char *what, bool loud)
{
    struct arena arena = {0};
    struct arrow_schema *want = json_schema(get(root, "schema"));
    const struct json *batches = get(root, "batches");
    struct arrow_array *got = NULL;
    struct err err = {0};
    struct buf why = {0};
    bool same = arrow_schema_equal(stream->schema, want);
    size_t i = 0;

    if (!same)
        buf_add_str(&why, "the schemas differ");
    for (; same; i++) {
        struct arrow_array *expected;
        if (!CHECK_EQ(stream->next(stream, &got, &err), KDK_OK)) {
            fprintf(stderr, "%s: %s\n", what, err.message);
            same = false;
        }
        if (!got)
            break;
        if (i < batches->count) {
            expected = json_batch(root, want, batches->items[i], &arena);
            /* A mutant may hold a code that its dictionary has not. */
            same = arrow_array_check(want, expected, &err) == KDK_OK &&
                   arrow_array_equal(want, expected, got, &why);
            arrow_array_unref(expected);
        }
        arrow_array_unref(got);
        got = NULL;
    }
    if (same && i != batches->count) {
        buf_add_str(&why, "the number of batches differs");
        same = false;
    }
    if (!same && loud)
        fprintf(stderr, "%s: %s\n", what, why.data ? why.data : "");
    buf_deinit(&why);
    arrow_schema_free(want);
    arrow_stream_close(stream);
    arena_deinit(&arena);
    return same;
}

static bool set_equals(const char *base, const struct json *root, bool loud)
{
    char path[1100];
    struct arrow_memory memory;
    struct arrow_stream *stream = NULL;
    struct arrow_file *file = NULL;
    struct err err = {0};
    bool same = true;
    int read = 0;

    snprintf(path, sizeof path, "%s.arrow_file", base);
    if (sample_load(path, &memory)) {
        struct arrow_source source = arrow_source_of_memory(&memory, path);
        read++;
        if (CHECK_EQ(arrow_file_open(&source, &file, &err), KDK_OK) &&
            CHECK_EQ(arrow_file_stream(file, &stream, &err), KDK_OK))
            same &= stream_equals(stream, root, path, loud);
        else
            fprintf(stderr, "%s: %s\n", path, err.message);
        arrow_file_close(file);
        mem_free((void *)(uintptr_t)memory.data);
    }
    snprintf(path, sizeof path, "%s.stream", base);
    if (sample_load(path, &memory)) {
        struct arrow_input input = arrow_input_of_memory(&memory, path);
        read++;
        if (CHECK_EQ(arrow_ipc_stream_open(&input, &stream, &err), KDK_OK))
            same &= stream_equals(stream, root, path, loud);
        else
            fprintf(stderr, "%s: %s\n", path, err.message);
        mem_free((void *)(uintptr_t)memory.data);
    }
    CHECK_EQ(read, 2);
    return same;
}

/* base.json, or base.json.gz as the sets are published. */
static const struct json *load_json(const char *base, struct arena *arena)
{
    char path[1100];
    struct arrow_memory memory = {0};
    struct parser parser;
    const struct json *root;

    snprintf(path, sizeof path, "%s.json", base);
    if (!sample_load(path, &memory)) {
        struct buf text = {0};
        char chunk[4096];
        size_t got;
        FILE *pipe;
        snprintf(path, sizeof path, "gzip -dc '%s.json.gz'", base);
        pipe = popen(path, "r");
        while (pipe && (got = fread(chunk, 1, sizeof chunk, pipe)) > 0)
            buf_add(&text, chunk, got);
        CHECK(pipe && pclose(pipe) == 0);
        memory.bytes = text.len;
        memory.data = (const uint8_t *)buf_take(&text);
    }
    parser = (struct parser){(const char *)memory.data,
                             (const char *)memory.data + memory.bytes, arena};
    root = parse(&parser);
    mem_free((void *)(uintptr_t)memory.data);
    return root;
}

/* Whether a list of fields has a type that is refused. */
static bool has_refused(const struct json *fields)
{
    for (size_t i = 0; fields && i < fields->count; i++) {
        const char *type = text_of(get(fields->items[i], "type"), "name");
        if (strcmp(type, "union") == 0 || strcmp(type, "runendencoded") == 0 ||
            has_refused(get(fields->items[i], "children")))
            return true;
    }
    return false;
}

/* Both forms of a set with such a type are KDK_UNSUPPORTED. */
static void check_refused(const char *base)
{
    char path[1100];
    struct arrow_memory memory;
    struct err err = {0};

    for (int file = 0; file < 2; file++) {
        snprintf(path, sizeof path, "%s.%s", base, file ? "arrow_file" : "stream");
        if (!CHECK(sample_load(path, &memory)))
            continue;
        CHECK_EQ(sample_read(memory.data, memory.bytes, file, NULL, NULL, &err),
                 KDK_UNSUPPORTED);
        mem_free((void *)(uintptr_t)memory.data);
    }
}

/* Changes the value of the first slot that is not NULL, or makes it NULL, in a column
 * without children; whether there was one. */
static bool mutate(struct json *column, struct arena *arena)
{
    struct json *validity = get(column, "VALIDITY"), *data = get(column, "DATA");

    for (size_t i = 0; data && i < data->count; i++) {
        struct json *v = data->items[i];
        if (validity && validity->items[i]->text[0] == '0')
            continue;
        if (v->kind == 't' || v->kind == 'f') {
            v->kind = v->kind == 't' ? 'f' : 't';
            return true;
        }
        if (v->bytes == 0)
            continue;
        v->text = arena_strndup(arena, v->text, v->bytes);
        v->text[v->bytes - 1] = v->text[v->bytes - 1] == '1' ? '2' : '1';
        return true;
    }
    for (size_t i = 0; validity && i < validity->count; i++)
        if (validity->items[i]->text[0] == '1') {
            validity->items[i]->text[0] = '0';
            return true;
        }
    return false;
}

/* All leaves below a list of columns. */
static size_t leaves(struct json *columns, struct json **out, size_t count)
{
    for (size_t i = 0; columns && i < columns->count; i++) {
        struct json *children = get(columns->items[i], "children");
        if (children && children->count)
            count = leaves(children, out, count);
        else if (count < 256)
            out[count++] = columns->items[i];
    }
    return count;
}

/* Each leaf of the first batch is changed in turn. At the top all mutants must fail; below,
 * a value may lie under a NULL, and a code may have changed to that of an equal entry. */
static void check_mutants(const char *base)
{
    struct arena arena = {0};
    size_t count, failed = 0, mutants = 0;
    struct json *leaf[256];
    const struct json *root = load_json(base, &arena), *batches = get(root, "batches");
    const struct json *fields = get(get(root, "schema"), "fields");

    count = batches->count ? leaves(get(batches->items[0], "columns"), leaf, 0) : 0;
    for (size_t i = 0; i < count; i++) {
        struct arena again = {0};
        struct json *mutant[256];
        const struct json *copy = load_json(base, &again);
        const struct json *columns = get(get(copy, "batches")->items[0], "columns");
        bool sure = false;
        leaves(get(get(copy, "batches")->items[0], "columns"), mutant, 0);
        for (size_t k = 0; k < columns->count; k++)
            sure |= columns->items[k] == mutant[i] && !get(fields->items[k], "dictionary");
        if (mutate(mutant[i], &again)) {
            bool noticed = !set_equals(base, copy, false);
            mutants++;
            failed += noticed;
            CHECK(noticed || !sure);
        }
        arena_deinit(&again);
    }
    CHECK(failed * 2 >= mutants);
    for (size_t i = 0; i < count; i++)
        if (get(leaf[i], "VALIDITY") && get(leaf[i], "VALIDITY")->count)
            CHECK(mutants > 0);
    arena_deinit(&arena);
}

TEST(arrow_golden, every_set_equals_its_json_and_no_mutant_of_it)
{
    size_t sets = 0;

    for (int which = 0; which < 2; which++) {
        const char *folder = folder_of_sets(which);
        DIR *dir = folder ? opendir(folder) : NULL;
        struct dirent *entry;
        while (dir && (entry = readdir(dir))) {
            struct arena arena = {0};
            char base[1024];
            const struct json *root;
            const char *end = strstr(entry->d_name, ".json");
            if (!end || (strcmp(end, ".json") != 0 && strcmp(end, ".json.gz") != 0))
                continue;
            snprintf(base, sizeof base, "%s/%.*s", folder, (int)(end - entry->d_name),
                     entry->d_name);
            root = load_json(base, &arena);
            if (has_refused(get(get(root, "schema"), "fields")))
                check_refused(base);
            else if (!CHECK(set_equals(base, root, true)))
                fprintf(stderr, "%s\n", base);
            else
                check_mutants(base);
            sets++;
            arena_deinit(&arena);
        }
        if (dir)
            closedir(dir);
    }
    CHECK(sets >= 10);
}
