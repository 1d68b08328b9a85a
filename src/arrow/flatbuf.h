/* flatbuf.h - the little of FlatBuffers that Arrow's metadata need: a reader that trusts
 * nothing, and a builder.
 *
 * A table is a signed distance to its vtable, then fields; the vtable is its own size, the
 * table's size, and for each field its place in the table (0: absent, the default holds).
 * Strings, vectors and tables inside are unsigned distances forward. There is no separate
 * verifier: each access is checked against the bytes, and a bad one makes the whole reader
 * `bad` and gives zeroes, so a decoder looks once at the end. Tables may be shared, so a
 * small buffer could unfold into a huge tree; `budget` bounds what is visited.
 *
 * The builder writes forwards: a table first, its fields and what they point to after it.
 *
 * Sources  FlatBuffers documentation, "FlatBuffer Internals".
 */
#ifndef KDK_ARROW_FLATBUF_H
#define KDK_ARROW_FLATBUF_H

#include "base/base.h"
#include "base/buf.h"

struct fb {
    const uint8_t *data; /* Borrowed. */
    size_t bytes;
    size_t budget;
    bool bad;
};
struct fb_table {
    struct fb *fb;
    size_t at; /* 0: absent. */
    size_t vtable;
    size_t vtable_bytes, table_bytes;
};
struct fb_vector {
    struct fb *fb;
    size_t at; /* Of the first element. */
    size_t count;
};

void fb_init(struct fb *fb, const void *data, size_t bytes);
struct fb_table fb_root(struct fb *fb);
/* Field number `field`, a signed integer of 1, 2, 4 or 8 bytes; `otherwise` when absent. */
int64_t fb_int(const struct fb_table *table, unsigned field, unsigned bytes,
               int64_t otherwise);
struct fb_table fb_child(const struct fb_table *table, unsigned field);
/* Elements of `bytes` each; an absent vector is an empty one. */
struct fb_vector fb_vector(const struct fb_table *table, unsigned field, size_t bytes);
/* Borrowed, not necessarily NUL-terminated; NULL when absent. */
const char *fb_string(const struct fb_table *table, unsigned field, size_t *bytes);
/* Element i of a vector of tables. i < count. */
struct fb_table fb_element(const struct fb_vector *vector, size_t i);
static inline int64_t fb_vector_i64(const struct fb_vector *vector, size_t stride, size_t i,
                                    size_t at)
{
    return get_i64(vector->fb->data + vector->at + i * stride + at);
}

/* ---- Building into a struct buf that holds nothing else; positions are offsets in it ---- */

/* Starts a buffer: room for the root's distance. */
void fb_begin(struct buf *buf);
/* Adds a table with the fields whose sizes are given, one digit each: "2140" is fields of
 * 2, 1 and 4 bytes and an absent one. Their values are zero until set. Returns its
 * position; the root must be the first. */
size_t fb_add_table(struct buf *buf, const char *sizes);
void fb_set(struct buf *buf, size_t table, unsigned field, unsigned bytes, int64_t value);
/* Points a 4-byte field, or the 4 bytes at a position (a vector's element), to something
 * added after it. */
void fb_link(struct buf *buf, size_t table, unsigned field, size_t target);
void fb_link_at(struct buf *buf, size_t position, size_t target);
size_t fb_add_string(struct buf *buf, const void *bytes, size_t count);
/* Room for `count` zeroed elements, aligned to min(bytes, 8). Returns the vector's position
 * (of its count); elements begin 4 bytes after it. */
size_t fb_add_vector(struct buf *buf, size_t bytes, size_t count);

#endif
