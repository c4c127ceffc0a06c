/* reel script: a recording as a program that replays it. */
#include "replay/script.h"

#include "base/say.h"
#include "cmd/verb.h"

#include <stdlib.h>

static struct error *run(int argc, char **argv, int *ret_status) {
    const char *output = "replay.sh";
    uint64_t size = 0;
    int first;
    bool help;
    char *path;
    const struct verb_option rows[] = {{"output", 'o', VERB_VALUE, &output}};
    TRY(verb_options(&verb_script, argc, argv, rows, sizeof(rows) / sizeof(rows[0]), false, &first, &help));
    if (help)
        return NULL;
    TRY(verb_recording(argc, argv, first, &path));
    struct error *err = script_write(path, output, &size);
    if (!err)
        say("%s: %.1f MB (sh %s --help)", output, (double)size / 1e6, output);
    free(path);
    *ret_status = 0;
    return err;
}

const struct verb verb_script = {
    .name = "script",
    .arguments = "[-o FILE] [RECORDING]",
    .summary = "make a program of a recording, that replays it",
    .help = "Makes one executable file of RECORDING (default: the newest in the current folder): a shell "
            "script with\n"
            "the recording, its debug information, and reel itself in it. It replays the recording on any "
            "x86-64\n"
            "machine with Linux, for any user, with nothing installed; with options it traces, debugs, lists "
            "and\n"
            "extracts it. Its first lines say what it is; `sh FILE --help` says what it can do.\n"
            "\n"
            "  -o, --output FILE  the file (default: replay.sh)\n"
            "  -q, --quiet        say nothing but failures\n"
            "\n"
            "It holds what the program read and its environment: give it to whom you would give these.\n",
    .run = run,
};
