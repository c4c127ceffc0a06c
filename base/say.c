#include "base/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum say_level say_level = SAY_NORMAL;

/* One write(2) a line, so that lines of reel and of the program never mix within a line. Control characters
 * (which may come from a damaged recording or a program's argument) are shown as '?'. */
static void say_line(const char *format, va_list args) {
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        return;
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    char *line = NULL;
    int size = asprintf(&line, "reel: %s\n", text);
    if (size > 0 && write(STDERR_FILENO, line, (size_t)size) < 0)
        (void)0; /* there is nobody left to tell */
    free(line);
    free(text);
}

#define SAY_FUNCTION(name, level)                                                                            \
    void name(const char *format, ...) {                                                                     \
        if (say_level < (level))                                                                             \
            return;                                                                                          \
        va_list args;                                                                                        \
        va_start(args, format);                                                                              \
        say_line(format, args);                                                                              \
        va_end(args);                                                                                        \
    }

SAY_FUNCTION(say_always, SAY_QUIET)
SAY_FUNCTION(say, SAY_NORMAL)
SAY_FUNCTION(say_verbose, SAY_VERBOSE)

void say_error(struct error *err) {
    if (!err)
        return;
    if (err->hint)
        say_always("%s (%s)", err->message, err->hint);
    else
        say_always("%s", err->message);
    error_free(err);
}
