/* vec.h - logical types, single values, vectors and batches: what execution is made of.
 *
 * A vector is not an Arrow array: its logical type (what SQL sees) and its physical width
 * (what is in memory) are separate. Integers, decimals and dates travel in the narrowest
 * width that bounds prove; the strip cache narrows while it decodes, expressions derive an
 * interval and from it a width, and widening happens only at the edges (Arrow export,
 * rows). Narrowing is plain sign-extended truncation: no frame of reference.
 *
 * Invariants
 *   V1  A vector's validity is a bitmap of bits_words(count) words, or NULL when no row is
 *       NULL. Data under a NULL, and data of rows that no selection names, is readable:
 *       some number, or a view that may be followed. Who writes NULLs writes zero or the
 *       empty string there when it costs nothing (vec_put, strips), so that checked kernels
 *       seldom see an overflow that does not count; but 1 + NULL leaves a 1 behind, and no
 *       result may depend on such a value.
 *   V2  A batch has at most BATCH_ROWS rows. Row numbers in it fit 16 bits.
 *   V3  Strings are pointers into memory that the batch pins: valid until the batch is
 *       released or refilled.
 *   V4  A value of logical type NUMERIC(p,s) is the integer value * 10^s, in any width that
 *       holds it; |value| < 10^38.
 * Threads  A vector or batch belongs to one thread at a time. Types and datums are values.
 */
#ifndef KDK_VEC_VEC_H
#define KDK_VEC_VEC_H

#include "base/arena.h"
#include "base/base.h"
#include "base/bits.h"
#include "base/hash.h"

struct buf;
struct cursor;

/* ------------------------------------------------------------------ types ---- */

/* X(ID, number on disk, SQL name, default physical width, PostgreSQL OID). Numbers are
 * never reused. The types after TIMESTAMP have their ids reserved and are refused with
 * 0A000 until they exist. */
#define LTYPE_LIST(X)                                                                      \
    X(UNKNOWN, 0, "unknown", STR, 705) /* An untyped literal before it meets a type. */    \
    X(BOOLEAN, 1, "boolean", BIT, 16)                                                      \
    X(TINYINT, 2, "tinyint", 8, 0)                                                         \
    X(SMALLINT, 3, "smallint", 16, 21)                                                     \
    X(INTEGER, 4, "integer", 32, 23)                                                       \
    X(BIGINT, 5, "bigint", 64, 20)                                                         \
    X(NUMERIC, 6, "numeric", 128, 1700)                                                    \
    X(REAL, 7, "real", F32, 700)                                                           \
    X(DOUBLE, 8, "double precision", F64, 701)                                             \
    X(TEXT, 9, "text", STR, 25)                                                            \
    X(BYTEA, 10, "bytea", STR, 17)                                                         \
    X(DATE, 11, "date", 32, 1082) /* Days since 1970-01-01; INT32_MIN/MAX: -/+infinity. */ \
    X(TIMESTAMP, 12, "timestamp without time zone", 64,                                    \
      1114) /* us since 1970, likewise. */                                                 \
    X(TIME, 13, "time without time zone", 64, 1083)                                        \
    X(TIMESTAMPTZ, 14, "timestamp with time zone", 64, 1184)                               \
    X(UUID, 15, "uuid", 128, 2950)                                                         \
    X(INTERVAL, 16, "interval", 128, 1186)                                                 \
    X(JSON, 17, "json", STR, 114)                                                          \
    X(LIST, 18, "list", STR, 0)                                                            \
    X(STRUCT, 19, "struct", STR, 0)                                                        \
    X(ENUM, 20, "enum", 32, 0)

enum ltype_id {
#define LTYPE_ENUM(ID, NUMBER, NAME, WIDTH, OID) LT_##ID = NUMBER,
    LTYPE_LIST(LTYPE_ENUM)
#undef LTYPE_ENUM
        LT_COUNT
};

/* A logical type: 8 bytes, compared with ltype_equal(). Modifiers that do not apply are
 * 0. */
struct ltype {
    uint8_t id; /* enum ltype_id */
    /* NUMERIC: 1..38; 0 when not given: values then are held as of (38,10). TIMESTAMP(p): p
     * + 1, 0 when it is 6 or not given */
    uint8_t precision;
    /* NUMERIC: 0..38; above the precision only in numeric(2,3) and the like, which hold
     * small fractions alone */
    uint8_t scale;
    uint8_t fixed;   /* TEXT: 1 for CHAR(n), whose trailing spaces do not count */
    uint32_t length; /* TEXT: the most characters (varchar(n)), 0 when unlimited */
};
#define LTYPE(ID)       ((struct ltype){.id = LT_##ID})
#define LTYPE_NUM(P, S) ((struct ltype){.id = LT_NUMERIC, .precision = (P), .scale = (S)})

static inline bool ltype_equal(struct ltype a, struct ltype b)
{
    return a.id == b.id && a.precision == b.precision && a.scale == b.scale &&
           a.fixed == b.fixed && a.length == b.length;
}
static inline bool ltype_is_integer(struct ltype t)
{
    return t.id >= LT_TINYINT && t.id <= LT_BIGINT;
}
static inline bool ltype_is_number(struct ltype t)
{
    return t.id >= LT_TINYINT && t.id <= LT_DOUBLE;
}
static inline bool ltype_is_string(struct ltype t) /* Held as struct str. */
{
    return t.id == LT_TEXT || t.id == LT_BYTEA || t.id == LT_UNKNOWN;
}
static inline bool ltype_is_float(struct ltype t)
{
    return t.id == LT_REAL || t.id == LT_DOUBLE;
}
bool ltype_supported(struct ltype t);  /* False: a reserved id, to be refused with 0A000. */
const char *ltype_id_name(uint8_t id); /* "integer" */
/* "numeric(10,2)", "character varying(20)"; cut at `bytes`. Returns `into`. */
const char *ltype_name(struct ltype t, char *into, size_t bytes);
uint32_t ltype_oid(struct ltype t);

/* Physical widths. */
enum vwidth { W_BIT, W_8, W_16, W_32, W_64, W_128, W_F32, W_F64, W_STR };
enum vwidth ltype_width(struct ltype t);  /* The default (full) width. */
uint32_t vwidth_bytes(enum vwidth width); /* Of one value; 0 for W_BIT. */
/* The narrowest integer width that holds [lo, hi]. */
enum vwidth vwidth_for(int128 lo, int128 hi);

/* ---------------------------------------------------------------- strings ---- */

/* 16 bytes. Up to STR_INLINE bytes lie in the view itself, zero-padded, so that two short
 * strings are equal iff their 16 bytes are; longer ones are a 4-byte prefix and a pointer
 * to all bytes, which somebody else owns. */
#define STR_INLINE 12u
struct str {
    uint32_t len; /* bytes */
    char prefix[4];
    union {
        /* bytes 4..11 of a short string, following `prefix` without a gap */
        char rest[8];
        const char *data; /* of a long one: all of it */
    };
};
static_assert(sizeof(struct str) == 16, "strings are two words");
static_assert(offsetof(struct str, rest) == 8, "short strings are contiguous from prefix");

static inline const char *str_data(const struct str *s)
{
    return s->len <= STR_INLINE ? (const char *)s + 4 : s->data;
}
/* A view of bytes that stay where they are as long as the view lives (short ones are copied
 * into it). */
static inline struct str str_of(const char *data, size_t len)
{
    struct str s;
    memset(&s, 0, sizeof s);
    s.len = (uint32_t)len;
    if (len <= STR_INLINE) {
        if (len)
            memcpy((char *)&s + 4, data, len);
    } else {
        memcpy(s.prefix, data, 4);
        s.data = data;
    }
    return s;
}
bool str_equal_slow(const struct str *a, const struct str *b);
static inline bool str_equal(const struct str *a, const struct str *b)
{
    uint64_t a0, b0, a1, b1;
    memcpy(&a0, a, 8);
    memcpy(&b0, b, 8);
    if (a0 != b0) /* Length and prefix. */
        return false;
    memcpy(&a1, (const char *)a + 8, 8);
    memcpy(&b1, (const char *)b + 8, 8);
    return a1 == b1 || (a->len > STR_INLINE && str_equal_slow(a, b));
}
/* Bytewise; a prefix sorts first. */
int str_compare(const struct str *a, const struct str *b);
uint64_t str_hash(const struct str *s);
/* A copy whose bytes are in the arena. False: out of memory. */
bool str_copy(struct arena *arena, struct str s, struct str *out);

/* ------------------------------------------------------------ single values ---- */

/* One value; the type is known from where it stands. Which member holds it:
 *   i  BOOLEAN (0, 1), TINYINT..BIGINT, DATE, TIMESTAMP
 *   w  NUMERIC, scaled by the scale of its type
 *   f  REAL (rounded to float), DOUBLE
 *   s  TEXT, BYTEA, UNKNOWN */
struct datum {
    union {
        int64_t i;
        double f;
        struct str s;
        int128 w;
    };
    bool null;
};
#define DATUM_NULL ((struct datum){.null = true})

/* Both not NULL, of one type. <0, 0, >0. NaN equals NaN and is greater than all numbers; -0
 * equals 0. CHAR(n) ignores trailing spaces; values of it are held without them
 * (datum_parse cuts them off, datum_print pads), so that views and dictionary codes may be
 * compared as they are. Text compares bytewise (collation "C"). */
int datum_compare(struct ltype type, const struct datum *a, const struct datum *b);
/* NULLs too. Values of one type that are equal hash equal. */
uint64_t datum_hash(struct ltype type, const struct datum *a);
bool datum_copy(struct arena *arena, struct ltype type, struct datum in, struct datum *out);
/* Appends the value as PostgreSQL prints it (text output); nothing for NULL. */
kdk_status datum_print(struct ltype type, const struct datum *value, struct buf *out);
/* Reads it as PostgreSQL reads a literal of that type, modifiers applied: 22P02, 22003,
 * 22007, 22008, 22001 ... Text results are views of `text`; what must be converted lies in
 * `arena`. */
kdk_status datum_parse(struct ltype type, const char *text, size_t bytes,
                       struct arena *arena, struct datum *out,
                       struct err *err) KDK_MUST_CHECK;

/* Order-preserving encoding: memcmp of two keys orders as the columns do, in the order in
 * which the columns are added. Each column: a byte that says NULL or value (placed by
 * `nulls_first`), then the value: integers, dates and decimals big-endian with the sign bit
 * flipped, in the full width of their type; floats by the IEEE trick, -0 as 0, NaN
 * greatest; strings with 0x00 escaped as 0x00 0xFF and ended by 0x00 0x00; `descending`
 * inverts the value's bytes, not the NULL byte. It is on disk: never change it. */
kdk_status key_add(struct buf *key, struct ltype type, const struct datum *value,
                   bool descending, bool nulls_first) KDK_MUST_CHECK;
/* Reads one column back, advancing the cursor; strings go to the arena. KDK_CORRUPT on
 * nonsense. */
kdk_status key_read(struct cursor *key, struct ltype type, bool descending,
                    bool nulls_first, struct arena *arena, struct datum *out,
                    struct err *err) KDK_MUST_CHECK;

/* ---------------------------------------------------------------- vectors ---- */

enum vform {
    VF_FLAT,     /* data[row] */
    VF_CONSTANT, /* data[0] for every row; NULL if validity is given and bit 0 is clear */
    VF_DICT, /* values->data[codes[row]]: int32 codes in `data`, validity by row; `values` is flat, without NULLs, and
                  * has a readable value at 0 even when it is empty, which is the code of NULL rows */
    VF_LAZY, /* not fetched yet: load() makes it flat or dictionary */
};

struct vec;
struct sel;
/* Fetches a lazy vector in place for the rows in `sel`. */
typedef kdk_status (*vec_load_fn)(struct vec *v, const struct sel *sel, uint32_t count,
                                  struct err *err);

/* A vector made by vec_init() owns room for BATCH_ROWS values at full width; others point
 * into cached strips or other vectors and must not be written: `owned` tells. */
struct vec {
    struct ltype type;
    uint8_t width;      /* enum vwidth of data; for VF_DICT of values->data */
    uint8_t form;       /* enum vform */
    bool owned;         /* data and validity may be written by the vector's user */
    void *data;         /* W_BIT: a bitmap. Aligned to 64 bytes when owned. */
    uint64_t *validity; /* NULL: no row is NULL */
    struct vec *values; /* VF_DICT */
    uint64_t dict_id;   /* VF_DICT: equal ids have equal codes; 0: unknown */
    vec_load_fn load;   /* VF_LAZY */
    void *lazy;
    void *room; /* what vec_reset() goes back to */
    uint64_t *room_validity;
};

static inline bool vec_valid(const struct vec *v, uint32_t row)
{
    return !v->validity || bit_get(v->validity, v->form == VF_CONSTANT ? 0 : row);
}
/* Which rows count: ascending row numbers. `rows` NULL means rows 0..count-1. */
struct sel {
    const uint16_t *rows;
    uint32_t count;
};
#define SEL_ROW(SEL, K) ((SEL)->rows ? (uint32_t)(SEL)->rows[K] : (uint32_t)(K))

/* Room for BATCH_ROWS values of `type` at full width, from the arena; flat, no NULLs,
 * zeroed. */
kdk_status vec_init(struct vec *v, struct ltype type, struct arena *arena,
                    struct err *err) KDK_MUST_CHECK;
/* Back to flat over its own room, at `width` (not above the full one); validity off.
 * Strings and bits are emptied; other data is whatever was there. */
void vec_reset(struct vec *v, enum vwidth width);
/* Switches validity on (ones for `count` rows) if it is off. Owned vectors only. */
void vec_validity_on(struct vec *v, uint32_t count);
/* Owned; zeroes the slot (V1). */
void vec_set_null(struct vec *v, uint32_t row, uint32_t count);
/* One value out and in, any form and width: the slow path; kernels read `data`. vec_put
 * needs an owned flat vector whose width holds the value; strings are borrowed. */
struct datum vec_get(const struct vec *v, uint32_t row);
void vec_put(struct vec *v, uint32_t row, const struct datum *value, uint32_t count);
/* A vector that is one value for all rows. Strings are borrowed. */
kdk_status vec_constant(struct vec *v, struct ltype type, const struct datum *value,
                        struct arena *arena, struct err *err) KDK_MUST_CHECK;
/* `out` (owned) becomes the rows of `in` that `sel` names, packed to 0..sel->count-1, in
 * in's width; VF_DICT and VF_CONSTANT stay what they are. `in` is not lazy. */
void vec_gather(const struct vec *in, const struct sel *sel, struct vec *out);
/* `out` (owned) becomes a flat copy, at a width >= in's, of the rows of `sel` at their own
 * places. */
void vec_flatten(const struct vec *in, const struct sel *sel, uint32_t count,
                 enum vwidth width, struct vec *out);
/* Hashes of the selected rows into hashes[k], k = 0..sel->count-1; with `combine`, mixed
 * into what is there (hash_combine). The same as datum_hash, in any form and width. */
void vec_hash(const struct vec *v, const struct sel *sel, bool combine, uint64_t *hashes);

/* ----------------------------------------------------------------- batches ---- */

/* Up to BATCH_ROWS rows of columns; those that count are in `sel`. A batch does not own
 * what its columns were made to point to: `unpin` does. */
struct batch {
    uint32_t count; /* Rows that the vectors have. */
    uint32_t column_count;
    struct vec *columns;
    struct sel sel;     /* rows NULL and count == this->count: all rows */
    uint16_t *sel_room; /* BATCH_ROWS numbers, for whoever narrows the selection */
    /* Released by batch_unpin(): strips, epochs and whatever else the vectors point
     * into. */
    void (*unpin)(void *pinned);
    void *pinned;
};
kdk_status batch_init(struct batch *b, const struct ltype *types, uint32_t column_count,
                      struct arena *arena, struct err *err) KDK_MUST_CHECK;
void batch_all(struct batch *b, uint32_t count); /* `count` rows, all of which count. */
void batch_unpin(struct batch *b);               /* Calls unpin once, if set. */
/* Rows that are set in `keep` (a bitmap over b->count rows) and selected already stay
 * selected. */
void batch_keep(struct batch *b, const uint64_t *keep);

#endif
