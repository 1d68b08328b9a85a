/* dict.c - a column's dictionary: an append-only list of values and a hash table over it.
 *
 * Readers of values take no latch: they look at codes below a count that they have seen,
 * and what lies below it never changes. Growing makes a new array of views and keeps the
 * old ones, since vectors point to them; all old ones together are no larger than the
 * newest. The hash table, which lookups share under the latch, is replaced.
 */
#include "block/block_int.h"

#include "base/arena.h"

/* One state of the array of views. Entries from `count` of its making up to `cap` are
 * filled later, in place. */
struct dict_array {
    struct vec vec; /* data: `cap` views */
    uint32_t cap;
    struct dict_array *older;
};

struct dict {
    uint64_t id;
    struct ltype type;
    struct rwlatch latch;               /* LEAF. Guards all below that is not atomic. */
    _Atomic(struct dict_array *) array; /* Release when replaced, acquire by readers. */
    _Atomic uint32_t count;             /* Release after the entry is written. */
    _Atomic bool full;
    _Atomic size_t bytes;
    uint32_t *slots; /* code + 1; 0: free. Linear probing. */
    uint32_t slot_mask;
    uint64_t *hashes; /* By code; as many as the array holds. */
    struct arena text;
};

kdk_status dict_new(uint64_t id, struct ltype type, struct dict **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct dict *dict = NULL;

    TRY_ASSERT(id != 0);
    TRY_ASSERT(ltype_is_string(type));
    TRY_MEM(dict = MEM_NEW(struct dict));
    dict->id = id;
    dict->type = type;
    rwlatch_init(&dict->latch, OS_RANK_LEAF);
    arena_init(&dict->text);
    *out = dict;
    dict = NULL;
    /* An array from the start: vectors of it have a readable value at 0. */
    struct dict_array *array = MEM_NEW(struct dict_array);
    if (array) {
        array->cap = 16;
        array->vec = (struct vec){.type = type, .width = W_STR, .form = VF_FLAT};
        array->vec.data = mem_zalloc(array->cap * sizeof(struct str));
    }
    (*out)->hashes = MEM_ARRAY(uint64_t, 16);
    (*out)->slots = MEM_ARRAY(uint32_t, 64);
    (*out)->slot_mask = 63;
    atomic_store_explicit(&(*out)->array, array, memory_order_release);
    if (!array || !array->vec.data || !(*out)->hashes || !(*out)->slots) {
        dict_free(*out);
        *out = NULL;
        status = err_nomem(err);
    }
out:
    mem_free(dict);
    return status;
}

void dict_free(struct dict *dict)
{
    if (!dict)
        return;
    struct dict_array *array = atomic_load_explicit(&dict->array, memory_order_acquire);
    while (array) {
        struct dict_array *older = array->older;
        mem_free(array->vec.data);
        mem_free(array);
        array = older;
    }
    mem_free(dict->slots);
    mem_free(dict->hashes);
    arena_deinit(&dict->text);
    mem_free(dict);
}

uint64_t dict_id(const struct dict *dict)
{
    return dict->id;
}
uint32_t dict_count(const struct dict *dict)
{
    return atomic_load_explicit(&dict->count, memory_order_acquire);
}
size_t dict_bytes(const struct dict *dict)
{
    return sizeof *dict + atomic_load_explicit(&dict->bytes, memory_order_relaxed);
}
bool dict_full(const struct dict *dict)
{
    return atomic_load_explicit(&dict->full, memory_order_relaxed);
}
struct vec *dict_values(const struct dict *dict)
{
    return &atomic_load_explicit(&dict->array, memory_order_acquire)->vec;
}
struct str dict_value(const struct dict *dict, uint32_t code)
{
    ASSERT(code < dict_count(dict));
    return ((const struct str *)dict_values(dict)->data)[code];
}

/* With the latch, in either mode. */
static int32_t find(const struct dict *dict, const struct str *value, uint64_t hash)
{
    const struct dict_array *array =
        atomic_load_explicit(&dict->array, memory_order_relaxed);
    const struct str *views = array->vec.data;

    for (uint32_t at = (uint32_t)hash & dict->slot_mask; dict->slots[at];
         at = (at + 1) & dict->slot_mask) {
        uint32_t code = dict->slots[at] - 1;
        if (dict->hashes[code] == hash && str_equal(&views[code], value))
            return (int32_t)code;
    }
    return -1;
}

int32_t dict_find(struct dict *dict, struct str value)
{
    uint64_t hash = str_hash(&value);
    int32_t code;

    rwlatch_read(&dict->latch);
    code = find(dict, &value, hash);
    rwlatch_read_done(&dict->latch);
    return code;
}

void dict_find_many(struct dict *dict, const uint32_t *offsets, const char *text,
                    const uint64_t *validity, uint32_t count, int32_t *codes,
                    uint32_t *missing)
{
    uint32_t lost = 0;

    rwlatch_read(&dict->latch);
    for (uint32_t i = 0; i < count; i++) {
        if (validity && !bit_get(validity, i)) {
            codes[i] = 0;
            continue;
        }
        struct str value = str_of(text + offsets[i], offsets[i + 1] - offsets[i]);
        codes[i] = find(dict, &value, str_hash(&value));
        lost += codes[i] < 0;
    }
    rwlatch_read_done(&dict->latch);
    *missing = lost;
}

/* Doubles what holds the entries. Anything may fail before the last step, and nothing is
 * changed then. */
static kdk_status grow(struct dict *dict, uint32_t count, struct err *err)
{
    kdk_status status = KDK_OK;
    struct dict_array *old = atomic_load_explicit(&dict->array, memory_order_relaxed),
                      *array = NULL;
    uint32_t cap = old->cap * 2, mask = cap * 4 - 1;
    uint32_t *slots = NULL;
    uint64_t *hashes;

    TRY_MEM(array = MEM_NEW(struct dict_array));
    array->cap = cap;
    array->vec = old->vec;
    TRY_MEM(array->vec.data = mem_zalloc(size_mul(cap, sizeof(struct str))));
    TRY_MEM(slots = MEM_ARRAY(uint32_t, (size_t)mask + 1));
    TRY_MEM(hashes = mem_realloc(dict->hashes, size_mul(cap, sizeof *hashes)));
    dict->hashes = hashes;
    memcpy(array->vec.data, old->vec.data, count * sizeof(struct str));
    for (uint32_t code = 0; code < count; code++) {
        uint32_t at = (uint32_t)hashes[code] & mask;
        while (slots[at])
            at = (at + 1) & mask;
        slots[at] = code + 1;
    }
    mem_free(dict->slots);
    dict->slots = slots;
    dict->slot_mask = mask;
    array->older = old;
    atomic_fetch_add_explicit(&dict->bytes, (size_t)cap * (sizeof(struct str) + 16 + 8),
                              memory_order_relaxed);
    atomic_store_explicit(&dict->array, array, memory_order_release);
    slots = NULL;
    array = NULL;
out:
    mem_free(slots);
    if (array)
        mem_free(array->vec.data);
    mem_free(array);
    return status;
}

/* With the latch for writing; the value is not there, and there is room. */
static kdk_status append(struct dict *dict, const struct str *value, uint64_t hash,
                         struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t count = atomic_load_explicit(&dict->count, memory_order_relaxed), at;
    struct str copy;

    if (count == atomic_load_explicit(&dict->array, memory_order_relaxed)->cap)
        TRY(grow(dict, count, err));
    if (!str_copy(&dict->text, *value, &copy)) {
        status = err_nomem(err);
        goto out;
    }
    struct dict_array *array = atomic_load_explicit(&dict->array, memory_order_relaxed);
    ((struct str *)array->vec.data)[count] = copy;
    dict->hashes[count] = hash;
    at = (uint32_t)hash & dict->slot_mask;
    while (dict->slots[at])
        at = (at + 1) & dict->slot_mask;
    dict->slots[at] = count + 1;
    atomic_fetch_add_explicit(&dict->bytes, copy.len > STR_INLINE ? copy.len : 0,
                              memory_order_relaxed);
    atomic_store_explicit(&dict->count, count + 1, memory_order_release);
out:
    return status;
}

kdk_status dict_add(struct dict *dict, struct str value, int32_t *code, struct err *err)
{
    kdk_status status = KDK_OK;
    uint64_t hash = str_hash(&value);
    uint32_t count;

    rwlatch_write(&dict->latch);
    *code = find(dict, &value, hash);
    if (*code < 0) {
        count = atomic_load_explicit(&dict->count, memory_order_relaxed);
        if (count >= DICT_ENTRIES_MAX) {
            atomic_store_explicit(&dict->full, true, memory_order_relaxed);
        } else {
            TRY(append(dict, &value, hash, err));
            *code = (int32_t)count;
        }
    }
out:
    rwlatch_write_done(&dict->latch);
    return status;
}

kdk_status dict_import(struct dict *dict, uint32_t code, struct str value, struct err *err)
{
    kdk_status status = KDK_OK;
    uint64_t hash = str_hash(&value);
    uint32_t count;
    int32_t there;

    rwlatch_write(&dict->latch);
    count = atomic_load_explicit(&dict->count, memory_order_relaxed);
    there = find(dict, &value, hash);
    if (code < count ? there != (int32_t)code
                     : there >= 0 || code > count || code >= DICT_ENTRIES_MAX) {
        status =
            err_set(err, KDK_CORRUPT, "dictionary %llu: entry %u does not belong there",
                    (unsigned long long)dict->id, code);
        err_detail(err, "It has %u entries.", count);
    } else if (code == count) {
        TRY(append(dict, &value, hash, err));
    }
out:
    rwlatch_write_done(&dict->latch);
    return status;
}
