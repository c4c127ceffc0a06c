#include "replay/tape.h"

#include "replay/snapshot.h"
#include "replay/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct error *open_segment(struct tape *tape, uint32_t segment) {
    char name[32];
    chunk_reader_close(tape->reader);
    tape->reader = NULL;
    recording_segment_name(segment, "log", name);
    TRY(chunk_reader_open(tape->recording.domainfd, name, CHUNK_FILE_LOG, &tape->reader));
    tape->segment = segment;
    tape->number_before = tape->number;
    return NULL;
}

struct error *tape_next(struct tape *tape, struct event *ret, bool *ret_more) {
    const uint8_t *record;
    size_t size;
    char name[32];
    *ret_more = false;
    if (!tape->reader)
        return NULL;
    TRY(chunk_reader_next(tape->reader, &record, &size));
    if (!record)
        return NULL;
    struct cursor cursor;
    recording_segment_name(tape->segment, "log", name);
    cursor_init(&cursor, record, size, name);
    TRY(event_decode(&cursor, &tape->effects, &tape->effects_room, ret));
    ret->number = ++tape->number;
    *ret_more = true;
    return NULL;
}

struct error *tape_next_segment(struct tape *tape, bool *ret_more) {
    *ret_more = tape->segment < tape->segments;
    return *ret_more ? open_segment(tape, tape->segment + 1) : NULL;
}

struct error *tape_seek(struct tape *tape, uint64_t number) {
    struct event event;
    bool more = true;
    tape->number = tape->number_before;
    TRY(open_segment(tape, tape->segment));
    while (more && tape->number < number)
        TRY(tape_next(tape, &event, &more));
    return NULL;
}

struct error *tape_rewind(struct tape *tape) {
    tape->number = 0;
    return open_segment(tape, 1);
}

/* ---- the first reading ---- */

static struct error *note_file(struct tape *tape, uint32_t id, uint64_t size, uint64_t hash, const char *path,
                               size_t path_size) {
    struct tape_file *file = NULL;
    for (size_t i = 0; i < tape->file_count; i++)
        if (tape->files[i].id == id)
            file = &tape->files[i];
    if (!file) {
        struct tape_file *files = realloc(tape->files, (tape->file_count + 1) * sizeof(*files));
        if (!files)
            return &error_no_memory;
        tape->files = files;
        file = &files[tape->file_count++];
        *file = (struct tape_file){.id = id, .path = strndup(path, path_size)};
    }
    file->size = size;
    file->hash = hash;
    return file->path ? NULL : &error_no_memory;
}

static void note_changing(struct tape *tape, uint32_t id) {
    for (size_t i = 0; id && i < tape->file_count; i++)
        if (tape->files[i].id == id)
            tape->files[i].changes = true;
}

/* number: of a process that joins, 0: of the first one. */
static struct error *survey_snapshot(struct tape *tape, uint32_t segment, uint32_t number) {
    char name[32];
    struct snapshot snapshot;
    recording_member_name(segment, number, "snapshot", name);
    TRY(snapshot_read(tape->recording.domainfd, name, NULL, NULL, &snapshot));
    struct error *err = NULL;
    if (snapshot.process.domain && !number) { /* each exec makes it another program */
        recording_process_deinit(&tape->process);
        tape->process = snapshot.process;
        memset(&snapshot.process, 0, sizeof(snapshot.process));
    }
    for (size_t i = 0; !err && i < snapshot.file_count; i++)
        err = note_file(tape, snapshot.files[i].id, snapshot.files[i].size, snapshot.files[i].hash,
                        snapshot.files[i].path, strlen(snapshot.files[i].path));
    for (size_t i = 0; number && i < snapshot.mapping_count; i++)
        if (snapshot.mappings[i].shared)
            note_changing(tape, snapshot.mappings[i].file);
    snapshot_deinit(&snapshot);
    return err;
}

/* The last one that had this process ID; NULL: it has joined later. */
static struct recording_process *find_process(struct tape *tape, int32_t pid) {
    for (size_t i = tape->members.count; i-- > 0;)
        if (tape->members.list[i].pid == pid && !tape->members.list[i].end && !tape->members.list[i].left)
            return &tape->members.list[i];
    return pid == tape->process.pid || !tape->process.pid ? &tape->process : NULL;
}

/* How the process ended, which recording.json does not say when the recorder was killed. */
static struct error *note_end(struct tape *tape, const struct event *event) {
    struct recording_process *process =
        event->kind == EVENT_EXIT ? find_process(tape, event->tid) : &tape->process;
    if (!process)
        return NULL;
    if (event->kind == EVENT_EXIT) {
        process->end = event->exit.how == EXIT_STATUS ? END_EXITED : END_SIGNALED;
        process->status = event->exit.status;
        process->core = event->exit.core;
    } else if (event->kind == EVENT_STOPPED) {
        free(process->stopped);
        process->stopped = strndup(event->stopped.why, event->stopped.why_size);
        return process->stopped ? NULL : &error_no_memory;
    }
    return NULL;
}

static struct error *add_member(struct tape *tape, const struct event *event) {
    struct recording_process member;
    TRY(recording_process_copy(&tape->process, &member));
    member.domain = event->process.number;
    member.pid = event->tid;
    member.ppid = event->process.parent;
    member.start = START_FORK;
    member.joined = member.origin_domain = tape->domain;
    member.origin_event = event->number - 1;
    member.end = END_UNKNOWN;
    member.left = member.segments = 0;
    member.events = 0;
    return recording_processes_add(&tape->members, &member);
}

/* Processes that belong to the log. */
static struct error *note_member(struct tape *tape, uint32_t segment, const struct event *event) {
    switch (event->kind) {
    case EVENT_PROCESS:
        return tape->info.state == RECORDING_COMPLETE ? NULL : add_member(tape, event);
    case EVENT_JOIN:
        return survey_snapshot(tape, segment, event->left.number);
    case EVENT_JOINED:
        tape->process.joined = event->left.number;
        return NULL;
    case EVENT_LEFT:
        if (find_process(tape, event->tid))
            find_process(tape, event->tid)->left = event->left.number;
        return NULL;
    default:
        return NULL;
    }
}

/* Files that events write to. */
static void note_changes(struct tape *tape, const struct event *event) {
    for (uint32_t i = 0; i < event->effect_count; i++) {
        const struct effect *effect = &event->effects[i];
        if (effect->kind == EFFECT_FILE || effect->kind == EFFECT_FILE_SIZE)
            note_changing(tape, effect->file);
    }
}

/* Read a whole log. *ret_exec: it ends with an exec, so that another segment should follow. */
static struct error *survey_log(struct tape *tape, uint32_t segment, bool *ret_exec) {
    *ret_exec = false;
    TRY(open_segment(tape, segment));
    for (;;) {
        struct event event;
        bool more;
        TRY(tape_next(tape, &event, &more));
        if (!more)
            break;
        *ret_exec = event.kind == EVENT_EXEC;
        TRY(note_end(tape, &event));
        TRY(note_member(tape, segment, &event));
        note_changes(tape, &event);
        tape->points += (event.kind == EVENT_SIGNAL && event.signal.place == SIGNAL_AT_POINT) ||
                        event.kind == EVENT_SWITCH;
        if (event.kind == EVENT_FILE)
            TRY(note_file(tape, event.file.file, event.file.size, event.file.hash, event.file.path,
                          event.file.path_size));
    }
    if (chunk_reader_cut(tape->reader))
        tape->cut = true;
    return NULL;
}

static struct error *cut_short(const struct tape *tape, const char *what) {
    return error_hint(error_new(ERROR_BAD_DATA, "%s: %s", tape->recording.path, what),
                      "the recording is damaged");
}

/* The process in recording.json, or NULL. */
static const struct recording_process *find_told(const struct tape *tape) {
    const struct recording_processes *processes = &tape->info.processes;
    for (size_t i = 0; i < processes->count; i++)
        if (processes->list[i].domain == tape->domain)
            return &processes->list[i];
    return NULL;
}

static uint64_t told_events(const struct tape *tape) {
    const struct recording_process *told = tape->domain > 1 ? find_told(tape) : NULL;
    return told ? told->events : tape->info.events;
}

static uint32_t told_segments(const struct tape *tape) {
    const struct recording_process *told = tape->domain > 1 ? find_told(tape) : NULL;
    return told ? told->segments : tape->info.segments;
}

/* The log of a segment is made when its snapshot is complete. */
static bool has_log(const struct tape *tape, uint32_t segment) {
    char name[32];
    recording_segment_name(segment, "log", name);
    return faccessat(tape->recording.domainfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A killed recorder leaves a segment without a snapshot, or without a log, as the last one. */
static struct error *survey(struct tape *tape) {
    bool complete = tape->info.state == RECORDING_COMPLETE, more = true;
    for (uint32_t segment = 1; more; segment++) {
        struct error *err = survey_snapshot(tape, segment, 0);
        if (!err) {
            err = survey_log(tape, segment, &more);
            if (err && !complete && error_is(err, ERROR_NOT_FOUND)) {
                error_free(err); /* killed between the two */
                tape->cut = true;
                break;
            }
        } else if (!complete && segment > 1 && !has_log(tape, segment) &&
                   (error_is(err, ERROR_NOT_FOUND) || error_is(err, ERROR_BAD_DATA))) {
            error_free(err); /* killed while it was written */
            tape->cut = true;
            break;
        }
        if (err)
            return err;
        tape->segments = segment;
    }
    tape->events = tape->number;
    if (!complete)
        return NULL;
    if (tape->cut || tape->events != told_events(tape) || tape->segments != told_segments(tape))
        return cut_short(tape, "less (or more) is in the log than recording.json says");
    return NULL;
}

/* Stored files that were found sound, by what they are: the processes of a recording have most in common. */
static struct checked_file {
    dev_t device;
    ino_t inode;
    struct timespec changed;
    uint64_t size, hash;
} * checked;
static size_t checked_count;

static bool is_checked(const struct checked_file *file) {
    for (size_t i = 0; i < checked_count; i++)
        if (checked[i].device == file->device && checked[i].inode == file->inode &&
            checked[i].changed.tv_sec == file->changed.tv_sec &&
            checked[i].changed.tv_nsec == file->changed.tv_nsec && checked[i].size == file->size &&
            checked[i].hash == file->hash)
            return true;
    return false;
}

static void note_checked(const struct checked_file *file) {
    struct checked_file *more = reallocarray(checked, checked_count + 1, sizeof(*more));
    if (!more)
        return;
    checked = more;
    checked[checked_count++] = *file;
}

static struct error *check_file(struct tape *tape, const struct tape_file *file) {
    char name[16];
    struct stat info;
    int fd;
    snprintf(name, sizeof(name), "%u", file->id);
    bool found = fstatat(tape->recording.filesfd, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
    const struct checked_file this = {.device = found ? info.st_dev : 0,
                                      .inode = found ? info.st_ino : 0,
                                      .changed = found ? info.st_ctim : (struct timespec){0},
                                      .size = file->size,
                                      .hash = file->hash};
    if (found && is_checked(&this))
        return NULL;
    TRY(file_store_open(tape->recording.filesfd, file->id, file->size, file->hash, &fd));
    close(fd);
    if (found)
        note_checked(&this);
    return NULL;
}

static struct error *check_files(struct tape *tape) {
    for (size_t i = 0; i < tape->file_count; i++)
        TRY(check_file(tape, &tape->files[i]));
    return NULL;
}

static struct error *open_domain(const char *path, const struct recording_info *info, uint32_t domain,
                                 struct tape *ret) {
    memset(ret, 0, sizeof(*ret));
    TRY(info ? recording_open_folders(path, &ret->recording)
             : recording_open(path, &ret->recording, &ret->info));
    if (info)
        ret->info = *info;
    ret->info_borrowed = info != NULL;
    ret->domain = domain;
    struct error *err = domain > 1 ? recording_enter(&ret->recording, domain) : NULL;
    if (!err)
        err = survey(ret);
    if (!err && ret->segments == 0)
        err = cut_short(ret, "the recorder was killed before the program began");
    if (err)
        tape_close(ret);
    return err;
}

struct error *tape_open(const char *path, const struct recording_info *info, uint32_t domain,
                        struct tape *ret) {
    TRY(open_domain(path, info, domain, ret));
    struct error *err = check_files(ret);
    if (!err)
        err = tape_rewind(ret);
    if (err)
        tape_close(ret);
    return err;
}

struct error *tape_survey(const char *path, const struct recording_info *info, uint32_t domain,
                          struct recording_processes *ret) {
    struct tape tape;
    struct recording_process process;
    *ret = (struct recording_processes){0};
    TRY(open_domain(path, info, domain, &tape));
    struct error *err = recording_process_copy(&tape.process, &process);
    if (!err) {
        process.domain = domain;
        process.segments = tape.segments;
        process.events = tape.events;
        err = recording_processes_add(&tape.members, &process);
    }
    if (!err) {
        *ret = tape.members;
        tape.members = (struct recording_processes){0};
    }
    tape_close(&tape);
    return err;
}

void tape_close(struct tape *tape) {
    chunk_reader_close(tape->reader);
    for (size_t i = 0; i < tape->file_count; i++)
        free(tape->files[i].path);
    free(tape->files);
    free(tape->effects);
    recording_process_deinit(&tape->process);
    recording_processes_deinit(&tape->members);
    if (!tape->info_borrowed)
        recording_info_deinit(&tape->info);
    recording_deinit(&tape->recording);
    memset(tape, 0, sizeof(*tape));
    tape->recording.dirfd = tape->recording.domainfd = tape->recording.filesfd = -1;
}
