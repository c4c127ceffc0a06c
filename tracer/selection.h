/* selection: what is to be traced, compiled from the options. */
#ifndef REEL_TRACER_SELECTION_H
#define REEL_TRACER_SELECTION_H

#include "config/option.h"
#include "config/pattern.h"
#include "dwarf/expression.h"
#include "dwarf/function.h"

/* One --when. */
struct condition_text {
    struct pattern_list *function;
    struct expression *expression;
    bool matched; /* some function has it */
};

/* One --at. */
struct probe_text {
    const char *text; /* as the user wrote it; not owned */
    char *file;
    unsigned line;
    struct expression **expressions;
    size_t count;
    bool found; /* some module has code there */
};

struct selection {
    const struct trace_options *options;
    struct pattern_list *functions, *excluded_functions, *modules, *excluded_modules, *files;
    struct condition_text *conditions;
    size_t condition_count;
    struct probe_text *probes;
    size_t probe_count;
};

/* options must outlive it. ERROR_USAGE names what cannot be understood. */
struct error *selection_create(const struct trace_options *options, struct selection **ret);
void selection_destroy(struct selection *selection); /* NULL is fine */

/* Are functions of this module looked at? is_program: it is the executable itself. */
bool selection_has_module(const struct selection *selection, const char *name, bool is_program);

/* Is this function traced? has_lines: some functions of its module are known by DWARF, so that others are of
 * no interest unless they are named. */
bool selection_has_function(const struct selection *selection, const struct function *function,
                            bool has_lines);

/* Does the condition belong to this function? */
bool condition_matches(struct condition_text *condition, const struct function *function);

#endif
