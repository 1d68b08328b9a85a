/* run.c - the life of a statement in the shell: prepare, step, write rows, tell the tag and
 * the time, or the error.
 *
 * The text is copied first: COPY reads more of the input that it came from. Standard output
 * is flushed at the end of each statement and before each message, so that both streams may
 * be one.
 */
#include "shell/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

enum { READ_DEPTH_MAX = 16 };

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

bool shell_flush(struct shell *sh)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    int error = errno;
    clearerr(stdout);
    if (!sh->quit && error != EPIPE)
        shell_error(sh, status_sqlstate(KDK_IO), "could not write to standard output: %s",
                    strerror(error));
    sh->failed = true;
    sh->quit = true;
    return false;
}

bool shell_error(struct shell *sh, const char *sqlstate, const char *format, ...)
{
    char text[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sh->failed = true;
    progress_clear();
    fflush(stdout);
    message_print(
        stderr, &(struct message){.severity = "ERROR", .sqlstate = sqlstate, .text = text},
        NULL, 0);
    return false;
}

/* The connection's last error. `line` is where the statement starts in its input. */
static void print_error(struct shell *sh, kdk_conn *conn, const char *sql, size_t bytes,
                        uint64_t line)
{
    struct buf context = {0};
    struct message m = {.severity = "ERROR",
                        .sqlstate = kdk_sqlstate(conn),
                        .text = kdk_errmsg(conn),
                        .detail = kdk_errdetail(conn),
                        .hint = kdk_errhint(conn),
                        .context = kdk_errcontext(conn)};
    kdk_errposition(conn, &m.line, &m.column);
    if (sh->input && sh->input->name && line) {
        (void)buf_printf(&context, "%s%s%s, line %llu", m.context ? m.context : "",
                         m.context && *m.context ? "\n" : "", sh->input->name,
                         (unsigned long long)line);
        if (!context.nomem)
            m.context = context.data;
    }
    sh->failed = true;
    progress_clear();
    shell_flush(sh);
    message_print(stderr, &m, sql, bytes);
    buf_deinit(&context);
}

/* ---------------------------------------------------------------- opening, closing ---- */

static void on_notice(void *context, const char *text)
{
    (void)context;
    progress_clear();
    fflush(stdout);
    fprintf(stderr, "%s\n", text);
    fflush(stderr);
}

static int64_t copy_read(void *context, void *into, size_t bytes)
{
    struct shell *sh = context;
    struct input *in = sh->input;
    if (!in || (in->fd < 0 && !in->terminal))
        in = &sh->standard;
    in->data_only = in != sh->input;
    return input_data(in, into, bytes);
}

static bool copy_write(void *context, const void *from, size_t bytes)
{
    struct shell *sh = context;
    sh->rows_shown = sh->copied_out = true;
    progress_clear();
    return fwrite(from, 1, bytes, stdout) == bytes;
}

bool shell_open(struct shell *sh, const char *path)
{
    kdk_error error;
    const char *notice;
    if (kdk_open(path, &sh->options, &sh->db, &error) != KDK_OK)
        return shell_error(sh, error.sqlstate, "%s", error.message);
    if (kdk_connect(sh->db, &sh->conn) != KDK_OK) {
        (void)!(kdk_close(sh->db) == KDK_OK);
        sh->db = NULL;
        return shell_error(sh, status_sqlstate(KDK_NOMEM), "out of memory");
    }
    sh->path = path;
    kdk_on_notice(sh->conn, on_notice, sh);
    kdk_set_copy_io(sh->conn, &(kdk_copy_io){copy_read, copy_write, sh});
    progress_install(sh);
    notice = kdk_open_notice(sh->db);
    if (notice) {
        fprintf(stderr, "NOTICE:  %s\n", notice);
        fflush(stderr);
    }
    return true;
}

bool shell_close(struct shell *sh)
{
    kdk_error error;
    kdk_disconnect(sh->conn);
    kdk_status status = kdk_close_error(sh->db, &error);
    sh->conn = NULL;
    sh->db = NULL;
    if (status != KDK_OK)
        return shell_error(sh, error.sqlstate, "closing the database failed: %s",
                           error.message);
    return true;
}

/* ------------------------------------------------------------------------- rows ---- */

static bool begin_rows(struct shell *sh, struct writer *w, kdk_stmt *stmt)
{
    uint32_t count = kdk_column_count(stmt);
    struct column *columns = MEM_ARRAY(struct column, count + 1);
    bool ok;
    if (!columns)
        return false;
    for (uint32_t c = 0; c < count; c++)
        columns[c] = (struct column){kdk_column_name(stmt, c),
                                     type_is_number(kdk_column_type(stmt, c))};
    sh->rows_shown = true;
    progress_clear();
    ok = writer_begin(w, &sh->look, stdout, columns, count);
    mem_free(columns);
    return ok;
}

enum rows_end { ROWS_DONE, ROWS_FAILED, ROWS_NOMEM, ROWS_UNREAD };

/* Steps to the end. The columns of SHOW and its like are known once they have run. */
static enum rows_end run_rows(struct shell *sh, kdk_stmt *stmt, uint64_t *rows)
{
    enum rows_end end = ROWS_NOMEM;
    struct writer w = {0};
    struct cell *cells = NULL;
    bool begun = false, row = false;
    uint32_t count = 0;

    for (*rows = 0;; ++*rows) {
        if (kdk_step(stmt, &row) != KDK_OK) {
            end = ROWS_FAILED;
            goto out;
        }
        if (!begun && (row || kdk_column_count(stmt))) {
            begun = true;
            count = kdk_column_count(stmt);
            cells = MEM_ARRAY(struct cell, count + 1);
            if (!cells || !begin_rows(sh, &w, stmt))
                goto out;
        }
        if (!row)
            break;
        for (uint32_t c = 0; c < count; c++) {
            cells[c].kind = kdk_column_kind(stmt, c);
            cells[c].bytes = 0;
            cells[c].text = cells[c].kind == KDK_KIND_NULL
                                ? NULL
                                : kdk_column_text(stmt, c, &cells[c].bytes);
            if (!cells[c].text && cells[c].kind != KDK_KIND_NULL)
                goto out;
        }
        if (!writer_row(&w, cells))
            goto out;
        if (ferror(stdout)) {
            end = ROWS_UNREAD;
            goto out;
        }
        if (interrupt_pending())
            kdk_interrupt(sh->conn); /* It came before the statement could see it. */
    }
    end = begun && !writer_end(&w) ? ROWS_NOMEM : ROWS_DONE;
out:
    writer_deinit(&w);
    mem_free(cells);
    return end;
}

static void after(struct shell *sh, kdk_stmt *stmt, bool had_rows)
{
    const char *tag = kdk_command_tag(stmt);
    double ms = (double)(now_ns() - sh->started_ns) / 1e6;
    bool people = sh->look.format == FORMAT_TABLE;
    if (people && tag && *tag && !sh->copied_out && /* As in psql: the data stand alone. */
        (!had_rows || (strncmp(tag, "SELECT", 6) != 0 && strcmp(tag, "SHOW") != 0 &&
                       strcmp(tag, "EXPLAIN") != 0)))
        printf("%s\n", tag);
    if (!sh->timer)
        return;
    if (people)
        printf("Time: %.3f ms\n", ms);
    else
        fprintf(stderr, "Time: %.3f ms\n", ms);
    fflush(stderr);
}

bool shell_statement(struct shell *sh, const char *text, size_t bytes, uint64_t line)
{
    bool ok = false, had_rows;
    kdk_stmt *stmt = NULL;
    uint64_t rows;
    char *sql = mem_alloc(bytes + 1);

    if (!sql)
        return shell_error(sh, status_sqlstate(KDK_NOMEM), "out of memory");
    memcpy(sql, text, bytes);
    sql[bytes] = '\0';
    if (sh->interactive)
        (void)interrupt_taken();
    sh->started_ns = now_ns();
    sh->rows_shown = sh->copied_out = false;
    interrupt_target(sh->conn);
    if (kdk_prepare(sh->conn, sql, (int64_t)bytes, &stmt, NULL) != KDK_OK) {
        print_error(sh, sh->conn, sql, bytes, line);
        goto out;
    }
    if (!stmt) {
        ok = true;
        goto out;
    }
    if (sh->look.format == FORMAT_ARROW && kdk_column_count(stmt)) {
        if (isatty(STDOUT_FILENO)) {
            shell_error(sh, status_sqlstate(KDK_UNSUPPORTED),
                        "Arrow streams are not written to a terminal");
            goto out;
        }
        enum arrow_end end = arrow_write(sh, stmt, stdout);
        ok = end == ARROW_DONE;
        if (end == ARROW_FAILED)
            print_error(sh, sh->conn, sql, bytes, line);
        if (ok)
            after(sh, stmt, true);
        goto out;
    }
    switch (run_rows(sh, stmt, &rows)) {
    case ROWS_DONE:
        if (sh->look.format == FORMAT_ARROW && rows)
            shell_error(sh, status_sqlstate(KDK_UNSUPPORTED),
                        "the rows of this statement cannot be written as Arrow");
        else
            ok = true;
        break;
    case ROWS_FAILED:
        print_error(sh, sh->conn, sql, bytes, line);
        break;
    case ROWS_NOMEM:
        shell_error(sh, status_sqlstate(KDK_NOMEM), "out of memory");
        break;
    case ROWS_UNREAD:
        break;
    }
    progress_clear();
    had_rows = kdk_column_count(stmt) > 0;
    if (ok)
        after(sh, stmt, had_rows);
out:
    interrupt_target(NULL);
    kdk_stmt_free(stmt);
    if (sh->input)
        input_data_end(sh->input);
    input_data_end(&sh->standard);
    progress_clear();
    if (!shell_flush(sh))
        ok = false;
    if (interrupt_taken() && !sh->interactive)
        sh->interrupted = sh->quit = true;
    mem_free(sql);
    return ok;
}

/* ----------------------------------------------------------------------- inputs ---- */

bool shell_input(struct shell *sh, struct input *in)
{
    struct input *outer = sh->input;
    bool ok = true;
    const char *text;
    size_t bytes;
    uint64_t line;

    sh->input = in;
    while (!sh->quit && (ok || !sh->bail || in->terminal)) {
        if (!sh->interactive && interrupt_pending()) { /* It came between two statements. */
            sh->interrupted = sh->quit = true;
            break;
        }
        enum input_kind kind = input_next(in, &text, &bytes, &line);
        if (kind == INPUT_END)
            break;
        if (kind == INPUT_INTERRUPTED) {
            (void)interrupt_taken();
            if (!in->terminal)
                sh->interrupted = sh->quit = true;
            continue;
        }
        if (kind == INPUT_FAILED) {
            ok = shell_error(sh, status_sqlstate(KDK_IO), "could not read %s: %s",
                             in->name ? in->name : "the input", strerror(in->error));
            break;
        }
        if (in->terminal && input_is_fresh(in))
            terminal_remember(in->terminal);
        if (kind == INPUT_DOT)
            ok = dot_command(sh, text, bytes);
        else
            ok = shell_statement(sh, text, bytes, line);
    }
    sh->input = outer;
    return ok || (!sh->bail && !sh->quit);
}

bool shell_file(struct shell *sh, const char *path)
{
    struct input in;
    bool ok;
    int fd;
    if (strcmp(path, "-") == 0)
        return shell_input(sh, &sh->standard);
    if (sh->depth >= READ_DEPTH_MAX)
        return shell_error(sh, status_sqlstate(KDK_LIMIT),
                           "files that read files are nested too deeply");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return shell_error(sh, status_sqlstate(KDK_UNDEFINED_FILE),
                           "could not open file \"%s\": %s", path, strerror(errno));
    input_of_fd(&in, path, fd);
    sh->depth++;
    ok = shell_input(sh, &in);
    sh->depth--;
    input_deinit(&in);
    close(fd);
    return ok;
}

/* -------------------------------------------------------- the shell's own queries ---- */

static bool grid_row(struct grid *grid, kdk_stmt *stmt)
{
    size_t from = grid->rows * grid->width;
    if (from + grid->width > grid->cap) {
        size_t cap = MAX(grid->cap * 2, from + grid->width);
        char **cells = mem_realloc(grid->cells, cap * sizeof *cells);
        if (!cells)
            return false;
        grid->cells = cells;
        grid->cap = cap;
    }
    memset(grid->cells + from, 0, grid->width * sizeof *grid->cells);
    grid->rows++;
    for (uint32_t c = 0; c < grid->width; c++) {
        const char *text = kdk_column_text(stmt, c, NULL);
        grid->cells[from + c] = text ? mem_strdup(text) : NULL;
        if (!grid->cells[from + c] && !kdk_column_null(stmt, c))
            return false;
    }
    return true;
}

bool grid_fetch(struct shell *sh, kdk_conn *conn, const char *sql, bool quiet,
                struct grid *out)
{
    kdk_stmt *stmt = NULL;
    bool row = true, memory = true, ok = kdk_prepare(conn, sql, -1, &stmt, NULL) == KDK_OK;
    memset(out, 0, sizeof *out);
    while (ok && memory && row) {
        ok = kdk_step(stmt, &row) == KDK_OK;
        out->width = kdk_column_count(stmt);
        if (ok && row)
            memory = grid_row(out, stmt);
    }
    if (!ok && !quiet)
        print_error(sh, conn, NULL, 0, 0);
    if (!memory && !quiet)
        shell_error(sh, status_sqlstate(KDK_NOMEM), "out of memory");
    kdk_stmt_free(stmt);
    return ok && memory;
}

void grid_deinit(struct grid *grid)
{
    for (size_t i = 0; i < grid->rows * grid->width; i++)
        mem_free(grid->cells[i]);
    mem_free(grid->cells);
    memset(grid, 0, sizeof *grid);
}
