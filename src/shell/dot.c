/* dot.c - dot commands: lines for the shell itself, where a statement could begin. */
#include "shell/shell.h"

#include <ctype.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

enum { ARGS_MAX = 4 };

struct args {
    char *word[ARGS_MAX];
    int count;
};

static bool cmd_help(struct shell *sh, const struct args *a);

static bool cmd_tables(struct shell *sh, const struct args *a)
{
    (void)a;
    return dot_tables(sh);
}

static bool cmd_schema(struct shell *sh, const struct args *a)
{
    return dot_schema(sh, a->count > 1 ? a->word[1] : NULL);
}

static bool cmd_mode(struct shell *sh, const struct args *a)
{
    if (a->count < 2) {
        printf("%s\n", format_names[sh->look.format]);
        return true;
    }
    if (!format_find(a->word[1], &sh->look.format))
        return shell_error(sh, status_sqlstate(KDK_SYNTAX), "no format is named \"%s\"",
                           a->word[1]);
    return true;
}

static bool cmd_read(struct shell *sh, const struct args *a)
{
    if (a->count < 2)
        return shell_error(sh, status_sqlstate(KDK_SYNTAX),
                           ".read needs the name of a file");
    return shell_file(sh, a->word[1]);
}

static bool on_off(struct shell *sh, const struct args *a, bool *flag)
{
    if (a->count < 2) {
        printf("%s is %s\n", a->word[0], *flag ? "on" : "off");
        return true;
    }
    if (strcmp(a->word[1], "on") != 0 && strcmp(a->word[1], "off") != 0)
        return shell_error(sh, status_sqlstate(KDK_SYNTAX), "%s is on or off", a->word[0]);
    *flag = strcmp(a->word[1], "on") == 0;
    return true;
}

static bool cmd_timer(struct shell *sh, const struct args *a)
{
    return on_off(sh, a, &sh->timer);
}

static bool cmd_headers(struct shell *sh, const struct args *a)
{
    return on_off(sh, a, &sh->look.header);
}

static bool cmd_bail(struct shell *sh, const struct args *a)
{
    return on_off(sh, a, &sh->bail);
}

static bool cmd_nullvalue(struct shell *sh, const struct args *a)
{
    char *text = NULL;
    if (a->count > 1 && !(text = mem_strdup(a->word[1])))
        return shell_error(sh, status_sqlstate(KDK_NOMEM), "out of memory");
    mem_free(sh->null_owned);
    sh->null_owned = text;
    sh->look.null = text;
    return true;
}

/* The old database stays open when the new one does not open. */
static bool cmd_open(struct shell *sh, const struct args *a)
{
    kdk_db *db = sh->db;
    kdk_conn *conn = sh->conn;
    const char *was = sh->path;
    char *path = mem_strdup(a->count > 1 ? a->word[1] : ":memory:");
    bool same = a->count > 1 && strcmp(a->word[1], was) == 0, ok = true;

    if (!path)
        return shell_error(sh, status_sqlstate(KDK_NOMEM), "out of memory");
    if (same) { /* It cannot be open twice. */
        ok = shell_close(sh);
        db = NULL;
        conn = NULL;
    }
    if (!shell_open(sh, path)) {
        mem_free(path);
        sh->db = db;
        sh->conn = conn;
        sh->path = was;
        sh->quit |= same;
        return false;
    }
    if (!same) {
        struct shell old = {.db = db, .conn = conn};
        ok = shell_close(&old);
        sh->failed |= old.failed;
    }
    mem_free(sh->path_owned);
    sh->path_owned = path;
    return ok;
}

static bool cmd_quit(struct shell *sh, const struct args *a)
{
    (void)a;
    sh->quit = true;
    return true;
}

/* X(name, other name, arguments, what it does) */
#define COMMANDS(X)                                                                        \
    X(help, "\\?", "", "shows this")                                                       \
    X(tables, "\\d", "", "names the tables and views")                                     \
    X(schema, "\\dt", "[TABLE]", "shows definitions as SQL")                               \
    X(mode, "", "[FORMAT]", "table, csv, json, jsonl, line, markdown or arrow")            \
    X(headers, "", "on|off", "names of columns above the rows")                            \
    X(nullvalue, "", "[TEXT]", "what stands for NULL")                                     \
    X(timer, "\\timing", "on|off", "the time that each statement takes")                   \
    X(bail, "", "on|off", "whether a file ends at its first error")                        \
    X(read, "\\i", "FILE", "runs the statements of a file")                                \
    X(open, "", "[DATABASE]", "closes this database and opens another")                    \
    X(quit, "\\q", "", "leaves; so do .exit and Ctrl-D")

struct command {
    const char *name, *other, *args, *about;
    bool (*run)(struct shell *sh, const struct args *a);
};
static const struct command commands[] = {
#define COMMAND_ROW(NAME, OTHER, ARGS, ABOUT) {"." #NAME, OTHER, ARGS, ABOUT, cmd_##NAME},
    COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};

static bool cmd_help(struct shell *sh, const struct args *a)
{
    (void)sh;
    (void)a;
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        int n = printf("%s %s", commands[i].name, commands[i].args);
        printf("%*s%s%s%s%s\n", MAX(22 - n, 1), "", commands[i].about,
               commands[i].other[0] ? " (also " : "", commands[i].other,
               commands[i].other[0] ? ")" : "");
    }
    printf("Everything else is SQL and ends with a semicolon. Ctrl-C ends a statement, Tab "
           "completes.\n");
    return true;
}

/* Words, in which '...' and "..." hold blanks. Cuts `text` apart. */
static void split(char *text, struct args *out)
{
    out->count = 0;
    while (out->count < ARGS_MAX) {
        while (isspace((unsigned char)*text))
            text++;
        if (!*text)
            return;
        char quote = '\0';
        if (*text == '\'' || *text == '"')
            quote = *text++;
        out->word[out->count++] = text;
        while (*text && (quote ? *text != quote : !isspace((unsigned char)*text)))
            text++;
        if (*text)
            *text++ = '\0';
    }
}

bool dot_command(struct shell *sh, const char *text, size_t bytes)
{
    struct args args;
    bool ok;
    const char *name;
    char *copy = mem_alloc(bytes + 1);

    if (!copy)
        return shell_error(sh, status_sqlstate(KDK_NOMEM), "out of memory");
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    split(copy, &args);
    for (int i = 0; i < args.count;
         i++) /* psql's users end commands with a semicolon, too. */
        if (i == args.count - 1 && strlen(args.word[i]) > 1 &&
            args.word[i][strlen(args.word[i]) - 1] == ';')
            args.word[i][strlen(args.word[i]) - 1] = '\0';
    name = args.word[0];
    if (strcasecmp(name, ".exit") == 0 || strcasecmp(name, "exit") == 0 ||
        strcasecmp(name, "quit") == 0)
        name = ".quit";
    else if (strcasecmp(name, "help") == 0)
        name = ".help";
    ok = false;
    const struct command *found = NULL;
    for (size_t i = 0; i < COUNT_OF(commands) && !found; i++)
        if (strcasecmp(commands[i].name, name) == 0 || strcmp(commands[i].other, name) == 0)
            found = &commands[i];
    if (found)
        ok = found->run(sh, &args);
    else
        shell_error(sh, status_sqlstate(KDK_SYNTAX),
                    "\"%s\" is no command; .help names them", name);
    mem_free(copy);
    return shell_flush(sh) && ok;
}
