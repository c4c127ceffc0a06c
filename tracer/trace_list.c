/* trace_list: --list-probes. A line for each function, and one for each site of it that is no jump, on
 * stdout:
 *
 *     parse_item: 7 jumps, 1 trap
 *         0x1234 statement: trap: a variable that only a stopped program shows
 */
#include "tracer/calltrace_state.h"

#include <stdio.h>

enum outcome { OUTCOME_JUMP, OUTCOME_TRAP, OUTCOME_NONE };

static const struct {
    unsigned kind;
    const char *name;
} kind_names[] = {
    {SITE_ENTRY, "entry"},         {SITE_EXIT, "exit"},  {SITE_JUMP, "jump"},         {SITE_BRANCH, "branch"},
    {SITE_STATEMENT, "statement"}, {SITE_PLACE, "--at"}, {SITE_SPECIAL, "exception"},
};

static enum outcome outcome_of(const struct traced_process *process, const struct site *site, uint64_t bias) {
    if (process->jumps && !trace_jumps_obstacle(process, site->vaddr + bias))
        return OUTCOME_JUMP;
    return trap_find(process->traps, site->vaddr + bias) ? OUTCOME_TRAP : OUTCOME_NONE;
}

static void list_site(const struct traced_process *process, const struct site *site, uint64_t bias,
                      enum outcome outcome) {
    const char *name = "", *why = process->jumps ? trace_jumps_obstacle(process, site->vaddr + bias) : NULL;
    for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]) && !*name; i++)
        if (site->kinds & kind_names[i].kind)
            name = kind_names[i].name;
    printf("    0x%llx %s: %s: %s\n", (unsigned long long)site->vaddr, name,
           outcome == OUTCOME_TRAP ? "trap" : "not traced",
           site->obstacle ? site->obstacle
           : why          ? why
                          : "");
}

void trace_list_function(const struct traced_process *process, const struct traced_function *function,
                         uint64_t bias, const char *obstacle) {
    size_t counts[3] = {0};
    for (size_t i = 0; i < function->site_count; i++)
        counts[outcome_of(process, &function->sites[i], bias)]++;
    printf("%s: ", function->function->display);
    if (function->is_left_out)
        printf("not traced");
    else
        printf("%zu %s, %zu %s", counts[OUTCOME_JUMP], counts[OUTCOME_JUMP] == 1 ? "jump" : "jumps",
               counts[OUTCOME_TRAP], counts[OUTCOME_TRAP] == 1 ? "trap" : "traps");
    if (counts[OUTCOME_NONE] && !function->is_left_out)
        printf(", %zu not traced", counts[OUTCOME_NONE]);
    printf("%s%s\n", obstacle ? ": " : "", obstacle ? obstacle : "");
    for (size_t i = 0; !obstacle && i < function->site_count; i++) {
        enum outcome outcome = outcome_of(process, &function->sites[i], bias);
        if (outcome != OUTCOME_JUMP)
            list_site(process, &function->sites[i], bias, outcome);
    }
}
