#include "check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct check_test *first, **last = &first;
static _Atomic int failures; /* Of the running test; checks may come from any thread. */

void check_register(struct check_test *test)
{
    *last = test;
    last = &test->next;
}

static bool failed(const char *file, int line)
{
    failures++;
    fprintf(stderr, "%s:%d: ", file, line);
    return false;
}

bool check_true(bool ok, const char *what, const char *file, int line)
{
    if (ok)
        return true;
    failed(file, line);
    fprintf(stderr, "%s is false\n", what);
    return false;
}

bool check_eq(long long got, long long want, const char *what, const char *file, int line)
{
    if (got == want)
        return true;
    failed(file, line);
    fprintf(stderr, "%s is %lld, not %lld\n", what, got, want);
    return false;
}

bool check_str(const char *got, const char *want, const char *what, const char *file,
               int line)
{
    if (got && want && strcmp(got, want) == 0)
        return true;
    failed(file, line);
    fprintf(stderr, "%s is \"%s\", not \"%s\"\n", what, got ? got : "(null)",
            want ? want : "(null)");
    return false;
}

bool check_mem(const void *got, const void *want, size_t bytes, const char *what,
               const char *file, int line)
{
    const unsigned char *a = got, *b = want;
    for (size_t i = 0; i < bytes; i++)
        if (a[i] != b[i]) {
            failed(file, line);
            fprintf(stderr, "%s differs at byte %zu of %zu: 0x%02x, not 0x%02x\n", what, i,
                    bytes, a[i], b[i]);
            return false;
        }
    return true;
}

static void run_one(void **state)
{
    const struct check_test *test = *state;
    failures = 0;
    test->run();
    if (failures)
        fail_msg("%s.%s: %d failed checks", test->suite, test->name, failures);
}

static bool wanted(const char *name, int patterns, char **pattern)
{
    for (int i = 0; i < patterns; i++)
        if (strstr(name, pattern[i]))
            return true;
    return patterns == 0;
}

int main(int argc, char **argv)
{
    bool list = argc > 1 && strcmp(argv[1], "--list") == 0;
    size_t count = 0, n = 0;
    for (struct check_test *t = first; t; t = t->next)
        count++;
    struct CMUnitTest *tests = calloc(count ? count : 1, sizeof *tests);
    char(*names)[128] = calloc(count ? count : 1, sizeof *names);
    if (!tests || !names)
        return 2;
    for (struct check_test *t = first; t; t = t->next) {
        snprintf(names[n], sizeof names[n], "%s.%s", t->suite, t->name);
        if (list)
            puts(names[n]);
        if (!wanted(names[n], argc - 1, argv + 1))
            continue;
        tests[n] =
            (struct CMUnitTest){.name = names[n], .test_func = run_one, .initial_state = t};
        n++;
    }
    int bad = list ? 0 : n ? _cmocka_run_group_tests("unit", tests, n, NULL, NULL) : 2;
    free(names);
    free(tests);
    return bad ? 1 : 0;
}
