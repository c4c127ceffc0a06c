/* place: takes `--when` and `--at` apart. The expressions themselves are dwarf/expression.h's business. */
#ifndef REEL_CONFIG_PLACE_H
#define REEL_CONFIG_PLACE_H

#include "base/error.h"

/* "FUNCTION: EXPRESSION". The first colon that is not part of `::` and stands outside of brackets ends the
 * function, a pattern as in config/pattern.h. Strings are fresh, free them with condition_place_deinit(). */
struct condition_place {
    char *function;
    char *expression;
};
struct error *condition_place_parse(const char *text, struct condition_place *ret);
void condition_place_deinit(struct condition_place *place);

/* "FILE:LINE: EXPRESSION, EXPRESSION...". FILE is matched as the debug information names it, by whole
 * components from the end. */
struct probe_place {
    char *file;
    unsigned line;     /* from 1 */
    char *expressions; /* separated by commas, not empty */
};
struct error *probe_place_parse(const char *text, struct probe_place *ret);
void probe_place_deinit(struct probe_place *place);

#endif
