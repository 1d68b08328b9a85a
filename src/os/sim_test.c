/* sim_test.c - each clause of the fault model is shown by seeds: what may be lost is lost
 * for some and kept for others, what was synced is lost for none. */
#include "check.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "os/sim.h"

enum { SEEDS = 200, SECTOR = 512 };

static struct sim *sim_with(uint64_t seed, unsigned breaks)
{
    struct sim *sim = NULL;
    struct err err = {0};
    struct sim_options options = {.seed = seed, .breaks = breaks, .quiet = true};
    CHECK_EQ(sim_new(&options, &sim, &err), KDK_OK);
    return sim;
}

static struct os_file *open_or_die(struct os *os, const char *path, unsigned flags)
{
    struct os_file *file = NULL;
    struct err err = {0};
    CHECK_EQ(os_open(os, path, flags, &file, &err), KDK_OK);
    return file;
}

/* Writes `sectors` sectors full of `fill` at sector `first`. */
static void fill(struct os_file *file, unsigned first, unsigned sectors, uint8_t byte)
{
    uint8_t bytes[64 * SECTOR];
    struct err err = {0};
    memset(bytes, byte, (size_t)sectors * SECTOR);
    CHECK_EQ(
        os_write(file, (uint64_t)first * SECTOR, bytes, (size_t)sectors * SECTOR, &err),
        KDK_OK);
}

static void sync_file(struct os_file *file)
{
    struct err err = {0};
    CHECK_EQ(os_sync(file, &err), KDK_OK);
}

static void sync_dir(struct os *os, const char *path)
{
    struct err err = {0};
    CHECK_EQ(os_sync_dir(os, path, &err), KDK_OK);
}

/* Fills in the byte that each whole sector of the file is made of; -1 for a torn one.
 * Returns how many sectors there are, or -1 if there is no such file. */
static int look(struct os *os, const char *path, int sectors[64])
{
    struct err err = {0};
    enum os_kind kind;
    uint64_t size = 0;
    CHECK_EQ(os_kind(os, path, &kind, &err), KDK_OK);
    if (kind != OS_FILE)
        return -1;
    struct os_file *file = open_or_die(os, path, OS_READ);
    CHECK_EQ(os_size(file, &size, &err), KDK_OK);
    int count = (int)(size / SECTOR);
    for (int i = 0; i < count && i < 64; i++) {
        uint8_t bytes[SECTOR];
        CHECK_EQ(os_read_exact(file, (uint64_t)i * SECTOR, bytes, SECTOR, &err), KDK_OK);
        sectors[i] = bytes[0];
        for (int b = 1; b < SECTOR; b++)
            if (bytes[b] != bytes[0])
                sectors[i] = -1;
    }
    os_close(file);
    return count;
}

/* A file of 64 synced sectors of 1, its name synced too. */
static struct os_file *prepared(struct sim *sim)
{
    struct os_file *file = open_or_die(sim_os(sim), "/f", OS_WRITE | OS_CREATE);
    fill(file, 0, 64, 1);
    sync_file(file);
    sync_dir(sim_os(sim), "/");
    return file;
}

TEST(sim, files_behave_like_real_ones)
{
    struct sim *sim = sim_with(1, 0);
    struct os *os = sim_os(sim);
    struct err err = {0};
    struct os_file *file = NULL, *again = NULL;
    uint8_t bytes[20000], got_bytes[20000];
    size_t got;
    uint64_t size;
    CHECK_EQ(os_open(os, "/d/f", OS_WRITE | OS_CREATE, &file, &err), KDK_UNDEFINED_FILE);
    CHECK_EQ(os_mkdir(os, "/d", &err), KDK_OK);
    CHECK_EQ(os_mkdir(os, "/d/", &err), KDK_OK);
    file = open_or_die(os, "/d/f", OS_WRITE | OS_CREATE | OS_EXCLUSIVE);
    CHECK_EQ(os_open(os, "d/./f", OS_WRITE | OS_CREATE | OS_EXCLUSIVE, &again, &err),
             KDK_DUPLICATE_FILE);
    CHECK_EQ(os_open(os, "/d", OS_READ, &again, &err), KDK_IO);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)hash_u64(i);
    /* Against a plain array. */
    uint64_t random = 7, length = 0;
    uint8_t *model = mem_zalloc(sizeof bytes);
    if (!CHECK(model != NULL))
        return;
    for (int step = 0; step < 2000; step++) {
        random = hash_u64(random + 1);
        uint64_t at = random % 15000, n = (random >> 32) % 5000;
        if (step % 10 == 9) {
            CHECK_EQ(os_truncate(file, at, &err), KDK_OK);
            if (at < length)
                memset(model + at, 0, length - at);
            length = at;
        } else if (step % 7 == 3) {
            sync_file(file);
        } else {
            CHECK_EQ(os_write(file, at, step % 3 ? bytes : model + 19999, step % 3 ? n : 1,
                              &err),
                     KDK_OK);
            memcpy(model + at, step % 3 ? bytes : model + 19999, step % 3 ? n : 1);
            length = MAX(length, at + (step % 3 ? n : 1));
            if (step % 3 && n == 0)
                length = MAX(length, 0u);
        }
        CHECK_EQ(os_size(file, &size, &err), KDK_OK);
        if (step % 3 && n == 0)
            length = size;
        CHECK_EQ(size, length);
        CHECK_EQ(os_read(file, 0, got_bytes, sizeof got_bytes, &got, &err), KDK_OK);
        CHECK_EQ(got, length);
        if (!CHECK_MEM(got_bytes, model, got))
            break;
    }
    mem_free(model);
    CHECK_EQ(os_lock(file, &err), KDK_OK);
    again = open_or_die(os, "/d/f", OS_READ);
    CHECK_EQ(os_lock(again, &err), KDK_BUSY);
    os_close(file);
    CHECK_EQ(os_lock(again, &err), KDK_OK);
    CHECK_EQ(os_write(again, 0, "x", 1, &err), KDK_IO);
    CHECK_EQ(os_read_exact(again, size, bytes, 1, &err), KDK_CORRUPT);
    CHECK_EQ(os_remove_dir(os, "/d", &err), KDK_IO);
    CHECK_EQ(os_remove(os, "/d/f", &err), KDK_OK);
    CHECK_EQ(os_remove(os, "/d/f", &err), KDK_OK);
    CHECK_EQ(os_size(again, &size, &err), KDK_OK); /* Still there for who has it open. */
    os_close(again);
    CHECK_EQ(os_remove_dir(os, "/d", &err), KDK_OK);
    CHECK_EQ(os_sync_dir(os, "/d", &err), KDK_UNDEFINED_FILE);
    sim_free(sim);
}

static kdk_status add_name(void *context, const char *name, struct err *err)
{
    (void)err;
    buf_printf(context, "%s ", name);
    return KDK_OK;
}

TEST(sim, directories_list_and_rename)
{
    struct sim *sim = sim_with(2, 0);
    struct os *os = sim_os(sim);
    struct err err = {0};
    struct buf names = {0};
    static const char *const files[] = {"/b", "/a", "/c", "/aa"};
    for (size_t i = 0; i < COUNT_OF(files); i++)
        os_close(open_or_die(os, files[i], OS_WRITE | OS_CREATE));
    CHECK_EQ(os_mkdir(os, "/z", &err), KDK_OK);
    CHECK_EQ(os_rename(os, "/c", "/z/c", &err), KDK_OK);
    CHECK_EQ(os_rename(os, "/b", "/aa", &err), KDK_OK);
    CHECK_EQ(os_rename(os, "/b", "/q", &err), KDK_UNDEFINED_FILE);
    CHECK_EQ(os_rename(os, "/a", "/none/a", &err), KDK_UNDEFINED_FILE);
    CHECK_EQ(os_rename(os, "/a", "/z", &err), KDK_IO);
    CHECK_EQ(os_list(os, "/", add_name, &names, &err), KDK_OK);
    CHECK_EQ(os_list(os, "/z", add_name, &names, &err), KDK_OK);
    CHECK_STR(names.data, "a aa z c ");
    CHECK_EQ(os_list(os, "/y", add_name, &names, &err), KDK_UNDEFINED_FILE);
    CHECK_EQ(os_list(os, "/a", add_name, &names, &err), KDK_IO);
    buf_deinit(&names);
    sim_free(sim);
}

/* ---- The fault model ---- */
TEST(sim, unsynced_sectors_survive_in_any_mixture)
{
    int all = 0, none = 0, mixed = 0, later_without_earlier = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim *sim = sim_with(seed, 0);
        struct os_file *file = prepared(sim);
        fill(file, 0, 10, 2);
        fill(file, 20, 10, 3);
        os_close(file);
        sim_reboot(sim);
        int s[64], twos = 0, threes = 0;
        CHECK_EQ(look(sim_os(sim), "/f", s), 64);
        for (int i = 0; i < 64; i++) {
            bool first = i < 10, second = i >= 20 && i < 30;
            CHECK(s[i] == 1 || (first && s[i] == 2) || (second && s[i] == 3));
            twos += s[i] == 2;
            threes += s[i] == 3;
        }
        all += twos + threes == 20;
        none += twos + threes == 0;
        mixed += twos > 0 && twos < 10;
        later_without_earlier += threes > 0 && twos < 10;
        sim_free(sim);
    }
    CHECK(all > 0);
    CHECK(none > 0);
    CHECK(mixed > 0);
    CHECK(later_without_earlier > 0);
}

TEST(sim, an_overwritten_sector_may_be_any_of_its_versions)
{
    int seen[8] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim *sim = sim_with(seed, 0);
        struct os_file *file = prepared(sim);
        for (uint8_t version = 2; version < 5; version++)
            fill(file, 5, 1, version);
        os_close(file);
        sim_reboot(sim);
        int s[64];
        CHECK_EQ(look(sim_os(sim), "/f", s), 64);
        if (CHECK(s[5] >= 1 && s[5] < 5))
            seen[s[5]]++;
        sim_free(sim);
    }
    CHECK(seen[1] && seen[2] && seen[3] && seen[4]);
}

TEST(sim, synced_data_always_survives)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim *sim = sim_with(seed, 0);
        struct os_file *file = prepared(sim);
        struct err err = {0};
        fill(file, 3, 5, 7);
        fill(file, 4, 1, 8);
        sync_file(file);
        CHECK_EQ(os_truncate(file, 9 * SECTOR, &err), KDK_OK);
        CHECK_EQ(os_truncate(file, 12 * SECTOR, &err), KDK_OK);
        sync_file(file);
        os_close(file);
        for (int boot = 0; boot < 3; boot++) {
            sim_reboot(sim);
            int s[64];
            static const int want[] = {1, 1, 1, 7, 8, 7, 7, 7, 1, 0, 0, 0};
            if (CHECK_EQ(look(sim_os(sim), "/f", s), 12))
                CHECK_MEM(s, want, sizeof want);
        }
        sim_free(sim);
    }
}

TEST(sim, a_preallocated_log_is_torn_sector_by_sector)
{
    int partly = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim *sim = sim_with(seed, 0);
        struct os_file *file = open_or_die(sim_os(sim), "/f", OS_WRITE | OS_CREATE);
        fill(file, 0, 64, 0);
        sync_file(file);
        sync_dir(sim_os(sim), "/");
        fill(file, 0, 3, 1);
        sync_file(file);
        fill(file, 3, 4, 2);
        os_close(file);
        sim_reboot(sim);
        int s[64], twos = 0;
        CHECK_EQ(look(sim_os(sim), "/f", s), 64);
        for (int i = 0; i < 64; i++) {
            CHECK(i < 3 ? s[i] == 1 : s[i] == 0 || (i < 7 && s[i] == 2));
            twos += s[i] == 2;
        }
        partly += twos > 0 && twos < 4;
        sim_free(sim);
    }
    CHECK(partly > 0);
}

TEST(sim, sizes_are_as_synced_or_later)
{
    int old = 0, later = 0, between = 0, cut_off = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim *sim = sim_with(seed, 0);
        struct err err = {0};
        struct os_file *file = open_or_die(sim_os(sim), "/f", OS_WRITE | OS_CREATE);
        fill(file, 0, 4, 1);
        sync_file(file);
        sync_dir(sim_os(sim), "/");
        fill(file, 4, 2, 2);
        fill(file, 6, 2, 3);
        struct os_file *other = open_or_die(sim_os(sim), "/g", OS_WRITE | OS_CREATE);
        fill(other, 0, 8, 5);
        sync_file(other);
        sync_dir(sim_os(sim), "/");
        CHECK_EQ(os_truncate(other, 2 * SECTOR, &err), KDK_OK);
        os_close(file);
        os_close(other);
        sim_reboot(sim);
        int s[64], n = look(sim_os(sim), "/f", s);
        CHECK(n == 4 || n == 6 || n == 8);
        for (int i = 0; i < n; i++)
            CHECK(i < 4 ? s[i] == 1 : s[i] == 0 || s[i] == (i < 6 ? 2 : 3));
        old += n == 4;
        between += n == 6;
        later += n == 8;
        n = look(sim_os(sim), "/g", s);
        CHECK(n == 2 || n == 8);
        cut_off += n == 2;
        CHECK_EQ(s[0], 5);
        sim_free(sim);
    }
    CHECK(old > 0);
    CHECK(later > 0);
    CHECK(between > 0);
    CHECK(cut_off > 0 && cut_off < SEEDS);
}

TEST(sim, names_need_their_directory_synced)
{
    int kept = 0, lost = 0, came_back = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim *sim = sim_with(seed, 0);
        struct os *os = sim_os(sim);
        struct err err = {0};
        int s[64];
        struct os_file *file = prepared(sim);
        os_close(file);
        file = open_or_die(os, "/new", OS_WRITE | OS_CREATE);
        fill(file, 0, 1, 4);
        sync_file(file); /* The file, not its name. */
        os_close(file);
        CHECK_EQ(os_mkdir(os, "/d", &err), KDK_OK);
        os_close(open_or_die(os, "/d/x", OS_WRITE | OS_CREATE));
        sync_dir(os, "/d"); /* Its names, not its own. */
        CHECK_EQ(os_remove(os, "/f", &err), KDK_OK);
        sim_reboot(sim);
        int n = look(os, "/new", s);
        CHECK(n == -1 || (n == 1 && s[0] == 4));
        kept += n == 1;
        lost += n == -1;
        enum os_kind dir, x;
        CHECK_EQ(os_kind(os, "/d", &dir, &err), KDK_OK);
        CHECK_EQ(os_kind(os, "/d/x", &x, &err), KDK_OK);
        CHECK_EQ(dir == OS_DIR, x == OS_FILE);
        n = look(os, "/f", s);
        CHECK(n == -1 || n == 64);
        came_back += n == 64;
        sim_free(sim);
    }
    CHECK(kept > 0);
    CHECK(lost > 0);
    CHECK(came_back > 0 && came_back < SEEDS);
}

TEST(sim, synced_names_always_survive)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim *sim = sim_with(seed, 0);
        struct os *os = sim_os(sim);
        struct err err = {0};
        struct buf names = {0};
        CHECK_EQ(os_mkdir(os, "/d", &err), KDK_OK);
        sync_dir(os, "/");
        os_close(open_or_die(os, "/d/a", OS_WRITE | OS_CREATE));
        os_close(open_or_die(os, "/d/b", OS_WRITE | OS_CREATE));
        CHECK_EQ(os_rename(os, "/d/a", "/d/c", &err), KDK_OK);
        CHECK_EQ(os_rename(os, "/d/b", "/top", &err), KDK_OK);
        sync_dir(os, "/d");
        os_close(open_or_die(os, "/d/e", OS_WRITE | OS_CREATE));
        sync_dir(os, "/d");
        CHECK_EQ(os_remove(os, "/d/e", &err), KDK_OK);
        sync_dir(os, "/d");
        sim_reboot(sim);
        os_list(os, "/", add_name, &names, &err) == KDK_OK ? (void)0 : (void)CHECK(false);
        CHECK_EQ(os_list(os, "/d", add_name, &names, &err), KDK_OK);
        CHECK_STR(names.data, "d top c ");
        buf_deinit(&names);
        sim_free(sim);
    }
}

/* The usual way to replace a file: at every moment one of the two versions is there,
 * whole. */
TEST(sim, a_rename_is_one_change)
{
    int olds = 0, news = 0, tmp_left = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim *sim = sim_with(seed, 0);
        struct os *os = sim_os(sim);
        struct err err = {0};
        int s[64];
        os_close(prepared(sim));
        struct os_file *file = open_or_die(os, "/tmp", OS_WRITE | OS_CREATE);
        fill(file, 0, 2, 9);
        sync_file(file);
        os_close(file);
        CHECK_EQ(os_rename(os, "/tmp", "/f", &err), KDK_OK);
        sim_reboot(sim);
        int n = look(os, "/f", s);
        CHECK((n == 64 && s[63] == 1) || (n == 2 && s[0] == 9 && s[1] == 9));
        olds += n == 64;
        news += n == 2;
        n = look(os, "/tmp", s);
        tmp_left += n == 2;
        CHECK(n == -1 || n == 2);
        sim_free(sim);
    }
    CHECK(olds > 0);
    CHECK(news > 0);
    CHECK(tmp_left > 0);
}

TEST(sim, a_failed_sync_may_lose_what_later_syncs_pass_over)
{
    int lost = 0, kept = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim *sim = sim_with(seed, 0);
        struct err err = {0};
        struct os_file *file = prepared(sim);
        fill(file, 0, 8, 2);
        sim_fail_at(sim, sim_calls_all(sim) + 1, false, KDK_IO);
        CHECK_EQ(os_sync(file, &err), KDK_IO);
        fill(file, 7, 2, 3); /* Written again: this is synced. */
        sync_file(file);
        int s[64];
        CHECK_EQ(look(sim_os(sim), "/f", s), 64);
        CHECK(s[0] == 2 && s[6] == 2 && s[7] == 3);
        os_close(file);
        sim_reboot(sim);
        CHECK_EQ(look(sim_os(sim), "/f", s), 64);
        for (int i = 0; i < 7; i++) {
            CHECK(s[i] == 1 || s[i] == 2);
            lost += s[i] == 1;
            kept += s[i] == 2;
        }
        CHECK(s[7] == 3 && s[8] == 3 && s[9] == 1);
        sim_free(sim);
    }
    CHECK(lost > 0);
    CHECK(kept > 0);
}

TEST(sim, sabotaged_syncs_are_seen)
{
    int lost = 0, names_lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        int s[64];
        struct sim *sim = sim_with(seed, SIM_BREAK_SKIP_FSYNC);
        os_close(prepared(sim));
        sim_reboot(sim);
        int n = look(sim_os(sim), "/f", s);
        lost += n != 64 || s[0] != 1 || s[63] != 1;
        sim_free(sim);
        sim = sim_with(seed, SIM_BREAK_DROP_DIR_SYNC);
        os_close(prepared(sim));
        sim_reboot(sim);
        names_lost += look(sim_os(sim), "/f", s) == -1;
        sim_free(sim);
    }
    CHECK(lost > 0);
    CHECK(names_lost > 0);
}

TEST(sim, capacity_failures_and_flips)
{
    struct sim *sim = sim_with(3, 0);
    struct os *os = sim_os(sim);
    struct err err = {0};
    int s[64];
    sim_set_disk_bytes(sim, 100 * SECTOR);
    struct os_file *file = prepared(sim),
                   *other = open_or_die(os, "/g", OS_WRITE | OS_CREATE);
    fill(other, 0, 30, 2);
    uint8_t bytes[10 * SECTOR] = {0};
    CHECK_EQ(os_write(other, 30 * SECTOR, bytes, sizeof bytes, &err), KDK_FULL);
    CHECK_EQ(os_truncate(other, 50 * SECTOR, &err), KDK_FULL);
    fill(file, 0, 64, 3); /* Takes no more room. */
    CHECK_EQ(os_remove(os, "/f", &err), KDK_OK);
    CHECK_EQ(os_write(other, 60 * SECTOR, bytes, sizeof bytes, &err),
             KDK_FULL); /* Still open. */
    os_close(file);
    CHECK_EQ(os_write(other, 60 * SECTOR, bytes, sizeof bytes, &err), KDK_OK);
    sim_fail_at(sim, sim_calls_all(sim) + 2, true, KDK_FULL);
    sync_file(other);
    CHECK_EQ(os_sync(other, &err), KDK_FULL);
    CHECK_EQ(os_write(other, 0, "x", 1, &err), KDK_FULL);
    sim_fail_at(sim, 0, false, KDK_OK);
    CHECK_EQ(os_write(other, 0, bytes, 1, &err), KDK_OK);

    /* What takes space fails, once or from there on; what has its space does not. */
    uint64_t size;
    CHECK_EQ(os_size(other, &size, &err), KDK_OK);
    sim_full_at(sim, sim_calls_all(sim) + 1, true);
    CHECK_EQ(os_write(other, size, bytes, sizeof bytes, &err), KDK_FULL);
    CHECK_EQ(os_truncate(other, size + 1, &err), KDK_FULL);
    CHECK_EQ(os_open(os, "/new", OS_WRITE | OS_CREATE, &file, &err), KDK_FULL);
    CHECK_EQ(os_mkdir(os, "/new", &err), KDK_FULL);
    CHECK_EQ(os_write(other, 0, bytes, 1, &err), KDK_OK);
    CHECK_EQ(os_sync(other, &err), KDK_OK);
    sim_full_at(sim, sim_calls_all(sim) + 1, false);
    CHECK_EQ(os_mkdir(os, "/new", &err), KDK_FULL);
    CHECK_EQ(os_mkdir(os, "/new", &err), KDK_OK);
    os_close(other);

    CHECK_EQ(sim_flip(sim, "/g", 5 * SECTOR, 0x40, &err), KDK_OK);
    CHECK_EQ(sim_flip(sim, "/none", 0, 1, &err), KDK_UNDEFINED_FILE);
    CHECK_EQ(sim_flip(sim, "/g", 1u << 20, 1, &err), KDK_UNDEFINED_FILE);
    look(os, "/g", s);
    CHECK_EQ(s[5], -1);
    CHECK_EQ(s[6], 2);
    sim_free(sim);
}

TEST(sim, forks_have_futures_of_their_own)
{
    struct sim *sim = sim_with(4, 0);
    struct err err = {0};
    int s[64], t[64], different = 0;
    CHECK_EQ(os_mkdir(sim_os(sim), "/d", &err), KDK_OK);
    struct os_file *file = prepared(sim);
    os_close(open_or_die(sim_os(sim), "/d/pending", OS_WRITE | OS_CREATE));
    fill(file, 0, 16, 2);
    struct sim *first = NULL;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct sim *a = NULL, *b = NULL;
        CHECK_EQ(sim_fork(sim, seed, &a, &err), KDK_OK);
        CHECK_EQ(sim_fork(sim, seed, &b, &err), KDK_OK);
        sim_reboot(a);
        sim_reboot(b);
        CHECK_EQ(look(sim_os(a), "/f", s), 64);
        CHECK_EQ(look(sim_os(b), "/f", t), 64);
        CHECK_MEM(s, t, sizeof s);
        if (first) {
            look(sim_os(first), "/f", t);
            different += memcmp(s, t, sizeof s) != 0;
        }
        struct os_file *copy = open_or_die(sim_os(a), "/f", OS_WRITE);
        fill(copy, 0, 64, 99);
        os_close(copy);
        sim_free(b);
        sim_free(first);
        first = a;
    }
    CHECK(different > 0);
    sim_free(first);
    CHECK_EQ(look(sim_os(sim), "/f", s), 64);
    CHECK(s[0] == 2 && s[15] == 2 && s[16] == 1);
    sync_file(file);
    os_close(file);
    sim_free(sim);
}

/* ---- Random workloads against a model of what may survive ---- */
enum { MODEL_SECTORS = 40, MODEL_NAMES = 6 };

struct sector_model {
    /* What sectors and sizes were at the last sync, or at any moment since. */
    bool may_be[MODEL_SECTORS][256];
    bool size_may_be[MODEL_SECTORS + 1];
    uint8_t now[MODEL_SECTORS];
    unsigned size;
};

static void model_synced(struct sector_model *model)
{
    memset(model->may_be, 0, sizeof model->may_be);
    memset(model->size_may_be, 0, sizeof model->size_may_be);
    for (unsigned i = 0; i < MODEL_SECTORS; i++)
        model->may_be[i][model->now[i]] = true;
    model->size_may_be[model->size] = true;
}

static void model_set(struct sector_model *model, unsigned first, unsigned end,
                      uint8_t byte)
{
    for (unsigned i = first; i < end; i++)
        model->may_be[i][model->now[i] = byte] = true;
}

/* At each call, and by which draw of a cut there, sectors 0 to 2 and the names were seen
 * as: bits of bytes 1, 2, 3 and of "not there". */
struct seen {
    struct {
        uint64_t call;
        unsigned sectors[3], names[2];
    } at[16];
    int count;
};

static void look_at_futures(void *context, struct sim *sim)
{
    struct seen *seen = context;
    struct err err = {0};
    for (uint64_t seed = 0; seed < 64; seed++) {
        struct sim *fork = NULL;
        CHECK_EQ(sim_fork(sim, seed, &fork, &err), KDK_OK);
        sim_reboot(fork);
        int sectors[64] = {0}, count = look(sim_os(fork), "/f", sectors);
        for (int i = 0; i < 3; i++)
            seen->at[seen->count].sectors[i] |= 1u << (i < count ? sectors[i] : 0);
        enum os_kind kind;
        CHECK_EQ(os_kind(sim_os(fork), "/new", &kind, &err), KDK_OK);
        seen->at[seen->count].names[0] |= kind == OS_MISSING ? 1u : 2u;
        CHECK_EQ(os_kind(sim_os(fork), "/newer", &kind, &err), KDK_OK);
        seen->at[seen->count].names[1] |= kind == OS_MISSING ? 1u : 2u;
        sim_free(fork);
    }
    seen->at[seen->count++].call = sim_calls_mutating(sim);
}

TEST(sim, a_watcher_sees_at_each_call_what_a_cut_there_may_leave)
{
    struct sim *sim = sim_with(3, 0);
    struct err err = {0};
    struct seen seen = {0};
    struct os_file *file = prepared(sim);
    const uint64_t before = sim_calls_mutating(sim);
    sim_watch(sim, look_at_futures, &seen);
    fill(file, 0, 1, 2);
    fill(file, 1, 1, 3);
    sync_file(file);
    fill(file, 2, 1, 2);
    CHECK_EQ(os_mkdir(sim_os(sim), "/new", &err), KDK_OK);
    CHECK_EQ(os_rename(sim_os(sim), "/new", "/newer", &err), KDK_OK);
    sync_dir(sim_os(sim), "/");
    CHECK_EQ(os_remove_dir(sim_os(sim), "/newer", &err), KDK_OK);
    CHECK_EQ(os_truncate(file, SECTOR, &err), KDK_OK);
    sim_fail_at(sim, sim_calls_all(sim) + 1, false, KDK_IO);
    /* Nothing happens in it that anybody could watch. */
    CHECK_EQ(os_sync(file, &err), KDK_IO);
    sim_watch(sim, NULL, NULL);
    sync_file(file);
    enum { OLD = 1u << 1, TWO = 1u << 2, THREE = 1u << 3, GONE = 1u << 0, THERE = 2u };
    static const struct {
        unsigned sectors[3], names[2];
    } want[] = {
        {{OLD | TWO, OLD, OLD}, {GONE, GONE}}, /* the first write */
        /* the second, the first still open */
        {{OLD | TWO, OLD | THREE, OLD}, {GONE, GONE}},
        /* a sync that may never end */
        {{OLD | TWO, OLD | THREE, OLD}, {GONE, GONE}},
        /* what it synced stays */
        {{TWO, THREE, OLD | TWO}, {GONE, GONE}},
        {{TWO, THREE, OLD | TWO}, {GONE | THERE, GONE}}, /* mkdir */
        /* rename: with the mkdir, one change */
        {{TWO, THREE, OLD | TWO}, {GONE, GONE | THERE}},
        /* the directory's sync */
        {{TWO, THREE, OLD | TWO}, {GONE, GONE | THERE}},
        /* removal of what is surely there */
        {{TWO, THREE, OLD | TWO}, {GONE, GONE | THERE}},
        /* truncation: over what was not synced */
        {{TWO, THREE | GONE, OLD | GONE}, {GONE, GONE | THERE}},
    };
    CHECK_EQ(seen.count, COUNT_OF(want));
    for (int i = 0; i < seen.count && i < (int)COUNT_OF(want); i++) {
        CHECK_EQ(seen.at[i].call, before + 1 + (uint64_t)i);
        for (int s = 0; s < 3; s++)
            CHECK_EQ(seen.at[i].sectors[s], want[i].sectors[s]);
        for (int n = 0; n < 2; n++)
            CHECK_EQ(seen.at[i].names[n], want[i].names[n]);
    }
    os_close(file);
    sim_free(sim);
}

TEST(sim, random_files_survive_as_the_model_allows)
{
    for (uint64_t seed = 0; seed < 2 * SEEDS; seed++) {
        struct sim *sim = sim_with(seed, 0);
        struct err err = {0};
        struct sector_model model = {0};
        uint64_t random = hash_u64(seed + 1000);
        uint8_t byte = 0;
        struct os_file *file = open_or_die(sim_os(sim), "/f", OS_WRITE | OS_CREATE);
        sync_dir(sim_os(sim), "/");
        sync_file(file);
        model_synced(&model);
        for (int step = 0; step < 60; step++) {
            random = hash_u64(random + 1);
            unsigned at = (unsigned)(random % MODEL_SECTORS);
            unsigned n = 1 + (unsigned)((random >> 16) % MIN(12u, MODEL_SECTORS - at));
            switch (random >> 40 & 15) {
            case 0:
            case 1:
                sync_file(file);
                model_synced(&model);
                break;
            case 2:
                CHECK_EQ(os_truncate(file, (uint64_t)at * SECTOR, &err), KDK_OK);
                model_set(&model, at, MODEL_SECTORS, 0);
                model.size_may_be[model.size = at] = true;
                break;
            case 3: /* Goes on with what survived. */
                if (step > 50)
                    break;
                os_close(file);
                sim_reboot(sim);
                file = open_or_die(sim_os(sim), "/f", OS_WRITE);
                int s[64];
                int count = look(sim_os(sim), "/f", s);
                if (CHECK(count >= 0 && count <= MODEL_SECTORS &&
                          model.size_may_be[count])) {
                    for (int i = 0; i < count; i++)
                        CHECK(s[i] >= 0 && model.may_be[i][s[i]]);
                    for (unsigned i = 0; i < MODEL_SECTORS; i++)
                        model.now[i] = i < (unsigned)count ? (uint8_t)s[i] : 0;
                    model.size = (unsigned)count;
                }
                model_synced(&model);
                break;
            default:
                fill(file, at, n, ++byte);
                model_set(&model, at, at + n, byte);
                if (at + n > model.size)
                    model.size_may_be[model.size = at + n] = true;
                break;
            }
        }
        int s[64];
        CHECK_EQ(look(sim_os(sim), "/f", s), model.size);
        for (unsigned i = 0; i < model.size; i++)
            CHECK_EQ(s[i], model.now[i]);
        os_close(file);
        sim_free(sim);
    }
}

/* Files whose content, synced before their name, tells which they are. */
TEST(sim, random_names_survive_as_the_model_allows)
{
    static const char *const paths[MODEL_NAMES] = {"/a",   "/b",   "/c",
                                                   "/d/a", "/d/b", "/d/c"};
    for (uint64_t seed = 0; seed < 2 * SEEDS; seed++) {
        struct sim *sim = sim_with(seed, 0);
        struct os *os = sim_os(sim);
        struct err err = {0};
        bool may_be[MODEL_NAMES][256] = {{false}};
        uint8_t now[MODEL_NAMES] = {0}, byte = 0; /* 0: no such file. */
        uint64_t random = hash_u64(seed + 2000);
        CHECK_EQ(os_mkdir(os, "/d", &err), KDK_OK);
        sync_dir(os, "/");
        for (unsigned i = 0; i < MODEL_NAMES; i++)
            may_be[i][0] = true;
        for (int step = 0; step < 40; step++) {
            random = hash_u64(random + 1);
            unsigned a = (unsigned)(random % MODEL_NAMES),
                     b = (unsigned)((random >> 16) % MODEL_NAMES);
            switch (random >> 40 & 7) {
            case 0: {
                bool in_d = a >= 3;
                sync_dir(os, in_d ? "/d" : "/");
                for (unsigned i = in_d ? 3 : 0; i < (in_d ? 6u : 3u); i++) {
                    memset(may_be[i], 0, sizeof may_be[i]);
                    may_be[i][now[i]] = true;
                }
                break;
            }
            case 1:
            case 2:
                CHECK_EQ(os_rename(os, paths[a], paths[b], &err),
                         now[a] ? KDK_OK : KDK_UNDEFINED_FILE);
                if (now[a] && a != b) {
                    may_be[b][now[b] = now[a]] = true;
                    may_be[a][now[a] = 0] = true;
                }
                break;
            case 3:
                CHECK_EQ(os_remove(os, paths[a], &err), KDK_OK);
                may_be[a][now[a] = 0] = true;
                break;
            default: {
                struct os_file *file = open_or_die(os, paths[a], OS_WRITE | OS_CREATE);
                if (now[a] == 0) {
                    fill(file, 0, 1, ++byte);
                    sync_file(file);
                    may_be[a][now[a] = byte] = true;
                }
                os_close(file);
                break;
            }
            }
        }
        sim_reboot(sim);
        uint8_t seen[256] = {0};
        for (unsigned i = 0; i < MODEL_NAMES; i++) {
            int s[64], n = look(os, paths[i], s);
            uint8_t found = n < 1 ? 0 : (uint8_t)s[0];
            /* A file that is named before its data is there has no sector. */
            CHECK(n == 0 || may_be[i][found]);
            CHECK(found == 0 || seen[found]++ == 0);
        }
        CHECK_EQ(os_remove(os, "/a", &err), KDK_OK);
        sync_dir(os, "/");
        sim_free(sim);
    }
}

/* ---- Coroutines ---- */
enum { WORKERS = 3 };

struct work {
    struct sim *sim;
    struct latch latch;
    struct rwlatch rwlatch;
    struct cond done;
    int finished, in_latch, readers, writers;
    uint64_t order;
    struct os_file *file;
};

static void worker(void *context)
{
    struct work *work = context;
    struct os *os = os_here();
    struct err err = {0};
    CHECK(os == sim_os(work->sim));
    CHECK(*os_local(OS_LOCAL_TEST) == NULL);
    uint32_t self = os_self();
    *os_local(OS_LOCAL_TEST) = &self;
    for (unsigned i = 0; i < 40; i++) {
        latch_acquire(&work->latch);
        CHECK_EQ(work->in_latch, 0);
        work->in_latch = 1;
        work->order = hash_combine(work->order, self);
        CHECK_EQ(os_write(work->file, (self * 40 + i) * 64, &i, sizeof i, &err), KDK_OK);
        work->in_latch = 0;
        latch_release(&work->latch);
        if (i % 4) {
            rwlatch_read(&work->rwlatch);
            work->readers++;
            CHECK_EQ(work->writers, 0);
            os_yield();
            work->readers--;
            rwlatch_read_done(&work->rwlatch);
        } else {
            rwlatch_write(&work->rwlatch);
            work->writers++;
            CHECK(work->writers == 1 && work->readers == 0);
            os_sleep_ns(1000);
            work->writers--;
            rwlatch_write_done(&work->rwlatch);
        }
        CHECK_EQ(os_self(), self);
        CHECK(*os_local(OS_LOCAL_TEST) == &self);
    }
    CHECK_EQ(os_sync(work->file, &err), KDK_OK);
    latch_acquire(&work->latch);
    work->finished++;
    cond_broadcast(&work->done);
    latch_release(&work->latch);
}

static void start_workers(void *context)
{
    struct work *work = context;
    struct err err = {0};
    struct os_thread *threads[WORKERS];
    work->file = open_or_die(os_here(), "/w", OS_WRITE | OS_CREATE);
    CHECK_EQ(os_sync_dir(os_here(), "/", &err), KDK_OK);
    for (int i = 0; i < WORKERS; i++)
        CHECK_EQ(os_thread_new(os_here(), "worker", worker, work, &threads[i], &err),
                 KDK_OK);
    latch_acquire(&work->latch);
    while (work->finished < WORKERS)
        cond_wait(&work->done, &work->latch);
    latch_release(&work->latch);
    for (int i = 0; i < WORKERS; i++)
        os_thread_join(threads[i]);
    os_close(work->file);
}

static struct work work_of(struct sim *sim)
{
    struct work work = {.sim = sim};
    latch_init(&work.latch, OS_RANK_DATABASE);
    rwlatch_init(&work.rwlatch, OS_RANK_LEAF);
    return work;
}

TEST(sim, invariant_33_the_same_seed_has_the_same_history)
{
    uint64_t traces[50], orders[50];
    size_t different = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        for (int again = 0; again < 2; again++) {
            struct sim *sim = sim_with(seed, 0);
            struct work work = work_of(sim);
            void *shift =
                mem_alloc(100 + (size_t)again * 5000); /* Addresses must not matter. */
            CHECK(sim_run(sim, start_workers, &work));
            mem_free(shift);
            CHECK_EQ(sim_last_error(sim, NULL), KDK_OK);
            if (again) {
                CHECK_EQ(sim_trace_hash(sim), traces[seed]);
                CHECK_EQ(work.order, orders[seed]);
            }
            traces[seed] = sim_trace_hash(sim);
            orders[seed] = work.order;
            sim_free(sim);
        }
        for (uint64_t other = 0; other < seed; other++)
            different += orders[other] != orders[seed];
    }
    CHECK(different > 1000);
    CHECK(os_here() == os_real());
}

static void allocate_and_start(void *context)
{
    char *kept = mem_alloc(1000);
    CHECK(kept != NULL);
    start_workers(context);
    mem_free(kept);
}

TEST(sim, a_cut_ends_everything_at_every_call)
{
    struct mem_stats before, after;
    mem_stats(&before);
    struct sim *whole = sim_with(9, 0);
    struct work work = work_of(whole);
    CHECK(sim_run(whole, start_workers, &work));
    uint64_t calls = sim_calls_mutating(whole);
    sim_free(whole);
    CHECK(calls > WORKERS * 40);
    for (uint64_t n = 1; n <= calls + 1; n++) {
        struct sim *sim = sim_with(9, 0);
        struct err err = {0};
        work = work_of(sim);
        sim_cut_at(sim, n);
        sim_memory_begin();
        bool ended = sim_run(sim, allocate_and_start, &work);
        sim_memory_reap();
        CHECK_EQ(ended, n > calls);
        CHECK_EQ(sim_last_error(sim, &err), KDK_OK);
        CHECK(os_here() == os_real());
        if (!ended) {
            CHECK_EQ(sim_calls_mutating(sim), n);
            struct os_file *file = NULL;
            CHECK_EQ(os_open(sim_os(sim), "/w", OS_READ, &file, &err), KDK_IO);
            CHECK(!sim_run(sim, start_workers, &work));
            sim_reboot(sim);
            work = work_of(sim);
            CHECK(sim_run(sim, start_workers, &work)); /* And it goes on. */
        }
        sim_free(sim);
    }
    mem_stats(&after);
    CHECK_EQ(after.blocks, before.blocks);
}

TEST(sim, cuts_and_failures_outside_a_run_are_statuses)
{
    struct sim *sim = sim_with(5, 0);
    struct err err = {0};
    struct os_file *file = prepared(sim);
    sim_cut_at(sim, sim_calls_mutating(sim) + 1);
    CHECK_EQ(os_write(file, 0, "x", 1, &err), KDK_IO);
    CHECK_EQ(os_sync(file, &err), KDK_IO);
    sim_reboot(sim);
    CHECK_EQ(os_sync(file, &err), KDK_IO); /* Opened before. */
    CHECK(strstr(err.message, "/f") != NULL);
    os_close(file);
    file = open_or_die(sim_os(sim), "/f", OS_WRITE);
    sim_set_disk_bytes(sim, 64 * SECTOR); /* Cut and full at once: the cut counts. */
    sim_cut_at(sim, sim_calls_mutating(sim) + 1);
    CHECK_EQ(os_write(file, 64 * SECTOR, "x", 1, &err), KDK_IO);
    CHECK_EQ(os_sync(file, &err), KDK_IO);
    os_close(file);
    sim_reboot(sim);
    int s[64];
    CHECK_EQ(look(sim_os(sim), "/f", s), 64);
    sim_free(sim);
}

static void lock_backwards(void *context)
{
    struct work *work = context;
    rwlatch_write(&work->rwlatch);
    os_sleep_ns(1000000);
    latch_acquire(&work->latch);
    latch_release(&work->latch);
    rwlatch_write_done(&work->rwlatch);
}

static void lock_forwards(void *context)
{
    struct work *work = context;
    struct err err = {0};
    struct os_thread *other;
    CHECK_EQ(os_thread_new(os_here(), "backwards", lock_backwards, work, &other, &err),
             KDK_OK);
    latch_acquire(&work->latch);
    os_sleep_ns(1000000);
    rwlatch_write(&work->rwlatch);
    rwlatch_write_done(&work->rwlatch);
    latch_release(&work->latch);
    os_thread_join(other);
}

static void spin_for_ever(void *context)
{
    struct work *work = context;
    while (work->finished == 0)
        os_spin();
}

static void poll_for_ever(void *context)
{
    struct work *work = context;
    latch_acquire(&work->latch);
    while (work->finished == 0)
        cond_wait_ns(&work->done, &work->latch, 10000000);
    latch_release(&work->latch);
}

/* The waiter has let the latch go and not begun to wait when the wake comes: over the seeds
 * that happens, and is no deadlock. */
static void set_and_wake(void *context)
{
    struct work *work = context;
    latch_acquire(&work->latch);
    work->finished = 1;
    cond_broadcast(&work->done);
    latch_release(&work->latch);
}

static void wait_until_set(void *context)
{
    struct work *work = context;
    struct err err = {0};
    struct os_thread *other;
    CHECK_EQ(os_thread_new(os_here(), "wakes", set_and_wake, work, &other, &err), KDK_OK);
    latch_acquire(&work->latch);
    while (!work->finished)
        cond_wait(&work->done, &work->latch);
    latch_release(&work->latch);
    os_thread_join(other);
}

TEST(sim, no_wake_is_lost)
{
    for (uint64_t seed = 0; seed < 5 * SEEDS; seed++) {
        struct sim *sim = sim_with(seed, 0);
        struct work work = work_of(sim);
        CHECK(sim_run(sim, wait_until_set, &work));
        sim_free(sim);
    }
}

TEST(sim, deadlocks_are_reported)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct sim *sim = sim_with(seed, 0);
        struct err err = {0};
        struct work work = work_of(sim);
        latch_init(&work.latch, OS_RANK_NONE);
        rwlatch_init(&work.rwlatch, OS_RANK_NONE);
        CHECK(!sim_run(sim, lock_forwards, &work));
        CHECK_EQ(sim_last_error(sim, &err), KDK_DEADLOCK);
        CHECK(strstr(err.detail, "\"main\" waits for") != NULL);
        CHECK(strstr(err.detail, "\"backwards\" waits for") != NULL);
        sim_reboot(sim);
        work = work_of(sim);
        CHECK(sim_run(sim, start_workers, &work));
        CHECK_EQ(sim_last_error(sim, &err), KDK_OK);
        sim_free(sim);
    }
    struct sim *sim = sim_with(1, 0);
    struct work work = work_of(sim);
    CHECK(!sim_run(sim, spin_for_ever, &work));
    CHECK_EQ(sim_last_error(sim, NULL), KDK_DEADLOCK);
    sim_reboot(sim);
    work = work_of(sim);
    CHECK(!sim_run(sim, poll_for_ever, &work));
    CHECK_EQ(sim_last_error(sim, NULL), KDK_DEADLOCK);
    sim_free(sim);
}

static void tell_time(void *context)
{
    struct os *os = os_here();
    uint64_t *out = context, random;
    uint64_t start = os_now_ns(os);
    os_sleep_ns(3600ull * 1000000000); /* An hour takes no time. */
    CHECK(os_now_ns(os) - start >= 3600ull * 1000000000);
    CHECK(os_now_ns(os) - start < 3601ull * 1000000000);
    _Atomic uint32_t word = 1;
    start = os_now_ns(os);
    while (os_wait(&word, 1, 5000000)) {
    }
    CHECK(os_now_ns(os) - start >= 5000000);
    CHECK(os_wait(&word, 2, OS_FOREVER));
    uint64_t until = os_now_ns(os) + 1000000;
    while (os_now_ns(os) < until) {
    }
    os_random(os, &random, sizeof random);
    out[0] = os_now_ns(os);
    out[1] = random;
    out[2] = (uint64_t)os_wall_us(os);
    CHECK_EQ(os_cpu_count(os), 2);
    CHECK(os_memory_bytes(os) > 0);
    CHECK(os_pid(os) > 0);
}

TEST(sim, clocks_and_numbers_come_from_the_seed)
{
    uint64_t first[3], second[3];
    for (int i = 0; i < 2; i++) {
        struct sim *sim = sim_with(6, 0);
        CHECK(sim_run(sim, tell_time, i ? second : first));
        sim_free(sim);
    }
    CHECK_MEM(first, second, sizeof first);
}

static void touch(void *context)
{
    *(int *)context += 1;
}

static void many_threads(void *context)
{
    struct os_thread *threads[OS_THREADS_MAX];
    struct err err = {0};
    int count = 0;
    while (count < OS_THREADS_MAX - 1)
        if (!CHECK_EQ(
                os_thread_new(os_here(), "t", touch, context, &threads[count++], &err),
                KDK_OK))
            return;
    while (count > 0)
        os_thread_join(threads[--count]);
}

TEST(sim, threads_are_joined_and_their_stacks_reused)
{
    int touched = 0;
    struct sim *sim = sim_with(8, 0);
    for (int i = 0; i < 3; i++)
        CHECK(sim_run(sim, many_threads, &touched));
    CHECK_EQ(touched, 3 * (OS_THREADS_MAX - 1));
    sim_free(sim);
}
