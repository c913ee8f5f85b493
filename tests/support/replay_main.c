/* SPDX-License-Identifier: Apache-2.0
 *
 * main() of the replay programs: feeds a fuzz target every file of the folders named on the
 * command line, so that plain gcc finds a past crash again. Prints TAP, one line a file.
 * Each file sits in a block of exactly its size, as libFuzzer's inputs do.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
replay_file(const char *path)
{
    struct stat st;
    FILE *in = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t len;
    int err = -1;

    if (in == NULL || fstat(fileno(in), &st) != 0)
        goto out;
    bytes = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
    len = bytes != NULL ? fread(bytes, 1, (size_t)st.st_size, in) : 0;
    if (bytes == NULL || len != (size_t)st.st_size)
        goto out;
    err = LLVMFuzzerTestOneInput(bytes, len);
out:
    free(bytes);
    if (in != NULL)
        fclose(in);
    return err;
}

/* A folder that is not there holds no crash yet. */
static int
replay_folder(const char *dir, int *count)
{
    struct dirent **names = NULL;
    int failed = 0;
    int found = scandir(dir, &names, NULL, alphasort);

    for (int i = 0; i < found; i++) {
        char *path = NULL;

        if (names[i]->d_name[0] != '.' && asprintf(&path, "%s/%s", dir, names[i]->d_name) > 0) {
            int err;

            printf("# %s\n", path); /* the last line before a crash names its input */
            fflush(stdout);
            err = replay_file(path);
            printf("%s %d - %s\n", err == 0 ? "ok" : "not ok", ++*count, path);
            failed += err != 0;
        }
        free(path);
        free(names[i]);
    }
    free(names);
    return failed;
}

int
main(int argc, char **argv)
{
    int failed = 0;
    int count = 0;

    for (int i = 1; i < argc; i++)
        failed += replay_folder(argv[i], &count);
    printf("1..%d\n", count);
    return failed > 0;
}
