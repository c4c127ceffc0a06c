/* coverage FILE...: of all functions of these binaries, how many entries, exits and branches can be probed by
 * jumps, and what stands in the way of the others (--reasons). Nothing is run. */
#include "sites.h"

#include "tracer/patch_window.h"

#include <time.h>

#define REASONS 64

struct reason {
    const char *text;
    size_t count;
};

struct tally {
    size_t all[3], done[3]; /* entries, exits, branches */
    struct reason reasons[3][REASONS];
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void note_reason(struct tally *tally, int kind, const char *text) {
    struct reason *reason = tally->reasons[kind];
    while (reason->text && strcmp(reason->text, text))
        reason++;
    reason->text = text;
    reason->count++;
}

static void tally_site(struct tally *tally, const struct listed_site *site, const char *obstacle) {
    static const unsigned kinds[3] = {PATCH_ENTRY, PATCH_EXIT | PATCH_TAIL, PATCH_BRANCH};
    for (int i = 0; i < 3; i++) {
        if (!(site->kinds & kinds[i]))
            continue;
        tally->all[i]++;
        tally->done[i] += !obstacle;
        if (obstacle)
            note_reason(tally, i, obstacle);
    }
}

static void print_kind(const struct tally *tally, int kind) {
    printf(" %9zu %6.2f%%", tally->all[kind],
           tally->all[kind] ? 100.0 * (double)tally->done[kind] / (double)tally->all[kind] : 100.0);
}

static void cover(const char *path, bool reasons, bool sites) {
    struct listed listed;
    double start = now();
    if (!list_module(path, &listed)) {
        printf("%-44s cannot be read\n", path);
        return;
    }
    double read = now();
    struct tally tally = {0};
    struct patch_plan plan = {.code = listed.code};
    struct patch_wish *wishes = calloc(listed.count + 1, sizeof(*wishes));
    const char **obstacles = calloc(listed.count + 1, sizeof(*obstacles));
    size_t count = 0;
    for (size_t i = 0; i < listed.count; i++) {
        obstacles[i] = patch_code_where(listed.code, listed.sites[i].vaddr, &wishes[count].vaddr);
        count += !obstacles[i];
    }
    must(patch_plan_add(&plan, wishes, count));
    double planned = now();
    for (size_t i = 0, k = 0; i < listed.count; i++) {
        const char *obstacle = obstacles[i] ? obstacles[i] : wishes[k++].obstacle;
        tally_site(&tally, &listed.sites[i], obstacle);
        if (obstacle && sites)
            printf("  0x%llx %x %s\n", (unsigned long long)listed.sites[i].vaddr, listed.sites[i].kinds,
                   obstacle);
    }
    printf("%-44s %7zu", path, listed.functions);
    for (int i = 0; i < 3; i++)
        print_kind(&tally, i);
    printf(" %6.2f %6.2f s\n", read - start, planned - read);
    for (int i = 0; reasons && i < 3; i++)
        for (const struct reason *reason = tally.reasons[i]; reason->text; reason++)
            printf("    %-8s %7zu  %s\n",
                   i == 0   ? "entries"
                   : i == 1 ? "exits"
                            : "branches",
                   reason->count, reason->text);
    patch_plan_deinit(&plan);
    free(wishes);
    free(obstacles);
    unlist_module(&listed);
}

int main(int argc, char **argv) {
    bool reasons = false, sites = false;
    printf("%-44s %7s %17s %17s %17s %15s\n", "", "funct.", "entries", "exits", "branches",
           "reading/planning");
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--reasons"))
            reasons = true;
        else if (!strcmp(argv[i], "--sites"))
            sites = true;
        else
            cover(argv[i], reasons, sites);
        fflush(stdout);
    }
    return 0;
}
