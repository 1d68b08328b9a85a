/* db.c - databases, connections, settings, errors. */
#include "api/api_int.h"

#include <stdatomic.h>
#include <stdio.h>

const struct setting settings[SETTING_COUNT_OF] = {
#define SETTING_ROW(ID, NAME, DEFAULT, KIND, SCOPE, MOST, ABOUT)                           \
    {NAME, DEFAULT, SETTING_##KIND, SCOPE_##SCOPE, MOST, ABOUT},
    SETTINGS(SETTING_ROW)
#undef SETTING_ROW
};

KDK_API const char *kdk_version(void)
{
    return KDK_VERSION;
}

/* ------------------------------------------------------------------ settings ---- */

static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        char x = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a,
             y = *b >= 'A' && *b <= 'Z' ? (char)(*b + 32) : *b;
        if (x != y)
            return false;
    }
    return *a == *b;
}

kdk_status setting_find(const char *name, enum setting_id *id, struct err *err)
{
    for (uint32_t i = 0; i < SETTING_COUNT_OF; i++)
        if (same_name(settings[i].name, name)) {
            *id = (enum setting_id)i;
            return KDK_OK;
        }
    return err_set(err, KDK_UNDEFINED_OBJECT, "unrecognized configuration parameter \"%s\"",
                   name);
}

/* "64"; with `units` also "64kB", "2 GB". False when it is no such number. */
static bool read_number(const char *text, bool with_units, uint64_t *out)
{
    static const struct {
        const char *unit;
        uint32_t shift;
    } units[] = {{"", 0},    {"b", 0},    {"kb", 10},  {"mb", 20}, {"gb", 30},
                 {"tb", 40}, {"kib", 10}, {"mib", 20}, {"gib", 30}};
    uint64_t n = 0;
    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++)
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
            return false;
    while (*text == ' ')
        text++;
    for (size_t i = 0; i < (with_units ? COUNT_OF(units) : 1); i++)
        if (same_name(text, units[i].unit)) {
            if (units[i].shift && n >> (64 - units[i].shift))
                return false;
            *out = n << units[i].shift;
            return true;
        }
    return false;
}

static bool read_bool(const char *text, bool *out)
{
    static const char *const yes[] = {"on", "true", "yes", "1"}, *const no[] = {"off",
                                                                                "false",
                                                                                "no", "0"};
    for (size_t i = 0; i < COUNT_OF(yes); i++)
        if (same_name(text, yes[i]) || same_name(text, no[i])) {
            *out = same_name(text, yes[i]);
            return true;
        }
    return false;
}

/* The value as it is kept: *kept is `value`, or its one spelling; *number is that of COUNT
 * and BYTES. */
static kdk_status setting_read(enum setting_id id, const char *value, const char **kept,
                               uint64_t *number, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct setting *setting = &settings[id];
    bool b = false, ok = true;
    *kept = value;
    *number = 0;
    switch (setting->kind) {
    case SETTING_TEXT:
        break;
    case SETTING_BYTES:
    case SETTING_COUNT:
        ok = read_number(value, setting->kind == SETTING_BYTES, number) &&
             *number <= setting->most;
        break;
    case SETTING_BOOL:
        ok = read_bool(value, &b);
        *kept = b ? "on" : "off";
        break;
    case SETTING_FIXED:
        if (!same_name(value, setting->initial) &&
            !(id == SET_CLIENT_ENCODING && same_name(value, "utf-8")) &&
            !(id == SET_DATESTYLE && (same_name(value, "iso") || same_name(value, "mdy"))))
            TRY(err_set(err, KDK_UNSUPPORTED,
                        "parameter \"%s\" cannot be changed to \"%s\"", setting->name,
                        value));
        *kept = setting->initial;
        break;
    }
    if (!ok) {
        status =
            err_set(err, KDK_BAD_PARAMETER, "invalid value for parameter \"%s\": \"%s\"",
                    setting->name, value);
        if (setting->most)
            err_detail(err, "It is a whole number from 0 to %llu%s.",
                       (unsigned long long)setting->most,
                       setting->kind == SETTING_BYTES ? " of bytes, kB, MB, GB or TB" : "");
    }
out:
    return status;
}

const char *conn_setting(struct kdk_conn *conn, enum setting_id id)
{
    return conn->settings[id]       ? conn->settings[id]
           : conn->db->settings[id] ? conn->db->settings[id]
                                    : settings[id].initial;
}

const char *conn_show(struct kdk_conn *conn, enum setting_id id,
                      char room[SETTING_NUMBER_ROOM])
{
    uint64_t n = 0;
    if (!settings[id].most)
        return conn_setting(conn, id);
    if (id == SET_THREADS)
        n = conn_threads(conn);
    else if (id == SET_MEMORY_LIMIT)
        n = atomic_load_explicit(&conn->db->broker.limit, memory_order_relaxed);
    else if (id == SET_BULK_LOAD_ROWS)
        n = store_limit(conn->db->store, STORE_BULK_LOAD_ROWS);
    else if (id == SET_CHECKPOINT_LOG_BYTES)
        n = store_limit(conn->db->store, STORE_CHECKPOINT_LOG_BYTES);
    else
        ASSERT(!"a number without a place");
    snprintf(room, SETTING_NUMBER_ROOM, "%llu", (unsigned long long)n);
    return room;
}

static uint64_t db_number(const struct kdk_db *db, enum setting_id id)
{
    uint64_t n = 0;
    return db->settings[id] && read_number(db->settings[id], true, &n) ? n : 0;
}

static uint64_t memory_by_default(struct os *os)
{
    return os_memory_bytes(os) / 10 * 6;
}

static void db_set(struct kdk_db *db, enum setting_id id, uint64_t n)
{
    latch_acquire(&db->limits);
    if (id == SET_MEMORY_LIMIT) {
        broker_set_limit(&db->broker, n ? n : memory_by_default(db->os));
        store_memory_changed(db->store);
    } else {
        store_set_limit(db->store,
                        id == SET_BULK_LOAD_ROWS ? STORE_BULK_LOAD_ROWS
                                                 : STORE_CHECKPOINT_LOG_BYTES,
                        n);
    }
    latch_release(&db->limits);
}

kdk_status conn_set(struct kdk_conn *conn, const char *name, const char *value,
                    struct err *err)
{
    kdk_status status = KDK_OK;
    enum setting_id id;
    const char *kept;
    uint64_t number;
    char *copy = NULL;

    TRY(setting_find(name, &id, err));
    if (value) {
        TRY(setting_read(id, value, &kept, &number, err));
        if (id == SET_THREADS && number > conn->db->threads) {
            status = err_set(err, KDK_BAD_PARAMETER,
                             "invalid value for parameter \"%s\": \"%s\"", name, value);
            err_detail(err, "The database was opened with %u.", conn->db->threads);
            err_hint(err, "Open it with more: -s threads=%s, or kdk_options.", value);
            goto out;
        }
    } else {
        number = id == SET_MEMORY_LIMIT ? conn->db->memory_opened : db_number(conn->db, id);
    }
    if (settings[id].scope == SCOPE_DATABASE) {
        db_set(conn->db, id, number);
        goto out;
    }
    if (value)
        TRY_MEM(copy = mem_strdup(kept));
    mem_free(conn->settings[id]);
    conn->settings[id] = copy;
    conn->settings_changed++;
out:
    return status;
}

void conn_reset_all(struct kdk_conn *conn)
{
    for (uint32_t i = 0; i < SETTING_COUNT_OF; i++) {
        mem_free(conn->settings[i]);
        conn->settings[i] = NULL;
    }
    conn->settings_changed++;
}

uint32_t conn_threads(struct kdk_conn *conn)
{
    uint64_t n = 0;
    bool ok = read_number(conn_setting(conn, SET_THREADS), false, &n);
    return ok && n ? (uint32_t)MIN(n, (uint64_t)conn->db->threads) : conn->db->threads;
}

void conn_notice(struct kdk_conn *conn, const char *severity, const char *text)
{
    char line[ERR_MESSAGE_BYTES + 32];
    if (!conn->notice)
        return;
    snprintf(line, sizeof line, "%s:  %s", severity, text);
    conn->notice(conn->notice_context, line);
}

/* ------------------------------------------------------------------- opening ---- */

static void db_free(struct kdk_db *db)
{
    if (!db)
        return;
    catalog_close(db->catalog);
    sched_free(db->sched);
    broker_deinit(&db->broker);
    for (uint32_t i = 0; i < SETTING_COUNT_OF; i++)
        mem_free(db->settings[i]);
    buf_deinit(&db->notice);
    mem_free(db);
}

static kdk_status db_settings(struct kdk_db *db, const char *const *list, struct err *err)
{
    kdk_status status = KDK_OK;
    for (; list && *list; list++) {
        const char *equals = strchr(*list, '='), *kept;
        uint64_t number;
        char name[64];
        enum setting_id id;
        if (!equals || (size_t)(equals - *list) >= sizeof name)
            TRY(err_set(err, KDK_BAD_PARAMETER,
                        "settings are given as name=value, not \"%s\"", *list));
        memcpy(name, *list, (size_t)(equals - *list));
        name[equals - *list] = '\0';
        TRY(setting_find(name, &id, err));
        TRY(setting_read(id, equals + 1, &kept, &number, err));
        mem_free(db->settings[id]);
        TRY_MEM(db->settings[id] = mem_strdup(kept));
    }
out:
    return status;
}

static void db_close_store(struct kdk_db *db)
{
    struct err ignored = {0}; /* The first error is the one to report. */
    catalog_close(db->catalog);
    db->catalog = NULL;
    (void)!(store_close(db->store, false, &ignored) == KDK_OK);
    db->store = NULL;
}

/* One attempt. *damage: what the log's end was cut for, if report->damaged. */
static kdk_status db_open_once(struct kdk_db *db, const struct store_options *options,
                               struct store_report *report, struct err *damage,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct err found = {0};
    status = store_open(options, &db->store, report, &found);
    if (status != KDK_OK) {
        if (err)
            *err = found;
        return status;
    }
    if (report->damaged)
        *damage = found;
    status = catalog_open(db->store, &db->catalog, err);
    if (status != KDK_OK) {
        report->replay_failed = store_replay_failed(db->store);
        db_close_store(db);
    }
    return status;
}

/* What is damaged is opened for reading, if that can be: first without the commits that the
 * log cannot give any more, then without what writers alone need. The notice tells of the
 * first damage; the error, if nothing helps, too. */
static kdk_status db_open_damaged_or_not(struct kdk_db *db, struct store_options *options,
                                         struct store_report *report, struct err *err)
{
    kdk_status status;
    struct err damage = {0}, again = {0};
    bool cut = false;

    status = db_open_once(db, options, report, &damage, err);
    while (status == KDK_CORRUPT) {
        if (report->replay_failed &&
            (!options->replay_before || report->replay_failed < options->replay_before)) {
            options->replay_before = report->replay_failed;
            cut = true;
        } else if (!options->read_only) {
            options->read_only = true;
        } else {
            return status;
        }
        if (!damage.status && err)
            damage = *err;
        err_clear(&again);
        status = db_open_once(db, options, report, &damage, &again);
        if (status != KDK_OK && status != KDK_CORRUPT && err)
            *err = again;
    }
    if (status == KDK_OK && damage.status) {
        status =
            buf_printf(&db->notice, "the database is damaged and open read-only%s: %s%s%s",
                       cut || report->damaged ? " at its last good commit" : "",
                       damage.message, damage.detail[0] ? ": " : "", damage.detail);
        err_clear(err);
    }
    return status;
}

/* The last part of the path, as long as there is room. */
static void name_database(struct kdk_db *db, const char *path)
{
    size_t end = strlen(path), start;
    if (strcmp(path, ":memory:") == 0) {
        path = "memory";
        end = strlen(path);
    }
    while (end > 1 && path[end - 1] == '/')
        end--;
    start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    end = MIN(end - start, sizeof db->name - 1);
    memcpy(db->name, path + start, end);
    db->name[end] = '\0';
}

static kdk_status db_open(const char *path, const kdk_options *options, kdk_db **out,
                          struct err *err)
{
    kdk_status status = KDK_OK;
    struct kdk_db *db = NULL;
    struct store_report report = {0};
    kdk_options given = {0};
    struct store_options store = {0};

    if (options)
        memcpy(&given, options, MIN(options->size, sizeof given));
    TRY_MEM(db = MEM_NEW(struct kdk_db));
    db->os = os_here();
    latch_init(&db->limits, OS_RANK_DATABASE);
    broker_init(&db->broker, UINT64_MAX);
    TRY(db_settings(db, given.settings, err));
    db->threads = given.threads ? given.threads : (uint32_t)db_number(db, SET_THREADS);
    if (!db->threads)
        db->threads = os_cpu_count(db->os);
    db->threads = MIN(db->threads, (uint32_t)THREADS_MAX);
    db->memory_opened =
        given.memory_limit ? given.memory_limit : db_number(db, SET_MEMORY_LIMIT);
    if (!db->memory_opened)
        db->memory_opened = memory_by_default(db->os);
    name_database(db, path);
    TRY(sched_new(db->os, db->threads - 1, &db->sched, err));
    broker_set_limit(&db->broker, db->memory_opened);
    store.os = db->os;
    store.dir = strcmp(path, ":memory:") == 0 ? NULL : path;
    store.sched = db->sched;
    store.broker = &db->broker;
    store.create = !given.must_exist && !given.read_only;
    store.read_only = given.read_only;
    store.upkeep = true;
    store.checkpoint_log_bytes = db_number(db, SET_CHECKPOINT_LOG_BYTES);
    store.bulk_load_rows = db_number(db, SET_BULK_LOAD_ROWS);
    TRY(db_open_damaged_or_not(db, &store, &report, err));
    if (report.log_bytes_cut)
        TRY(buf_printf(&db->notice,
                       "%s%llu bytes of a torn write were cut from the end of the log, at "
                       "position %llu",
                       db->notice.len ? "; " : "", (unsigned long long)report.log_bytes_cut,
                       (unsigned long long)report.log_cut_lsn));
    if (report.slot_lost)
        TRY(buf_printf(&db->notice,
                       "%sone slot of the MANIFEST could not be read (a torn write, or "
                       "damage); the database was opened from the other one",
                       db->notice.len ? "; " : ""));
    *out = db;
    db = NULL;
out:
    if (db && db->store)
        db_close_store(db);
    db_free(db);
    return status;
}

static void tell(kdk_error *error, kdk_status status, const struct err *err)
{
    if (!error)
        return;
    memset(error, 0, sizeof *error);
    error->status = status;
    snprintf(error->sqlstate, sizeof error->sqlstate, "%s", status_sqlstate(status));
    if (status != KDK_OK)
        snprintf(error->message, sizeof error->message, "%s%s%s",
                 err->message[0] ? err->message : status_text(status),
                 err->detail[0] ? ": " : "", err->detail);
}

KDK_API kdk_status kdk_open(const char *path, const kdk_options *options, kdk_db **db,
                            kdk_error *error)
{
    struct err err = {0};
    kdk_status status =
        path && db ? db_open(path, options, db, &err)
                   : err_set(&err, KDK_MISUSE,
                             "the path and the place for the handle must be given");
    tell(error, status, &err);
    return status;
}

KDK_API const char *kdk_open_notice(const kdk_db *db)
{
    if (!db)
        return NULL;
    return db->notice.len ? db->notice.data : NULL;
}

KDK_API kdk_status kdk_close(kdk_db *db)
{
    return kdk_close_error(db, NULL);
}

KDK_API kdk_status kdk_close_error(kdk_db *db, kdk_error *error)
{
    kdk_status status = KDK_OK;
    struct err err = {0};
    uint32_t open = db ? atomic_load_explicit(&db->connections, memory_order_acquire) : 0;
    if (open) {
        status = err_set(&err, KDK_BUSY, "%u connection%s of the database %s still open",
                         open, open == 1 ? "" : "s", open == 1 ? "is" : "are");
    } else if (db) {
        catalog_close(db->catalog);
        db->catalog = NULL;
        status = store_close(db->store, true, &err);
        db_free(db);
    }
    tell(error, status, &err);
    return status;
}

KDK_API kdk_status kdk_check(kdk_db *db, int64_t *problems,
                             void (*report)(void *context, const char *line), void *context)
{
    if (!db || !problems)
        return KDK_MISUSE;
    struct err err = {0};
    uint64_t found = 0;
    kdk_status status = store_check(db->store, report, context, &found, &err);
    *problems = (int64_t)found;
    return status;
}

struct files_walk {
    bool (*each)(void *context, const kdk_file *file);
    void *context;
    const struct catver *version;
    bool stopped;
};

static kdk_status one_file(void *context, const struct store_file *file, struct err *err)
{
    struct files_walk *walk = context;
    char name[2 * IDENTIFIER_BYTES_MAX + 32] = "";
    const struct ctable *table =
        file->is_log ? NULL : catver_table_by_id(walk->version, file->table);
    (void)err;
    if (walk->stopped)
        return KDK_OK;
    if (table)
        snprintf(name, sizeof name, "%s.%s", table->schema, table->name);
    else if (!file->is_log)
        snprintf(name, sizeof name, "(dropped table %u)", file->table);
    walk->stopped =
        !walk->each(walk->context, &(kdk_file){.path = file->path,
                                               .table = file->is_log ? NULL : name,
                                               .bytes = file->bytes,
                                               .rows = file->rows,
                                               .strips = file->strips,
                                               .hidden = file->hidden,
                                               .is_log = file->is_log,
                                               .live = file->live});
    return KDK_OK;
}

KDK_API kdk_status kdk_files(kdk_db *db, bool (*each)(void *context, const kdk_file *file),
                             void *context)
{
    if (!db || !each)
        return KDK_MISUSE;
    kdk_status status = KDK_OK;
    struct err room = {0}, *err = &room;
    struct catalog_session session = {0};
    struct files_walk walk = {.each = each, .context = context};
    struct txn *txn = NULL;

    TRY(txn_begin(store_txnman(db->store), TXN_SNAPSHOT, true, &txn, err));
    txn_statement_begin(txn);
    walk.version = catalog_begin(db->catalog, &session, txn);
    TRY(store_files(db->store, one_file, &walk, err));
out:
    txn_rollback(txn);
    catalog_end(&session);
    return status;
}

/* --------------------------------------------------------------- connections ---- */

KDK_API kdk_status kdk_connect(kdk_db *db, kdk_conn **out)
{
    struct kdk_conn *conn;
    if (out)
        *out = NULL;
    if (!db || !out)
        return KDK_MISUSE;
    if (!(conn = MEM_NEW(struct kdk_conn)))
        return KDK_NOMEM;
    conn->db = db;
    atomic_fetch_add_explicit(&db->connections, 1, memory_order_acq_rel);
    *out = conn;
    return KDK_OK;
}

void conn_drop_prepared(struct kdk_conn *conn, const char *name)
{
    const struct strmap_entry *entry;
    size_t at = 0;
    if (name) {
        struct prepared *one = strmap_remove(&conn->prepared, name, strlen(name));
        if (one) {
            mem_free(one->sql);
            mem_free(one->types);
            mem_free(one);
        }
        return;
    }
    while ((entry = strmap_next(&conn->prepared, &at))) {
        struct prepared *one = entry->value;
        mem_free(one->sql);
        mem_free(one->types);
        mem_free(one);
    }
    strmap_deinit(&conn->prepared);
    memset(&conn->prepared, 0, sizeof conn->prepared);
}

KDK_API void kdk_disconnect(kdk_conn *conn)
{
    if (!conn)
        return;
    while (conn->stmts)
        kdk_stmt_free(conn->stmts);
    conn_rollback(conn);
    conn_drop_prepared(conn, NULL);
    for (uint32_t i = 0; i < SETTING_COUNT_OF; i++)
        mem_free(conn->settings[i]);
    atomic_fetch_sub_explicit(&conn->db->connections, 1, memory_order_acq_rel);
    mem_free(conn);
}

kdk_status conn_begin(struct kdk_conn *conn, bool read_only, struct err *err)
{
    conn->now_us = os_wall_us(conn->db->os);
    return txn_begin(store_txnman(conn->db->store), TXN_SNAPSHOT, read_only, &conn->txn,
                     err);
}

kdk_status conn_commit(struct kdk_conn *conn, struct err *err)
{
    struct txn *txn = conn->txn;
    kdk_status status;
    conn->txn = NULL;
    conn->block = conn->failed = false;
    status = txn_commit(txn, err);
    catalog_end(&conn->session);
    return status;
}

void conn_rollback(struct kdk_conn *conn)
{
    struct txn *txn = conn->txn;
    conn->txn = NULL;
    conn->block = conn->failed = false;
    txn_rollback(txn);
    catalog_end(&conn->session);
}

void conn_block_failed(struct kdk_conn *conn)
{
    if (!conn->block)
        return;
    if (!conn->running && conn->txn) {
        conn->was_read_only = conn->txn->read_only;
        conn_rollback(conn);
    }
    conn->block = conn->failed = true;
}

kdk_status conn_fail(struct kdk_conn *conn, kdk_status status, const char *sql,
                     size_t bytes)
{
    conn->err_line = conn->err_column = 0;
    if (!conn->err.message[0]) /* A buffer that could not grow knows of no error context. */
        (void)!(err_set(&conn->err, status, "%s", status_text(status)) == status);
    conn->err.status = status;
    if (conn->err.position > 0 && sql) {
        conn->err_line = conn->err_column = 1;
        for (size_t i = 0; i + 1 < (size_t)conn->err.position && i < bytes; i++) {
            if (sql[i] == '\n') {
                conn->err_line++;
                conn->err_column = 1;
            } else if (((unsigned char)sql[i] & 0xc0) != 0x80) {
                conn->err_column++;
            }
        }
    }
    return status;
}

KDK_API const char *kdk_errmsg(const kdk_conn *conn)
{
    return conn ? conn->err.message : "there is no connection";
}

KDK_API const char *kdk_sqlstate(const kdk_conn *conn)
{
    if (!conn)
        return status_sqlstate(KDK_MISUSE);
    return conn->err.status == KDK_OK ? "" : status_sqlstate(conn->err.status);
}

KDK_API const char *kdk_errdetail(const kdk_conn *conn)
{
    return conn ? conn->err.detail : "";
}

KDK_API const char *kdk_errhint(const kdk_conn *conn)
{
    return conn ? conn->err.hint : "";
}

KDK_API const char *kdk_errcontext(const kdk_conn *conn)
{
    return conn ? conn->err.chain : "";
}

KDK_API void kdk_errposition(const kdk_conn *conn, uint32_t *line, uint32_t *column)
{
    if (line)
        *line = conn ? conn->err_line : 0;
    if (column)
        *column = conn ? conn->err_column : 0;
}

KDK_API void kdk_interrupt(kdk_conn *conn)
{
    if (!conn)
        return;
    atomic_store_explicit(&conn->cancel, 1, memory_order_release);
}

KDK_API bool kdk_in_transaction(const kdk_conn *conn, bool *failed)
{
    if (failed)
        *failed = false;
    if (!conn)
        return false;
    if (failed)
        *failed = conn->failed;
    return conn->block;
}

KDK_API void kdk_on_notice(kdk_conn *conn, void (*notice)(void *context, const char *text),
                           void *context)
{
    if (!conn)
        return;
    conn->notice = notice;
    conn->notice_context = context;
}

KDK_API void kdk_on_progress(kdk_conn *conn,
                             void (*progress)(void *context, uint64_t done, uint64_t total,
                                              const char *unit),
                             void *context)
{
    if (!conn)
        return;
    conn->progress = progress;
    conn->progress_context = context;
}

KDK_API void kdk_set_copy_io(kdk_conn *conn, const kdk_copy_io *io)
{
    if (!conn)
        return;
    conn->copy_io = io ? *io : (kdk_copy_io){0};
}

KDK_API size_t kdk_statement_length(const char *sql, size_t bytes)
{
    if (!sql)
        return 0;
    struct sql_extent extent;
    return sql_split(sql, bytes, 0, &extent) == SQL_SPLIT_STATEMENT ? extent.end : 0;
}
