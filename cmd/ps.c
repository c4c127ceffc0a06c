/* reel ps: the processes of a recording. */
#include "base/say.h"
#include "cmd/verb.h"
#include "replay/processes.h"
#include "tracer/syscall.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 80, DEPTH_MOST = 12 };

/* ---- the tree ---- */

/* Whose child is process `index`: the index of the last process before it that has its parent's ID and had
 * begun by then; -1: nobody's here. */
static long parent_of(const struct recording_processes *processes, size_t index) {
    const struct recording_process *child = &processes->list[index];
    for (size_t i = index; i-- > 0;)
        if (processes->list[i].pid == child->ppid)
            return (long)i;
    return -1;
}

static void how_it_ended(const struct recording_process *process, bool complete, char *ret, size_t size) {
    if (process->end == END_EXITED)
        snprintf(ret, size, "exit %d", process->status);
    else if (process->end == END_SIGNALED)
        snprintf(ret, size, "%s%s", signal_name(process->status), process->core ? " (core)" : "");
    else if (process->left)
        snprintf(ret, size, "exec (d%u)", process->left);
    else
        snprintf(ret, size, "%s", process->stopped ? "stopped" : complete ? "unknown" : "cut");
}

/* A line of text for a terminal. */
static void put_text(char *line, size_t *at, const char *text) {
    for (; *text && *at < WIDTH; text++)
        line[(*at)++] = (unsigned char)*text < ' ' || *text == 127 ? '?' : *text;
}

static void put_command(char *line, size_t *at, const struct recording_process *process) {
    if (!process->argv || !process->argv[0])
        put_text(line, at, process->program && *process->program ? process->program : "?");
    for (char **word = process->argv; word && *word; word++) {
        if (word != process->argv)
            put_text(line, at, " ");
        put_text(line, at, *word);
    }
}

/* Cut between characters, not in one. */
static size_t fitting(const char *line, size_t size) {
    while (size && ((unsigned char)line[size] & 0xc0) == 0x80)
        size--;
    return size;
}

static void print_process(const struct recording_process *process, unsigned depth, bool complete) {
    char line[WIDTH + 1] = "", end[32];
    how_it_ended(process, complete, end, sizeof(end));
    size_t at = (size_t)snprintf(line, sizeof(line), "%7d %7d %9llu  %-12s ", process->pid, process->ppid,
                                 (unsigned long long)process->events, end);
    for (unsigned i = 0; i < depth && i < DEPTH_MOST; i++)
        put_text(line, &at, " ");
    if (process->joined) {
        char with[32];
        snprintf(with, sizeof(with), "[d%u] ", process->joined);
        put_text(line, &at, with);
    }
    put_command(line, &at, process);
    line[at] = 0;
    printf("%.*s\n", (int)(at < WIDTH ? at : fitting(line, WIDTH)), line);
    if (process->stopped)
        printf("%27s%s: %s\n", "", process->segments ? "recorded in part" : "not recorded", process->stopped);
}

static void print_from(const struct recording_processes *processes, const long *parents, long root,
                       unsigned depth, bool complete) {
    for (size_t i = 0; i < processes->count; i++) {
        if (parents[i] != root)
            continue;
        print_process(&processes->list[i], depth, complete);
        print_from(processes, parents, (long)i, depth + 1, complete);
    }
}

static struct error *print_tree(const struct recording_processes *processes, bool complete) {
    long *parents = calloc(processes->count + 1, sizeof(*parents));
    if (!parents)
        return &error_no_memory;
    for (size_t i = 0; i < processes->count; i++)
        parents[i] = parent_of(processes, i);
    printf("    PID    PPID    EVENTS  END          COMMAND\n");
    print_from(processes, parents, -1, 0, complete);
    free(parents);
    return NULL;
}

/* ---- as JSON: an object a line ---- */

/* JSON is UTF-8; bytes of a recording are not always. */
static cJSON *text_of(const char *text) {
    char *copy = strdup(text ? text : "");
    for (char *at = copy; at && *at; at++)
        if ((unsigned char)*at > 126 || (unsigned char)*at < ' ')
            *at = '?';
    cJSON *item = cJSON_CreateString(copy ? copy : "");
    free(copy);
    return item;
}

static struct error *print_json(const struct recording_process *process) {
    static const char *const starts[] = {
        [START_LAUNCH] = "launch", [START_FORK] = "fork", [START_EXEC] = "exec"};
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "pid", process->pid);
    cJSON_AddNumberToObject(object, "ppid", process->ppid);
    cJSON_AddNumberToObject(object, "domain", process->domain);
    cJSON_AddStringToObject(object, "start", starts[process->start]);
    cJSON_AddItemToObject(object, "program", text_of(process->program));
    cJSON *argv = cJSON_AddArrayToObject(object, "argv");
    for (char **word = process->argv; word && *word; word++)
        cJSON_AddItemToArray(argv, text_of(*word));
    if (process->end == END_EXITED)
        cJSON_AddNumberToObject(object, "status", process->status);
    if (process->end == END_SIGNALED)
        cJSON_AddStringToObject(object, "signal", signal_name(process->status));
    cJSON_AddBoolToObject(object, "core", process->core);
    if (process->stopped)
        cJSON_AddItemToObject(object, "stopped", text_of(process->stopped));
    cJSON_AddNumberToObject(object, "joined", process->joined);
    cJSON_AddNumberToObject(object, "left", process->left);
    cJSON_AddNumberToObject(object, "segments", process->segments);
    cJSON_AddNumberToObject(object, "events", (double)process->events);
    char *line = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    if (!line)
        return &error_no_memory;
    puts(line);
    free(line);
    return NULL;
}

/* ---- the verb ---- */

static struct error *print(const struct recording_processes *processes, bool complete, bool json) {
    if (!json)
        return print_tree(processes, complete);
    for (size_t i = 0; i < processes->count; i++)
        TRY(print_json(&processes->list[i]));
    return NULL;
}

static struct error *run(int argc, char **argv, int *ret_status) {
    int first;
    bool help, json = false, complete;
    char *path;
    struct recording_processes processes;
    const struct verb_option rows[] = {{"json", 'j', VERB_FLAG, &json}};
    TRY(verb_options(&verb_ps, argc, argv, rows, sizeof(rows) / sizeof(rows[0]), false, &first, &help));
    if (help)
        return NULL;
    TRY(verb_recording(argc, argv, first, &path));
    struct error *err = processes_read(path, &processes, &complete);
    if (!err) {
        err = print(&processes, complete, json);
        if (!complete)
            say("the recorder was killed, or is still at work");
        recording_processes_deinit(&processes);
    }
    free(path);
    *ret_status = 0;
    return err;
}

const struct verb verb_ps = {
    .name = "ps",
    .arguments = "[--json] [RECORDING]",
    .summary = "list the processes of a recording",
    .help = "Lists the processes of RECORDING (default: the newest in the current folder) as a tree: process "
            "ID,\n"
            "parent, recorded events, how it ended, and its command line. Any of them can be replayed:\n"
            "`reel replay --pid PID`.\n"
            "\n"
            "  -j, --json         one JSON object a line, nothing cut\n"
            "  -q, --quiet        say nothing but failures\n",
    .run = run,
};
