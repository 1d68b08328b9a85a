/* fuzz_main.c - runs a fuzz target without libFuzzer: on every file named, and on 64
 * damaged copies of each, made from the file's number so that a failure repeats.
 *
 * Command line: FILE... Prints the file and the damage before each run that could crash, so
 * the last line names the culprit; closes with `N passed, 0 failed`. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Runs on a heap copy of exactly `size` bytes, so that the address sanitizer sees an
 * overrun. */
static int run_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        return 1;
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return 0;
}

static int run_file(const char *path, uint64_t seed)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        return 1;
    }
    size_t size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(size + 1);
    int bad = !data || fread(data, 1, size, file) != size;
    fclose(file);
    fprintf(stderr, "%s\n", path);
    if (!bad)
        bad = run_copy(data, size);
    for (int k = 0; k < 64 && !bad && size > 0; k++) {
        size_t at = (size_t)(next(&seed) % size), length = size;
        uint8_t kept = data[at];
        fprintf(stderr, "%s damage %d at %zu\n", path, k, at);
        if (k % 4 == 3)
            length = at;
        else
            data[at] = (uint8_t)(k % 2 ? next(&seed) : kept ^ (1u << (k % 8)));
        bad = run_copy(data, length);
        data[at] = kept;
    }
    free(data);
    return bad;
}

int main(int argc, char **argv)
{
    int passed = 0;
    for (int i = 1; i < argc; i++) {
        if (run_file(argv[i], 88172645463325252u + (uint64_t)i))
            return 1;
        passed++;
    }
    printf("%d passed, 0 failed\n", passed);
    return 0;
}
