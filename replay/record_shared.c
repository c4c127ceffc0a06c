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
    for (size_t i = 0; i < recorder->process->mapped_count; i++)
        if (recorder->process->mapped[i].device == info->st_dev &&
            recorder->process->mapped[i].inode == info->st_ino)
            return &recorder->process->mapped[i];
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

static struct error *find_mappings(const struct recorder *recorder, const struct stat *info, uint64_t offset,
                                   uint64_t size, struct found *ret) {
    const struct mapped_file *file = find_file(recorder, info);
    struct maps maps;
    *ret = (struct found){0};
    if (!file)
        return NULL;
    struct error *err = maps_read(record_living_tid(recorder), &maps);
    if (err) { /* it is about to end */
        error_free(err);
        return NULL;
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
    return NULL;
}

/* Another process than `recorder`, whose recording or running matters. */
static bool is_other(const struct recorder *other, const struct recorder *recorder) {
    return other != recorder && other->process != recorder->process && other->mode != RECORDER_OVER;
}

static void stop_other(struct recorder *other, const char *path, const struct recorder *writer) {
    if (other->mode == RECORDER_RECORDING)
        recorder_stop(other, "%s is mapped, and process %d of the recording can write to it", path,
                      writer->process->pid);
}

struct error *record_shared_mapped(struct recorder *recorder, const struct stat *info, const char *path,
                                   uint64_t offset, uint64_t size, bool writable) {
    const struct session *session = recorder->session;
    for (size_t i = 0; i < session->recorder_count; i++) {
        struct recorder *other = session->recorders[i];
        struct found found;
        if (!is_other(other, recorder))
            continue;
        TRY(find_mappings(other, info, offset, size, &found));
        if (found.any && writable)
            stop_other(other, path, recorder);
        if (found.writable)
            stop_other(recorder, path, other);
    }
    return NULL;
}

struct error *record_shared_written(struct recorder *recorder, const struct stat *info, const char *path,
                                    uint64_t offset, uint64_t size) {
    const struct session *session = recorder->session;
    for (size_t i = 0; i < session->recorder_count; i++) {
        struct recorder *other = session->recorders[i];
        struct found found;
        if (!is_other(other, recorder) || other->mode != RECORDER_RECORDING)
            continue;
        TRY(find_mappings(other, info, offset, size, &found));
        if (found.any)
            recorder_stop(other, "%s is mapped, and process %d of the recording writes to it", path,
                          recorder->process->pid);
    }
    return NULL;
}

struct error *record_shared_attached(struct recorder *recorder, uint64_t id) {
    const struct session *session = recorder->session;
    for (size_t i = 0; i < session->recorder_count; i++) {
        struct recorder *other = session->recorders[i];
        struct maps maps;
        if (!is_other(other, recorder) || other->mode != RECORDER_RECORDING)
            continue;
        struct error *err = maps_read(record_living_tid(other), &maps);
        if (err) {
            error_free(err);
            continue;
        }
        bool attached = false;
        for (size_t k = 0; k < maps.count; k++)
            attached =
                attached || (maps.mappings[k].inode == id && strncmp(maps.mappings[k].name, "/SYSV", 5) == 0);
        maps_deinit(&maps);
        if (attached)
            recorder_stop(other, "process %d of the recording attaches the System V segment %llu, too",
                          recorder->process->pid, (unsigned long long)id);
    }
    return NULL;
}

void record_shared_poked(struct recorder *recorder, pid_t pid) {
    const struct session *session = recorder->session;
    for (size_t i = 0; i < session->recorder_count; i++) {
        struct recorder *other = session->recorders[i];
        if (is_other(other, recorder) && other->mode == RECORDER_RECORDING && other->process->pid == pid)
            recorder_stop(other, "process %d of the recording writes to its memory", recorder->process->pid);
    }
}
