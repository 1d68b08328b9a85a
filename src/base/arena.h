/* arena.h - memory that is freed all at once, when its lifetime (statement, transaction,
 * batch) ends. Not thread-safe: one owner at a time. Nothing allocated here is freed
 * alone. */
#ifndef KDK_BASE_ARENA_H
#define KDK_BASE_ARENA_H

#include <stdarg.h>
#include "base/base.h"

struct arena_block;

struct arena {
    struct arena_block *head; /* The block being filled. */
    uint8_t *next, *end;      /* Free space of `head`. */
    size_t bytes;             /* Of all blocks. */
    size_t bytes_max;         /* Passing it is like running out of memory; 0: no limit. */
};

/* A zeroed struct is an empty arena too. Allocates nothing. */
void arena_init(struct arena *arena);
/* Frees all; the arena may be used again. */
void arena_deinit(struct arena *arena);
/* Frees all but the first block, which is kept for the next round. */
void arena_reset(struct arena *arena);

void *arena_alloc_slow(struct arena *arena, size_t bytes, size_t alignment);

/* What every allocation is aligned to: 128-bit numbers, and so struct datum, ask for it. */
#define ARENA_ALIGN ((size_t)16)

/* Uninitialised, aligned to 16 bytes; NULL when there is no memory. */
static inline void *arena_alloc(struct arena *arena, size_t bytes)
{
    size_t want = (bytes + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
    if (KDK_LIKELY(want >= bytes && (size_t)(arena->end - arena->next) >= want &&
                   arena->next)) {
        void *at = arena->next;
        arena->next += want;
        return at;
    }
    return arena_alloc_slow(arena, bytes, ARENA_ALIGN);
}
void *arena_alloc_aligned(struct arena *arena, size_t bytes, size_t alignment);
void *arena_zalloc(struct arena *arena, size_t bytes);
/* `bytes` of `text` and a NUL. */
char *arena_strndup(struct arena *arena, const char *text, size_t bytes);
char *arena_strdup(struct arena *arena, const char *text);
void *arena_dup(struct arena *arena, const void *bytes, size_t count);
char *arena_printf(struct arena *arena, const char *format, ...) KDK_PRINTF(2, 3);

#define ARENA_NEW(ARENA, T)      ((T *)arena_zalloc((ARENA), sizeof(T)))
#define ARENA_ARRAY(ARENA, T, N) ((T *)arena_zalloc((ARENA), size_mul((N), sizeof(T))))

/* A point to go back to: all allocated since is freed (or kept for reuse). */
struct arena_mark {
    struct arena_block *head;
    uint8_t *next;
};
struct arena_mark arena_mark(const struct arena *arena);
void arena_rewind(struct arena *arena, struct arena_mark mark);

#endif
