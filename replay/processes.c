#include "replay/processes.h"

#include "replay/tape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- all of them ---- */

/* "d12" is 12; 0 for any other name. */
static uint32_t domain_number(const char *name) {
    char *end;
    errno = 0;
    unsigned long number =
        name[0] == 'd' && name[1] >= '1' && name[1] <= '9' ? strtoul(name + 1, &end, 10) : 0;
    return number && !errno && !*end && number <= UINT32_MAX ? (uint32_t)number : 0;
}

/* A domain whose snapshot or log the recorder did not come to write is none yet. */
static struct error *add_folder(const char *path, const struct recording_info *info, uint32_t domain,
                                struct recording_processes *ret) {
    struct recording_processes found;
    struct error *err = tape_survey(path, info, domain, &found);
    if (domain > 1 && (error_is(err, ERROR_NOT_FOUND) || error_is(err, ERROR_BAD_DATA))) {
        error_free(err);
        return NULL;
    }
    if (err)
        return err;
    for (size_t i = 0; !err && i < found.count; i++)
        err = recording_processes_add(ret, &found.list[i]);
    recording_processes_deinit(&found);
    return err;
}

static struct error *read_folders(const char *path, const struct recording *recording,
                                  struct recording_info *info) {
    struct recording_processes found = {0};
    int fd = openat(recording->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        struct error *err = error_system(errno, "%s", path);
        if (fd >= 0)
            close(fd);
        return err;
    }
    struct error *err = NULL;
    for (struct dirent *entry; !err && (entry = readdir(folder));) {
        uint32_t domain = domain_number(entry->d_name);
        if (domain)
            err = add_folder(path, info, domain, &found);
    }
    closedir(folder);
    if (err)
        recording_processes_deinit(&found);
    else
        info->processes = found;
    return err;
}

/* A recording of one process, as they were made once. */
static struct error *add_only(struct recording_info *info) {
    const struct recording_process only = {.domain = 1,
                                           .pid = info->pid,
                                           .program = info->program,
                                           .argv = info->argv,
                                           .started = info->started,
                                           .ended = info->ended,
                                           .end = info->end == END_STOPPED ? END_UNKNOWN : info->end,
                                           .status = info->status,
                                           .stopped = info->end == END_STOPPED ? info->why : NULL,
                                           .segments = info->segments,
                                           .events = info->events};
    struct recording_process copy;
    TRY(recording_process_copy(&only, &copy));
    return recording_processes_add(&info->processes, &copy);
}

struct error *processes_read_info(const char *path, struct recording_info *ret) {
    struct recording recording;
    TRY(recording_open(path, &recording, ret));
    struct error *err = NULL;
    if (ret->state != RECORDING_COMPLETE)
        err = read_folders(path, &recording, ret);
    else if (!ret->processes.count)
        err = add_only(ret);
    recording_deinit(&recording);
    if (err)
        recording_info_deinit(ret);
    return err;
}

struct error *processes_read(const char *path, struct recording_processes *ret, bool *ret_complete) {
    struct recording_info info;
    TRY(processes_read_info(path, &info));
    *ret_complete = info.state == RECORDING_COMPLETE;
    *ret = info.processes;
    memset(&info.processes, 0, sizeof(info.processes));
    recording_info_deinit(&info);
    return NULL;
}

/* ---- one of them ---- */

static const struct recording_process *find(const struct recording_processes *processes, const char *who) {
    uint32_t domain = domain_number(who);
    char *end;
    errno = 0;
    long pid = strtol(who, &end, 10);
    bool is_pid = !errno && !*end && end != who;
    const struct recording_process *found = NULL;
    for (size_t i = 0; i < processes->count; i++) {
        const struct recording_process *process = &processes->list[i];
        bool meant = domain ? process->domain == domain : is_pid && process->pid == pid;
        if (meant && (!found || process->segments || process->joined))
            found = process;
    }
    return found;
}

struct error *processes_find(const char *path, const char *who, struct process_place *ret) {
    struct recording_processes processes;
    bool complete;
    *ret = (struct process_place){.domain = 1};
    if (!who)
        return NULL;
    TRY(processes_read(path, &processes, &complete));
    const struct recording_process *found = find(&processes, who);
    struct error *err = NULL;
    if (!found)
        err = error_hint(error_new(ERROR_NOT_FOUND, "%s: no process %s in it", path, who),
                         "`reel ps` lists them");
    else if (!found->segments && !found->joined)
        err = error_new(ERROR_NOT_FOUND, "%s: nothing of process %s was recorded%s%s", path, who,
                        found->stopped ? ": " : "", found->stopped ? found->stopped : "");
    else
        *ret = (struct process_place){.domain = found->segments ? found->domain : found->joined,
                                      .pid = found->pid};
    recording_processes_deinit(&processes);
    return err;
}
