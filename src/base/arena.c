/* arena.c - see arena.h. Blocks double from ARENA_BLOCK_MIN to ARENA_BLOCK_MAX; what is
 * larger than the next block gets one of its own size. */
#include "base/arena.h"

#include <stdio.h>

#include "base/mem.h"

#define ARENA_BLOCK_MIN ((size_t)4096)
#define ARENA_BLOCK_MAX ((size_t)1 << 20)

struct arena_block {
    struct arena_block *previous;
    size_t bytes; /* With this header. */
};

static uint8_t *block_start(struct arena_block *block)
{
    return (uint8_t *)(block + 1);
}

static uint8_t *block_end(struct arena_block *block)
{
    return (uint8_t *)block + block->bytes;
}

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

static void pop(struct arena *arena)
{
    struct arena_block *block = arena->head;
    arena->head = block->previous;
    arena->bytes -= block->bytes;
    mem_free(block);
}

void arena_deinit(struct arena *arena)
{
    while (arena->head)
        pop(arena);
    arena->next = arena->end = NULL;
}

void arena_reset(struct arena *arena)
{
    if (!arena->head)
        return;
    while (arena->head->previous)
        pop(arena);
    arena->next = block_start(arena->head);
    arena->end = block_end(arena->head);
}

void *arena_alloc_slow(struct arena *arena, size_t bytes, size_t alignment)
{
    ASSERT(alignment >= ARENA_ALIGN);
    ASSERT((alignment & (alignment - 1)) == 0);
    if (bytes > PTRDIFF_MAX - 2 * alignment - sizeof(struct arena_block))
        return NULL;
    bytes = align_up(bytes, ARENA_ALIGN);
    size_t room = (size_t)(arena->end - arena->next);
    size_t skip = (size_t) - (uintptr_t)arena->next & (alignment - 1);
    if (!arena->next || room < skip || room - skip < bytes) {
        size_t want = bytes + sizeof(struct arena_block) + (alignment > 16 ? alignment : 0);
        size_t grown =
            arena->head ? MIN(arena->head->bytes * 2, ARENA_BLOCK_MAX) : ARENA_BLOCK_MIN;
        size_t size = MAX(want, grown);
        if (arena->bytes_max) {
            if (arena->bytes + want > arena->bytes_max)
                return NULL;
            size = MIN(size, arena->bytes_max - arena->bytes) & ~(ARENA_ALIGN - 1);
            size = MAX(size, want);
        }
        struct arena_block *block = mem_alloc(size);
        if (!block)
            return NULL;
        block->previous = arena->head;
        block->bytes = size;
        arena->head = block;
        arena->bytes += size;
        arena->next = block_start(block);
        arena->end = block_end(block);
        skip = (size_t) - (uintptr_t)arena->next & (alignment - 1);
    }
    uint8_t *at = arena->next + skip;
    arena->next = at + bytes;
    return at;
}

void *arena_alloc_aligned(struct arena *arena, size_t bytes, size_t alignment)
{
    return arena_alloc_slow(arena, bytes, MAX(alignment, ARENA_ALIGN));
}

void *arena_zalloc(struct arena *arena, size_t bytes)
{
    void *at = arena_alloc(arena, bytes);
    if (at)
        memset(at, 0, bytes);
    return at;
}

char *arena_strndup(struct arena *arena, const char *text, size_t bytes)
{
    char *at = arena_alloc(arena, size_add(bytes, 1));
    if (!at)
        return NULL;
    if (bytes)
        memcpy(at, text, bytes);
    at[bytes] = '\0';
    return at;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

void *arena_dup(struct arena *arena, const void *bytes, size_t count)
{
    void *at = arena_alloc(arena, count);
    if (at && count)
        memcpy(at, bytes, count);
    return at;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    char *at = NULL;
    int length = vsnprintf(NULL, 0, format, args);
    if (length >= 0)
        at = arena_alloc(arena, (size_t)length + 1);
    if (at)
        vsnprintf(at, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return at;
}

struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark){arena->head, arena->next};
}

void arena_rewind(struct arena *arena, struct arena_mark mark)
{
    if (!mark.head) { /* It was empty: the first block may stay. */
        arena_reset(arena);
        return;
    }
    while (arena->head != mark.head)
        pop(arena);
    arena->next = mark.next;
    arena->end = block_end(arena->head);
}
