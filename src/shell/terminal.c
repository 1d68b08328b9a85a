/* terminal.c - lines from a person: libedit, prompts, history, completion.
 *
 * libedit gets its characters from read_wide() below, so that Ctrl-C ends the line for
 * sure. It would show the prompt first and then set the terminal to give single characters:
 * what was typed in between (Ctrl-D above all) would be lost, so that is set before.
 *
 * History is kept in $KODIAK_HISTORY, else $XDG_STATE_HOME/kodiak/history, else
 * ~/.kodiak_history. A statement of several lines is one entry.
 */
#include "shell/shell.h"

#include <errno.h>
#include <histedit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "base/mem.h"

enum { HISTORY_ENTRIES = 10000, CANDIDATES_MAX = 200 };

struct terminal {
    struct shell *sh;
    EditLine *el;
    History *history;
    struct buf entry; /* Lines since the last terminal_remember(). */
    char history_path[4096];
    int prompt;
    bool interrupted;
    mbstate_t decoding;
};

static char *prompt_text(EditLine *el)
{
    static char first[] = "kodiak> ", block[] = "kodiak*> ", failed[] = "kodiak!> ",
                more[] = "   ...> ", data[] = ">> ";
    struct terminal *t;
    bool has_failed = false;
    el_get(el, EL_CLIENTDATA, &t);
    if (t->prompt)
        return t->prompt == 1 ? more : data;
    if (!kdk_in_transaction(t->sh->conn, &has_failed))
        return first;
    return has_failed ? failed : block;
}

static int read_wide(EditLine *el, wchar_t *out)
{
    struct terminal *t;
    el_get(el, EL_CLIENTDATA, &t);
    for (;;) {
        char c;
        if (!interrupt_wait(STDIN_FILENO)) {
            t->interrupted = true;
            return 0;
        }
        ssize_t n = read(STDIN_FILENO, &c, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        size_t used = mbrtowc(out, &c, 1, &t->decoding);
        if (used == (size_t)-2)
            continue;
        if (used == (size_t)-1) {
            memset(&t->decoding, 0, sizeof t->decoding);
            *out = L'?';
        }
        return 1;
    }
}

/* ------------------------------------------------------------------- completion ---- */

struct candidates {
    char *word[CANDIDATES_MAX];
    int count;
};

static void add_candidate(void *context, const char *word)
{
    struct candidates *c = context;
    if (c->count == CANDIDATES_MAX)
        return;
    for (int i = 0; i < c->count; i++)
        if (strcmp(c->word[i], word) == 0)
            return;
    c->word[c->count] = mem_strdup(word);
    c->count += c->word[c->count] != NULL;
}

static void list(const struct candidates *c)
{
    size_t column = 0;
    printf("\n");
    for (int i = 0; i < c->count; i++) {
        size_t n = strlen(c->word[i]) + 2;
        if (column && column + n > 78) {
            printf("\n");
            column = 0;
        }
        printf("%s  ", c->word[i]);
        column += n;
    }
    printf("\n");
}

static unsigned char on_tab(EditLine *el, int ch)
{
    const LineInfo *line = el_line(el);
    struct candidates c = {0};
    struct terminal *t;
    size_t start, typed, common, bytes = (size_t)(line->cursor - line->buffer);
    unsigned char result = CC_ERROR;
    (void)ch;
    el_get(el, EL_CLIENTDATA, &t);
    complete(t->sh, line->buffer, bytes, &start, add_candidate, &c);
    typed = bytes - start;
    if (c.count) {
        common = strlen(c.word[0]);
        for (int i = 1; i < c.count; i++) {
            size_t same = 0;
            while (same < common && strncasecmp(c.word[0] + same, c.word[i] + same, 1) == 0)
                same++;
            common = same;
        }
        if (common > typed || c.count == 1) {
            char room[256];
            snprintf(room, sizeof room, "%.*s%s", (int)MIN(common - typed, sizeof room - 2),
                     c.word[0] + typed, c.count == 1 ? " " : "");
            result = el_insertstr(el, room) == 0 ? CC_REFRESH : CC_ERROR;
        } else {
            list(&c);
            result = CC_REDISPLAY;
        }
    }
    for (int i = 0; i < c.count; i++)
        mem_free(c.word[i]);
    return result;
}

/* ---------------------------------------------------------------------- history ---- */

static void find_history(struct terminal *t)
{
    const char *own = getenv("KODIAK_HISTORY"), *state = getenv("XDG_STATE_HOME"),
               *home = getenv("HOME");
    char *path = t->history_path;
    size_t room = sizeof t->history_path;
    if (own) {
        snprintf(path, room, "%s", own);
    } else if (state && *state) {
        snprintf(path, room, "%s/kodiak", state);
        (void)!mkdir(path, 0700);
        snprintf(path, room, "%s/kodiak/history", state);
    } else if (home && *home) {
        snprintf(path, room, "%s/.kodiak_history", home);
    }
}

void terminal_remember(struct terminal *t)
{
    HistEvent event;
    while (t->entry.len && (t->entry.data[t->entry.len - 1] == '\n' ||
                            t->entry.data[t->entry.len - 1] == ' '))
        t->entry.data[--t->entry.len] = '\0';
    if (t->entry.len)
        history(t->history, &event, H_ENTER, t->entry.data);
    buf_clear(&t->entry);
}

static void save_history(struct terminal *t)
{
    HistEvent event;
    if (!t->history_path[0])
        return;
    mode_t was = umask(0077);
    history(t->history, &event, H_SAVE, t->history_path);
    umask(was);
}

/* ------------------------------------------------------------------------ lines ---- */

struct terminal *terminal_new(struct shell *sh)
{
    HistEvent event;
    struct terminal *t = MEM_NEW(struct terminal);
    if (!t)
        return NULL;
    t->sh = sh;
    t->el = el_init("kodiak", stdin, stdout, stderr);
    t->history = history_init();
    if (!t->el || !t->history) {
        terminal_free(t);
        return NULL;
    }
    find_history(t);
    history(t->history, &event, H_SETSIZE, HISTORY_ENTRIES);
    history(t->history, &event, H_SETUNIQUE, 1);
    if (t->history_path[0])
        history(t->history, &event, H_LOAD, t->history_path);
    el_set(t->el, EL_CLIENTDATA, t);
    el_set(t->el, EL_PROMPT, prompt_text);
    el_set(t->el, EL_EDITOR, "emacs");
    el_set(t->el, EL_SIGNAL, 0);
    el_set(t->el, EL_HIST, history, t->history);
    el_set(t->el, EL_ADDFN, "kodiak-complete", "Complete a name", on_tab);
    el_set(t->el, EL_BIND, "^I", "kodiak-complete", NULL);
    el_set(t->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(t->el, NULL);
    el_set(t->el, EL_GETCFN, read_wide);
    return t;
}

void terminal_free(struct terminal *t)
{
    if (!t)
        return;
    if (t->el && t->history)
        save_history(t);
    if (t->history)
        history_end(t->history);
    if (t->el)
        el_end(t->el);
    buf_deinit(&t->entry);
    mem_free(t);
}

int terminal_line(struct terminal *t, int prompt, const char **line)
{
    int n = 0;
    if (prompt == 0)
        terminal_remember(t);
    t->prompt = prompt;
    t->interrupted = false;
    fflush(stdout);
    el_set(t->el, EL_PREP_TERM, 1);
    *line = el_gets(t->el, &n);
    if (t->interrupted) {
        printf("^C\n");
        el_reset(t->el);
        buf_clear(&t->entry);
        return -1;
    }
    if (!*line || n <= 0) {
        printf("\n");
        fflush(stdout);
        return 0;
    }
    if (prompt != 2)
        (void)buf_add(&t->entry, *line, (size_t)n);
    return n;
}
