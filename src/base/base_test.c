/* base_test.c - errors, memory, arenas, buffers, hashes, bitmaps, UTF-8, maps. */
#include "check.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "base/utf8.h"

static uint64_t live(void)
{
    struct mem_stats stats;
    mem_stats(&stats);
    return stats.blocks;
}

/* ---- err ---- */
TEST(err, set_replaces_and_while_appends)
{
    struct err err = {0};
    CHECK_EQ(err_set(&err, KDK_IO, "reading %d", 7), KDK_IO);
    err_detail(&err, "offset %d", 3);
    err_hint(&err, "try %s", "again");
    err_at(&err, 4);
    err_at(&err, 9);
    err_while(&err, "inner");
    err_while(&err, "outer");
    CHECK_STR(err.message, "reading 7");
    CHECK_STR(err.detail, "offset 3");
    CHECK_STR(err.hint, "try again");
    CHECK_STR(err.chain, "inner\nouter");
    CHECK_EQ(err.position, 5);
    CHECK_EQ(err_set(&err, KDK_NOMEM, "was: %s", err.message), KDK_NOMEM);
    CHECK_STR(err.message, "was: reading 7");
    CHECK_STR(err.detail, "");
    CHECK_STR(err.chain, "");
    CHECK_EQ(err.position, 0);
    CHECK_EQ(err_set(NULL, KDK_IO, "nobody listens"), KDK_IO);
}

TEST(err, long_text_is_cut_at_a_character)
{
    struct err err = {0};
    for (size_t pad = 0; pad < 4; pad++) {
        char text[700];
        memset(text, 'x', pad);
        size_t n = pad;
        while (n + 3 < sizeof text) {
            memcpy(text + n, "\xe2\x82\xac", 3);
            n += 3;
        }
        text[n] = '\0';
        err_set(&err, KDK_IO, "%s", text);
        size_t length = strlen(err.message);
        CHECK(length < sizeof err.message);
        CHECK(length > sizeof err.message - 8);
        CHECK(utf8_valid(err.message, length, NULL));
        CHECK_STR(err.message + length - 3, "...");
        err_hint(&err, "%s", text);
        CHECK(strlen(err.hint) < sizeof err.hint);
        CHECK(utf8_valid(err.hint, strlen(err.hint), NULL));
    }
    for (int i = 0; i < 100; i++)
        err_while(&err, "line %d", i);
    CHECK(strlen(err.chain) < sizeof err.chain);
}

TEST(err, every_status_has_five_characters)
{
    for (int i = 0; i < KDK_STATUS_COUNT; i++) {
        CHECK_EQ(strlen(status_sqlstate((kdk_status)i)), 5);
        CHECK(strncmp(status_name((kdk_status)i), "KDK_", 4) == 0);
        CHECK(status_text((kdk_status)i)[0] != '\0');
    }
    CHECK_STR(status_sqlstate((kdk_status)9999), "XX000");
    CHECK_STR(status_name(KDK_IO), "KDK_IO");
}

/* ---- mem ---- */
TEST(mem, counts_and_fails_on_demand)
{
    uint64_t before = live();
    char *a = mem_alloc(100), *b = mem_zalloc(0), *c = mem_alloc_aligned(4096, 10);
    CHECK(a && b && c);
    CHECK_EQ((uintptr_t)c % 4096, 0);
    CHECK_EQ(live(), before + 3);
    memset(a, 'q', 100);
    a = mem_realloc(a, 5000);
    CHECK(a && a[99] == 'q');
    CHECK_EQ(live(), before + 3);
    CHECK(mem_alloc(SIZE_MAX) == NULL);
    CHECK(mem_alloc(size_mul(SIZE_MAX / 2, 3)) == NULL);
    CHECK(MEM_ARRAY(uint64_t, SIZE_MAX / 4) == NULL);

    mem_fail_after(1, false);
    void *d = mem_alloc(1), *e = mem_alloc(1), *f = mem_alloc(1);
    CHECK(d && !e && f);
    CHECK_EQ(mem_fail_never(), 1);
    mem_fail_after(0, true);
    CHECK(mem_realloc(a, 9000) == NULL);
    CHECK(mem_strdup("x") == NULL);
    CHECK_EQ(mem_fail_never(), 2);
    CHECK(a[99] == 'q');
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free(d);
    mem_free(e);
    mem_free(f);
    CHECK_EQ(live(), before);
}

TEST(mem, the_peak_is_seen)
{
    struct mem_stats before, during, after;
    mem_stats(&before);
    void *block = mem_alloc(50 << 20);
    CHECK(block != NULL);
    mem_stats(&during);
    mem_free(block);
    block = mem_realloc(NULL, 10);
    CHECK(block != NULL);
    mem_free(block);
    mem_stats(&after);
    CHECK(during.bytes >= before.bytes + (50 << 20));
    CHECK(after.bytes_peak >= before.bytes + (50 << 20));
    CHECK_EQ(after.bytes, before.bytes);
    CHECK_EQ(after.blocks, before.blocks);
    CHECK_EQ(after.calls, before.calls + 2);
}

struct hooked {
    uint64_t blocks, bytes;
};

static void *hook_alloc(void *context, size_t alignment, size_t bytes)
{
    struct hooked *hooked = context;
    void *block = NULL;
    if (posix_memalign(&block, alignment, bytes) != 0)
        return NULL;
    hooked->blocks++;
    hooked->bytes += bytes;
    return block;
}

static void hook_free(void *context, void *block, size_t bytes)
{
    struct hooked *hooked = context;
    hooked->blocks--;
    hooked->bytes -= bytes;
    free(block);
}

TEST(mem, hooks_see_every_block_and_its_size)
{
    if (!CHECK_EQ(live(), 0))
        return;
    struct hooked hooked = {0};
    struct mem_hooks hooks = {hook_alloc, hook_free, &hooked};
    mem_set_hooks(&hooks);
    uint8_t *a = mem_zalloc(10), *b = mem_alloc_aligned(256, 7), *c = mem_alloc(30);
    CHECK_EQ(hooked.blocks, 3);
    CHECK_EQ((uintptr_t)b % 256, 0);
    CHECK_EQ(a[9], 0);
    memset(c, 9, 30);
    c = mem_realloc(c, 3000);
    CHECK(c && c[29] == 9);
    b = mem_realloc(b, 3);
    CHECK_EQ(hooked.blocks, 3);
    mem_free(a);
    mem_free(b);
    mem_free(c);
    CHECK_EQ(hooked.blocks, 0);
    CHECK_EQ(hooked.bytes, 0);
    mem_set_hooks(NULL);
}

TEST(mem, tracking_reaps_what_is_left)
{
    uint64_t before = live();
    char *outside = mem_alloc(10);
    mem_track_begin();
    void *kept[3000];
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        kept[i] = mem_alloc(i);
    for (size_t i = 0; i < COUNT_OF(kept); i += 2)
        mem_free(kept[i]);
    kept[1] = mem_realloc(kept[1], 100000);
    CHECK(kept[1] != NULL);
    outside = mem_realloc(outside, 100000);
    CHECK_EQ(mem_track_reap(), COUNT_OF(kept) / 2);
    if (CHECK(outside != NULL))
        memset(outside, 1, 100000);
    mem_free(outside);
    CHECK_EQ(live(), before);
}

/* ---- arena ---- */
TEST(arena, gives_aligned_memory_and_rewinds)
{
    uint64_t before = live();
    struct arena arena;
    arena_init(&arena);
    struct arena_mark empty = arena_mark(&arena);
    for (size_t i = 0; i < 2000; i++) {
        uint8_t *at = arena_alloc(&arena, i % 97);
        CHECK(at && (uintptr_t)at % ARENA_ALIGN == 0);
        memset(at, (int)i, i % 97);
    }
    struct arena_mark mark = arena_mark(&arena);
    char *kept = arena_printf(&arena, "%s-%d", "kept", 5);
    struct arena_mark later = arena_mark(&arena);
    for (size_t shift = 3; shift < 14; shift++) {
        void *at = arena_alloc_aligned(&arena, 100000, (size_t)1 << shift);
        CHECK(at && (uintptr_t)at % ((size_t)1 << shift) == 0);
    }
    arena_rewind(&arena, later);
    CHECK_STR(kept, "kept-5");
    arena_rewind(&arena, mark);
    arena_rewind(&arena, empty);
    CHECK_EQ(live(), before + 1);
    CHECK(arena_alloc(&arena, SIZE_MAX) == NULL);
    CHECK(arena_alloc(&arena, SIZE_MAX - 7) == NULL);
    CHECK(ARENA_ARRAY(&arena, uint64_t, SIZE_MAX / 2) == NULL);
    CHECK_STR(arena_strndup(&arena, "abcdef", 3), "abc");
    arena_reset(&arena);
    arena_deinit(&arena);
    CHECK_EQ(live(), before);
}

TEST(arena, keeps_its_limit_and_survives_failures)
{
    struct arena arena = {.bytes_max = 10000};
    size_t got = 0;
    while (arena_alloc(&arena, 112))
        got += 112;
    CHECK(got >= 9000 && got <= 10000);
    CHECK(arena.bytes <= 10000);
    arena_deinit(&arena);
    arena.bytes_max = 0;
    mem_fail_after(0, false);
    CHECK(arena_zalloc(&arena, 10) == NULL);
    mem_fail_never();
    CHECK(arena_zalloc(&arena, 10) != NULL);
    arena_deinit(&arena);
}

/* ---- buf ---- */
TEST(buf, adds_and_reads_back)
{
    struct buf buf = {0};
    struct err err = {0};
    const uint64_t varints[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
    buf_add_u8(&buf, 1);
    buf_add_u16(&buf, 2);
    buf_add_u32(&buf, 3);
    buf_add_u64(&buf, 4);
    for (size_t i = 0; i < COUNT_OF(varints); i++)
        buf_add_varint(&buf, varints[i]);
    for (int i = 0; i < 100; i++)
        buf_printf(&buf, "%d,", i);
    CHECK_EQ(buf_status(&buf, &err), KDK_OK);
    CHECK_EQ(buf.data[buf.len], 0);
    struct cursor c = cursor_of(buf.data, buf.len);
    CHECK_EQ(cursor_u8(&c), 1);
    CHECK_EQ(cursor_u16(&c), 2);
    CHECK_EQ(cursor_u32(&c), 3);
    CHECK_EQ(cursor_u64(&c), 4);
    for (size_t i = 0; i < COUNT_OF(varints); i++)
        CHECK_EQ(cursor_varint(&c), varints[i]);
    const uint8_t *text = cursor_bytes(&c, 4);
    if (CHECK(text != NULL))
        CHECK_MEM(text, "0,1,", 4);
    CHECK(cursor_bytes(&c, cursor_left(&c) + 1) == NULL);
    CHECK(c.bad);
    CHECK_EQ(cursor_u8(&c), 0);
    CHECK_EQ(cursor_left(&c), 0);
    char *taken = buf_take(&buf);
    CHECK(taken && !buf.data);
    mem_free(taken);

    const uint8_t too_long[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    c = cursor_of(too_long, sizeof too_long);
    cursor_varint(&c);
    CHECK(c.bad);
}

TEST(buf, failure_sticks_until_cleared)
{
    struct buf buf = {0};
    struct err err = {0};
    buf_add_str(&buf, "abc");
    mem_fail_after(0, false);
    CHECK_EQ(buf_printf(&buf, "%0500d", 1), KDK_NOMEM);
    CHECK_EQ(mem_fail_never(), 1);
    CHECK_EQ(buf_add_char(&buf, 'd'), KDK_NOMEM);
    CHECK_EQ(buf_status(&buf, &err), KDK_NOMEM);
    CHECK_STR(buf.data, "abc");
    buf_clear(&buf);
    CHECK_EQ(buf_add_char(&buf, 'd'), KDK_OK);
    CHECK_STR(buf.data, "d");
    CHECK_EQ(buf_reserve(&buf, SIZE_MAX), KDK_NOMEM);
    buf_deinit(&buf);
}

/* ---- hash ---- */
TEST(hash, crc32c_matches_rfc3720_and_the_table)
{
    uint8_t bytes[300];
    memset(bytes, 0, 32);
    CHECK_EQ(crc32c(0, bytes, 32), 0x8a9136aau); /* RFC 3720, B.4. */
    memset(bytes, 0xff, 32);
    CHECK_EQ(crc32c(0, bytes, 32), 0x62a8ab43u);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    CHECK_EQ(crc32c(0, bytes, 32), 0x46dd794eu);
    CHECK_EQ(crc32c(0, "123456789", 9), 0xe3069283u);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)hash_u64(i);
    for (size_t n = 0; n < sizeof bytes; n++) {
        uint32_t whole = crc32c(0, bytes, n);
        CHECK_EQ(whole, crc32c_portable(0, bytes, n));
        CHECK_EQ(whole, crc32c(crc32c(0, bytes, n / 3), bytes + n / 3, n - n / 3));
    }
}

TEST(hash, values_are_stable)
{
    CHECK_EQ(hash_bytes("", 0), 0x2d06800538d394c2ll);
    CHECK(hash_bytes("a", 1) != hash_bytes("b", 1));
    CHECK(hash_combine(1, 2) != hash_combine(2, 1));
    CHECK_EQ(hash_u64(0), 0);
    CHECK_EQ(hash_u64(1), 0x5692161d100b05e5ll);
}

/* ---- bits ---- */
TEST(bits, copy_equals_bit_by_bit)
{
    uint8_t in[64];
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)hash_u64(i + 77);
    for (size_t from = 0; from < 70; from++)
        for (size_t count = 0; count < 300; count += 7) {
            size_t need = (from + count + 7) / 8;
            uint8_t *exact = mem_dup(in, need); /* So that asan sees a read past it. */
            uint64_t out[5];
            memset(out, 0xaa, sizeof out);
            bits_copy(out, exact, from, count);
            uint64_t ones = 0;
            for (size_t i = 0; i < bits_words(count) * 64; i++) {
                size_t b = from + i;
                bool want = i < count && (in[b / 8] >> (b % 8) & 1);
                if (bit_get(out, i) != want)
                    CHECK(false);
                ones += want;
            }
            CHECK_EQ(bits_count(out, count), ones);
            mem_free(exact);
        }
}

TEST(bits, fill_and_put)
{
    uint64_t bits[3] = {0, 0, 0};
    bits_fill(bits, 130);
    CHECK_EQ(bits[2], 3);
    CHECK_EQ(bits_count(bits, 130), 130);
    bit_put(bits, 70, false);
    CHECK(!bit_get(bits, 70));
    bit_put(bits, 70, true);
    bit_clear(bits, 0);
    bit_set(bits, 0);
    CHECK_EQ(bits_count(bits, 130), 130);
    CHECK_EQ(bits_count(bits, 65), 65);
}

/* ---- utf8 ---- */
TEST(utf8, every_scalar_value_round_trips)
{
    for (uint32_t code = 0; code <= 0x110000; code++) {
        char text[4];
        size_t bytes = utf8_encode(code, text), length = 0;
        bool scalar = code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000);
        if ((bytes > 0) != scalar) {
            CHECK(false);
            continue;
        }
        if (!scalar)
            continue;
        if (!utf8_valid(text, bytes, NULL) || utf8_decode(text, &length) != code ||
            length != bytes || utf8_length((unsigned char)text[0]) != bytes ||
            utf8_count(text, bytes) != 1)
            CHECK(false);
        if (bytes > 1 && utf8_valid(text, bytes - 1, NULL))
            CHECK(false);
    }
}

TEST(utf8, malformed_text_is_refused_where_it_begins)
{
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xe2\x82",
        "\xe2\x28\xa1",
        "\xf0\x9f\x98",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char text[64];
        size_t at = 99;
        memcpy(text, "abcdefgh\xc3\xa9xyz", 13);
        memcpy(text + 13, bad[i], strlen(bad[i]) + 1);
        CHECK(!utf8_valid(text, strlen(text), &at));
        CHECK_EQ(at, 13);
    }
}

TEST(utf8, counts_and_offsets)
{
    const char *text = "na\xc3\xafve \xe2\x82\xac and plain ascii text \xf0\x9f\x98\x80!";
    size_t bytes = strlen(text), at = 0, index = 0, length;
    for (; at < bytes; at += length, index++) {
        CHECK_EQ(utf8_offset(text, bytes, index), at);
        utf8_decode(text + at, &length);
    }
    CHECK_EQ(utf8_count(text, bytes), index);
    CHECK_EQ(utf8_offset(text, bytes, index), bytes);
    CHECK_EQ(utf8_offset(text, bytes, 1000), bytes);
}

/* ---- strmap ---- */
TEST(strmap, behaves_like_an_array_of_flags)
{
    struct strmap map = {0};
    struct err err = {0};
    bool in[500] = {false};
    static int values[500];
    uint64_t random = 1;
    for (int step = 0; step < 20000; step++) {
        random = hash_u64(random + 1);
        size_t i = random % COUNT_OF(in);
        char key[16];
        size_t bytes = 0;
        for (size_t v = i; v; v /= 10) /* Key 0 is the empty one. */
            key[bytes++] = (char)('0' + v % 10);
        if (random >> 40 & 1) {
            CHECK_EQ(strmap_put(&map, key, bytes, &values[i], &err), KDK_OK);
            in[i] = true;
        } else {
            CHECK((strmap_remove(&map, key, bytes) == &values[i]) == in[i]);
            in[i] = false;
        }
        CHECK((strmap_get(&map, key, bytes) == &values[i]) == in[i]);
    }
    size_t at = 0, seen = 0, want = 0;
    while (strmap_next(&map, &at))
        seen++;
    for (size_t i = 0; i < COUNT_OF(in); i++)
        want += in[i];
    CHECK_EQ(seen, want);
    CHECK_EQ(map.count, want);
    strmap_deinit(&map);
}

TEST(strmap, failed_put_changes_nothing)
{
    struct strmap map = {0};
    struct err err = {0};
    int value;
    for (uint64_t skip = 0; skip < 2; skip++) {
        mem_fail_after(skip, true);
        CHECK_EQ(strmap_put(&map, "k", 1, &value, &err), KDK_NOMEM);
        mem_fail_never();
        CHECK_EQ(map.count, 0);
        CHECK(strmap_get(&map, "k", 1) == NULL);
    }
    CHECK_EQ(strmap_put(&map, "k", 1, &value, &err), KDK_OK);
    strmap_deinit(&map);
}
