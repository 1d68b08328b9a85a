/* progress.c - a bar on the terminal while a statement takes long. Nothing where standard
 * error is no terminal. */
#include "shell/shell.h"

#include <unistd.h>

enum { QUIET_MS = 500, BAR_WIDTH = 30 };

static bool visible;

/* "12.3 M" */
static void shorten(double n, char *to, size_t bytes)
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    size_t u = 0;
    for (; n >= 1000 && u + 1 < COUNT_OF(units); u++)
        n /= 1000;
    snprintf(to, bytes, u ? "%.1f%s" : "%.0f%s", n, units[u]);
}

static void on_progress(void *context, uint64_t done, uint64_t total, const char *unit)
{
    struct shell *sh = context;
    double seconds = (double)(now_ns() - sh->started_ns) / 1e9;
    char a[32], b[32], bar[BAR_WIDTH + 1];
    if (seconds * 1000 < QUIET_MS || sh->rows_shown)
        return;
    visible = true;
    shorten((double)done, a, sizeof a);
    if (!total) {
        fprintf(stderr, "\r\033[K%s %s, %.1f s", a, unit, seconds);
    } else {
        double part = MIN((double)done / (double)total, 1.0);
        shorten((double)total, b, sizeof b);
        for (int i = 0; i < BAR_WIDTH; i++)
            bar[i] = i < (int)(part * BAR_WIDTH) ? '#' : '.';
        bar[BAR_WIDTH] = '\0';
        fprintf(stderr, "\r\033[K[%s] %3.0f %%  %s of %s %s, %.1f s", bar, part * 100, a, b,
                unit, seconds);
    }
    fflush(stderr);
}

void progress_clear(void)
{
    if (visible) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    visible = false;
}

void progress_install(struct shell *sh)
{
    if (isatty(STDERR_FILENO))
        kdk_on_progress(sh->conn, on_progress, sh);
}
