/* buf.c - see buf.h. */
#include "base/buf.h"

#include <stdio.h>

#include "base/mem.h"

#define BUF_CAP_MIN ((size_t)64)

void buf_deinit(struct buf *buf)
{
    mem_free(buf->data);
    *buf = (struct buf){0};
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->nomem = false;
    if (buf->data)
        buf->data[0] = '\0';
}

kdk_status buf_reserve(struct buf *buf, size_t more)
{
    if (buf->nomem)
        return KDK_NOMEM;
    size_t want = size_add(size_add(buf->len, more), 1); /* The NUL. */
    if (want <= buf->cap)
        return KDK_OK;
    size_t cap = MAX(MAX(want, size_mul(buf->cap, 2) == SIZE_MAX ? want : buf->cap * 2),
                     BUF_CAP_MIN);
    char *data = mem_realloc(buf->data, cap);
    if (!data) {
        buf->nomem = true;
        return KDK_NOMEM;
    }
    buf->data = data;
    buf->cap = cap;
    data[buf->len] = '\0';
    return KDK_OK;
}

void *buf_extend(struct buf *buf, size_t count)
{
    if (buf_reserve(buf, count) != KDK_OK)
        return NULL;
    char *at = buf->data + buf->len;
    buf->len += count;
    buf->data[buf->len] = '\0';
    return at;
}

kdk_status buf_add(struct buf *buf, const void *bytes, size_t count)
{
    void *at = buf_extend(buf, count);
    if (!at)
        return KDK_NOMEM;
    if (count)
        memcpy(at, bytes, count);
    return KDK_OK;
}

kdk_status buf_add_str(struct buf *buf, const char *text)
{
    return buf_add(buf, text, strlen(text));
}

kdk_status buf_add_char(struct buf *buf, char c)
{
    return buf_add(buf, &c, 1);
}

#define DEFINE_BUF_ADD(NAME, T)                                                            \
    kdk_status buf_add_##NAME(struct buf *buf, T v)                                        \
    {                                                                                      \
        return buf_add(buf, &v, sizeof v);                                                 \
    }
DEFINE_BUF_ADD(u8, uint8_t)
DEFINE_BUF_ADD(u16, uint16_t)
DEFINE_BUF_ADD(u32, uint32_t)
DEFINE_BUF_ADD(u64, uint64_t)

kdk_status buf_add_varint(struct buf *buf, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (uint8_t)(v | 0x80);
    bytes[n++] = (uint8_t)v;
    return buf_add(buf, bytes, n);
}

kdk_status buf_printfv(struct buf *buf, const char *format, va_list args)
{
    if (buf->nomem)
        return KDK_NOMEM;
    va_list again;
    va_copy(again, args);
    size_t room = buf->cap - buf->len;
    int length = vsnprintf(buf->data ? buf->data + buf->len : NULL, buf->data ? room : 0,
                           format, args);
    kdk_status status = KDK_OK;
    if (length < 0) { /* Only for a text of 2 GiB. */
        buf->nomem = true;
        status = KDK_NOMEM;
    } else if ((size_t)length < room && buf->data) {
        buf->len += (size_t)length;
    } else {
        void *at = buf_extend(buf, (size_t)length);
        if (at)
            vsnprintf(at, (size_t)length + 1, format, again);
        else
            status = KDK_NOMEM;
    }
    if (status != KDK_OK && buf->data)
        buf->data[buf->len] = '\0';
    va_end(again);
    return status;
}

kdk_status buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    kdk_status status = buf_printfv(buf, format, args);
    va_end(args);
    return status;
}

kdk_status buf_status(const struct buf *buf, struct err *err)
{
    return buf->nomem ? err_nomem(err) : KDK_OK;
}

char *buf_take(struct buf *buf)
{
    char *data = buf->data;
    if (buf->len == 0) {
        mem_free(data);
        data = NULL;
    }
    *buf = (struct buf){0};
    return data;
}

#define DEFINE_CURSOR(NAME, T)                                                             \
    T cursor_##NAME(struct cursor *c)                                                      \
    {                                                                                      \
        const uint8_t *at = cursor_bytes(c, sizeof(T));                                    \
        return at ? get_##NAME(at) : 0;                                                    \
    }
DEFINE_CURSOR(u16, uint16_t)
DEFINE_CURSOR(u32, uint32_t)
DEFINE_CURSOR(u64, uint64_t)

uint64_t cursor_varint_long(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = cursor_u8(c);
        if (c->bad || (shift == 63 && byte > 1))
            break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return v;
    }
    c->bad = true;
    return 0;
}
