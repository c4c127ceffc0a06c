/* record_shared: files that several processes of the recording have mapped.
 *
 * What another process changes in a mapping comes to no log: not as a call, not at a known moment. So a
 * process is recorded no further once another one of the recording can write to what it has mapped, or has
 * done so with a call. Its own writes do no harm to its own recording. (What strangers write, nobody sees.)
 */
#include "replay/recorder_state.h"

#include "base/say.h"
#include "tracer/maps.h"

#include <string.h>
#include <sys/mman.h>

static const struct mapped_file *find_file(const struct recorder *recorder, const struct stat *info) {
    for (size_t i = 0; i < recorder->mapped_count; i++)
        if (recorder->mapped[i].device == info->st_dev && recorder->mapped[i].inode == info->st_ino)
            return &recorder->mapped[i];
    return NULL;
}

/* Does the mapping show any of [offset, offset + size) of the file? */
static bool shows(const struct mapping *mapping, uint64_t offset, uint64_t size) {
    uint64_t end = mapping->offset + (mapping->end - mapping->start);
    return mapping->offset < offset + size && offset < end;
}

/* Mappings of the file that the process has now. Its device need not be what stat(2) says (overlays): the
 * inode and the name have to do. */
struct found {
    bool any, writable; /* writable: shared, and it may be written or made so */
};

static void find_in(const struct process *process, const struct mapped_file *file, const struct stat *info,
                    uint64_t offset, uint64_t size, struct found *ret) {
    struct maps maps;
    struct error *err = maps_read(record_living_tid(process), &maps);
    if (err) { /* it is about to end */
        error_free(err);
        return;
    }
    for (size_t i = 0; i < maps.count; i++) {
        const struct mapping *mapping = &maps.mappings[i];
        if (mapping->inode != info->st_ino || !shows(mapping, offset, size))
            continue;
        ret->any = true;
        if (mapping->shared && (mapping->protection & PROT_WRITE || file->changing))
            ret->writable = true;
    }
    maps_deinit(&maps);
}

static struct found find_mappings(const struct recorder *recorder, const struct stat *info, uint64_t offset,
                                  uint64_t size) {
    const struct mapped_file *file = find_file(recorder, info);
    struct found found = {0};
    for (const struct process *process = recorder->processes; file && process; process = process->next)
        find_in(process, file, info, offset, size, &found);
    return found;
}

/* Another process than `recorder`, whose recording or running matters. */
static bool is_other(const struct recorder *other, const struct recorder *recorder) {
    return other != recorder && other->mode != RECORDER_OVER;
}

static void stop_other(struct recorder *other, const char *path, const struct recorder *writer) {
    if (other->mode == RECORDER_RECORDING)
        recorder_stop(other, "%s is mapped, and process %d of the recording can write to it", path,
                      writer->thread->process->pid);
}

struct error *record_shared_mapped(struct recorder *recorder, const struct stat *info, const char *path,
                                   uint64_t offset, uint64_t size, bool writable) {
    const struct session *session = recorder->session;
    for (size_t i = 0; i < session->recorder_count; i++) {
        struct recorder *other = session->recorders[i];
        if (!is_other(other, recorder))
            continue;
        const struct found found = find_mappings(other, info, offset, size);
        bool shares = (found.any && writable) || found.writable;
        if (shares && !recorder->join && record_late_can(recorder, other)) {
            recorder->join = other;
            continue;
        }
        if (found.any && writable)
            stop_other(other, path, recorder);
        if (found.writable)
            stop_other(recorder, path, other);
    }
    return NULL;
}

struct recorder *record_shared_with(struct recorder *recorder, const struct stat *info) {
    const struct session *session = recorder->session;
    for (size_t i = 0; i < session->recorder_count; i++) {
        struct recorder *other = session->recorders[i];
        if (is_other(other, recorder) && other->mode == RECORDER_RECORDING &&
            find_mappings(other, info, 0, UINT64_MAX / 2).any)
            return other;
    }
    return NULL;
}

struct error *record_shared_written(struct recorder *recorder, const struct stat *info, const char *path,
                                    uint64_t offset, uint64_t size) {
    const struct session *session = recorder->session;
    for (size_t i = 0; i < session->recorder_count; i++) {
        struct recorder *other = session->recorders[i];
        if (!is_other(other, recorder) || other->mode != RECORDER_RECORDING)
            continue;
        if (find_mappings(other, info, offset, size).any)
            recorder_stop(other, "%s is mapped, and process %d of the recording writes to it", path,
                          recorder->thread->process->pid);
    }
    return NULL;
}

/* Has the process attached this System V segment? Such mappings bear its id as their inode. */
static unsigned attachments_of(const struct process *process, uint64_t id) {
    struct maps maps;
    unsigned count = 0;
    struct error *err = maps_read(record_living_tid(process), &maps);
    if (err) {
        error_free(err);
        return 0;
    }
    for (size_t i = 0; i < maps.count; i++)
        count += maps.mappings[i].inode == id && strncmp(maps.mappings[i].name, "/SYSV", 5) == 0;
    maps_deinit(&maps);
    return count;
}

unsigned record_shared_attachments(const struct recorder *recorder, uint64_t id) {
    unsigned count = 0;
    for (const struct process *process = recorder->processes; process; process = process->next)
        count += attachments_of(process, id);
    return count;
}

struct error *record_shared_attached(struct recorder *recorder, uint64_t id) {
    const struct session *session = recorder->session;
    for (size_t i = 0; i < session->recorder_count; i++) {
        struct recorder *other = session->recorders[i];
        if (!is_other(other, recorder) || other->mode != RECORDER_RECORDING)
            continue;
        if (!record_shared_attachments(other, id))
            continue;
        if (!recorder->join && record_late_can(recorder, other))
            recorder->join = other;
        else
            recorder_stop(other, "process %d of the recording attaches the System V segment %llu, too",
                          recorder->thread->process->pid, (unsigned long long)id);
    }
    return NULL;
}

void record_shared_poked(struct recorder *recorder, pid_t pid) {
    const struct session *session = recorder->session;
    for (size_t i = 0; i < session->recorder_count; i++) {
        struct recorder *other = session->recorders[i];
        for (const struct process *process = other->processes; process; process = process->next)
            if (other->mode == RECORDER_RECORDING && process->pid == pid) {
                recorder_stop(other, "process %d of the recording writes to the memory of process %d",
                              recorder->thread->process->pid, pid);
                return;
            }
    }
}
