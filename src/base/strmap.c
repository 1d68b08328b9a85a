/* strmap.c - see strmap.h. Open addressing with linear probing, at most three quarters
 * full; removal moves later entries back, so there are no tombstones. */
#include "base/strmap.h"

#include "base/hash.h"
#include "base/mem.h"

#define STRMAP_CAP_MIN 16

/* The map owns its keys; `const` keeps everybody else from changing them. */
static void *own(const char *key)
{
    return (void *)(uintptr_t)key;
}

void strmap_deinit(struct strmap *map)
{
    for (size_t i = 0; i < map->cap; i++)
        if (map->entries[i].value)
            mem_free(own(map->entries[i].key));
    mem_free(map->entries);
    *map = (struct strmap){0};
}

/* The entry of the key, or the free one where it belongs. The map is not full. */
static struct strmap_entry *find(const struct strmap *map, const char *key,
                                 size_t key_bytes, uint64_t hash)
{
    size_t mask = map->cap - 1, i = (size_t)hash & mask;
    for (;; i = (i + 1) & mask) {
        struct strmap_entry *entry = &map->entries[i];
        if (!entry->value)
            return entry;
        if (entry->hash == hash && entry->key_bytes == key_bytes &&
            (key_bytes == 0 || memcmp(entry->key, key, key_bytes) == 0))
            return entry;
    }
}

void *strmap_get(const struct strmap *map, const char *key, size_t key_bytes)
{
    return map->count ? find(map, key, key_bytes, hash_bytes(key, key_bytes))->value : NULL;
}

static kdk_status grow(struct strmap *map, struct err *err)
{
    kdk_status status = KDK_OK;
    size_t cap = map->cap ? map->cap * 2 : STRMAP_CAP_MIN;
    struct strmap_entry *entries = MEM_ARRAY(struct strmap_entry, cap);
    TRY_MEM(entries);
    for (size_t i = 0; i < map->cap; i++) {
        if (!map->entries[i].value)
            continue;
        size_t j = (size_t)map->entries[i].hash & (cap - 1);
        while (entries[j].value)
            j = (j + 1) & (cap - 1);
        entries[j] = map->entries[i];
    }
    mem_free(map->entries);
    map->entries = entries;
    map->cap = cap;
out:
    return status;
}

kdk_status strmap_put(struct strmap *map, const char *key, size_t key_bytes, void *value,
                      struct err *err)
{
    kdk_status status = KDK_OK;
    ASSERT(value);
    if (map->count >= map->cap / 4 * 3)
        TRY(grow(map, err));
    uint64_t hash = hash_bytes(key, key_bytes);
    struct strmap_entry *entry = find(map, key, key_bytes, hash);
    if (!entry->value) {
        const char *copy = mem_dup(key, key_bytes);
        TRY_MEM(copy);
        *entry = (struct strmap_entry){.key = copy, .key_bytes = key_bytes, .hash = hash};
        map->count++;
    }
    entry->value = value;
out:
    return status;
}

void *strmap_remove(struct strmap *map, const char *key, size_t key_bytes)
{
    if (!map->count)
        return NULL;
    struct strmap_entry *gap = find(map, key, key_bytes, hash_bytes(key, key_bytes));
    void *value = gap->value;
    if (!value)
        return NULL;
    mem_free(own(gap->key));
    size_t mask = map->cap - 1, i = (size_t)(gap - map->entries);
    for (size_t j = (i + 1) & mask; map->entries[j].value; j = (j + 1) & mask) {
        size_t home = (size_t)map->entries[j].hash & mask;
        if (((j - home) & mask) >= ((j - i) & mask)) {
            map->entries[i] = map->entries[j];
            i = j;
        }
    }
    map->entries[i] = (struct strmap_entry){0};
    map->count--;
    return value;
}

const struct strmap_entry *strmap_next(const struct strmap *map, size_t *at)
{
    while (*at < map->cap) {
        const struct strmap_entry *entry = &map->entries[(*at)++];
        if (entry->value)
            return entry;
    }
    return NULL;
}
