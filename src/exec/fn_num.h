/* fn_num.h - decimals: integers times a power of ten, below 10^38, with 256-bit
 * intermediate results. Private to exec. */
#ifndef KDK_EXEC_FN_NUM_H
#define KDK_EXEC_FN_NUM_H

#include "base/base.h"

enum { NUM_DIGITS_MAX = 38 };
extern const uint128 num_pow10[NUM_DIGITS_MAX + 1];

static inline bool num_fits(int128 v) /* |v| < 10^38 */
{
    return (v < 0 ? 0 - (uint128)v : (uint128)v) < num_pow10[NUM_DIGITS_MAX];
}
/* All round half away from zero and give false when the result has more than 38 digits.
 * Scales are 0..38. */
bool num_rescale(int128 v, int from, int to, int128 *out);
bool num_mul(int128 a, int128 b, int drop, int128 *out); /* a * b / 10^drop */
/* a * 10^up / b; b is not 0, up is 0..76 */
bool num_div(int128 a, int128 b, int up, int128 *out);
/* The remainder of truncating division, at scale max(a_scale, b_scale); b is not 0. */
bool num_mod(int128 a, int a_scale, int128 b, int b_scale, int128 *out);
/* Truncating division of the values, at scale 0. */
bool num_quotient(int128 a, int a_scale, int128 b, int b_scale, int128 *out);
int num_compare(int128 a, int a_scale, int128 b, int b_scale);

double num_to_double(int128 v, int scale);

/* 113-bit floats for the functions that are not rational. About 33 digits. */
typedef __float128 num_real;
num_real num_to_real(int128 v, int scale);
bool num_from_real(num_real r, int scale, int128 *out);
num_real num_real_sqrt(num_real x); /* x >= 0 */
num_real num_real_exp(num_real x);  /* |x| < 11000 */
num_real num_real_ln(num_real x);   /* x > 0 */

#endif
