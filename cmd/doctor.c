/* reel doctor: what reel can do on this machine. */
#include "base/say.h"
#include "base/version.h"
#include "cmd/verb.h"
#include "replay/puppet.h"
#include "tracer/capability.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

_Static_assert(CAPABILITY_STUB_ADDRESS == PUPPET_STUB, "the probe is about the page that the puppet uses");

enum { COLUMNS = 80, RESULT_COLUMN = 2, TEXT_COLUMN = 29 };

/* Where reel runs. */
struct machine {
    struct utsname kernel;
    char cpu[128]; /* "" when unknown */
    long cores;
    bool virtual;          /* the processor says that it is a virtual machine's */
    const char *container; /* what kind of container, or NULL when nothing hints at one */
};

struct examination {
    struct machine machine;
    struct capability_result *results; /* capability_count() */
    bool record, replay;               /* work here */
};

/* ---- looking ---- */

/* "model name	: AMD EPYC", "flags		: fpu vme ... hypervisor ...": those of the first core. */
static void read_cpu(struct machine *machine) {
    FILE *file = fopen("/proc/cpuinfo", "re");
    char *line = NULL;
    size_t room = 0;
    while (file && getline(&line, &room, file) > 0 && line[0] != '\n') {
        char *value = strchr(line, ':');
        if (!value)
            continue;
        value += strspn(value, ": ");
        value[strcspn(value, "\n")] = 0;
        if (!strncmp(line, "model name", 10))
            snprintf(machine->cpu, sizeof(machine->cpu), "%s", value);
        if (!strncmp(line, "flags", 5))
            machine->virtual = strstr(value, " hypervisor") != NULL;
    }
    free(line);
    if (file)
        fclose(file);
}

/* Only a hint, for the reader: nothing depends on it. */
static const char *find_container(void) {
    static const struct {
        const char *path, *name;
    } marks[] = {{"/.dockerenv", "docker"}, {"/run/.containerenv", "podman"}};
    if (getenv("KUBERNETES_SERVICE_HOST"))
        return "kubernetes";
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (access(marks[i].path, F_OK) == 0)
            return marks[i].name;
    return getenv("container"); /* systemd-nspawn, lxc, podman, flatpak */
}

static void look_at_machine(struct machine *machine) {
    *machine = (struct machine){.cores = sysconf(_SC_NPROCESSORS_ONLN), .container = find_container()};
    uname(&machine->kernel);
    read_cpu(machine);
}

/* Does everything work that `need` cannot do without? */
static bool all_work(const struct capability_result *results, enum capability_need need) {
    for (size_t i = 0; i < capability_count(); i++)
        if (capability_rows()[i].need & need && results[i].state != CAPABILITY_WORKS)
            return false;
    return true;
}

static struct error *examine(struct examination *ret) {
    *ret = (struct examination){0};
    look_at_machine(&ret->machine);
    ret->results = calloc(capability_count(), sizeof(*ret->results));
    if (!ret->results)
        return &error_no_memory;
    for (size_t i = 0; i < capability_count(); i++)
        ret->results[i] = capability_probe(i);
    ret->record = all_work(ret->results, CAPABILITY_RECORD);
    ret->replay = all_work(ret->results, CAPABILITY_REPLAY);
    return NULL;
}

/* What reel does, given this result. */
static const char *consequence(const struct capability_row *row, const struct capability_result *result) {
    return result->state == CAPABILITY_WORKS || !row->instead ? row->use : row->instead;
}

/* ---- as text ---- */

/* Print text in words from `column` on, where the cursor is, breaking lines at COLUMNS. */
static void print_wrapped(const char *text, int column) {
    int at = column;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (at > column && at + 1 + length > COLUMNS) {
            printf("\n%*s", column, "");
            at = column;
        }
        at += printf("%s%.*s", at > column ? " " : "", length, text);
        text += length + strspn(text + length, " ");
    }
    putchar('\n');
}

static void print_machine(const struct machine *machine) {
    printf("reel %s on %s %s %s\n", REEL_VERSION, machine->kernel.sysname, machine->kernel.release,
           machine->kernel.machine);
    printf("processor: %s, %ld core%s%s\n", machine->cpu[0] ? machine->cpu : "unknown", machine->cores,
           machine->cores == 1 ? "" : "s", machine->virtual ? ", virtual machine" : "");
    printf("container: %s\n\n", machine->container ? machine->container : "no sign of one");
}

/* The detail is shown where something is wrong; with --verbose also what was tried, and for every row. */
static void print_row(const struct capability_row *row, const struct capability_result *result) {
    static const char *const words[] = {"yes", "no", "broken"};
    printf("%*s%-8s%-*s", RESULT_COLUMN, "", words[result->state], TEXT_COLUMN - RESULT_COLUMN - 8,
           row->name);
    print_wrapped(consequence(row, result), TEXT_COLUMN);
    bool verbose = say_level == SAY_VERBOSE;
    if (verbose) {
        printf("%*s", TEXT_COLUMN, "");
        char tried[256];
        snprintf(tried, sizeof(tried), "tried: %s", row->what);
        print_wrapped(tried, TEXT_COLUMN);
    }
    if (result->detail[0] && (verbose || result->state != CAPABILITY_WORKS)) {
        char seen[sizeof(result->detail) + 2];
        snprintf(seen, sizeof(seen), "(%s)", result->detail);
        printf("%*s", TEXT_COLUMN, "");
        print_wrapped(seen, TEXT_COLUMN);
    }
}

static void print_verdict(const struct examination *examination, const char *verb, bool works,
                          enum capability_need need) {
    if (works) {
        printf("`reel %s` works here.\n", verb);
        return;
    }
    printf("`reel %s` does not work here, for want of:", verb);
    const char *separator = " ";
    for (size_t i = 0; i < capability_count(); i++) {
        if (!(capability_rows()[i].need & need) || examination->results[i].state == CAPABILITY_WORKS)
            continue;
        printf("%s%s", separator, capability_rows()[i].name);
        separator = ", ";
    }
    printf(".\n");
}

static void print_costs(const struct examination *examination) {
    bool any = false;
    for (size_t i = 0; i < capability_count(); i++) {
        const struct capability_row *row = &capability_rows()[i];
        if (!(row->need & CAPABILITY_BETTER) || examination->results[i].state == CAPABILITY_WORKS)
            continue;
        if (!any)
            printf("\nWhat costs more here, or is not possible:\n");
        any = true;
        printf("  - ");
        print_wrapped(row->instead, 4);
    }
    if (!any)
        printf("Nothing costs more here than elsewhere.\n");
}

static void print_text(const struct examination *examination) {
    print_machine(&examination->machine);
    for (size_t i = 0; i < capability_count(); i++)
        print_row(&capability_rows()[i], &examination->results[i]);
    putchar('\n');
    print_verdict(examination, "record", examination->record, CAPABILITY_RECORD);
    print_verdict(examination, "replay", examination->replay, CAPABILITY_REPLAY);
    if (examination->record || examination->replay)
        print_costs(examination);
}

/* ---- as JSON ---- */

/* cJSON reports each failed allocation; false when one did. */
static bool add_text(cJSON *object, const char *key, const char *text) {
    return text ? cJSON_AddStringToObject(object, key, text) != NULL
                : cJSON_AddNullToObject(object, key) != NULL;
}

static bool add_machine(cJSON *object, const struct machine *machine) {
    char kernel[sizeof(machine->kernel.sysname) + sizeof(machine->kernel.release) + 1];
    snprintf(kernel, sizeof(kernel), "%s %s", machine->kernel.sysname, machine->kernel.release);
    return add_text(object, "version", REEL_VERSION) && add_text(object, "kernel", kernel) &&
           add_text(object, "cpu", machine->cpu[0] ? machine->cpu : NULL) &&
           cJSON_AddNumberToObject(object, "cores", (double)machine->cores) &&
           cJSON_AddBoolToObject(object, "virtual_machine", machine->virtual) &&
           add_text(object, "container", machine->container);
}

static bool add_row(cJSON *array, const struct capability_row *row, const struct capability_result *result) {
    static const char *const states[] = {"works", "missing", "broken"};
    cJSON *object = cJSON_CreateObject();
    if (!object || !cJSON_AddItemToArray(array, object))
        return false;
    return add_text(object, "name", row->name) && add_text(object, "state", states[result->state]) &&
           add_text(object, "detail", result->detail) && add_text(object, "tried", row->what) &&
           cJSON_AddBoolToObject(object, "record_needs", row->need & CAPABILITY_RECORD) &&
           cJSON_AddBoolToObject(object, "replay_needs", row->need & CAPABILITY_REPLAY) &&
           add_text(object, "consequence", consequence(row, result));
}

static bool build_json(cJSON *object, const struct examination *examination) {
    if (!object || !add_machine(object, &examination->machine) ||
        !cJSON_AddBoolToObject(object, "record", examination->record) ||
        !cJSON_AddBoolToObject(object, "replay", examination->replay))
        return false;
    cJSON *array = cJSON_AddArrayToObject(object, "capabilities");
    for (size_t i = 0; array && i < capability_count(); i++)
        if (!add_row(array, &capability_rows()[i], &examination->results[i]))
            return false;
    return array != NULL;
}

static struct error *print_json(const struct examination *examination) {
    cJSON *object = cJSON_CreateObject();
    char *text = build_json(object, examination) ? cJSON_Print(object) : NULL;
    if (text)
        printf("%s\n", text);
    cJSON_free(text);
    cJSON_Delete(object);
    return text ? NULL : &error_no_memory;
}

/* ---- the verb ---- */

static struct error *run(int argc, char **argv, int *ret_status) {
    bool json = false, help;
    int first;
    const struct verb_option rows[] = {{"json", 0, VERB_FLAG, &json}};
    TRY(verb_options(&verb_doctor, argc, argv, rows, sizeof(rows) / sizeof(rows[0]), false, &first, &help));
    if (help)
        return NULL;
    if (first < argc)
        return error_new(ERROR_USAGE, "doctor: it takes no arguments, not '%s'", argv[first]);
    struct examination examination;
    TRY(examine(&examination));
    struct error *err = NULL;
    if (json)
        err = print_json(&examination);
    else if (say_level != SAY_QUIET)
        print_text(&examination);
    *ret_status = examination.record ? 0 : 1;
    free(examination.results);
    return err;
}

const struct verb verb_doctor = {
    .name = "doctor",
    .arguments = "[--json] [--quiet] [--verbose]",
    .summary = "tell what works on this machine",
    .help = "Tries everything that reel could use on this machine, and tells what works, what does not, and\n"
            "what reel does then. Nothing is left behind.\n"
            "\n"
            "      --json     the same as JSON\n"
            "  -q, --quiet    print nothing: the exit status tells\n"
            "  -v, --verbose  also print what was tried\n"
            "\n"
            "Exits with 0 when `reel record` works here, 1 when it does not; 125 when reel itself failed.\n",
    .run = run,
};
