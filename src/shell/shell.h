/* shell.h - the `kodiak` command inside: what its files share.
 *
 * The command is an ordinary user of kodiak.h. One `struct shell` stands for one run of it:
 * an open database, a connection, how results are to look, and the input that statements
 * come from. Everything happens on one thread; the one thing that comes from outside is
 * SIGINT, whose handler ends the statement that runs (interrupt.c).
 *
 *   main.c         options, which inputs to run, exit codes
 *   input.c        bytes from a file, a pipe, a text or a terminal, cut into statements,
 *                  dot commands and COPY data
 *   run.c          one statement: prepare, step, write rows, say what went wrong
 *   writer.c, table.c, arrow.c   the output formats
 *   message.c      errors with their line and caret
 *   dot.c, schema.c              dot commands
 *   steps.c        --steps
 *   files.c        kodiak files
 *   terminal.c, complete.c       libedit: history, prompts, completion
 *   progress.c, interrupt.c      what happens while a statement runs
 */
#ifndef KDK_SHELL_SHELL_H
#define KDK_SHELL_SHELL_H

#include <stdio.h>

#include "base/buf.h"
#include "kodiak.h"

/* -------------------------------------------------------------------- writers ---- */

/* X(ID, name) */
#define FORMATS(X)                                                                         \
    X(TABLE, "table")                                                                      \
    X(CSV, "csv")                                                                          \
    X(JSON, "json")                                                                        \
    X(JSONL, "jsonl")                                                                      \
    X(LINE, "line")                                                                        \
    X(MARKDOWN, "markdown")                                                                \
    X(ARROW, "arrow")

enum format {
#define FORMAT_ENUM(ID, NAME) FORMAT_##ID,
    FORMATS(FORMAT_ENUM)
#undef FORMAT_ENUM
        FORMAT_COUNT
};
extern const char *const format_names[FORMAT_COUNT];
/* False when no format has this name. */
bool format_find(const char *name, enum format *out);

/* How results look. */
struct look {
    enum format format;
    const char *null; /* What stands for NULL; NULL: the format's own. Borrowed. */
    bool header;
};

/* A value, as text; `text` NULL is NULL. Borrowed. */
struct cell {
    kdk_kind kind;
    const char *text;
    size_t bytes;
};
struct column {
    const char *name; /* Borrowed until writer_end(). */
    bool right;       /* A number: its digits line up. */
};

/* The rows of one result in any format but Arrow. writer_begin(), writer_row() for each,
 * writer_end() after a complete result; writer_deinit() in any case. False: out of memory.
 * Failures of `to` are found by ferror(). */
struct writer {
    struct look look;
    FILE *to;
    struct column *columns;
    uint32_t column_count;
    uint64_t rows;
    struct table_rows *held; /* FORMAT_TABLE: the first rows, until widths are known. */
    size_t *widths;
    bool shown; /* The table's head is written. */
};
bool writer_begin(struct writer *w, const struct look *look, FILE *to,
                  const struct column *columns, uint32_t count) KDK_MUST_CHECK;
bool writer_row(struct writer *w, const struct cell *cells) KDK_MUST_CHECK;
bool writer_end(struct writer *w) KDK_MUST_CHECK;
void writer_deinit(struct writer *w);
/* table.c, for writer.c. */
bool table_begin(struct writer *w);
bool table_row(struct writer *w, const struct cell *cells);
bool table_end(struct writer *w);
void table_deinit(struct writer *w);

/* Columns on a terminal of the first `bytes` bytes of UTF-8 text: 0 for combining marks, 2
 * for wide characters. */
size_t display_width(const char *text, size_t bytes);
/* Is a column of this SQL type printed to the right? */
bool type_is_number(const char *type);

/* ------------------------------------------------------------------- messages ---- */

struct message {
    const char *severity; /* "ERROR" */
    const char *sqlstate, *text, *detail, *hint,
        *context;          /* The last three may be NULL or "". */
    uint32_t line, column; /* 1-based, characters, in `sql`; 0: no place */
};
/* Writes it: `ERROR 42601: text`, then the line of `sql` with a caret below the column,
 * DETAIL, HINT, CONTEXT. */
void message_print(FILE *to, const struct message *message, const char *sql, size_t bytes);

/* ---------------------------------------------------------------------- input ---- */

enum input_kind { INPUT_STATEMENT, INPUT_DOT, INPUT_END, INPUT_INTERRUPTED, INPUT_FAILED };

struct input {
    const char *name; /* For messages; borrowed. */
    struct buf text;  /* What was read and not used yet starts at `at`. */
    size_t at;
    size_t searched; /* Bytes from `at` on that are known to hold no end of a statement. */
    uint64_t line;   /* Of `at`, 1-based. */
    bool at_end;     /* No more comes. */
    int fd;          /* -1: a text, or `fill`. */
    int error;       /* errno of what failed. */
    struct terminal *terminal; /* Lines come from there. */
    /* COPY ... FROM STDIN */
    bool data_only; /* The statements come from elsewhere: data start at once. */
    bool data_begun, data_ended, data_line_start;
    struct buf after; /* SQL behind COPY's semicolon, on its line. */
};
void input_of_text(struct input *in, const char *name, const char *text, size_t bytes);
void input_of_fd(struct input *in, const char *name, int fd);
void input_of_terminal(struct input *in, struct terminal *terminal);
void input_deinit(struct input *in);
/* The next statement (its semicolon included, blanks and comment lines before it not) or
 * dot command (without its newline). *text is valid until the next call on `in`; *line is
 * where it starts. */
enum input_kind input_next(struct input *in, const char **text, size_t *bytes,
                           uint64_t *line);
/* The data lines that follow a COPY: up to `bytes`; 0 at a line `\.` or the end; -1 on
 * failure. */
int64_t input_data(struct input *in, void *into, size_t bytes);
/* After the COPY: skips the data that it did not read, and makes `in` give statements
 * again. */
void input_data_end(struct input *in);
/* Is nothing begun, so that a terminal shows its first prompt? */
bool input_is_fresh(const struct input *in);

/* ------------------------------------------------------------------ the shell ---- */

struct shell {
    kdk_db *db;
    kdk_conn *conn;
    const char *path;
    char *path_owned;
    kdk_options options;

    struct look look;
    char *null_owned;
    bool bail, timer, interactive;
    bool failed;      /* Some statement failed. */
    bool quit;        /* .quit, or nobody reads what we write. */
    bool interrupted; /* By SIGINT, when not interactive. */

    struct input *input;   /* Where the statement came from. */
    struct input standard; /* Standard input, for COPY in a text given by -c. */
    uint32_t depth;        /* Of .read. */
    uint64_t started_ns;   /* Of the statement that runs. */
    bool copied_out;       /* COPY has written to standard output. */
    bool rows_shown;       /* Its rows are being written: no progress bar between them. */
};

/* Opens `path` and connects; a failure is printed. */
bool shell_open(struct shell *sh, const char *path);
bool shell_close(struct shell *sh);
/* Runs the first statement of the text; a failure is printed. `line` is where it starts in
 * sh->input, 0: nowhere. */
bool shell_statement(struct shell *sh, const char *sql, size_t bytes, uint64_t line);
/* Everything that `in` gives. False: it stopped at an error. */
bool shell_input(struct shell *sh, struct input *in);
/* "-" is standard input. */
bool shell_file(struct shell *sh, const char *path);
/* Prints an error that has no place in SQL. Returns false. */
bool shell_error(struct shell *sh, const char *sqlstate, const char *format, ...)
    KDK_PRINTF(3, 4);
/* Flushes standard output; false, and sh->quit, when nobody takes it. */
bool shell_flush(struct shell *sh);
uint64_t now_ns(void);

/* A dot command, without its newline. False when it failed (printed). */
bool dot_command(struct shell *sh, const char *text, size_t bytes);
bool dot_tables(struct shell *sh);
/* The definitions of a table or view, or (NULL) of all. */
bool dot_schema(struct shell *sh, const char *name);
/* The rows of a query of the shell's own, as texts. A failure is printed, unless
 * `quiet`. */
struct grid {
    char **cells; /* Row by row; NULL is NULL. */
    size_t rows, width, cap;
};
bool grid_fetch(struct shell *sh, kdk_conn *conn, const char *sql, bool quiet,
                struct grid *out);
void grid_deinit(struct grid *grid);
static inline const char *grid_cell(const struct grid *grid, size_t row, size_t column)
{
    return grid->cells[row * grid->width + column];
}
/* Appends the name, quoted if it must be. */
void add_name(struct buf *to, const char *name);

/* Writes the statement's rows as an Arrow IPC stream. */
enum arrow_end {
    ARROW_DONE,
    ARROW_FAILED,   /* The connection knows why. */
    ARROW_REPORTED, /* It is printed, or standard output has failed. */
};
enum arrow_end arrow_write(struct shell *sh, kdk_stmt *stmt, FILE *to);

/* Prints the files of a database's folder. */
bool files_list(struct shell *sh, const char *database, bool live_only);
/* --steps FILE: the exit code. */
int steps_run(struct shell *sh, const char *path);

/* -------------------------------------------------------- while a statement runs ---- */

/* Takes SIGINT over and ignores SIGPIPE. */
void interrupt_install(void);
/* The connection that SIGINT ends the statement of; NULL: none. */
void interrupt_target(kdk_conn *conn);
/* Was there a SIGINT since the last call? */
bool interrupt_taken(void);
bool interrupt_pending(void);
/* Waits until `fd` can be read (true) or a signal is pending (false), whichever thread it
 * came to and however short before. */
bool interrupt_wait(int fd);

void progress_install(struct shell *sh);
void progress_clear(void);

/* ------------------------------------------------------------------- terminal ---- */

struct terminal;
/* NULL when libedit does not start. */
struct terminal *terminal_new(struct shell *sh);
void terminal_free(struct terminal *t);
/* The next line with its newline. >0: bytes; 0: the end; -1: Ctrl-C. `prompt` 0: a
 * statement begins, 1: it goes on, 2: data. */
int terminal_line(struct terminal *t, int prompt, const char **line);
/* What was typed since the last call is one entry of the history. */
void terminal_remember(struct terminal *t);

/* Words that may follow `text`, of which the last word begins at *start: calls `found` for
 * each. */
void complete(struct shell *sh, const char *text, size_t bytes, size_t *start,
              void (*found)(void *context, const char *word), void *context);
bool is_keyword(const char *word);

#endif
