/* vector.c - vectors and batches: the forms, one value in and out, packing, hashing. */
#include "vec/vec.h"
#include "vec/vec_int.h"

enum { VALIDITY_BYTES = BATCH_ROWS / 8, VECTOR_ALIGNMENT = 64 };
static_assert(BATCH_ROWS % 64 == 0, "bitmaps of a batch are whole words");
static_assert(BATCH_ROWS <= UINT16_MAX, "row numbers fit 16 bits");

/* Room for any form: codes of a dictionary are 4 bytes whatever the type. */
static size_t room_bytes(struct ltype type)
{
    return BATCH_ROWS *
           (size_t)MAX(vwidth_bytes(ltype_width(type)), (uint32_t)sizeof(int32_t));
}

kdk_status vec_init(struct vec *v, struct ltype type, struct arena *arena, struct err *err)
{
    size_t bytes = room_bytes(type);
    uint8_t *room = arena_alloc_aligned(arena, bytes + VALIDITY_BYTES, VECTOR_ALIGNMENT);
    if (!room)
        return err_nomem(err);
    memset(room, 0, bytes + VALIDITY_BYTES);
    *v = (struct vec){.type = type, .room = room};
    v->room_validity = (void *)(room + bytes);
    vec_reset(v, ltype_width(type));
    return KDK_OK;
}
void vec_reset(struct vec *v, enum vwidth width)
{
    ASSERT(v->room);
    ASSERT(vwidth_bytes(width) <= vwidth_bytes(ltype_width(v->type)));
    v->form = VF_FLAT;
    v->width = (uint8_t)width;
    v->owned = true;
    v->data = v->room;
    v->validity = NULL;
    v->values = NULL;
    v->dict_id = 0;
    v->load = NULL;
    v->lazy = NULL;
    /* A view left from the last batch would point into memory that is gone. */
    if (width == W_STR)
        memset(v->room, 0, BATCH_ROWS * sizeof(struct str));
    else if (width == W_BIT)
        memset(v->room, 0, BATCH_ROWS / 8);
}
void vec_validity_on(struct vec *v, uint32_t count)
{
    ASSERT(v->owned);
    if (v->validity)
        return;
    v->validity = v->room_validity;
    memset(v->validity, 0, VALIDITY_BYTES);
    bits_fill(v->validity, count);
}
void vec_set_null(struct vec *v, uint32_t row, uint32_t count)
{
    ASSERT(v->owned);
    ASSERT(v->form == VF_FLAT);
    vec_validity_on(v, count);
    bit_clear(v->validity, row);
    if (v->width == W_BIT)
        bit_clear(v->data, row);
    else {
        uint32_t bytes = vwidth_bytes((enum vwidth)v->width);
        memset((uint8_t *)v->data + (size_t)row * bytes, 0, bytes);
    }
}

/* ------------------------------------------------------------- one value ---- */

/* data[index] at a width, as a datum of the type. */
static struct datum value_get(struct ltype type, enum vwidth width, const void *data,
                              size_t index)
{
    struct datum d;
    memset(&d, 0, sizeof d);
    int64_t i = 0;
    switch (width) {
    case W_BIT:
        i = bit_get(data, index);
        break;
    case W_8:
        i = ((const int8_t *)data)[index];
        break;
    case W_16:
        i = ((const int16_t *)data)[index];
        break;
    case W_32:
        i = ((const int32_t *)data)[index];
        break;
    case W_64:
        i = ((const int64_t *)data)[index];
        break;
    case W_128:
        d.w = ((const int128 *)data)[index];
        return d;
    case W_F32:
        d.f = (double)((const float *)data)[index];
        return d;
    case W_F64:
        d.f = ((const double *)data)[index];
        return d;
    case W_STR:
        d.s = ((const struct str *)data)[index];
        return d;
    }
    if (type.id == LT_NUMERIC)
        d.w = i;
    else
        d.i = i;
    return d;
}
static void value_put(struct ltype type, enum vwidth width, void *data, size_t index,
                      const struct datum *d)
{
    int64_t i = type.id == LT_NUMERIC ? (int64_t)d->w : d->i;
    switch (width) {
    case W_BIT:
        bit_put(data, index, i != 0);
        break;
    case W_8:
        ASSERT(i == (int8_t)i);
        ((int8_t *)data)[index] = (int8_t)i;
        break;
    case W_16:
        ASSERT(i == (int16_t)i);
        ((int16_t *)data)[index] = (int16_t)i;
        break;
    case W_32:
        ASSERT(i == (int32_t)i);
        ((int32_t *)data)[index] = (int32_t)i;
        break;
    case W_64:
        if (type.id == LT_NUMERIC)
            ASSERT(i == d->w);
        ((int64_t *)data)[index] = i;
        break;
    case W_128:
        ((int128 *)data)[index] = type.id == LT_NUMERIC ? d->w : d->i;
        break;
    case W_F32:
        ((float *)data)[index] = (float)d->f;
        break;
    case W_F64:
        ((double *)data)[index] = d->f;
        break;
    case W_STR:
        ((struct str *)data)[index] = d->s;
        break;
    }
}

struct datum vec_get(const struct vec *v, uint32_t row)
{
    if (!vec_valid(v, row))
        return DATUM_NULL;
    enum vwidth width = (enum vwidth)v->width;
    switch ((enum vform)v->form) {
    case VF_FLAT:
        return value_get(v->type, width, v->data, row);
    case VF_CONSTANT:
        return value_get(v->type, width, v->data, 0);
    case VF_DICT:
        return value_get(v->type, width, v->values->data,
                         (size_t)((const int32_t *)v->data)[row]);
    case VF_LAZY:
        break;
    }
    ASSERT(v->form != VF_LAZY);
    return DATUM_NULL;
}
void vec_put(struct vec *v, uint32_t row, const struct datum *value, uint32_t count)
{
    ASSERT(v->owned);
    ASSERT(v->form == VF_FLAT);
    if (value->null) {
        vec_set_null(v, row, count);
        return;
    }
    value_put(v->type, (enum vwidth)v->width, v->data, row, value);
    if (v->validity)
        bit_set(v->validity, row);
}
kdk_status vec_constant(struct vec *v, struct ltype type, const struct datum *value,
                        struct arena *arena, struct err *err)
{
    uint8_t *room = arena_alloc_aligned(arena, 2 * VECTOR_ALIGNMENT, VECTOR_ALIGNMENT);
    if (!room)
        return err_nomem(err);
    memset(room, 0, 2 * VECTOR_ALIGNMENT);
    *v = (struct vec){
        .type = type, .width = (uint8_t)ltype_width(type), .form = VF_CONSTANT};
    v->data = room;
    if (value->null)
        v->validity = (void *)(room + VECTOR_ALIGNMENT);
    else
        value_put(type, (enum vwidth)v->width, room, 0, value);
    return KDK_OK;
}

/* ------------------------------------------------------- gather, flatten ---- */

#define GATHER_LOOP(T)                                                                     \
    do {                                                                                   \
        const T *x = in;                                                                   \
        T *z = out;                                                                        \
        for (uint32_t k = 0; k < sel->count; k++)                                          \
            z[k] = x[sel->rows[k]];                                                        \
    } while (0)

/* out[k] = in[row k of sel] */
static void gather_data(enum vwidth width, const void *in, const struct sel *sel, void *out)
{
    if (!sel->rows) {
        if (width == W_BIT)
            bits_copy(out, in, 0, sel->count);
        else
            memcpy(out, in, (size_t)sel->count * vwidth_bytes(width));
        return;
    }
    switch (width) {
    case W_BIT:
        memset(out, 0, bits_words(sel->count) * 8);
        for (uint32_t k = 0; k < sel->count; k++)
            ((uint64_t *)out)[k / 64] |= (uint64_t)bit_get(in, sel->rows[k]) << k % 64;
        break;
    case W_8:
        GATHER_LOOP(uint8_t);
        break;
    case W_16:
        GATHER_LOOP(uint16_t);
        break;
    case W_32:
    case W_F32:
        GATHER_LOOP(uint32_t);
        break;
    case W_64:
    case W_F64:
        GATHER_LOOP(uint64_t);
        break;
    case W_128:
        GATHER_LOOP(int128);
        break;
    case W_STR:
        GATHER_LOOP(struct str);
        break;
    }
}
/* Validity for `sel` packed, or off. */
static void gather_validity(const struct vec *in, const struct sel *sel, struct vec *out)
{
    if (!in->validity)
        return;
    vec_validity_on(out, sel->count);
    gather_data(W_BIT, in->validity, sel, out->validity);
}

void vec_gather(const struct vec *in, const struct sel *sel, struct vec *out)
{
    ASSERT(in != out);
    ASSERT(out->room);
    switch ((enum vform)in->form) {
    case VF_FLAT:
        vec_reset(out, (enum vwidth)in->width);
        gather_data((enum vwidth)in->width, in->data, sel, out->data);
        gather_validity(in, sel, out);
        return;
    case VF_CONSTANT:
        vec_reset(out, (enum vwidth)in->width);
        memcpy(out->data, in->data,
               in->width == W_BIT ? 8 : vwidth_bytes((enum vwidth)in->width));
        if (in->validity) {
            vec_validity_on(out, 1);
            bit_put(out->validity, 0, bit_get(in->validity, 0));
        }
        out->form = VF_CONSTANT;
        return;
    case VF_DICT:
        vec_reset(out, (enum vwidth)in->width);
        gather_data(W_32, in->data, sel, out->data);
        gather_validity(in, sel, out);
        out->form = VF_DICT;
        out->values = in->values;
        out->dict_id = in->dict_id;
        return;
    case VF_LAZY:
        break;
    }
    ASSERT(in->form != VF_LAZY);
}

/* Runs BODY for each row of `sel`, a constant NULL list giving the loop without the
 * indirection. */
#define FOR_ROWS(SEL, ROW, BODY)                                                           \
    do {                                                                                   \
        if ((SEL)->rows) {                                                                 \
            for (uint32_t k_ = 0; k_ < (SEL)->count; k_++) {                               \
                uint32_t ROW = (SEL)->rows[k_];                                            \
                BODY;                                                                      \
            }                                                                              \
        } else {                                                                           \
            for (uint32_t ROW = 0; ROW < (SEL)->count; ROW++) {                            \
                BODY;                                                                      \
            }                                                                              \
        }                                                                                  \
    } while (0)

#define WIDEN_LOOP(FROM, TO)                                                               \
    do {                                                                                   \
        const FROM *x = from;                                                              \
        TO *z = out->data;                                                                 \
        FOR_ROWS(sel, row,                                                                 \
                 z[row] = (TO)x[codes      ? (uint32_t)codes[row]                          \
                                : constant ? 0                                             \
                                           : row]);                                        \
    } while (0)
#define WIDEN_FROM(TO)                                                                     \
    do {                                                                                   \
        if (in->width == W_8)                                                              \
            WIDEN_LOOP(int8_t, TO);                                                        \
        else if (in->width == W_16)                                                        \
            WIDEN_LOOP(int16_t, TO);                                                       \
        else if (in->width == W_32)                                                        \
            WIDEN_LOOP(int32_t, TO);                                                       \
        else if (in->width == W_64)                                                        \
            WIDEN_LOOP(int64_t, TO);                                                       \
        else                                                                               \
            WIDEN_LOOP(int128, TO);                                                        \
    } while (0)

void vec_flatten(const struct vec *in, const struct sel *sel, uint32_t count,
                 enum vwidth width, struct vec *out)
{
    ASSERT(in != out);
    ASSERT(in->form != VF_LAZY);
    ASSERT(vwidth_bytes(in->width) <= vwidth_bytes(width));
    const int32_t *codes = in->form == VF_DICT ? in->data : NULL;
    const void *from = codes ? in->values->data : in->data;
    bool constant = in->form == VF_CONSTANT;
    vec_reset(out, width);
    if (in->validity && constant) {
        if (!bit_get(in->validity, 0)) {
            out->validity = out->room_validity;
            memset(out->validity, 0, VALIDITY_BYTES);
        }
    } else if (in->validity) {
        out->validity = out->room_validity;
        memset(out->validity, 0, VALIDITY_BYTES);
        memcpy(out->validity, in->validity, bits_words(count) * 8);
    }
    switch (width) {
    case W_BIT:
        FOR_ROWS(sel, row,
                 bit_put(out->data, row,
                         bit_get(from, codes      ? (uint32_t)codes[row]
                                       : constant ? 0
                                                  : row)));
        break;
    case W_8:
        WIDEN_LOOP(int8_t, int8_t);
        break;
    case W_16:
        WIDEN_FROM(int16_t);
        break;
    case W_32:
        WIDEN_FROM(int32_t);
        break;
    case W_64:
        WIDEN_FROM(int64_t);
        break;
    case W_128:
        WIDEN_FROM(int128);
        break;
    case W_F32:
        WIDEN_LOOP(float, float);
        break;
    case W_F64:
        if (in->width == W_F32)
            WIDEN_LOOP(float, double);
        else
            WIDEN_LOOP(double, double);
        break;
    case W_STR:
        FOR_ROWS(sel, row,
                 ((struct str *)out->data)[row] =
                     ((const struct str *)from)[codes      ? (uint32_t)codes[row]
                                                : constant ? 0
                                                           : row]);
        break;
    }
}

/* ------------------------------------------------------------------- hash ---- */

static uint64_t value_hash(struct ltype type, enum vwidth width, const void *data,
                           size_t index)
{
    struct datum d = value_get(type, width, data, index);
    return datum_hash(type, &d);
}
#define HASH_LOOP(T, HASH)                                                                 \
    do {                                                                                   \
        const T *x = v->data;                                                              \
        for (uint32_t k = 0; k < sel->count; k++) {                                        \
            uint32_t row = SEL_ROW(sel, k);                                                \
            uint64_t h = HASH(x[row]);                                                     \
            if (v->validity && !bit_get(v->validity, row))                                 \
                h = VEC_HASH_NULL;                                                         \
            hashes[k] = combine ? hash_combine(hashes[k], h) : h;                          \
        }                                                                                  \
    } while (0)

void vec_hash(const struct vec *v, const struct sel *sel, bool combine, uint64_t *hashes)
{
    ASSERT(v->form != VF_LAZY);
    enum vwidth width = (enum vwidth)v->width;
    if (v->form == VF_CONSTANT) {
        uint64_t h =
            vec_valid(v, 0) ? value_hash(v->type, width, v->data, 0) : VEC_HASH_NULL;
        for (uint32_t k = 0; k < sel->count; k++)
            hashes[k] = combine ? hash_combine(hashes[k], h) : h;
        return;
    }
    const int32_t *codes = v->form == VF_DICT ? v->data : NULL;
    if (!codes && width == W_8)
        HASH_LOOP(int8_t, vec_hash_int);
    else if (!codes && width == W_16)
        HASH_LOOP(int16_t, vec_hash_int);
    else if (!codes && width == W_32)
        HASH_LOOP(int32_t, vec_hash_int);
    else if (!codes && width == W_64)
        HASH_LOOP(int64_t, vec_hash_int);
    else if (!codes && width == W_128)
        HASH_LOOP(int128, vec_hash_wide);
    else if (!codes && width == W_F32)
        HASH_LOOP(float, vec_hash_float);
    else if (!codes && width == W_F64)
        HASH_LOOP(double, vec_hash_float);
    else {
        const void *data = codes ? v->values->data : v->data;
        for (uint32_t k = 0; k < sel->count; k++) {
            uint32_t row = SEL_ROW(sel, k);
            uint64_t h = VEC_HASH_NULL;
            if (vec_valid(v, row))
                h = value_hash(v->type, width, data, codes ? (size_t)codes[row] : row);
            hashes[k] = combine ? hash_combine(hashes[k], h) : h;
        }
    }
}

/* ----------------------------------------------------------------- batches ---- */

kdk_status batch_init(struct batch *b, const struct ltype *types, uint32_t column_count,
                      struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    struct batch made = {.column_count = column_count};

    TRY_MEM(made.columns = ARENA_ARRAY(arena, struct vec, MAX(column_count, 1u)));
    TRY_MEM(made.sel_room = arena_alloc_aligned(arena, BATCH_ROWS * sizeof(uint16_t),
                                                VECTOR_ALIGNMENT));
    for (uint32_t c = 0; c < column_count; c++)
        TRY(vec_init(&made.columns[c], types[c], arena, err));
    *b = made;
out:
    return status;
}
void batch_all(struct batch *b, uint32_t count)
{
    ASSERT(count <= BATCH_ROWS);
    b->count = count;
    b->sel = (struct sel){.rows = NULL, .count = count};
}
void batch_unpin(struct batch *b)
{
    void (*unpin)(void *pinned) = b->unpin;
    b->unpin = NULL;
    if (unpin)
        unpin(b->pinned);
    b->pinned = NULL;
}
void batch_keep(struct batch *b, const uint64_t *keep)
{
    uint16_t *out = b->sel_room;
    uint32_t kept = 0;
    if (b->sel.rows) {
        for (uint32_t k = 0; k < b->sel.count; k++) {
            /* `out` may be the list: it trails k. */
            uint16_t row = b->sel.rows[k];
            out[kept] = row;
            kept += bit_get(keep, row);
        }
    } else {
        uint32_t count = b->sel.count;
        for (uint32_t w = 0; w < bits_words(count); w++) {
            uint64_t word = keep[w];
            if (count - w * 64 < 64)
                word &= (1ull << count % 64) - 1;
            for (; word; word &= word - 1)
                out[kept++] = (uint16_t)(w * 64 + (uint32_t)__builtin_ctzll(word));
        }
        if (kept == count)
            return; /* All rows still: no list. */
    }
    b->sel = (struct sel){.rows = out, .count = kept};
}
