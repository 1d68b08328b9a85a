/* vec_test.h - random values for the tests of vec and exec: edge values, NULLs and
 * repetitions are common. */
#ifndef KDK_VEC_VEC_TEST_H
#define KDK_VEC_VEC_TEST_H

#include <math.h>
#include "vec/vec.h"

struct test_random {
    uint64_t state; /* not 0 */
};
static inline uint64_t test_random(struct test_random *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return r->state * 0x2545f4914f6cdd1dull >> 8;
}
/* An integer of up to `bits` bits with sign; small ones and the extremes are common. */
static inline int64_t test_integer(struct test_random *r, uint32_t bits)
{
    int64_t most = (int64_t)(UINT64_MAX >> (65 - bits)), least = -most - 1;
    uint64_t kind = test_random(r) % 8;
    if (kind == 0)
        return most - (int64_t)(test_random(r) % 2);
    if (kind == 1)
        return least + (int64_t)(test_random(r) % 2);
    if (kind < 5)
        return (int64_t)(test_random(r) % 7) - 3;
    int64_t wide = (int64_t)(test_random(r) << 8 ^ test_random(r));
    return wide >> (64 - bits) >> test_random(r) % bits;
}
static inline int128 test_wide(struct test_random *r)
{
    const int128 most = (int128)10000000000000000000ull * 10000000000000000000ull - 1;
    uint64_t kind = test_random(r) % 8;
    if (kind == 0)
        return most;
    if (kind == 1)
        return -most;
    if (kind < 5)
        return (int128)test_integer(r, 64);
    return (int128)((uint128)test_random(r) << 72 ^ (uint128)test_random(r) << 20 ^
                    test_random(r)) %
               most >>
           test_random(r) % 128;
}
static inline double test_double(struct test_random *r)
{
    static const double edges[] = {0.0,    -0.0,   1,        -1,    0.5,     1e300,
                                   -1e300, 1e-300, 4.9e-324, 127.5, 32767.5, 2147483648.0};
    uint64_t kind = test_random(r) % 8;
    if (kind == 0)
        return (double)INFINITY * (test_random(r) & 1 ? 1 : -1);
    if (kind == 1)
        return (double)NAN;
    if (kind < 5)
        return edges[test_random(r) % COUNT_OF(edges)];
    return (double)test_integer(r, 64) / 64;
}
/* Bytes of a few letters, so that strings are prefixes of each other; 0x00 and 0xff among
 * them. UTF-8 unless `binary`. */
static inline struct str test_str(struct test_random *r, bool binary, struct arena *arena)
{
    char bytes[40];
    size_t n = test_random(r) % (test_random(r) % 2 ? 6 : sizeof bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = binary ? "ab\0\xff"[test_random(r) % 4] : "aabz "[test_random(r) % 5];
    struct str s = {0};
    (void)str_copy(arena, str_of(bytes, n), &s); /* Out of memory: an empty one. */
    return s;
}
static inline struct datum test_datum(struct test_random *r, struct ltype type,
                                      struct arena *arena)
{
    struct datum d = {0};
    if (test_random(r) % 8 == 0)
        return DATUM_NULL;
    switch (ltype_width(type)) {
    case W_BIT:
        d.i = test_random(r) & 1;
        break;
    case W_8:
        d.i = test_integer(r, 8);
        break;
    case W_16:
        d.i = test_integer(r, 16);
        break;
    case W_32:
        d.i = test_integer(r, 32);
        break;
    case W_64:
        d.i = test_integer(r, 64);
        break;
    case W_128:
        d.w = test_wide(r);
        break;
    case W_F32:
        d.f = (double)(float)test_double(r);
        break;
    case W_F64:
        d.f = test_double(r);
        break;
    case W_STR: {
        d.s = test_str(r, type.id == LT_BYTEA, arena);
        break;
    }
    }
    return d;
}

#endif
