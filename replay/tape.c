#include "replay/tape.h"

#include "replay/snapshot.h"
#include "replay/store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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

static struct error *survey_snapshot(struct tape *tape, uint32_t segment) {
    char name[32];
    struct snapshot snapshot;
    recording_segment_name(segment, "snapshot", name);
    TRY(snapshot_read(tape->recording.domainfd, name, NULL, NULL, &snapshot));
    struct error *err = NULL;
    for (size_t i = 0; !err && i < snapshot.file_count; i++)
        err = note_file(tape, snapshot.files[i].id, snapshot.files[i].size, snapshot.files[i].hash,
                        snapshot.files[i].path, strlen(snapshot.files[i].path));
    snapshot_deinit(&snapshot);
    return err;
}

/* Files that events write to. */
static void note_changes(struct tape *tape, const struct event *event) {
    for (uint32_t i = 0; i < event->effect_count; i++) {
        const struct effect *effect = &event->effects[i];
        if (effect->kind != EFFECT_FILE && effect->kind != EFFECT_FILE_SIZE)
            continue;
        for (size_t k = 0; k < tape->file_count; k++)
            if (tape->files[k].id == effect->file)
                tape->files[k].changes = true;
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
        note_changes(tape, &event);
        tape->points += event.kind == EVENT_SIGNAL && event.signal.place == SIGNAL_AT_POINT;
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
        struct error *err = survey_snapshot(tape, segment);
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
    if (tape->cut || tape->events != tape->info.events || tape->segments != tape->info.segments)
        return cut_short(tape, "less (or more) is in the log than recording.json says");
    return NULL;
}

static struct error *check_files(struct tape *tape) {
    for (size_t i = 0; i < tape->file_count; i++) {
        int fd;
        TRY(file_store_open(tape->recording.filesfd, tape->files[i].id, tape->files[i].size,
                            tape->files[i].hash, &fd));
        close(fd);
    }
    return NULL;
}

struct error *tape_open(const char *path, struct tape *ret) {
    memset(ret, 0, sizeof(*ret));
    TRY(recording_open(path, &ret->recording, &ret->info));
    struct error *err = survey(ret);
    if (!err && ret->segments == 0)
        err = cut_short(ret, "the recorder was killed before the program began");
    if (!err)
        err = check_files(ret);
    if (!err)
        err = tape_rewind(ret);
    if (err)
        tape_close(ret);
    return err;
}

void tape_close(struct tape *tape) {
    chunk_reader_close(tape->reader);
    for (size_t i = 0; i < tape->file_count; i++)
        free(tape->files[i].path);
    free(tape->files);
    free(tape->effects);
    recording_info_deinit(&tape->info);
    recording_deinit(&tape->recording);
    memset(tape, 0, sizeof(*tape));
    tape->recording.dirfd = tape->recording.domainfd = tape->recording.filesfd = -1;
}
