/* strip_kernel.c - loops over the integers of a strip: changing width, least and
 * greatest. */
#include "block/block_int.h"

/* The value as it is in the wide type must be what the narrow one holds; `trouble` collects
 * the bits that are not. */
#define NARROW(TO, FROM)                                                                   \
    static bool narrow_##TO##_##FROM(TO *restrict out, const FROM *restrict in,            \
                                     uint32_t rows)                                        \
    {                                                                                      \
        FROM trouble = 0;                                                                  \
        for (uint32_t i = 0; i < rows; i++) {                                              \
            out[i] = (TO)in[i];                                                            \
            trouble |= (FROM)((FROM)(TO)in[i] ^ in[i]);                                    \
        }                                                                                  \
        return trouble == 0;                                                               \
    }
#define WIDEN(TO, FROM)                                                                    \
    static bool narrow_##TO##_##FROM(TO *restrict out, const FROM *restrict in,            \
                                     uint32_t rows)                                        \
    {                                                                                      \
        for (uint32_t i = 0; i < rows; i++)                                                \
            out[i] = in[i];                                                                \
        return true;                                                                       \
    }
NARROW(int8_t, int16_t)
NARROW(int8_t, int32_t)
NARROW(int8_t, int64_t)
NARROW(int8_t, int128)
NARROW(int16_t, int32_t)
NARROW(int16_t, int64_t)
NARROW(int16_t, int128)
NARROW(int32_t, int64_t)
NARROW(int32_t, int128)
NARROW(int64_t, int128)
WIDEN(int16_t, int8_t)
WIDEN(int32_t, int8_t)
WIDEN(int32_t, int16_t)
WIDEN(int64_t, int8_t)
WIDEN(int64_t, int16_t)
WIDEN(int64_t, int32_t)
WIDEN(int128, int8_t)
WIDEN(int128, int16_t)
WIDEN(int128, int32_t)
WIDEN(int128, int64_t)

#define COPY(TO, FROM, TW, FW)                                                             \
    if (to == TW && from == FW)                                                            \
        return narrow_##TO##_##FROM(out, in, rows);

bool narrow_copy(enum vwidth to, void *out, enum vwidth from, const void *in, uint32_t rows)
{
    if (to == from) {
        if (rows)
            memcpy(out, in, (size_t)rows * vwidth_bytes(to));
        return true;
    }
    COPY(int8_t, int16_t, W_8, W_16)
    COPY(int8_t, int32_t, W_8, W_32)
    COPY(int8_t, int64_t, W_8, W_64)
    COPY(int8_t, int128, W_8, W_128)
    COPY(int16_t, int32_t, W_16, W_32)
    COPY(int16_t, int64_t, W_16, W_64)
    COPY(int16_t, int128, W_16, W_128)
    COPY(int32_t, int64_t, W_32, W_64)
    COPY(int32_t, int128, W_32, W_128)
    COPY(int64_t, int128, W_64, W_128)
    COPY(int16_t, int8_t, W_16, W_8)
    COPY(int32_t, int8_t, W_32, W_8)
    COPY(int32_t, int16_t, W_32, W_16)
    COPY(int64_t, int8_t, W_64, W_8)
    COPY(int64_t, int16_t, W_64, W_16)
    COPY(int64_t, int32_t, W_64, W_32)
    COPY(int128, int8_t, W_128, W_8)
    COPY(int128, int16_t, W_128, W_16)
    COPY(int128, int32_t, W_128, W_32)
    COPY(int128, int64_t, W_128, W_64)
    return false;
}

#define BOUNDS(T)                                                                          \
    static bool bounds_##T(const T *data, const uint64_t *validity, uint32_t rows,         \
                           int128 *lo, int128 *hi)                                         \
    {                                                                                      \
        T low = 0, high = 0;                                                               \
        uint32_t i = 0;                                                                    \
        while (validity && i < rows && !bit_get(validity, i))                              \
            i++;                                                                           \
        if (i == rows)                                                                     \
            return false;                                                                  \
        low = high = data[i];                                                              \
        if (!validity) {                                                                   \
            for (i = 0; i < rows; i++) {                                                   \
                low = data[i] < low ? data[i] : low;                                       \
                high = data[i] > high ? data[i] : high;                                    \
            }                                                                              \
        } else {                                                                           \
            for (; i < rows; i++) {                                                        \
                T value = bit_get(validity, i) ? data[i] : low;                            \
                low = value < low ? value : low;                                           \
                high = value > high ? value : high;                                        \
            }                                                                              \
        }                                                                                  \
        *lo = low;                                                                         \
        *hi = high;                                                                        \
        return true;                                                                       \
    }
BOUNDS(int8_t)
BOUNDS(int16_t)
BOUNDS(int32_t)
BOUNDS(int64_t)
BOUNDS(int128)

bool strip_bounds(enum vwidth width, const void *data, const uint64_t *validity,
                  uint32_t rows, int128 *lo, int128 *hi)
{
    switch (width) {
    case W_8:
        return bounds_int8_t(data, validity, rows, lo, hi);
    case W_16:
        return bounds_int16_t(data, validity, rows, lo, hi);
    case W_32:
        return bounds_int32_t(data, validity, rows, lo, hi);
    case W_64:
        return bounds_int64_t(data, validity, rows, lo, hi);
    case W_128:
        return bounds_int128(data, validity, rows, lo, hi);
    case W_BIT:
    case W_F32:
    case W_F64:
    case W_STR:
        break;
    }
    return false;
}
