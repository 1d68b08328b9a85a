/* err.h - the error context: SQLSTATE, message, detail, hint, position, and what was being
 * done.
 *
 * Fixed-size and owned by the caller, so running out of memory can be reported too. A
 * function that fails sets it once, at the lowest level that knows the values; callers add
 * one line each of context with err_while(). Every function here accepts err == NULL and
 * then only passes the status on. Not thread-safe: one context belongs to one thread at a
 * time.
 */
#ifndef KDK_BASE_ERR_H
#define KDK_BASE_ERR_H

#include <stdarg.h>
#include <stdint.h>
#include "kodiak_status.h"

#define KDK_MUST_CHECK __attribute__((warn_unused_result))

#define ERR_MESSAGE_BYTES 512
#define ERR_DETAIL_BYTES  512
#define ERR_HINT_BYTES    256
#define ERR_CHAIN_BYTES   512

struct err {
    kdk_status status;
    /* 1-based byte position in the SQL text, 0 when unknown. */
    int32_t position;
    /* One factual line; UTF-8, cut at a character boundary. */
    char message[ERR_MESSAGE_BYTES];
    char detail[ERR_DETAIL_BYTES]; /* The values. */
    char hint[ERR_HINT_BYTES];     /* What to try. */
    char chain[ERR_CHAIN_BYTES];   /* "while ..." lines, innermost first, '\n' between. */
};

/* Forgets what is there. A zeroed struct is a clear one. */
void err_clear(struct err *err);

/* Sets status and message, dropping what was there. Returns `status`, so that a function
 * can write `return err_set(...)`. A full buffer cuts the text with "..." at a character
 * boundary. */
kdk_status err_set(struct err *err, kdk_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
kdk_status err_setv(struct err *err, kdk_status status, const char *format, va_list args);

/* Add to the error that is set. */
void err_detail(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void err_hint(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void err_while(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Sets the position unless one is set already: the innermost is the most exact. `offset` is
 * the 0-based byte offset into the SQL text. */
void err_at(struct err *err, uint32_t offset);

kdk_status err_nomem(struct err *err); /* KDK_NOMEM with its standard message. */

/* Five characters; "XX000" for a bad status. */
const char *status_sqlstate(kdk_status status);
const char *status_name(kdk_status status); /* "KDK_IO". */
const char *status_text(kdk_status status); /* "input/output error". */

/* The only jumping macro: needs `kdk_status status` and a label `out:`. */
#define TRY(CALL)                                                                          \
    do {                                                                                   \
        status = (CALL);                                                                   \
        if (__builtin_expect(status != KDK_OK, 0))                                         \
            goto out;                                                                      \
    } while (0)

/* Takes a pointer-valued expression; NULL is out of memory. */
#define TRY_MEM(POINTER)                                                                   \
    do {                                                                                   \
        if (__builtin_expect((POINTER) == NULL, 0)) {                                      \
            status = err_nomem(err);                                                       \
            goto out;                                                                      \
        }                                                                                  \
    } while (0)

#endif
