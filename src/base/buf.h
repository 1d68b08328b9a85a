/* buf.h - a growing byte buffer, for text and for records. NUL-terminated whenever it holds
 * anything, so `data` may be used as a C string. Not thread-safe. */
#ifndef KDK_BASE_BUF_H
#define KDK_BASE_BUF_H

#include <stdarg.h>
#include "base/base.h"

struct buf {
    char *data; /* Owned; NULL while nothing was added. */
    size_t len; /* Bytes in use. */
    size_t cap;
    bool nomem; /* An addition failed: sticky, and all later ones do nothing. */
};

/* A zeroed struct is an empty buffer. Each buf_add* may fail for want of memory: it returns
 * KDK_NOMEM and the failure sticks, so a series may be checked once with buf_status(). */
void buf_deinit(struct buf *buf);
void buf_clear(struct buf *buf); /* Keeps the memory; forgets a failure. */
kdk_status buf_reserve(struct buf *buf, size_t more);
kdk_status buf_add(struct buf *buf, const void *bytes, size_t count);
kdk_status buf_add_str(struct buf *buf, const char *text);
kdk_status buf_add_char(struct buf *buf, char c);
kdk_status buf_add_u8(struct buf *buf, uint8_t v);
kdk_status buf_add_u16(struct buf *buf, uint16_t v);
kdk_status buf_add_u32(struct buf *buf, uint32_t v);
kdk_status buf_add_u64(struct buf *buf, uint64_t v);
kdk_status buf_add_varint(struct buf *buf, uint64_t v); /* LEB128. */
kdk_status buf_printf(struct buf *buf, const char *format, ...) KDK_PRINTF(2, 3);
kdk_status buf_printfv(struct buf *buf, const char *format, va_list args);
/* Room for `count` bytes at the end, counted as used, uninitialised; NULL when out of
 * memory. */
void *buf_extend(struct buf *buf, size_t count);
/* KDK_OK, or KDK_NOMEM set in err. */
kdk_status buf_status(const struct buf *buf, struct err *err);
/* Moves the bytes out; the caller frees with mem_free(). NULL for an empty buffer. */
char *buf_take(struct buf *buf);

/* A reader over bytes that someone else owns. Every read is bounds-checked; past the end
 * the reader is `bad` for good and reads give zeroes, so a decoder checks once at the
 * end. */
struct cursor {
    const uint8_t *at, *end;
    bool bad;
};
static inline struct cursor cursor_of(const void *bytes, size_t count)
{
    return (struct cursor){bytes, (const uint8_t *)bytes + count, false};
}
/* Borrowed from the underlying bytes; NULL and `bad` when fewer are left. */
static inline const uint8_t *cursor_bytes(struct cursor *c, size_t count)
{
    const uint8_t *at = c->at;
    if (c->bad || (size_t)(c->end - at) < count) {
        c->bad = true;
        return NULL;
    }
    c->at = at + count;
    return at;
}
static inline uint8_t cursor_u8(struct cursor *c)
{
    const uint8_t *at = cursor_bytes(c, 1);
    return at ? *at : 0;
}
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
uint64_t cursor_varint_long(struct cursor *c);
static inline uint64_t cursor_varint(struct cursor *c)
{
    return !c->bad && c->at < c->end && *c->at < 0x80 ? *c->at++ : cursor_varint_long(c);
}
static inline size_t cursor_left(const struct cursor *c)
{
    return c->bad ? 0 : (size_t)(c->end - c->at);
}

#endif
