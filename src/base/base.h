/* base.h - what every file may use: attributes, assertions, sizes, bit tricks. */
#ifndef KDK_BASE_BASE_H
#define KDK_BASE_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bounds.h"
#include "base/err.h"

#define KDK_PRINTF(FMT, ARGS) __attribute__((format(printf, FMT, ARGS)))
#define KDK_LIKELY(X)         __builtin_expect(!!(X), 1)
#define KDK_UNLIKELY(X)       __builtin_expect(!!(X), 0)
#define KDK_NODISCARD         __attribute__((warn_unused_result))

/* Debug builds stop here; release builds do not look. For our own mistakes only. */
#ifdef NDEBUG
#define ASSERT(COND) ((void)sizeof(COND))
#else
#define ASSERT(COND) assert(COND)
#endif

/* Stays in release builds: the statement ends with KDK_INTERNAL and nothing is written.
 * Only in a function with `status`, `err` and an `out:` label. */
#define TRY_ASSERT(COND)                                                                   \
    do {                                                                                   \
        if (KDK_UNLIKELY(!(COND))) {                                                       \
            status = err_set(err, KDK_INTERNAL, "assertion failed: %s (%s:%d)", #COND,     \
                             __FILE__, __LINE__);                                          \
            goto out;                                                                      \
        }                                                                                  \
    } while (0)

typedef __int128 int128;
typedef unsigned __int128 uint128;

#define COUNT_OF(A) (sizeof(A) / sizeof((A)[0]))
#define MIN(A, B)   ((A) < (B) ? (A) : (B))
#define MAX(A, B)   ((A) > (B) ? (A) : (B))

/* The product or sum, or SIZE_MAX, which no allocator grants, when it does not fit. */
static inline size_t size_mul(size_t a, size_t b)
{
    size_t r;
    return __builtin_mul_overflow(a, b, &r) ? SIZE_MAX : r;
}
static inline size_t size_add(size_t a, size_t b)
{
    size_t r;
    return __builtin_add_overflow(a, b, &r) ? SIZE_MAX : r;
}
/* `bytes` rounded up to a multiple of `to`, a power of two. */
static inline size_t align_up(size_t bytes, size_t to)
{
    return (bytes + to - 1) & ~(to - 1);
}

/* Little-endian loads and stores at any alignment: every format on disk is little-endian,
 * and so is every machine this builds for. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "big-endian needs swaps in get/put");
#define KDK_DEFINE_GETPUT(NAME, T)                                                         \
    static inline T get_##NAME(const void *at)                                             \
    {                                                                                      \
        T v;                                                                               \
        memcpy(&v, at, sizeof v);                                                          \
        return v;                                                                          \
    }                                                                                      \
    static inline void put_##NAME(void *at, T v)                                           \
    {                                                                                      \
        memcpy(at, &v, sizeof v);                                                          \
    }
KDK_DEFINE_GETPUT(u8, uint8_t)
KDK_DEFINE_GETPUT(u16, uint16_t)
KDK_DEFINE_GETPUT(u32, uint32_t)
KDK_DEFINE_GETPUT(u64, uint64_t)
KDK_DEFINE_GETPUT(i64, int64_t)
#undef KDK_DEFINE_GETPUT

#endif
