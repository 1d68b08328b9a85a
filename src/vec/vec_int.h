/* vec_int.h - what the files of vec share: text forms of the types, one pair of functions
 * per family. */
#ifndef KDK_VEC_VEC_INT_H
#define KDK_VEC_VEC_INT_H

#include "vec/vec.h"

/* What datum_hash and vec_hash share. Integers hash by value whatever their width, and
 * decimals that fit 64 bits as integers do; REAL hashes as the DOUBLE it is. */
#define VEC_HASH_NULL 0x6e756c6c6e756c6cull
static inline uint64_t vec_hash_int(int64_t v)
{
    return hash_u64((uint64_t)v + 0x9e3779b97f4a7c15ull); /* hash_u64(0) is 0. */
}
static inline uint64_t vec_hash_wide(int128 v)
{
    return v == (int64_t)v
               ? vec_hash_int((int64_t)v)
               : hash_combine(hash_u64((uint64_t)v), (uint64_t)((uint128)v >> 64));
}
static inline uint64_t vec_hash_float(double v)
{
    uint64_t bits = 0x7ff8000000000000ull; /* Every NaN. */
    if (v == 0)
        bits = 0; /* -0 too. */
    else if (v == v)
        memcpy(&bits, &v, sizeof bits);
    return hash_u64(bits + 0x9e3779b97f4a7c15ull);
}

/* White space as PostgreSQL sees it, whatever the host's locale. */
static inline bool text_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}
static inline bool text_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline char text_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}
/* Cuts white space from both ends. */
static inline void text_trim(const char **text, size_t *bytes)
{
    while (*bytes && text_space(**text))
        (*text)++, (*bytes)--;
    while (*bytes && text_space((*text)[*bytes - 1]))
        (*bytes)--;
}
/* Is `text` the lower-case `word`, in any case. */
bool text_is(const char *text, size_t bytes, const char *word);

/* `invalid input syntax for type ...: "..."`, 22P02. */
kdk_status text_bad(struct ltype type, const char *text, size_t bytes, struct err *err);

/* number_text.c */
kdk_status integer_parse(struct ltype type, const char *text, size_t bytes, int64_t *out,
                         struct err *err) KDK_MUST_CHECK;
kdk_status numeric_parse(struct ltype type, const char *text, size_t bytes, int128 *out,
                         struct err *err) KDK_MUST_CHECK;
kdk_status float_parse(struct ltype type, const char *text, size_t bytes, double *out,
                       struct err *err) KDK_MUST_CHECK;
kdk_status integer_print(int64_t v, struct buf *out);
kdk_status numeric_print(struct ltype type, int128 v, struct buf *out);
kdk_status float_print(struct ltype type, double v, struct buf *out);

/* time_text.c */
kdk_status date_parse(const char *text, size_t bytes, int64_t *out,
                      struct err *err) KDK_MUST_CHECK;
kdk_status timestamp_parse(const char *text, size_t bytes, int64_t *out,
                           struct err *err) KDK_MUST_CHECK;
kdk_status date_print(int64_t days, struct buf *out);
kdk_status timestamp_print(int64_t us, struct buf *out);

#endif
