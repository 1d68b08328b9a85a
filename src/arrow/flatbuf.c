/* flatbuf.c - see flatbuf.h. */
#include "arrow/flatbuf.h"

/* ---- Reading ---- */

void fb_init(struct fb *fb, const void *data, size_t bytes)
{
    /* Everything in an honest buffer is visited about once, through 4 bytes or more. */
    *fb = (struct fb){data, bytes, 4096 + bytes * 4, false};
}

/* Whether [at, at + bytes) lies inside; if not, the reader is bad. */
static bool inside(struct fb *fb, size_t at, size_t bytes)
{
    if (at <= fb->bytes && bytes <= fb->bytes - at && !fb->bad)
        return true;
    fb->bad = true;
    return false;
}

static bool spend(struct fb *fb, size_t cost)
{
    if (cost > fb->budget) {
        fb->bad = true;
        return false;
    }
    fb->budget -= cost;
    return true;
}

/* What the distance at `at` leads to; 0 and bad if nowhere. */
static size_t follow(struct fb *fb, size_t at)
{
    size_t distance;

    if (!inside(fb, at, 4))
        return 0;
    distance = get_u32(fb->data + at);
    if (distance == 0 || !inside(fb, at + distance, 4)) {
        fb->bad = true;
        return 0;
    }
    return at + distance;
}

static struct fb_table table_at(struct fb *fb, size_t at)
{
    struct fb_table none = {fb, 0, 0, 0, 0}, table = {fb, at, 0, 0, 0};
    int64_t vtable;

    if (at == 0 || !inside(fb, at, 4) || !spend(fb, 8))
        return none;
    vtable = (int64_t)at - (int32_t)get_u32(fb->data + at);
    if (vtable < 0 || !inside(fb, (size_t)vtable, 4)) {
        fb->bad = true;
        return none;
    }
    table.vtable = (size_t)vtable;
    table.vtable_bytes = get_u16(fb->data + vtable);
    table.table_bytes = get_u16(fb->data + vtable + 2);
    if (table.vtable_bytes < 4 || table.vtable_bytes % 2 != 0 ||
        !inside(fb, table.vtable, table.vtable_bytes) ||
        !inside(fb, at, table.table_bytes)) {
        fb->bad = true;
        return none;
    }
    return table;
}

struct fb_table fb_root(struct fb *fb)
{
    return table_at(fb, follow(fb, 0));
}

/* Where a field of `bytes` is, 0 when it is absent. */
static size_t field_at(const struct fb_table *table, unsigned field, size_t bytes)
{
    size_t slot = 4 + field * 2, place;

    if (table->at == 0 || table->fb->bad || slot + 2 > table->vtable_bytes)
        return 0;
    place = get_u16(table->fb->data + table->vtable + slot);
    if (place == 0)
        return 0;
    if (place < 4 || place + bytes > table->table_bytes) {
        table->fb->bad = true;
        return 0;
    }
    return table->at + place;
}

int64_t fb_int(const struct fb_table *table, unsigned field, unsigned bytes,
               int64_t otherwise)
{
    size_t at = field_at(table, field, bytes);
    const uint8_t *data = table->fb->data + at;

    if (at == 0)
        return otherwise;
    switch (bytes) {
    case 1:
        return (int8_t)*data;
    case 2:
        return (int16_t)get_u16(data);
    case 4:
        return (int32_t)get_u32(data);
    default:
        return get_i64(data);
    }
}

struct fb_table fb_child(const struct fb_table *table, unsigned field)
{
    size_t at = field_at(table, field, 4);
    return table_at(table->fb, at ? follow(table->fb, at) : 0);
}

struct fb_vector fb_vector(const struct fb_table *table, unsigned field, size_t bytes)
{
    struct fb_vector vector = {table->fb, 0, 0};
    size_t at = field_at(table, field, 4), count;

    if (at == 0 || (at = follow(table->fb, at)) == 0)
        return vector;
    count = get_u32(table->fb->data + at);
    if (!inside(table->fb, at + 4, size_mul(count, bytes)))
        return vector;
    vector.at = at + 4;
    vector.count = count;
    return vector;
}

const char *fb_string(const struct fb_table *table, unsigned field, size_t *bytes)
{
    struct fb_vector text = {0};

    *bytes = 0;
    if (field_at(table, field, 4) == 0)
        return NULL;
    text = fb_vector(table, field, 1);
    if (table->fb->bad || !spend(table->fb, text.count))
        return NULL;
    *bytes = text.count;
    return (const char *)table->fb->data + text.at;
}

struct fb_table fb_element(const struct fb_vector *vector, size_t i)
{
    return table_at(vector->fb, follow(vector->fb, vector->at + i * 4));
}

/* ---- Building ---- */

/* Zeroes up to a position that is `phase` modulo `to`. */
static void pad(struct buf *buf, size_t to, size_t phase)
{
    static const uint8_t none[8];
    buf_add(buf, none, (phase + to - buf->len % to) % to);
}

static size_t add_zeroes(struct buf *buf, size_t count)
{
    size_t at = buf->len;
    void *room = buf_extend(buf, count);
    if (room && count)
        memset(room, 0, count);
    return at;
}

void fb_begin(struct buf *buf)
{
    buf_clear(buf);
    add_zeroes(buf, 4);
}

size_t fb_add_table(struct buf *buf, const char *sizes)
{
    size_t fields = strlen(sizes), vtable, table, bytes = 4;
    bool root = buf->len == 4;

    pad(buf, 2, 0);
    vtable = add_zeroes(buf, 4 + fields * 2);
    pad(buf, 8, 4); /* so that an 8-byte field right after the distance is aligned */
    for (unsigned width = 8; width > 0 && !buf->nomem; width /= 2)
        for (size_t i = 0; i < fields; i++)
            if ((unsigned)(sizes[i] - '0') == width) {
                put_u16(buf->data + vtable + 4 + i * 2, (uint16_t)bytes);
                bytes += width;
            }
    table = add_zeroes(buf, bytes);
    if (buf->nomem)
        return 0;
    put_u16(buf->data + vtable, (uint16_t)(4 + fields * 2));
    put_u16(buf->data + vtable + 2, (uint16_t)bytes);
    put_u32(buf->data + table, (uint32_t)(table - vtable));
    if (root)
        put_u32(buf->data, (uint32_t)table);
    return table;
}

/* Where a field that is not absent is. */
static char *field_of(struct buf *buf, size_t table, unsigned field)
{
    size_t vtable = table - get_u32(buf->data + table);
    size_t place = get_u16(buf->data + vtable + 4 + (size_t)field * 2);
    ASSERT(place != 0);
    return buf->data + table + place;
}

void fb_set(struct buf *buf, size_t table, unsigned field, unsigned bytes, int64_t value)
{
    if (buf->nomem)
        return;
    memcpy(field_of(buf, table, field), &value, bytes); /* little-endian: the low bytes */
}

void fb_link_at(struct buf *buf, size_t position, size_t target)
{
    if (buf->nomem)
        return;
    put_u32(buf->data + position, (uint32_t)(target - position));
}

void fb_link(struct buf *buf, size_t table, unsigned field, size_t target)
{
    if (buf->nomem)
        return;
    fb_link_at(buf, (size_t)(field_of(buf, table, field) - buf->data), target);
}

size_t fb_add_string(struct buf *buf, const void *bytes, size_t count)
{
    size_t at;

    pad(buf, 4, 0);
    at = buf->len;
    buf_add_u32(buf, (uint32_t)count);
    buf_add(buf, bytes, count);
    buf_add_u8(buf, 0);
    return at;
}

size_t fb_add_vector(struct buf *buf, size_t bytes, size_t count)
{
    size_t at;

    if (bytes >= 8)
        pad(buf, 8, 4);
    else
        pad(buf, 4, 0);
    at = buf->len;
    buf_add_u32(buf, (uint32_t)count);
    add_zeroes(buf, size_mul(bytes, count));
    return at;
}
