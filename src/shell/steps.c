/* steps.c - `kodiak --steps FILE`: one script for several connections, run step by step.
 *
 *   # comment c1: begin c2: update t set a = 2
 *       where k = 1             a line that begins with a blank goes on
 *   => UPDATE 1                 the output of the step above must be this
 *   c1: select * from t => 1,1
 *   c1: .close                  ends a connection
 *
 * Names open connections when they first occur. What a step prints is its rows as CSV, its
 * command tag when it has none, "(no rows)", and for an error its state alone, so that
 * outputs can be compared. Steps run one after the other: the next begins when the one
 * before has answered.
 *
 * A difference from what is expected ends the run with code 1 (with --no-bail at the end).
 * In a file that expects anything, an error that no `=>` expects is a difference too.
 */
#include "shell/shell.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

struct named {
    char *name;
    kdk_conn *conn;
    struct named *next;
};

struct steps {
    struct shell *sh;
    const char *path;
    struct named *conns;
    bool expects;       /* The file has a `=>`. */
    char *name;         /* Of the connection of the last step. */
    struct buf sql;     /* The step being read. */
    uint32_t sql_line;  /* Where it begins; 0: none. */
    struct buf output;  /* Of the last step: lines. */
    size_t compared;    /* Bytes of it that `=>` lines have seen. */
    bool compares;      /* One of them came. */
    struct buf message; /* Of its first error. */
    uint32_t differences;
};

static void on_notice(void *context, const char *text)
{
    struct steps *s = context;
    (void)buf_printf(&s->output, "%s\n", text);
}

static kdk_conn *connection(struct steps *s, const char *name)
{
    struct named *one;
    for (one = s->conns; one; one = one->next)
        if (strcmp(one->name, name) == 0)
            return one->conn;
    one = MEM_NEW(struct named);
    if (!one)
        return NULL;
    one->name = mem_strdup(name);
    if (!one->name || kdk_connect(s->sh->db, &one->conn) != KDK_OK) {
        mem_free(one->name);
        mem_free(one);
        return NULL;
    }
    kdk_on_notice(one->conn, on_notice, s);
    one->next = s->conns;
    s->conns = one;
    return one->conn;
}

/* One connection, or (NULL) all. */
static void disconnect(struct steps *s, const char *name)
{
    for (struct named **link = &s->conns; *link;) {
        struct named *one = *link;
        if (name && strcmp(one->name, name) != 0) {
            link = &one->next;
            continue;
        }
        *link = one->next;
        kdk_disconnect(one->conn);
        mem_free(one->name);
        mem_free(one);
    }
}

static kdk_status rows_of(struct steps *s, kdk_stmt *stmt)
{
    struct look look = {.format = FORMAT_CSV,
                        .null = s->sh->look.null ? s->sh->look.null : "NULL"};
    struct writer w = {0};
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    bool row = true, ok = to != NULL;
    kdk_status status = ok ? KDK_OK : KDK_NOMEM;
    uint32_t count = 0;
    struct cell *cells = NULL;

    while (ok && (status = kdk_step(stmt, &row)) == KDK_OK && row) {
        if (!cells) {
            struct column *columns;
            count = kdk_column_count(stmt);
            cells = MEM_ARRAY(struct cell, count + 1);
            columns = MEM_ARRAY(struct column, count + 1);
            ok = cells && columns && writer_begin(&w, &look, to, columns, count);
            mem_free(columns);
        }
        for (uint32_t c = 0; ok && c < count; c++) {
            cells[c] = (struct cell){.kind = kdk_column_kind(stmt, c)};
            if (cells[c].kind != KDK_KIND_NULL)
                ok = (cells[c].text = kdk_column_text(stmt, c, &cells[c].bytes)) != NULL;
        }
        ok = ok && writer_row(&w, cells);
    }
    if (to)
        fclose(to);
    if (status == KDK_OK && bytes)
        (void)buf_add(&s->output, text, bytes);
    else if (status == KDK_OK && kdk_column_count(stmt))
        (void)buf_add_str(&s->output, "(no rows)\n");
    else if (status == KDK_OK)
        (void)buf_printf(&s->output, "%s\n", kdk_command_tag(stmt));
    writer_deinit(&w);
    mem_free(cells);
    free(text); /* open_memstream's. */
    return ok ? status : KDK_NOMEM;
}

static void print_output(struct steps *s)
{
    const char *at = s->output.data;
    while (at && *at) {
        size_t n = strcspn(at, "\n");
        printf("%s: %.*s\n", s->name, (int)n, at);
        at += n + (at[n] == '\n');
    }
    fflush(stdout);
}

/* Runs the step that has been read. False: out of memory. */
static bool run_step(struct steps *s)
{
    kdk_conn *conn;
    const char *sql = s->sql.data, *tail;
    kdk_status status = KDK_OK;

    buf_clear(&s->output);
    buf_clear(&s->message);
    s->compared = 0;
    s->compares = false;
    if (strcmp(sql, ".close") == 0) {
        disconnect(s, s->name);
        return true;
    }
    conn = connection(s, s->name);
    if (!conn)
        return false;
    interrupt_target(conn);
    while (status == KDK_OK && *sql) {
        kdk_stmt *stmt = NULL;
        status = kdk_prepare(conn, sql, -1, &stmt, &tail);
        if (status == KDK_OK && stmt)
            status = rows_of(s, stmt);
        if (status != KDK_OK) {
            (void)buf_printf(&s->output, "ERROR %s\n",
                             kdk_sqlstate(conn)[0] ? kdk_sqlstate(conn)
                                                   : status_sqlstate(status));
            (void)buf_add_str(&s->message, kdk_errmsg(conn));
        }
        kdk_stmt_free(stmt);
        sql = tail;
    }
    interrupt_target(NULL);
    if (interrupt_taken())
        s->sh->quit = s->sh->interrupted = true;
    print_output(s);
    return !s->output.nomem;
}

static void differs(struct steps *s, uint32_t line, const char *wanted, size_t wanted_bytes)
{
    const char *got = s->output.data ? s->output.data + s->compared : "";
    s->differences++;
    fflush(stdout);
    fprintf(stderr, "%s:%u: differs, after %s: %s\n", s->path, line,
            s->name ? s->name : "nothing", s->sql.data ? s->sql.data : "");
    if (wanted)
        fprintf(stderr, "  expected: %.*s\n", (int)wanted_bytes, wanted);
    else
        fprintf(stderr, "  expected: no more\n");
    if (*got)
        fprintf(stderr, "  got:      %.*s\n", (int)strcspn(got, "\n"), got);
    else
        fprintf(stderr, "  got:      no more\n");
    if (s->message.len)
        fprintf(stderr, "  message:  %s\n", s->message.data);
}

static void expect(struct steps *s, uint32_t line, const char *text, size_t bytes)
{
    const char *got = s->output.data ? s->output.data + s->compared : "";
    size_t n = strcspn(got, "\n");
    s->compares = true;
    if (!*got || n != bytes || memcmp(got, text, bytes) != 0)
        differs(s, line, text, bytes);
    s->compared += n + (got[n] == '\n');
}

/* What no `=>` has seen: rows after the last expected one, or an error. */
static void settle(struct steps *s)
{
    bool error = s->message.len > 0;
    if (s->output.data && s->compared < s->output.len &&
        (s->compares || (s->expects && error)))
        differs(s, s->sql_line, NULL, 0);
    s->compared = s->output.len;
}

/* `name:` at the start of a line; *rest is what follows it. */
static bool step_name(const char *line, size_t bytes, size_t *name_bytes, const char **rest)
{
    size_t n = 0;
    while (n < bytes && (isalnum((unsigned char)line[n]) || line[n] == '_'))
        n++;
    *name_bytes = n;
    *rest = line + n + 1;
    return n && n < bytes && line[n] == ':';
}

static bool run_file(struct steps *s, const char *text, size_t bytes)
{
    const char *at = text, *end = text + bytes;
    bool pending = false, stop = false;
    uint32_t number = 0;

    while (!stop) {
        const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL,
                   *rest = at;
        size_t n = at < end ? (size_t)((newline ? newline : end) - at) : 0, name = 0;
        bool last = at >= end;
        number++;
        if (n && at[n - 1] == '\r')
            n--;
        bool blank = strspn(at, " \t") >= n,
             goes_on = !last && !blank && pending && isspace((unsigned char)*at);
        if (goes_on) {
            (void)buf_add_char(&s->sql, '\n');
            (void)buf_add(&s->sql, at, n);
        } else if (last || (!blank && *at != '#')) {
            if (pending && !run_step(s))
                return shell_error(s->sh, status_sqlstate(KDK_NOMEM), "out of memory");
            pending = false;
            if (n >= 2 && at[0] == '=' && at[1] == '>') {
                size_t skip = n > 2 && at[2] == ' ' ? 3 : 2;
                if (!s->name)
                    return shell_error(s->sh, status_sqlstate(KDK_SYNTAX),
                                       "%s:%u: there is no step before this", s->path,
                                       number);
                expect(s, number, at + skip, n - skip);
            } else {
                settle(s);
                if (!last && !step_name(at, n, &name, &rest))
                    return shell_error(s->sh, status_sqlstate(KDK_SYNTAX),
                                       "%s:%u: neither \"name: sql\" nor \"=> text\"",
                                       s->path, number);
                if (!last) {
                    mem_free(s->name);
                    s->name = mem_dup(at, name + 1);
                    if (!s->name)
                        return shell_error(s->sh, status_sqlstate(KDK_NOMEM),
                                           "out of memory");
                    s->name[name] = '\0';
                    while (rest < at + n && isspace((unsigned char)*rest))
                        rest++;
                    buf_clear(&s->sql);
                    (void)buf_add(&s->sql, rest, (size_t)(at + n - rest));
                    if (!s->sql.data && buf_add_char(&s->sql, ' ') != KDK_OK)
                        return shell_error(s->sh, status_sqlstate(KDK_NOMEM),
                                           "out of memory");
                    s->sql_line = number;
                    pending = true;
                }
            }
        }
        stop = last || s->sh->quit || (s->differences && s->sh->bail);
        at += (newline ? (size_t)(newline - at) + 1 : (size_t)(end - at));
    }
    return s->differences == 0;
}

static bool read_whole(struct shell *sh, const char *path, struct buf *out)
{
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    if (fd >= 0)
        while (buf_reserve(out, 65536) == KDK_OK &&
               (n = read(fd, out->data + out->len, 65536)) > 0)
            out->len += (size_t)n;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (out->nomem)
        return shell_error(sh, status_sqlstate(KDK_NOMEM), "out of memory");
    if (n < 0)
        return shell_error(sh, status_sqlstate(fd < 0 ? KDK_UNDEFINED_FILE : KDK_IO),
                           "could not read file \"%s\": %s", path, strerror(error));
    out->data[out->len] = '\0';
    return true;
}

int steps_run(struct shell *sh, const char *path)
{
    struct steps s = {.sh = sh, .path = path};
    struct buf text = {0};
    bool ok = read_whole(sh, path, &text);
    if (ok) {
        s.expects = strncmp(text.data, "=>", 2) == 0 || strstr(text.data, "\n=>");
        ok = run_file(&s, text.data, text.len);
    }
    disconnect(&s, NULL);
    mem_free(s.name);
    buf_deinit(&s.sql);
    buf_deinit(&s.output);
    buf_deinit(&s.message);
    buf_deinit(&text);
    return ok && !sh->quit ? 0 : 1;
}
