/* kernel_test.c - every kernel against one row at a time, on random and edge values, dense
 * and by list. */
#include "check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "exec/kernel.h"
#include "vec/vec_test.h"

static const enum vwidth widths[] = {W_8, W_16, W_32, W_64, W_128, W_F32, W_F64, W_STR};
enum { NUMBER_WIDTHS = COUNT_OF(widths) - 1, ROUNDS = BATCH_ROWS > 100 ? 12 : 200 };
static const int128 wide_limit = (int128)10000000000000000000ull * 10000000000000000000ull;

/* A type whose full width is `w`: how datums see the arrays. */
static struct ltype type_of(enum vwidth w)
{
    static const uint8_t ids[] = {LT_BOOLEAN, LT_TINYINT, LT_SMALLINT,
                                  LT_INTEGER, LT_BIGINT,  LT_NUMERIC,
                                  LT_REAL,    LT_DOUBLE,  LT_TEXT};
    return (struct ltype){.id = ids[w]};
}

union cell {
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    int128 i128;
    float f32;
    double f64;
    struct str str;
};
struct column {
    _Alignas(64) uint8_t data[BATCH_ROWS * 16];
    enum vwidth width;
};
static void *cell_at(struct column *c, uint32_t row)
{
    return c->data + (size_t)row * vwidth_bytes(c->width);
}
static struct datum datum_at(const struct column *c, uint32_t row)
{
    struct vec v = {.type = type_of(c->width), .width = (uint8_t)c->width, .form = VF_FLAT};
    v.data = (void *)(uintptr_t)c->data;
    return vec_get(&v, row);
}
static void column_fill(struct column *c, enum vwidth width, struct test_random *r,
                        struct arena *arena)
{
    struct vec v = {.type = type_of(width),
                    .width = (uint8_t)width,
                    .form = VF_FLAT,
                    .owned = true,
                    .data = c->data};
    c->width = width;
    for (uint32_t i = 0; i < BATCH_ROWS; i++) {
        struct datum d;
        do
            d = test_datum(r, v.type, arena);
        while (d.null);
        vec_put(&v, i, &d, BATCH_ROWS);
    }
}

struct set {
    uint16_t list[BATCH_ROWS];
    const uint16_t *rows; /* list or NULL */
    uint32_t n, count;
    bool in[BATCH_ROWS];
};
static void set_random(struct set *s, struct test_random *r)
{
    s->count = test_random(r) % 4 == 0 ? BATCH_ROWS
                                       : (uint32_t)(test_random(r) % (BATCH_ROWS + 1));
    memset(s->in, 0, sizeof s->in);
    s->rows = test_random(r) & 1 ? s->list : NULL;
    uint32_t of = 1 + (uint32_t)(test_random(r) % 9);
    s->n = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        s->in[i] = !s->rows || test_random(r) % of == 0;
        if (s->in[i])
            s->list[s->n++] = (uint16_t)i;
    }
}
static void bits_random(uint64_t *bits, struct test_random *r, uint32_t count)
{
    uint64_t density = test_random(r) % 3;
    memset(bits, 0, BATCH_ROWS / 8);
    for (uint32_t i = 0; i < count; i++)
        bit_put(bits, i, density == 0 || test_random(r) % (density == 1 ? 2 : 20) == 0);
}
/* bits[i] == want[i] for the rows of the set, 0 elsewhere, whole words. */
static bool bits_are(const uint64_t *bits, const bool *want, const struct set *s)
{
    bool good = true;
    for (uint32_t i = 0; i < bits_words(s->count) * 64; i++)
        good &= bit_get(bits, i) == (i < s->count && s->in[i] && want[i]);
    return good;
}

static bool holds(enum kernel_cmp op, int order)
{
    switch (op) {
    case KC_EQ:
        return order == 0;
    case KC_NE:
        return order != 0;
    case KC_LT:
        return order < 0;
    case KC_LE:
        return order <= 0;
    case KC_GT:
        return order > 0;
    case KC_GE:
        return order >= 0;
    case KC_COUNT:
        break;
    }
    return false;
}

TEST(kernel, comparisons_and_between)
{
    struct test_random r = {11};
    struct arena arena = {0};
    struct column *a = aligned_alloc(64, sizeof *a), *b = aligned_alloc(64, sizeof *b);
    const struct kernels *k = kernels();
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t wi = 0; wi < COUNT_OF(widths); wi++) {
            enum vwidth w = widths[wi];
            struct ltype type = type_of(w);
            struct set s;
            uint64_t bits[BATCH_ROWS / 64];
            bool want[BATCH_ROWS];
            column_fill(a, w, &r, &arena);
            column_fill(b, w, &r, &arena);
            set_random(&s, &r);
            for (int o = 0; o < KC_COUNT; o++) {
                enum kernel_cmp op = (enum kernel_cmp)o;
                for (uint32_t i = 0; i < s.count; i++) {
                    struct datum x = datum_at(a, i), y = datum_at(b, i);
                    want[i] = holds(op, datum_compare(type, &x, &y));
                }
                memset(bits, 0xa5, sizeof bits);
                k->cmp_vv[op][w](a->data, b->data, s.rows, s.n, s.count, bits);
                CHECK(bits_are(bits, want, &s));
                struct datum c = datum_at(b, 0);
                for (uint32_t i = 0; i < s.count; i++) {
                    struct datum x = datum_at(a, i);
                    want[i] = holds(op, datum_compare(type, &x, &c));
                    CHECK(holds(kernel_cmp_flip(op), datum_compare(type, &c, &x)) ==
                          want[i]);
                }
                memset(bits, 0xa5, sizeof bits);
                k->cmp_vc[op][w](a->data, b->data, s.rows, s.n, s.count, bits);
                CHECK(bits_are(bits, want, &s));
            }
            if (w == W_STR)
                continue;
            struct datum lo = datum_at(b, 0), hi = datum_at(b, 1);
            for (uint32_t i = 0; i < s.count; i++) {
                struct datum x = datum_at(a, i);
                want[i] =
                    datum_compare(type, &x, &lo) >= 0 && datum_compare(type, &x, &hi) <= 0;
            }
            memset(bits, 0xa5, sizeof bits);
            k->between[w](a->data, b->data, cell_at(b, 1), s.rows, s.n, s.count, bits);
            CHECK(bits_are(bits, want, &s));
        }
        arena_reset(&arena);
    }
    free(a);
    free(b);
    arena_deinit(&arena);
}

/* One row of checked arithmetic; false when it must fail. */
static bool arith_one(enum kernel_arith op, enum vwidth w, struct datum x, struct datum y,
                      struct datum *out)
{
    memset(out, 0, sizeof *out);
    if (w == W_F32 || w == W_F64) {
        double big = w == W_F32 ? (double)FLT_MAX : DBL_MAX;
        double z = op == KA_ADD ? x.f + y.f : op == KA_SUB ? x.f - y.f : x.f * y.f;
        if (w == W_F32) {
            float s = (float)x.f, t = (float)y.f;
            z = (double)(op == KA_ADD ? s + t : op == KA_SUB ? s - t : s * t);
        }
        out->f = z;
        if (isinf(z) && fabs(x.f) <= big && fabs(y.f) <= big)
            return false;
        return !(op == KA_MUL && z == 0 && x.f != 0 && y.f != 0);
    }
    if (w == W_128) {
        /* Values are within the 38 digits here, so a sum fits 128 bits but for the sign. */
        if (op == KA_MUL) {
            int128 ax = x.w < 0 ? -x.w : x.w, ay = y.w < 0 ? -y.w : y.w;
            if (ax && ay > (wide_limit - 1) / ax)
                return false;
            out->w = x.w * y.w;
            return true;
        }
        if (op == KA_SUB)
            y.w = -y.w;
        if ((y.w > 0 && x.w > wide_limit - 1 - y.w) ||
            (y.w < 0 && x.w < -(wide_limit - 1) - y.w))
            return false;
        out->w = x.w + y.w;
        return true;
    }
    int128 z = op == KA_ADD   ? (int128)x.i + y.i
               : op == KA_SUB ? (int128)x.i - y.i
                              : (int128)x.i * y.i;
    out->i = (int64_t)z;
    return vwidth_for(z, z) <= w;
}
static bool same_cell(const struct datum *a, const struct datum *b, enum vwidth w)
{
    if (w == W_128)
        return a->w == b->w;
    if (w == W_F32 || w == W_F64)
        return datum_compare(LTYPE(DOUBLE), a, b) == 0 &&
               (isnan(a->f) || signbit(a->f) == signbit(b->f));
    return a->i == b->i;
}

TEST(kernel, arithmetic_marks_what_does_not_fit)
{
    struct test_random r = {12};
    struct arena arena = {0};
    struct column *c = aligned_alloc(64, 3 * sizeof *c), *a = c, *b = c + 1, *z = c + 2;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t wi = 0; wi < NUMBER_WIDTHS; wi++) {
            enum vwidth w = widths[wi];
            for (int o = 0; o < KA_COUNT * KF_COUNT * 2; o++) {
                enum kernel_arith op = (enum kernel_arith)(o / 2 % KA_COUNT);
                enum kernel_form form = (enum kernel_form)(o / 2 / KA_COUNT);
                bool checked = o & 1, in_place = test_random(&r) & 1;
                struct set s;
                uint64_t failed[BATCH_ROWS / 64], before[BATCH_ROWS / 64];
                column_fill(a, w, &r, &arena);
                column_fill(b, w, &r, &arena);
                if (form == KF_VC) /* A zero or a small one lets most rows pass. */
                    memset(b->data, test_random(&r) & 1, 1),
                        memset(b->data + 1, 0, vwidth_bytes(w) - 1);
                set_random(&s, &r);
                bits_random(before, &r, BATCH_ROWS);
                memcpy(failed, before, sizeof failed);
                z->width = w;
                memset(z->data, 0x77, sizeof z->data);
                struct column *to = z;
                if (in_place) {
                    memcpy(z->data, form == KF_CV ? b->data : a->data, sizeof z->data);
                    to = z;
                }
                const void *left = in_place && form != KF_CV ? z->data : a->data;
                const void *right = in_place && form == KF_CV ? z->data : b->data;
                kernels()->arith[op][w][form](left, right, to->data, s.rows, s.n,
                                              checked ? failed : NULL);
                bool good = true;
                for (uint32_t i = 0; i < s.count; i++) {
                    struct datum want, x = datum_at(a, form == KF_CV ? 0 : i),
                                       y = datum_at(b, form == KF_VC ? 0 : i);
                    bool fits = arith_one(op, w, x, y, &want);
                    struct datum got = datum_at(z, i);
                    if (s.in[i]) {
                        good &= !fits || same_cell(&got, &want, w);
                        good &= bit_get(failed, i) ==
                                (bit_get(before, i) || (checked && !fits));
                        if (!fits && !checked && w < W_64) { /* Wraps. */
                            int64_t cut =
                                (int64_t)((uint64_t)want.i << (64 - 8 * vwidth_bytes(w))) >>
                                (64 - 8 * vwidth_bytes(w));
                            good &= got.i == cut;
                        }
                    } else
                        good &= bit_get(failed, i) == bit_get(before, i);
                }
                for (uint32_t i = s.count; i < BATCH_ROWS; i++)
                    good &= bit_get(failed, i) == bit_get(before, i);
                if (!CHECK(good))
                    goto out;
            }
        }
        arena_reset(&arena);
    }
out:
    free(c);
    arena_deinit(&arena);
}

TEST(kernel, numeric_ends_at_38_digits)
{
    const int128 ten_19 = (int128)10000000000000000000ull, most = wide_limit - 1;
    int128 a[] = {ten_19, -ten_19,   most,          -most,           ten_19,
                  most,   most / 10, most / 10 + 1, (int128)1 << 63, (int128)1 << 126};
    int128 b[] = {ten_19, ten_19, 1, -1, ten_19 - 1, -1, 10, 10, (int128)1 << 63, 4},
           z[COUNT_OF(a)];
    uint64_t failed = 0;
    kernels()->arith[KA_MUL][W_128][KF_VV](a, b, z, NULL, COUNT_OF(a), &failed);
    CHECK_EQ(failed, 0x283); /* 2^126 fits, 2^128 does not. */
    CHECK(z[2] == most && z[3] == most && z[5] == -most);
    failed = 0;
    kernels()->arith[KA_ADD][W_128][KF_VV](a, b, z, NULL, 4, &failed);
    CHECK_EQ(failed, 0xc);
    failed = 0;
    kernels()->arith[KA_SUB][W_128][KF_VV](a, b, z, NULL, 4, &failed);
    CHECK_EQ(failed, 0);
    CHECK(z[2] == most - 1);
}
TEST(kernel, a_sum_keeps_the_sign_of_zero)
{
    double x[] = {-0.0, 7, -0.0}, sum = -0.0;
    uint64_t validity = 0x5;
    kernels()->sum_float[W_F64](x, &validity, NULL, 3, &sum);
    CHECK(sum == 0 && signbit(sum));
}

/* One row of a cast; false when it must fail. */
static bool cast_one(enum vwidth from, enum vwidth to, struct datum x, struct datum *out)
{
    memset(out, 0, sizeof *out);
    bool from_float = from >= W_F32, to_float = to >= W_F32;
    if (from_float && to_float) {
        out->f = to == W_F32 ? (double)(float)x.f : x.f;
        if (from == W_F64 && to == W_F32)
            return !(isinf(out->f) && !isinf(x.f)) && !(out->f == 0 && x.f != 0);
        return true;
    }
    if (from_float) {
        double y = nearbyint(x.f);
        double limit = to == W_128 ? 0x1p127 : ldexp(1, (int)(8 * vwidth_bytes(to)) - 1);
        if (!(y >= -limit && y < limit))
            return false;
        if (to == W_128)
            out->w = (int128)y;
        else
            out->i = (int64_t)y;
        return true;
    }
    int128 v = from == W_128 ? x.w : x.i;
    if (to_float) {
        out->f = to == W_F32 ? (double)(float)v : (double)v;
        return true;
    }
    if (to == W_128)
        out->w = v;
    else
        out->i = (int64_t)v;
    return vwidth_for(v, v) <= to;
}
TEST(kernel, casts_between_all_widths)
{
    struct test_random r = {13};
    struct arena arena = {0};
    struct column *c = aligned_alloc(64, 2 * sizeof *c), *a = c, *z = c + 1;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t p = 0; p < NUMBER_WIDTHS * NUMBER_WIDTHS; p++) {
            enum vwidth from = widths[p / NUMBER_WIDTHS], to = widths[p % NUMBER_WIDTHS];
            struct set s;
            uint64_t failed[BATCH_ROWS / 64] = {0};
            column_fill(a, from, &r, &arena);
            set_random(&s, &r);
            z->width = to;
            bool checked = test_random(&r) & 1;
            kernels()->cast[from][to](a->data, z->data, s.rows, s.n,
                                      checked ? failed : NULL);
            bool good = true;
            for (uint32_t i = 0; i < s.count; i++) {
                struct datum want;
                bool fits = cast_one(from, to, datum_at(a, i), &want);
                struct datum got = datum_at(z, i);
                if (s.in[i])
                    good &= !fits || same_cell(&got, &want, to);
                good &= bit_get(failed, i) == (s.in[i] && checked && !fits);
            }
            CHECK(good);
        }
        arena_reset(&arena);
    }
    free(c);
    arena_deinit(&arena);
}

TEST(kernel, bitmaps_and_lists)
{
    struct test_random r = {14};
    for (int round = 0; round < ROUNDS * 20; round++) {
        struct set s;
        uint64_t a[BATCH_ROWS / 64], b[BATCH_ROWS / 64], z[BATCH_ROWS / 64];
        uint16_t rows[BATCH_ROWS];
        bool want[BATCH_ROWS];
        set_random(&s, &r);
        bits_random(a, &r, BATCH_ROWS);
        bits_random(b, &r, BATCH_ROWS);
        struct set all = s;
        memset(all.in, 1, sizeof all.in);
#define EXPECT(EXPR)                                                                       \
    for (uint32_t i = 0; i < s.count; i++) {                                               \
        bool x = bit_get(a, i), y = bit_get(b, i);                                         \
        (void)x, (void)y;                                                                  \
        want[i] = EXPR;                                                                    \
    }                                                                                      \
    CHECK(bits_are(z, want, &all))
        kernel_bits_and(z, a, b, s.count);
        EXPECT(x && y);
        kernel_bits_or(z, a, b, s.count);
        EXPECT(x || y);
        kernel_bits_andnot(z, a, b, s.count);
        EXPECT(x && !y);
        kernel_bits_not(z, a, s.count);
        EXPECT(!x);
        kernel_bits_mask(z, a, s.rows, s.n, s.count);
        EXPECT(x && s.in[i]);
        kernel_rows_to_bits(s.list, s.n, s.count, z);
        EXPECT(s.in[i]);
        CHECK_EQ(kernel_bits_to_rows(z, s.count, rows), s.n);
        CHECK_MEM(rows, s.list, s.n * sizeof *rows);
        CHECK_EQ(kernel_bits_count(z, s.count), s.n);
        uint32_t n = kernel_bits_to_rows(a, s.count, rows), k = 0, valid = 0,
                 lowest = UINT32_MAX, first = UINT32_MAX;
        for (uint32_t i = 0; i < s.count; i++) {
            if (bit_get(a, i))
                CHECK(k < n && rows[k] == i), k++;
            valid += s.in[i] && bit_get(a, i);
            if (lowest == UINT32_MAX && bit_get(a, i) && bit_get(b, i))
                lowest = i;
            if (first == UINT32_MAX && bit_get(a, i))
                first = i;
        }
        CHECK_EQ(k, n);
        CHECK_EQ(kernel_count_valid(a, s.rows, s.n), valid);
        CHECK_EQ(kernel_count_valid(NULL, s.rows, s.n), s.n);
        CHECK_EQ(kernel_first_failed(a, b, s.count), lowest);
        CHECK_EQ(kernel_first_failed(a, NULL, s.count), first);

        int32_t codes[BATCH_ROWS];
        for (uint32_t i = 0; i < BATCH_ROWS; i++)
            codes[i] = (int32_t)(test_random(&r) % BATCH_ROWS);
        kernel_codes_match(codes, b, s.rows, s.n, s.count, z);
        EXPECT(s.in[i] && bit_get(b, (uint32_t)codes[i]));
    }
}

TEST(kernel, gather_sum_and_extremes)
{
    struct test_random r = {15};
    struct arena arena = {0};
    struct column *c = aligned_alloc(64, 2 * sizeof *c), *a = c, *z = c + 1;
    const struct kernels *k = kernels();
    for (int round = 0; round < ROUNDS * 4; round++) {
        for (size_t wi = 0; wi < COUNT_OF(widths); wi++) {
            enum vwidth w = widths[wi];
            struct ltype type = type_of(w);
            struct set s;
            uint64_t bits[BATCH_ROWS / 64];
            column_fill(a, w, &r, &arena);
            set_random(&s, &r);
            bits_random(bits, &r, BATCH_ROWS);
            const uint64_t *validity = test_random(&r) & 1 ? bits : NULL;
            z->width = w;
            k->gather[w](a->data, s.list, s.n, z->data);
            bool good = true;
            for (uint32_t i = 0; i < s.n; i++) {
                struct datum x = datum_at(a, s.list[i]), y = datum_at(z, i);
                good &= datum_compare(type, &x, &y) == 0;
            }
            CHECK(good);

            bool any = false, over = false;
            struct datum least = {0}, most = {0};
            int128 sum = (int128)test_integer(&r, 64), got_sum = sum;
            double float_sum = 0.5, got_float = 0.5;
            for (uint32_t i = 0; i < s.count; i++) {
                if (!s.in[i] || (validity && !bit_get(validity, i)))
                    continue;
                struct datum x = datum_at(a, i);
                if (!any || datum_compare(type, &x, &least) < 0)
                    least = x;
                if (!any || datum_compare(type, &x, &most) > 0)
                    most = x;
                any = true;
                if (w <= W_128)
                    over |= __builtin_add_overflow(sum, w == W_128 ? x.w : x.i, &sum);
                else if (w != W_STR)
                    float_sum += x.f;
            }
            if (w <= W_128) {
                CHECK_EQ(k->sum_int[w](a->data, validity, s.rows, s.n, &got_sum), !over);
                CHECK(over || got_sum == sum);
            } else if (w != W_STR) {
                k->sum_float[w](a->data, validity, s.rows, s.n, &got_float);
                CHECK(got_float == float_sum || (isnan(got_float) && isnan(float_sum)));
            }
            memset(z->data, 0, 32);
            CHECK_EQ(k->min[w](a->data, validity, s.rows, s.n, z->data), any);
            CHECK_EQ(k->max[w](a->data, validity, s.rows, s.n, cell_at(z, 1)), any);
            if (any) {
                struct datum x = datum_at(z, 0), y = datum_at(z, 1);
                CHECK_EQ(datum_compare(type, &x, &least), 0);
                CHECK_EQ(datum_compare(type, &y, &most), 0);
            }
        }
        arena_reset(&arena);
    }
    free(c);
    arena_deinit(&arena);
}

/* The table says which entries exist; those must. */
TEST(kernel, the_table_is_full)
{
    const struct kernels *k = kernels();
    CHECK(k->level != NULL);
    for (size_t i = 0; i < COUNT_OF(widths); i++) {
        enum vwidth w = widths[i];
        for (int op = 0; op < KC_COUNT; op++)
            CHECK(k->cmp_vv[op][w] && k->cmp_vc[op][w]);
        CHECK(k->gather[w] && k->min[w] && k->max[w]);
        if (w == W_STR)
            continue;
        CHECK(k->between[w] != NULL);
        for (size_t to = 0; to < NUMBER_WIDTHS; to++)
            CHECK(k->cast[w][widths[to]] != NULL);
        for (int op = 0; op < KA_COUNT; op++)
            for (int form = 0; form < KF_COUNT; form++)
                CHECK(k->arith[op][w][form] != NULL);
        CHECK(w <= W_128 ? k->sum_int[w] != NULL : k->sum_float[w] != NULL);
    }
}
