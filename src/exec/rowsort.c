/* rowsort.c - orders rows by normalized keys: each row's key columns as bytes whose memcmp
 * order is the order wanted (vec/key_add), merge-sorted by an 8-byte prefix first.
 * Stable. */
#include "base/buf.h"
#include "base/mem.h"
#include "exec/rowpage.h"

struct entry {
    uint64_t prefix; /* first 8 key bytes, big-endian */
    uint32_t len;
    const uint8_t *key;
    uint8_t *row;
};

static int entry_compare(const struct entry *a, const struct entry *b)
{
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    uint32_t n = MIN(a->len, b->len);
    int c = n > 8 ? memcmp(a->key + 8, b->key + 8, n - 8) : 0;
    return c ? c : (a->len > b->len) - (a->len < b->len);
}

/* Bottom-up merge sort over runs made by insertion. */
static struct entry *entries_sort(struct entry *a, struct entry *b, uint64_t n)
{
    enum { RUN = 16 };
    for (uint64_t start = 0; start < n; start += RUN) {
        uint64_t end = MIN(start + RUN, n);
        for (uint64_t i = start + 1; i < end; i++) {
            struct entry e = a[i];
            uint64_t j = i;
            for (; j > start && entry_compare(&a[j - 1], &e) > 0; j--)
                a[j] = a[j - 1];
            a[j] = e;
        }
    }
    for (uint64_t width = RUN; width < n; width *= 2) {
        for (uint64_t start = 0; start < n; start += 2 * width) {
            uint64_t i = start, middle = MIN(start + width, n), j = middle,
                     end = MIN(start + 2 * width, n), k = start;
            if (middle == end || entry_compare(&a[middle - 1], &a[middle]) <= 0) {
                memcpy(b + start, a + start, (end - start) * sizeof *a);
                continue;
            }
            while (i < middle && j < end)
                b[k++] = entry_compare(&a[i], &a[j]) <= 0 ? a[i++] : a[j++];
            while (i < middle)
                b[k++] = a[i++];
            while (j < end)
                b[k++] = a[j++];
        }
        struct entry *swap = a;
        a = b;
        b = swap;
    }
    return a;
}

kdk_status rowset_sort(const struct rowset *set, const struct rowkey *keys,
                       uint32_t key_count, struct arena *arena, uint8_t ***order,
                       uint64_t *count, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rowlayout *layout = set->layout;
    struct entry *entries = NULL, *room = NULL, *sorted;
    struct arena bytes;
    struct buf key = {0};
    struct rowset_at at = {0};
    uint8_t *rows[256];
    uint64_t total = 0;
    uint32_t n;

    arena_init(&bytes);
    TRY_MEM(*order = arena_alloc(arena, size_mul(set->row_count + 1, sizeof **order)));
    TRY_MEM(entries = mem_alloc(size_mul(set->row_count + 1, sizeof *entries)));
    TRY_MEM(room = mem_alloc(size_mul(set->row_count + 1, sizeof *room)));
    while ((n = rowset_next(set, &at, rows, COUNT_OF(rows))))
        for (uint32_t i = 0; i < n; i++) {
            struct entry *e = &entries[total++];
            uint8_t first[8] = {0};
            buf_clear(&key);
            for (uint32_t k = 0; k < key_count; k++) {
                struct datum d = row_get(layout, rows[i], keys[k].field);
                if (key_add(&key, layout->types[keys[k].field], &d, keys[k].descending,
                            keys[k].nulls_first) != KDK_OK)
                    TRY(err_nomem(err));
            }
            e->len = (uint32_t)key.len;
            e->row = rows[i];
            if (key.len)
                memcpy(first, key.data, MIN(key.len, sizeof first));
            e->prefix = __builtin_bswap64(get_u64(first));
            e->key = NULL;
            if (key.len > 8)
                TRY_MEM(e->key = arena_dup(&bytes, key.data, key.len));
        }
    sorted = entries_sort(entries, room, total);
    for (uint64_t i = 0; i < total; i++)
        (*order)[i] = sorted[i].row;
    *count = total;
out:
    buf_deinit(&key);
    arena_deinit(&bytes);
    mem_free(entries);
    mem_free(room);
    return status;
}
