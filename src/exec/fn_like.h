/* fn_like.h - LIKE and ILIKE. Private to exec.
 *
 * A pattern that is constant is compiled once: literal pieces between %, the first and the
 * last of them anchored or not, each found by a substring search. Patterns with _ or folded
 * case, and those that are not constant, go through a matcher that remembers only the last
 * %.
 */
#ifndef KDK_EXEC_FN_LIKE_H
#define KDK_EXEC_FN_LIKE_H

#include "vec/vec.h"

struct like_escape {
    char bytes[4];
    uint8_t len; /* 0: there is none */
};
/* The escape of LIKE without ESCAPE: a backslash. */
#define LIKE_BACKSLASH ((struct like_escape){"\\", 1})
/* False: neither empty nor one character. */
bool like_escape_of(const struct str *text, struct like_escape *out);

enum like_result {
    LIKE_NO,
    LIKE_YES,
    LIKE_BAD /* 22025: the pattern ends in the escape */
};
enum like_result like_match(const struct str *text, const struct str *pattern,
                            const struct like_escape *escape, bool fold);

struct like_piece {
    const char *text;
    size_t bytes;
};
struct like {
    bool simple; /* pieces will do */
    bool fold;
    bool open_start, open_end; /* a % before the first piece, after the last */
    struct like_escape escape;
    struct str pattern;
    uint32_t piece_count;
    struct like_piece *pieces;
};
/* Borrows the pattern. False: out of memory. */
bool like_compile(struct like *like, const struct str *pattern,
                  const struct like_escape *escape, bool fold, struct arena *arena);
enum like_result like_run(const struct like *like, const struct str *text);

#endif
