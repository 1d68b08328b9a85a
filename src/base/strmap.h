/* strmap.h - a small hash map from bytes to a pointer, for names and codes. Not for rows:
 * exec has its own tables. Not thread-safe. */
#ifndef KDK_BASE_STRMAP_H
#define KDK_BASE_STRMAP_H

#include "base/base.h"

struct strmap_entry {
    const char *key; /* Owned by the map. */
    size_t key_bytes;
    uint64_t hash;
    void *value; /* Borrowed. NULL marks a free entry. */
};
struct strmap {
    struct strmap_entry *entries;
    size_t cap, count;
};
/* A zeroed struct is an empty map. */
void strmap_deinit(struct strmap *map);
void *strmap_get(const struct strmap *map, const char *key, size_t key_bytes); /* or NULL */
/* Adds or replaces; `value` is not NULL. The key is copied. */
kdk_status strmap_put(struct strmap *map, const char *key, size_t key_bytes, void *value,
                      struct err *err);
/* the value or NULL */
void *strmap_remove(struct strmap *map, const char *key, size_t key_bytes);
/* Next used entry at or after *at, advancing it past; NULL at the end. Start with *at =
 * 0. */
const struct strmap_entry *strmap_next(const struct strmap *map, size_t *at);

#endif
