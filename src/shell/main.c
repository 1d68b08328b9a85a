/* main.c - the `kodiak` command: its options, what they run, its exit code. */
#include "shell/shell.h"

#include <getopt.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };
enum { RUNS_MAX = 1024 };

static const char usage[] =
    "kodiak [DATABASE] [OPTION]...     the shell; without a DATABASE: one in memory\n"
    "kodiak check DATABASE             reads everything and reports what is damaged\n"
    "kodiak files DATABASE [--live]    lists block files and the log\n"
    "kodiak serve DATABASE             (the server: not supported yet)\n"
    "kodiak help\n"
    "\n"
    "DATABASE is a directory, made if it is missing. Statements come from -c and -f, in "
    "their\n"
    "order, else from standard input: from a person if it is a terminal.\n"
    "\n"
    "  -c, --command SQL    runs the statements\n"
    "  -f, --file FILE      runs a file's statements; - is standard input\n"
    "      --steps FILE     runs lines `name: sql`, each name a connection\n"
    "      --format FORMAT  table, csv, json, jsonl, line, markdown or arrow\n"
    "      --null TEXT      what stands for NULL\n"
    "      --no-header      rows alone\n"
    "      --no-bail        goes on after errors; the exit code is 1 all the same\n"
    "  -s NAME=VALUE        a setting, such as threads=4 or memory_limit=2GB\n"
    "      --read-only      changes nothing\n"
    "      --version\n"
    "  -h, --help\n"
    "\n"
    "Errors go to standard error. Exit codes: 0 all went well, 1 something failed,\n"
    "2 wrong options, 130 ended by Ctrl-C. In the shell, .help tells more.\n";

/* -c and -f in their order. */
struct run {
    bool file;
    const char *text;
};

struct arguments {
    const char *database, *steps;
    struct run runs[RUNS_MAX];
    size_t run_count;
    const char *settings[RUNS_MAX + 1];
    size_t setting_count;
};

enum {
    OPT_FORMAT = 256,
    OPT_NULL,
    OPT_NO_HEADER,
    OPT_NO_BAIL,
    OPT_STEPS,
    OPT_READ_ONLY,
    OPT_VERSION
};
static const struct option options[] = {
    {"command", required_argument, NULL, 'c'},
    {"file", required_argument, NULL, 'f'},
    {"format", required_argument, NULL, OPT_FORMAT},
    {"null", required_argument, NULL, OPT_NULL},
    {"no-header", no_argument, NULL, OPT_NO_HEADER},
    {"no-bail", no_argument, NULL, OPT_NO_BAIL},
    {"steps", required_argument, NULL, OPT_STEPS},
    {"read-only", no_argument, NULL, OPT_READ_ONLY},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int refuse(const char *why, const char *what)
{
    fprintf(stderr, "kodiak: %s%s%s%s\n\n%s", why, what ? " \"" : "", what ? what : "",
            what ? "\"" : "", usage);
    return EXIT_USAGE;
}

/* -1: go on; else the exit code. */
static int read_options(int argc, char **argv, struct shell *sh, struct arguments *a)
{
    int option;
    while ((option = getopt_long(argc, argv, "c:f:s:h", options, NULL)) != -1)
        switch (option) {
        case 'c':
        case 'f':
            if (a->run_count == RUNS_MAX)
                return refuse("too many of -c and -f", NULL);
            a->runs[a->run_count++] = (struct run){option == 'f', optarg};
            break;
        case 's':
            if (a->setting_count == RUNS_MAX)
                return refuse("too many of -s", NULL);
            if (!strchr(optarg, '='))
                return refuse("a setting is NAME=VALUE, not", optarg);
            a->settings[a->setting_count++] = optarg;
            break;
        case OPT_FORMAT:
            if (!format_find(optarg, &sh->look.format))
                return refuse("there is no format", optarg);
            break;
        case OPT_NULL:
            sh->look.null = optarg;
            break;
        case OPT_NO_HEADER:
            sh->look.header = false;
            break;
        case OPT_NO_BAIL:
            sh->bail = false;
            break;
        case OPT_STEPS:
            a->steps = optarg;
            break;
        case OPT_READ_ONLY:
            sh->options.read_only = true;
            break;
        case OPT_VERSION:
            printf("kodiak %s\n", kdk_version());
            return EXIT_OK;
        case 'h':
            fputs(usage, stdout);
            return EXIT_OK;
        default: /* getopt has said what is wrong. */
            fprintf(stderr, "\n%s", usage);
            return EXIT_USAGE;
        }
    if (optind < argc)
        a->database = argv[optind++];
    if (optind < argc)
        return refuse("only one database is opened, not also", argv[optind]);
    if (a->steps && a->run_count)
        return refuse("--steps goes alone, without -c and -f", NULL);
    return -1;
}

static bool from_person(struct shell *sh)
{
    struct input in;
    struct terminal *t = terminal_new(sh);
    bool ok;
    if (!t) /* No terminal that libedit knows: lines as they come. */
        return shell_input(sh, &sh->standard);
    sh->interactive = true;
    printf(
        "KodiakDB %s on %s. Statements end with a semicolon; .help helps, .quit leaves.\n",
        kdk_version(), sh->path);
    input_of_terminal(&in, t);
    ok = shell_input(sh, &in);
    input_deinit(&in);
    terminal_free(t);
    sh->interactive = false;
    return ok;
}

static void run_all(struct shell *sh, const struct arguments *a)
{
    bool ok = true;
    for (size_t i = 0; i < a->run_count && (ok || !sh->bail) && !sh->quit; i++) {
        if (a->runs[i].file) {
            ok = shell_file(sh, a->runs[i].text);
        } else {
            struct input in;
            input_of_text(&in, NULL, a->runs[i].text, strlen(a->runs[i].text));
            ok = shell_input(sh, &in);
            input_deinit(&in);
        }
    }
    if (a->run_count)
        return;
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
        from_person(sh);
        sh->failed = false; /* Who was there saw what failed. */
    } else {
        shell_input(sh, &sh->standard);
    }
}

static void print_problem(void *context, const char *line)
{
    (void)context;
    printf("%s\n", line);
}

/* `kodiak check DATABASE`: code 0 when all is well. */
static int check(struct shell *sh, const char *path)
{
    int64_t problems = 0;
    kdk_status status;
    sh->options.must_exist = true;
    sh->options.read_only = true;
    if (!shell_open(sh, path))
        return EXIT_FAILED;
    status = kdk_check(sh->db, &problems, print_problem, NULL);
    if (status != KDK_OK)
        shell_error(sh, status_sqlstate(status), "the database could not be checked: %s",
                    status_text(status));
    else if (problems)
        printf("%s: %lld problem%s\n", path, (long long)problems, problems == 1 ? "" : "s");
    else if (kdk_open_notice(sh->db)) /* Opening has found damage, and said so. */
        sh->failed = true;
    else
        printf("%s: no problems\n", path);
    shell_flush(sh);
    shell_close(sh);
    return problems || sh->failed ? EXIT_FAILED : EXIT_OK;
}

/* `kodiak check DATABASE` and its like; false when `argv[1]` is none of them. */
static bool run_command(struct shell *sh, int argc, char **argv, int *code)
{
    if (argc < 2)
        return false;
    if (strcmp(argv[1], "help") == 0) {
        fputs(usage, stdout);
        *code = EXIT_OK;
        return true;
    }
    if (strcmp(argv[1], "check") == 0) {
        *code = argc == 3 ? check(sh, argv[2]) : refuse("check takes one database", NULL);
        return true;
    }
    if (strcmp(argv[1], "files") == 0) {
        bool live =
            argc == 4 && (strcmp(argv[2], "--live") == 0 || strcmp(argv[3], "--live") == 0);
        if (argc != 3 && !live)
            *code = refuse("files takes one database", NULL);
        else
            *code =
                files_list(sh, live && strcmp(argv[2], "--live") == 0 ? argv[3] : argv[2],
                           live)
                    ? EXIT_OK
                    : EXIT_FAILED;
        return true;
    }
    if (strcmp(argv[1], "serve") == 0) {
        shell_error(sh, status_sqlstate(KDK_UNSUPPORTED),
                    "the server is not supported yet");
        *code = EXIT_FAILED;
        return true;
    }
    return false;
}

/* Text is UTF-8 whatever the environment says; numbers are as SQL prints them. */
static void set_locale(void)
{
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (utf8)
        (void)uselocale(utf8);
}

int main(int argc, char **argv)
{
    static struct arguments a;
    struct shell sh = {.look = {.format = FORMAT_TABLE, .header = true},
                       .bail = true,
                       .options = {.size = sizeof(kdk_options)}};
    int code;

    set_locale();
    setvbuf(stderr, NULL, _IOFBF,
            8192); /* A message is written whole: message_print() flushes. */
    if (run_command(&sh, argc, argv, &code))
        return code;
    code = read_options(argc, argv, &sh, &a);
    if (code >= 0)
        return code;
    sh.options.settings = a.settings;
    input_of_fd(&sh.standard, "standard input", STDIN_FILENO);
    interrupt_install();
    if (!shell_open(&sh, a.database ? a.database : ":memory:"))
        return EXIT_FAILED;
    code = EXIT_OK;
    if (a.steps)
        code = steps_run(&sh, a.steps);
    else
        run_all(&sh, &a);
    shell_flush(&sh);
    shell_close(&sh);
    input_deinit(&sh.standard);
    mem_free(sh.path_owned);
    mem_free(sh.null_owned);
    return sh.interrupted ? EXIT_INTERRUPTED : sh.failed ? EXIT_FAILED : code;
}
