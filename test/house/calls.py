"""Calls and headers that only some layers may use."""
import re

from tree import bare, line_of, sources

# Nobody: no bound, no error, or hidden state.
NEVER = "strcpy strcat sprintf vsprintf gets atoi atol atoll atof strtok alloca setlocale system popen"
# The kernel, and all that waits, allocates or looks at the outside: os alone.
KERNEL = """malloc calloc realloc free aligned_alloc posix_memalign strdup strndup
    fopen fclose fread fwrite fprintf vfprintf printf puts putchar fputs fputc fflush fseek getline perror
    open openat close read write pread pwrite preadv pwritev lseek fsync fdatasync ftruncate fallocate rename renameat
    unlink unlinkat mkdir rmdir opendir readdir stat fstat mmap munmap mremap madvise fcntl flock ioctl poll select socket
    bind listen accept connect send recv pipe fork execve waitpid kill signal sigaction
    time clock clock_gettime gettimeofday localtime localtime_r gmtime mktime strftime sleep usleep nanosleep
    getenv setenv getpid sysconf rand srand random getrandom exit _exit quick_exit abort
    sched_yield sched_getcpu sched_setaffinity thrd_create thrd_join mtx_lock cnd_wait sem_wait syscall"""
PREFIXES = r"pthread_\w+|epoll_\w+|sem_\w+"
HEADERS = re.compile(r"^\s*#\s*include\s*<(pthread|unistd|fcntl|threads|signal|time|poll|sched|dirent|sys/\w+)\.h>", re.M)

# Where a call of KERNEL is the point: the file, and the names it may use.
ALLOWED = {
    "src/base/mem.c": "malloc calloc realloc free aligned_alloc posix_memalign",  # The one hook of all allocation.
    "src/base/base.c": "abort",  # A failed assertion of a debug build.
    "src/base/err.c": "abort",
}
THREAD_LOCAL = re.compile(r"\b(_Thread_local|__thread|thread_local)\b")


def calls(names):
    return re.compile(r"(?<![\w.>])(" + "|".join(names.split()) + r")\s*\(")


NEVER_CALL = calls(NEVER)
KERNEL_CALL = re.compile(calls(KERNEL).pattern.replace(r")\s*\(", "|" + PREFIXES + r")\s*\("))


def is_library(path):
    return not path.startswith(("src/os/", "src/shell/")) and not path.endswith("_test.c")


def never(files):
    for path in sources(files):
        if path.endswith("_test.c"):
            continue
        text = bare(files[path])
        for match in NEVER_CALL.finditer(text):
            yield f"{path}:{line_of(text, match.start())}: {match.group(1)} is never used"


def kernel(files):
    for path in filter(is_library, sources(files)):
        text = bare(files[path])
        allowed = ALLOWED.get(path, "").split()
        for match in KERNEL_CALL.finditer(text):
            if match.group(1) not in allowed:
                yield f"{path}:{line_of(text, match.start())}: {match.group(1)} is called outside os"
        for match in HEADERS.finditer(text):
            yield f"{path}:{line_of(text, match.start())}: <{match.group(1)}.h> is included outside os"


def thread_local(files):
    for path in sources(files):
        text = bare(files[path])
        match = THREAD_LOCAL.search(text)
        if match and not path.startswith("src/os/") and not path.endswith("_test.c"):
            yield f"{path}:{line_of(text, match.start())}: a thread-local variable outside os"


RULES = [
    ("calls nobody makes", never, {"src/shell/a.c": "void f(char *a) { sprintf(a, 1); }"},
     {"src/wal/a.c": "/* strcpy(a) */ snprintf(a, 1, \"strcpy(\"); v->system(1);"}),
    ("kernel calls only in os", kernel, {"src/wal/a.c": "int f(void) { return open (p); }"},
     {"src/os/a.c": "open(p);", "src/wal/a.c": 'os->open(p); wal_open(p); f("read(x)");', "src/wal/b_test.c": "printf(x);"}),
    ("allocation through one hook", kernel, {"src/wal/a.c": "p = malloc(8);"}, {"src/base/mem.c": "p = malloc(8);"}),
    ("threads only in os", kernel, {"src/wal/a.c": "pthread_mutex_lock(m);"}, {"src/wal/a.c": "os_mutex_lock(m);"}),
    ("system headers only in os", kernel, {"src/wal/a.c": "#include <sys/stat.h>\n"}, {"src/wal/a.c": "#include <stdio.h>\n"}),
    ("thread-local only in os", thread_local, {"src/wal/a.c": "static _Thread_local int x;"}, {"src/os/a.c": "__thread int x;"}),
]
