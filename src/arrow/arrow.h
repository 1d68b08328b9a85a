/* arrow.h - Arrow's types and arrays: the form in which data enter, leave and rest.
 *
 * A schema is a tree of types, an array is a tree of buffers of the same shape; a record
 * batch is an array of a struct type. Execution does not use these (it has vectors); they
 * stand at the edges: block files, COPY, the C interfaces.
 *
 * Invariants (arrow_array_check() establishes them for whatever came from outside, arrays
 * made here have them by construction; users of an array rely on them without looking
 * again)
 *   A1  Each buffer holds what length + offset ask for. Offsets buffers have length +
 *       offset + 1 entries, also when the array is empty.
 *   A2  Offsets do not decrease and end inside their data; views, list views and dictionary
 *       indices of valid slots point inside what they refer to.
 *   A3  Text in valid slots is UTF-8.
 *   A4  null_count is exact. No validity buffer: no NULLs (type null: all are).
 *   A5  `data` is aligned to 16 bytes, except validity bitmaps and values of bool, which
 *       are bytes.
 *   A6  A shared array is never changed.
 *
 * Threads  Reference counts are atomic; everything else is immutable once shared, or one
 *          owner's.
 * Limits   No unions, no run-end encoding: refused with 0A000 where they come in.
 *          Little-endian only.
 *
 * Sources  Apache Arrow columnar format, version 1.5.
 */
#ifndef KDK_ARROW_ARROW_H
#define KDK_ARROW_ARROW_H

#include <stdatomic.h>
#include "base/base.h"

struct buf;

#define ARROW_DEPTH_MAX 64 /* Nesting of a schema; deeper is 54001. */

/* How the slots of a type lie in buffers. After the validity bitmap (buffer 0) come: NONE
 * nothing, not even validity; BIT a bitmap; FIXED values of some bytes; VAR32/64 offsets,
 * data; VIEW 16-byte views and then any number of data buffers; LIST32/64 offsets, and a
 * child; LIST_VIEW32/64 offsets, sizes, and a child; FIXED_LIST only a child; STRUCT only
 * children. */
enum arrow_layout {
    ARROW_LAYOUT_NONE,
    ARROW_LAYOUT_BIT,
    ARROW_LAYOUT_FIXED,
    ARROW_LAYOUT_VAR32,
    ARROW_LAYOUT_VAR64,
    ARROW_LAYOUT_VIEW,
    ARROW_LAYOUT_LIST32,
    ARROW_LAYOUT_LIST64,
    ARROW_LAYOUT_LIST_VIEW32,
    ARROW_LAYOUT_LIST_VIEW64,
    ARROW_LAYOUT_FIXED_LIST,
    ARROW_LAYOUT_STRUCT,
};

/* X(NAME, layout, bytes of a value: 0 where not fixed by the type, name) */
#define ARROW_TYPES(X)                                                                     \
    X(NULL, NONE, 0, "null")                                                               \
    X(BOOL, BIT, 0, "bool")                                                                \
    X(INT8, FIXED, 1, "int8")                                                              \
    X(UINT8, FIXED, 1, "uint8")                                                            \
    X(INT16, FIXED, 2, "int16")                                                            \
    X(UINT16, FIXED, 2, "uint16")                                                          \
    X(INT32, FIXED, 4, "int32")                                                            \
    X(UINT32, FIXED, 4, "uint32")                                                          \
    X(INT64, FIXED, 8, "int64")                                                            \
    X(UINT64, FIXED, 8, "uint64")                                                          \
    X(FLOAT16, FIXED, 2, "float16")                                                        \
    X(FLOAT32, FIXED, 4, "float32")                                                        \
    X(FLOAT64, FIXED, 8, "float64")                                                        \
    X(DECIMAL32, FIXED, 4, "decimal32")                                                    \
    X(DECIMAL64, FIXED, 8, "decimal64")                                                    \
    X(DECIMAL128, FIXED, 16, "decimal128")                                                 \
    X(DECIMAL256, FIXED, 32, "decimal256")                                                 \
    X(DATE32, FIXED, 4, "date32") /* days since 1970 */                                    \
    X(DATE64, FIXED, 8, "date64") /* milliseconds */                                       \
    X(TIME32, FIXED, 4, "time32") /* s or ms */                                            \
    X(TIME64, FIXED, 8, "time64") /* us or ns */                                           \
    X(TIMESTAMP, FIXED, 8, "timestamp")                                                    \
    X(DURATION, FIXED, 8, "duration")                                                      \
    X(INTERVAL_YEAR_MONTH, FIXED, 4, "interval_year_month")                                \
    X(INTERVAL_DAY_TIME, FIXED, 8, "interval_day_time")                                    \
    X(INTERVAL_MONTH_DAY_NANO, FIXED, 16, "interval_month_day_nano")                       \
    X(UTF8, VAR32, 0, "utf8")                                                              \
    X(LARGE_UTF8, VAR64, 0, "large_utf8")                                                  \
    X(UTF8_VIEW, VIEW, 16, "utf8_view")                                                    \
    X(BINARY, VAR32, 0, "binary")                                                          \
    X(LARGE_BINARY, VAR64, 0, "large_binary")                                              \
    X(BINARY_VIEW, VIEW, 16, "binary_view")                                                \
    X(FIXED_SIZE_BINARY, FIXED, 0, "fixed_size_binary")                                    \
    X(LIST, LIST32, 0, "list")                                                             \
    X(LARGE_LIST, LIST64, 0, "large_list")                                                 \
    X(LIST_VIEW, LIST_VIEW32, 0, "list_view")                                              \
    X(LARGE_LIST_VIEW, LIST_VIEW64, 0, "large_list_view")                                  \
    X(FIXED_SIZE_LIST, FIXED_LIST, 0, "fixed_size_list")                                   \
    X(STRUCT, STRUCT, 0, "struct")                                                         \
    X(MAP, LIST32, 0, "map") /* one child: struct of key and value */

enum arrow_type {
#define ARROW_TYPE_ENUM(NAME, LAYOUT, WIDTH, TEXT) ARROW_##NAME,
    ARROW_TYPES(ARROW_TYPE_ENUM)
#undef ARROW_TYPE_ENUM
        ARROW_TYPE_COUNT
};

enum arrow_unit { ARROW_SECOND, ARROW_MILLISECOND, ARROW_MICROSECOND, ARROW_NANOSECOND };

enum arrow_layout arrow_type_layout(enum arrow_type type);
const char *arrow_type_name(enum arrow_type type);

/* ---- Key/value metadata: bytes, usually text; keys may repeat. ---- */
struct arrow_pair {
    char *key, *value; /* Owned; a NUL follows each. */
    size_t key_bytes, value_bytes;
};
struct arrow_metadata {
    struct arrow_pair *pairs;
    size_t count;
};
/* A zeroed struct is empty metadata. */
void arrow_metadata_deinit(struct arrow_metadata *metadata);
kdk_status arrow_metadata_add(struct arrow_metadata *metadata, const void *key,
                              size_t key_bytes, const void *value, size_t value_bytes,
                              struct err *err) KDK_MUST_CHECK;
kdk_status arrow_metadata_copy(struct arrow_metadata *out,
                               const struct arrow_metadata *from,
                               struct err *err) KDK_MUST_CHECK;
/* The value of the first such key, NUL-terminated, borrowed; NULL if there is none. `bytes`
 * may be NULL. */
const char *arrow_metadata_get(const struct arrow_metadata *metadata, const char *key,
                               size_t *bytes);

/* ---- Schemas ---- */

/* A field: a name and a type with its parameters. A dictionary-encoded field has the
 * index's type as `type`, and the values' type in `dictionary`. Owned as a tree by its
 * root. */
struct arrow_schema {
    enum arrow_type type;
    enum arrow_unit unit;     /* time32, time64, timestamp, duration */
    int32_t precision, scale; /* decimals; precision 1 to 9, 18, 38, 76 */
    int32_t width;            /* fixed_size_binary: bytes; fixed_size_list: elements */
    bool nullable;            /* A promise of the writer; no check relies on it. */
    bool keys_sorted;         /* map */
    bool ordered;             /* dictionary: the order of its entries means something */
    char *timezone;           /* timestamp: NULL for local time */
    char *name;               /* Never NULL. */
    struct arrow_metadata metadata;
    struct arrow_schema **children;
    size_t child_count;
    struct arrow_schema *dictionary; /* NULL: not dictionary-encoded */
    int64_t dictionary_id;           /* As read; a writer numbers dictionaries itself. */
};

/* A field, nullable, without children; parameters are set by assignment afterwards. */
kdk_status arrow_schema_new(enum arrow_type type, const char *name,
                            struct arrow_schema **out, struct err *err) KDK_MUST_CHECK;
/* Accepts NULL and half-built trees. */
void arrow_schema_free(struct arrow_schema *schema);
/* Moves `child` in (also when it fails: then it is freed). */
kdk_status arrow_schema_add(struct arrow_schema *parent, struct arrow_schema *child,
                            struct err *err) KDK_MUST_CHECK;
/* Makes a child of that type and name; *out (may be NULL) is borrowed. */
kdk_status arrow_schema_add_new(struct arrow_schema *parent, enum arrow_type type,
                                const char *name, struct arrow_schema **out,
                                struct err *err) KDK_MUST_CHECK;
/* Deep copies. `columns` gives which children of the root the copy has, in that order;
 * NULL: all. */
kdk_status arrow_schema_copy(const struct arrow_schema *from, struct arrow_schema **out,
                             struct err *err) KDK_MUST_CHECK;
kdk_status arrow_schema_select(const struct arrow_schema *from, const uint32_t *columns,
                               size_t count, struct arrow_schema **out,
                               struct err *err) KDK_MUST_CHECK;
/* Parameters in range, children as the type asks, depth, dictionary index an integer.
 * KDK_BAD_PARAMETER; KDK_TOO_COMPLEX for depth. */
kdk_status arrow_schema_check(const struct arrow_schema *schema,
                              struct err *err) KDK_MUST_CHECK;
/* Same types all the way down. Names of struct members count, the root's and those inside
 * lists and maps do not; nullability, metadata and dictionary ids do not either. */
bool arrow_schema_same_type(const struct arrow_schema *a, const struct arrow_schema *b);
/* Same types, names, nullability, order flags and metadata. */
bool arrow_schema_equal(const struct arrow_schema *a, const struct arrow_schema *b);
/* "timestamp[us, UTC]", "list<item: int32>". */
kdk_status arrow_schema_print(const struct arrow_schema *schema, struct buf *out,
                              struct err *err) KDK_MUST_CHECK;
/* Bytes of one value where the layout is FIXED or VIEW, else 0. */
size_t arrow_value_bytes(const struct arrow_schema *schema);

/* ---- Buffers ---- */

/* Bytes that several arrays may share; immutable once shared. */
struct arrow_buffer {
    uint8_t *data; /* NULL only if bytes is 0. */
    size_t bytes;
    _Atomic uint32_t refs;
    void (*release)(struct arrow_buffer *buffer); /* Frees data and the struct. */
    void *owner;                                  /* For `release`. */
};
/* Uninitialised, aligned to 64 bytes, padded with zeroes to a multiple of 64. One
 * reference, the caller's. */
kdk_status arrow_buffer_new(size_t bytes, struct arrow_buffer **out,
                            struct err *err) KDK_MUST_CHECK;
/* Wraps memory of someone else: `release` gets a struct whose `owner` is given here; it
 * must mem_free() the struct. */
kdk_status arrow_buffer_wrap(void *data, size_t bytes,
                             void (*release)(struct arrow_buffer *), void *owner,
                             struct arrow_buffer **out, struct err *err) KDK_MUST_CHECK;
/* Bytes from..from+bytes of `parent`, sharing them. */
kdk_status arrow_buffer_slice(struct arrow_buffer *parent, size_t from, size_t bytes,
                              struct arrow_buffer **out, struct err *err) KDK_MUST_CHECK;
/* 64 zero bytes that live for ever: what stands for offsets of no values, and for data of
 * none. */
struct arrow_buffer *arrow_buffer_zeroes(void);
struct arrow_buffer *arrow_buffer_ref(struct arrow_buffer *buffer); /* Accepts NULL. */
void arrow_buffer_unref(struct arrow_buffer *buffer);               /* Accepts NULL. */

/* ---- Arrays ---- */

/* `length` slots from slot `offset` of the buffers on. Children of a struct or fixed-size
 * list are seen through the parent's offset, as in the C data interface: slot i of a struct
 * is slot offset + i of its children's slots. */
struct arrow_array {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    struct arrow_buffer *
        *buffers; /* [0] is validity, NULL if there are no NULLs; no other is NULL. */
    size_t buffer_count;
    struct arrow_array **children;
    size_t child_count;
    struct arrow_array *dictionary;
    _Atomic uint32_t refs;
};
/* Empty slots for buffers and children, which the caller fills (references move in). */
kdk_status arrow_array_new(int64_t length, int64_t null_count, size_t buffer_count,
                           size_t child_count, struct arrow_array **out,
                           struct err *err) KDK_MUST_CHECK;
struct arrow_array *arrow_array_ref(struct arrow_array *array); /* Accepts NULL. */
void arrow_array_unref(struct arrow_array *array); /* Accepts NULL and half-built ones. */
/* Slots from..from+length, sharing everything. The null count is counted. */
kdk_status arrow_array_slice(const struct arrow_schema *schema, struct arrow_array *array,
                             int64_t from, int64_t length, struct arrow_array **out,
                             struct err *err) KDK_MUST_CHECK;
/* Establishes A1 to A4 for an array from outside: KDK_CORRUPT says what is wrong and in
 * which field. A null count of -1 is counted and set, so the array must not be shared
 * yet. */
kdk_status arrow_array_check(const struct arrow_schema *schema, struct arrow_array *array,
                             struct err *err) KDK_MUST_CHECK;
/* Logical equality: same length, NULL in the same slots, same values in the others;
 * dictionary-encoded slots by the value they stand for, floats by their bits. On false
 * `why` (may be NULL) says where. Both are of this schema. */
bool arrow_array_equal(const struct arrow_schema *schema, const struct arrow_array *a,
                       const struct arrow_array *b, struct buf *why);

/* Whether slot i is not NULL (a dictionary-encoded slot may still stand for a NULL in its
 * dictionary). */
static inline bool arrow_is_valid(const struct arrow_array *array, int64_t i)
{
    const struct arrow_buffer *bits = array->buffer_count ? array->buffers[0] : NULL;
    uint64_t at = (uint64_t)(array->offset + i);
    return bits ? bits->data[at / 8] >> (at % 8) & 1 : array->buffer_count > 0;
}
/* Pointer to the fixed-width value of slot i (any FIXED type of `width` bytes). */
static inline const void *arrow_fixed(const struct arrow_array *array, size_t width,
                                      int64_t i)
{
    return array->buffers[1]->data + (size_t)(array->offset + i) * width;
}
static inline bool arrow_bool(const struct arrow_array *array, int64_t i)
{
    uint64_t at = (uint64_t)(array->offset + i);
    return array->buffers[1]->data[at / 8] >> (at % 8) & 1;
}
/* The bytes of slot i of a utf8, binary, large, view or fixed_size_binary array; valid
 * slots only for views. */
const uint8_t *arrow_bytes(const struct arrow_schema *schema,
                           const struct arrow_array *array, int64_t i, size_t *bytes);
/* Where in child 0 the elements of slot i of any list or map begin (counting from the
 * child's own slot 0), and how many there are. Valid slots only for list views. */
int64_t arrow_list(const struct arrow_schema *schema, const struct arrow_array *array,
                   int64_t i, int64_t *count);
/* The index that slot i of a dictionary-encoded array holds; -1 for a NULL slot. */
int64_t arrow_index(const struct arrow_schema *schema, const struct arrow_array *array,
                    int64_t i);

/* ---- Building, a value at a time ---- */

/* Grows an array of one type. Every addition may fail for want of memory, or with KDK_LIMIT
 * when 32-bit offsets are used up; the builder may then only be freed. One owner. */
struct arrow_builder;
kdk_status arrow_builder_new(const struct arrow_schema *schema /* borrowed for its life */,
                             struct arrow_builder **out, struct err *err) KDK_MUST_CHECK;
void arrow_builder_free(struct arrow_builder *builder); /* Accepts NULL. */
int64_t arrow_builder_length(const struct arrow_builder *builder);
/* NULL; children of structs and fixed-size lists get NULLs too. */
kdk_status arrow_builder_null(struct arrow_builder *builder,
                              struct err *err) KDK_MUST_CHECK;
/* A value of a FIXED type (also an index): arrow_value_bytes() bytes at any alignment. */
kdk_status arrow_builder_fixed(struct arrow_builder *builder, const void *value,
                               struct err *err) KDK_MUST_CHECK;
kdk_status arrow_builder_bool(struct arrow_builder *builder, bool value,
                              struct err *err) KDK_MUST_CHECK;
/* A value of a utf8, binary, large or view type. Text is not checked. */
kdk_status arrow_builder_bytes(struct arrow_builder *builder, const void *bytes,
                               size_t count, struct err *err) KDK_MUST_CHECK;
/* Nested types: add to the children first (borrowed builders), then end the slot. A list's
 * slot takes what was added to its child since the last slot; a struct's takes one from
 * each child, a fixed-size list's `width`: KDK_BAD_PARAMETER otherwise. */
struct arrow_builder *arrow_builder_child(struct arrow_builder *builder, size_t index);
kdk_status arrow_builder_slot(struct arrow_builder *builder,
                              struct err *err) KDK_MUST_CHECK;
/* Appends slots of an array of the same type; dictionary-encoded slots as their indices. */
kdk_status arrow_builder_array(struct arrow_builder *builder,
                               const struct arrow_array *array, int64_t from, int64_t count,
                               struct err *err) KDK_MUST_CHECK;
/* The dictionary of a dictionary-encoded array; takes its own reference. */
void arrow_builder_dictionary(struct arrow_builder *builder, struct arrow_array *values);
/* The array so far; the builder is empty again, but for its dictionaries. */
kdk_status arrow_builder_finish(struct arrow_builder *builder, struct arrow_array **out,
                                struct err *err) KDK_MUST_CHECK;

/* ---- Streams of batches ---- */

/* Something that gives record batches of one schema: an IPC file or stream, a foreign C
 * stream, a query. Embedded first in the struct of whoever implements it. One thread at a
 * time. */
struct arrow_stream {
    const struct arrow_schema *schema; /* A struct type; borrowed from the stream. */
    /* The next batch, which the caller unrefs; NULL at the end. */
    kdk_status (*next)(struct arrow_stream *stream, struct arrow_array **out,
                       struct err *err);
    void (*close)(struct arrow_stream *stream); /* Frees it. */
};
static inline void arrow_stream_close(struct arrow_stream *stream) /* Accepts NULL. */
{
    if (stream)
        stream->close(stream);
}

#endif
