/* reel pack: a recording as one file. */
#include "replay/pack.h"

#include "base/say.h"
#include "cmd/verb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX ".tar.zst"

/* NAME.reel.tar.zst in the current folder. */
static char *name_of(const char *path) {
    size_t size = strlen(path);
    char *name;
    while (size > 1 && path[size - 1] == '/')
        size--;
    size_t start = size;
    while (start && path[start - 1] != '/')
        start--;
    return asprintf(&name, "%.*s" SUFFIX, (int)(size - start), path + start) < 0 ? NULL : name;
}

static struct error *pack(const char *path, const char *to) {
    struct pack_totals totals;
    if (pack_is_file(path))
        return error_new(ERROR_USAGE, "%s: it is a file already", path);
    TRY(pack_write(path, to, &totals));
    say("%s: %.1f MB, of %" PRIu64 " files with %.1f MB, and debug information from %" PRIu64 " files", to,
        (double)totals.packed / 1e6, totals.files, (double)totals.bytes / 1e6, totals.debug_files);
    return NULL;
}

static struct error *run(int argc, char **argv, int *ret_status) {
    const char *output = NULL;
    int first;
    bool help;
    char *path;
    const struct verb_option rows[] = {{"output", 'o', VERB_VALUE, &output}};
    TRY(verb_options(&verb_pack, argc, argv, rows, sizeof(rows) / sizeof(rows[0]), false, &first, &help));
    if (help)
        return NULL;
    TRY(verb_recording_folder(argc, argv, first, &path));
    char *name = output ? strdup(output) : name_of(path);
    struct error *err = name ? pack(path, name) : &error_no_memory;
    free(name);
    free(path);
    *ret_status = 0;
    return err;
}

const struct verb verb_pack = {
    .name = "pack",
    .arguments = "[-o FILE] [RECORDING]",
    .summary = "make one file of a recording, for others",
    .help =
        "Makes one file of RECORDING (default: the newest in the current folder): all that is needed to "
        "replay,\n"
        "trace and debug it on another x86-64 machine with Linux, with the debug information of the programs "
        "and\n"
        "libraries in it that is found here. Whatever takes a RECORDING takes such a file; `tar xf` makes a\n"
        "folder of it.\n"
        "\n"
        "  -o, --output FILE  the file (default: RECORDING" SUFFIX " in the current folder)\n"
        "  -q, --quiet        say nothing but failures\n"
        "\n"
        "It holds what the program read and its environment: give it to whom you would give these.\n",
    .run = run,
};
