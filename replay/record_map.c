/* record_map: what the recorder does about memory that is mapped: files into the store, snapshots, and mapped
 * files that change. record_code.c deals with what is in mapped code. */
#include "replay/record_sysbuf.h"
#include "replay/recorder_state.h"

#include "replay/puppet.h"
#include "replay/snapshot.h"
#include "tracer/maps.h"
#include "tracer/sysbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <xxhash.h>

#define PAGE        4096u
#define CHECK_BYTES 65536u

#define PIDFD_OF_THREAD O_EXCL /* PIDFD_THREAD of linux/pidfd.h, since 6.9 */

/* ---- opening what the program has mapped ---- */

/* A descriptor of our own for the program's descriptor fd; reopened where permissions allow, else the very
 * same open file. */
static int open_program_fd(const struct recorder *recorder, int fd) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", record_tid(recorder), fd);
    int own = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (own >= 0)
        return own;
    int pidfd = (int)syscall(SYS_pidfd_open, record_tid(recorder), PIDFD_OF_THREAD);
    if (pidfd < 0) /* an older kernel */
        pidfd = (int)syscall(SYS_pidfd_open, recorder->thread->process->pid, 0);
    if (pidfd < 0)
        return -1;
    own = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
    close(pidfd);
    return own;
}

/* ---- the store ---- */

static struct mapped_file *find_mapped(struct recorder *recorder, const struct stat *info) {
    for (size_t i = 0; i < recorder->mapped_count; i++)
        if (recorder->mapped[i].device == info->st_dev && recorder->mapped[i].inode == info->st_ino)
            return &recorder->mapped[i];
    return NULL;
}

static struct error *note_mapped(struct recorder *recorder, const struct stat *info, uint32_t file,
                                 struct mapped_file **ret) {
    struct mapped_file *mapped =
        realloc(recorder->mapped, (recorder->mapped_count + 1) * sizeof(*recorder->mapped));
    if (!mapped)
        return &error_no_memory;
    recorder->mapped = mapped;
    record_sysbuf_mapped(recorder->session);
    *ret = &mapped[recorder->mapped_count++];
    **ret = (struct mapped_file){.device = info->st_dev,
                                 .inode = info->st_ino,
                                 .changed = info->st_ctim,
                                 .size = (uint64_t)info->st_size,
                                 .file = file};
    return NULL;
}

static struct error *append_file_event(struct recorder *recorder, struct stored_file *file) {
    struct event event = {.kind = EVENT_FILE};
    event.file.file = file->id;
    event.file.size = file->size;
    event.file.path = file->path;
    event.file.path_size = (uint32_t)strlen(file->path);
    TRY(file_store_file_hash(&recorder->session->store, file, &event.file.hash));
    return recorder_append(recorder, &event);
}

/* This log knows the file as it is now; *ret_news says whether it did not before. */
static struct error *tell_file(struct recorder *recorder, const struct stored_file *file, bool *ret_news) {
    if (file->id >= recorder->told_count) {
        size_t count = file->id + 64;
        uint32_t *told = reallocarray(recorder->told, count, sizeof(*told));
        if (!told)
            return &error_no_memory;
        memset(told + recorder->told_count, 0, (count - recorder->told_count) * sizeof(*told));
        recorder->told = told;
        recorder->told_count = count;
    }
    *ret_news = recorder->told[file->id] != file->generation;
    recorder->told[file->id] = file->generation;
    return NULL;
}

static struct error *flush_file_event(struct recorder *recorder) {
    /* the file may have grown beyond what an earlier event says of it: a recorder that is killed now must not
     * leave it at that */
    return recorder->log ? chunk_writer_flush(recorder->log) : NULL;
}

/* Of programs and libraries all is kept, not only what is mapped: their symbols and debug information tell
 * later what the program did, when the files are long gone. Not beyond this size, though, nor where space is
 * short. */
#define WHOLE_MOST (256ull << 20)

static bool is_program_file(int fd) {
    char magic[4];
    return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
           memcmp(magic, "\177ELF", sizeof(magic)) == 0;
}

static void widen(const struct recorder *recorder, int fd, uint64_t *offset, uint64_t *size) {
    struct stat info;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || !is_program_file(fd))
        return;
    uint64_t all = (uint64_t)info.st_size, most = WHOLE_MOST;
    if (recorder->session->options->max_size && recorder->session->options->max_size / 8 < most)
        most = recorder->session->options->max_size / 8;
    if (all > most || *offset + *size > all + PAGE)
        return;
    *offset = 0;
    *size = all;
}

/* Keep what a mapping shows of the file open at fd. Before the log is open (the first snapshot) no event is
 * made. */
static struct error *store_file(struct recorder *recorder, int fd, const char *path, uint64_t offset,
                                uint64_t size, struct stored_file **ret) {
    bool changed, news;
    recorder->session->store.domain = recorder->info.domain;
    widen(recorder, fd, &offset, &size);
    TRY(file_store_add(&recorder->session->store, fd, path, offset, size, ret, &changed));
    TRY(tell_file(recorder, *ret, &news));
    if (news && recorder->log)
        TRY(append_file_event(recorder, *ret));
    return changed && recorder->log ? flush_file_event(recorder) : NULL;
}

/* ---- mmap, mprotect, mremap ---- */

/* Contents of the file in [offset, offset + size) as they are now, for the puppet's shared copy. */
static struct error *add_file_contents(struct recorder *recorder, uint32_t file, int fd, uint64_t offset,
                                       uint64_t size) {
    struct stat info;
    if (fstat(fd, &info) < 0)
        return error_system(errno, "mapped file");
    TRY(effects_add(&recorder->effects, EFFECT_FILE_SIZE, (uint64_t)info.st_size, file, NULL, 0));
    uint64_t end = offset + size < (uint64_t)info.st_size ? offset + size : (uint64_t)info.st_size;
    static uint8_t block[1 << 16];
    while (offset < end) {
        size_t want = end - offset < sizeof(block) ? end - offset : sizeof(block);
        ssize_t got = pread(fd, block, want, (off_t)offset);
        if (got < 0 && errno == EINTR) /* the tick; only some file systems let it in */
            continue;
        if (got <= 0)
            return got < 0 ? error_system(errno, "mapped file") : NULL;
        TRY(effects_add(&recorder->effects, EFFECT_FILE, offset, file, block, (size_t)got));
        offset += (uint64_t)got;
    }
    return NULL;
}

/* One more mapping of a file that this segment has mapped before: the puppet keeps one copy of a file that
 * changes, through which all its mappings see the same. What has changed since the last time reel looked
 * (time stamps are too coarse to trust once the program itself writes) goes into that copy. */
static struct error *map_again(struct recorder *recorder, struct mapped_file *mapped, const struct stat *info,
                               int fd, const char *path, uint64_t offset, uint64_t size) {
    struct stored_file *stored;
    bool same = !mapped->changing && mapped->size == (uint64_t)info->st_size &&
                memcmp(&mapped->changed, &info->st_ctim, sizeof(mapped->changed)) == 0;
    if (same) {
        TRY(store_file(recorder, fd, path, offset, size, &stored));
        if (stored->id == mapped->file)
            return NULL;
    }
    mapped->changing = true;
    size = (size + PAGE - 1) & ~(uint64_t)(PAGE - 1); /* the rest of the last page is seen, too */
    return add_file_contents(recorder, mapped->file, fd, offset, size);
}

static struct error *map_regular(struct recorder *recorder, uint64_t address, uint64_t size, int protection,
                                 bool writable, int fd, const char *path, uint64_t offset) {
    struct stat info;
    struct stored_file *stored;
    if (fstat(fd, &info) < 0)
        return error_system(errno, "%s", path);
    struct mapped_file *mapped = find_mapped(recorder, &info);
    if (mapped) {
        TRY(map_again(recorder, mapped, &info, fd, path, offset, size));
    } else {
        TRY(store_file(recorder, fd, path, offset, size, &stored));
        TRY(note_mapped(recorder, &info, stored->id, &mapped));
    }
    if (writable)
        mapped->changing = true;
    TRY(record_shared_mapped(recorder, &info, path, offset, size, writable));
    TRY(effects_add(&recorder->effects, EFFECT_MAP_FILE, 0, mapped->file, NULL, 0));
    if (protection & PROT_EXEC)
        TRY(record_code(recorder, fd, address, size, offset));
    return NULL;
}

static struct error *map_fd(struct recorder *recorder, uint64_t address, uint64_t size, int protection,
                            bool writable, int fd, const char *path, uint64_t offset) {
    struct stat info;
    if (fstat(fd, &info) < 0)
        return error_system(errno, "%s", path);
    if (S_ISREG(info.st_mode))
        return map_regular(recorder, address, size, protection, writable, fd, path, offset);
    if (S_ISCHR(info.st_mode) &&
        info.st_rdev == makedev(1, 5)) /* /dev/zero: anonymous memory by another name */
        return NULL;
    recorder_stop(recorder, "%s is mapped: memory shared with a device cannot be recorded", path);
    return NULL;
}

/* An error about the recording (disk full, limits) ends it; one about the task is passed on. */
static struct error *stop_on_error(struct recorder *recorder, struct error *err) {
    err = recorder_cause(recorder, err);
    if (!err || error_is(err, ERROR_TASK_GONE))
        return err;
    recorder_stop_error(recorder, err);
    return NULL;
}

/* Was the program's descriptor opened for writing? Then mprotect(2) can make any shared mapping writable. */
static bool can_write(const struct recorder *recorder, int fd) {
    char path[64], line[128];
    unsigned flags = O_RDWR; /* if nobody tells */
    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", record_tid(recorder), fd);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "flags: %o", &flags) == 1)
            break;
    if (file)
        fclose(file);
    return (flags & O_ACCMODE) != O_RDONLY;
}

struct error *record_mapped(struct recorder *recorder, uint64_t address, uint64_t size, int protection,
                            int flags, int fd, uint64_t offset) {
    char link[64], path[4096];
    snprintf(link, sizeof(link), "/proc/%d/fd/%d", record_tid(recorder), fd);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    path[length > 0 ? length : 0] = 0;
    int own = open_program_fd(recorder, fd);
    if (own < 0)
        return stop_on_error(recorder, error_system(errno, "%s is mapped and cannot be opened", path));
    bool writable = (flags & MAP_TYPE) != MAP_PRIVATE && can_write(recorder, fd);
    struct error *err = map_fd(recorder, address, size, protection, writable, own, path, offset);
    close(own);
    return stop_on_error(recorder, err);
}

/* Do something with each file mapping in [start, end). */
typedef struct error *mapping_visitor(struct recorder *recorder, const struct mapping *mapping, int fd);

static struct error *visit_mapping(struct recorder *recorder, const struct mapping *mapping, uint64_t start,
                                   uint64_t end, mapping_visitor *visit) {
    struct mapping part = *mapping;
    struct stored_file *stored;
    struct stat info;
    int fd = mapping_open(record_tid(recorder), mapping);
    if (fd < 0)
        return NULL; /* deleted meanwhile: what was stored when it was mapped has to do */
    if (part.start < start) {
        part.offset += start - part.start;
        part.start = start;
    }
    if (part.end > end)
        part.end = end;
    uint64_t size = part.end - part.start;
    struct mapped_file *mapped = fstat(fd, &info) == 0 ? find_mapped(recorder, &info) : NULL;
    struct error *err = mapped ? map_again(recorder, mapped, &info, fd, mapping->name, part.offset, size)
                               : store_file(recorder, fd, mapping->name, part.offset, size, &stored);
    if (!err && visit)
        err = visit(recorder, &part, fd);
    close(fd);
    /* cppcheck-suppress returnDanglingLifetime ; an error holds no mapping */
    return err;
}

static struct error *visit_file_mappings(struct recorder *recorder, uint64_t address, uint64_t size,
                                         mapping_visitor *visit) {
    struct maps maps;
    TRY(maps_read(record_tid(recorder), &maps));
    struct error *err = NULL;
    for (size_t i = 0; !err && i < maps.count; i++) {
        const struct mapping *mapping = &maps.mappings[i];
        if (mapping->inode && mapping->name[0] == '/' && mapping->start < address + size &&
            mapping->end > address)
            err = visit_mapping(recorder, mapping, address, address + size, visit);
    }
    maps_deinit(&maps);
    return stop_on_error(recorder, err);
}

static struct error *scan_part(struct recorder *recorder, const struct mapping *part, int fd) {
    return record_code(recorder, fd, part->start, part->end - part->start, part->offset);
}

struct error *record_executable(struct recorder *recorder, uint64_t address, uint64_t size) {
    return visit_file_mappings(recorder, address, size, scan_part);
}

struct error *record_grown(struct recorder *recorder, uint64_t address, uint64_t size) {
    return visit_file_mappings(recorder, address, size, NULL);
}

/* ---- files that change while they are mapped ---- */

struct error *record_file_written(struct recorder *recorder, const char *path, uint64_t offset,
                                  uint64_t size) {
    struct stat info;
    bool alone = recorder->session->recorder_count == 1;
    if ((alone && !recorder->mapped_count) || stat(path, &info) < 0 || !S_ISREG(info.st_mode))
        return NULL;
    if (!alone) {
        char name[4096];
        ssize_t length = readlink(path, name, sizeof(name) - 1);
        name[length > 0 ? length : 0] = 0;
        TRY(record_shared_written(recorder, &info, length > 0 ? name : path, offset, size));
    }
    struct mapped_file *mapped = find_mapped(recorder, &info);
    if (!mapped)
        return NULL;
    mapped->changing = true;
    /* what lay behind the old end, written through a mapping, may have been cleared when the file grew; and
     * what is appended goes there, whatever offset the call gives (O_APPEND, RWF_APPEND) */
    uint64_t now = (uint64_t)info.st_size, end = offset + size;
    if (now > mapped->size) {
        offset = offset < mapped->size ? offset : mapped->size;
        end = end > now ? end : now;
    }
    mapped->size = now;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        recorder_stop(recorder, "a mapped file was written and cannot be read: %s", strerror(errno));
        return NULL;
    }
    struct error *err = add_file_contents(recorder, mapped->file, fd, offset, end - offset);
    close(fd);
    return err;
}

/* Shared memory that is not writable now: a mapping of a file whose descriptor can write, or memory of no
 * file. */
static bool may_become_writable(const struct recorder *recorder, const struct mapping *mapping) {
    if (mapping->name[0] != '/' || strncmp(mapping->name, "/SYSV", 5) == 0 ||
        strncmp(mapping->name, "/dev/zero", 9) == 0)
        return true;
    for (size_t i = 0; i < recorder->mapped_count; i++)
        if (recorder->mapped[i].inode == mapping->inode && recorder->mapped[i].changing)
            return true;
    return false;
}

struct error *record_has_shared_memory(struct recorder *recorder, bool *ret) {
    struct maps maps;
    *ret = false;
    TRY(record_sysbuf_maps(recorder, &maps));
    for (size_t i = 0; i < maps.count; i++)
        if (maps.mappings[i].shared &&
            (maps.mappings[i].protection & PROT_WRITE || may_become_writable(recorder, &maps.mappings[i])))
            *ret = true;
    maps_deinit(&maps);
    return NULL;
}

/* ---- segments ---- */

/* Has it the traps in its code already? So has the copy of one, and one that joins. */
static bool is_patched(const struct recorder *recorder) {
    return recorder->forked || recorder->process_count > 1;
}

/* A process that joins: what the domain has mapped as well is what the domain knows it as. */
static struct error *use_known(struct recorder *recorder, struct mapped_file *mapped, const struct stat *info,
                               struct stored_file **stored) {
    bool news;
    if (mapped->size != (uint64_t)info->st_size || mapped->file != (*stored)->id ||
        memcmp(&mapped->changed, &info->st_ctim, sizeof(mapped->changed)) != 0)
        mapped->changing = true;
    if (mapped->file == (*stored)->id)
        return NULL;
    *stored = file_store_find(&recorder->session->store, mapped->file);
    if (!*stored)
        return error_new(ERROR_OTHER, "file %u of the recording is not known", mapped->file);
    TRY(tell_file(recorder, *stored, &news));
    return news ? append_file_event(recorder, *stored) : NULL;
}

static struct error *snapshot_file_mapping(struct recorder *recorder, struct snapshot *snapshot,
                                           const struct mapping *mapping, uint32_t *ret_file) {
    struct stat info;
    struct stored_file *stored;
    struct mapped_file *mapped;
    uint64_t size = mapping->end - mapping->start, hash;
    int fd = mapping_open(record_tid(recorder), mapping);
    if (fd < 0 || fstat(fd, &info) < 0) {
        if (fd >= 0)
            close(fd);
        return error_new(ERROR_UNSUPPORTED, "%s: is mapped and cannot be opened", mapping->name);
    }
    struct error *err = store_file(recorder, fd, mapping->name, mapping->offset, size, &stored);
    if (!err && mapping->protection & PROT_EXEC && !is_patched(recorder))
        err = record_code(recorder, fd, mapping->start, size, mapping->offset);
    close(fd);
    mapped = find_mapped(recorder, &info);
    if (!err && !mapped)
        err = note_mapped(recorder, &info, stored->id, &mapped);
    if (!err && recorder->process_count > 1)
        err = use_known(recorder, mapped, &info, &stored);
    if (!err)
        err = file_store_file_hash(&recorder->session->store, stored, &hash);
    if (!err)
        err = snapshot_add_file(snapshot, stored->id, stored->size, hash, stored->path);
    if (!err)
        *ret_file = stored->id;
    return err;
}

/* Shared memory of no file. */
static bool is_nameless(const struct mapping *mapping) {
    return mapping->shared &&
           (strncmp(mapping->name, "/dev/zero", 9) == 0 || strncmp(mapping->name, "/SYSV", 5) == 0);
}

/* The System V segments that a process which joins has attached, with what is in them. */
static struct error *add_segments(struct recorder *recorder, const struct maps *maps) {
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        const uint64_t size = mapping->end - mapping->start;
        if (strncmp(mapping->name, "/SYSV", 5) != 0)
            continue;
        TRY(effects_add(&recorder->effects, EFFECT_SEGMENT, mapping->start, (uint32_t)mapping->inode + 1,
                        &size, sizeof(size)));
        TRY(effects_add_memory(&recorder->effects, recorder->thread->task, mapping->start, size));
    }
    return NULL;
}

static struct error *snapshot_mappings(struct recorder *recorder, struct snapshot *snapshot,
                                       const struct maps *maps) {
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        if (mapping_is_kernel_data(mapping))
            continue;
        if (mapping->start < PUPPET_STUB + PUPPET_STUB_SIZE && mapping->end > PUPPET_STUB)
            return error_new(ERROR_UNSUPPORTED, "the program is mapped at 0x%llx, which replay needs",
                             (unsigned long long)mapping->start);
        if (recorder->session->options->buffer && mapping->start < SYSBUF_END && mapping->end > SYSBUF_START)
            return error_hint(error_new(ERROR_UNSUPPORTED, "the program is mapped at 0x%llx, which reel uses",
                                        (unsigned long long)mapping->start),
                              "record it without --buffer");
        struct snapshot_mapping wanted = {.start = mapping->start,
                                          .end = mapping->end,
                                          .protection = mapping->protection,
                                          .shared = mapping->shared,
                                          .stack = strcmp(mapping->name, "[stack]") == 0};
        if (mapping->inode && !is_nameless(mapping)) {
            TRY(snapshot_file_mapping(recorder, snapshot, mapping, &wanted.file));
            wanted.offset = mapping->offset;
        }
        TRY(snapshot_add_mapping(snapshot, &wanted));
    }
    return NULL;
}

/* Only 64-bit programs: a 32-bit one has another entry, other registers and other calls. */
static struct error *check_program(struct recorder *recorder) {
    struct user_regs_struct regs;
    TRY(trace_get_registers(recorder->thread->task->tid, &regs));
    if (regs.cs != 0x33)
        return error_hint(error_new(ERROR_UNSUPPORTED, "32-bit program: cannot be recorded"),
                          "reel records x86-64 programs");
    unsigned persona = 0;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/personality", record_tid(recorder));
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%x", &persona) != 1)
        persona = 0;
    if (file)
        fclose(file);
    if (persona & READ_IMPLIES_EXEC)
        return error_new(ERROR_UNSUPPORTED, "program with READ_IMPLIES_EXEC: cannot be recorded");
    return NULL;
}

/* The kernel closes /proc for programs that may be executed and not read, but not to root. */
static struct error *read_maps(struct recorder *recorder, struct maps *ret) {
    struct error *err = record_sysbuf_maps(recorder, ret);
    if (!error_is(err, ERROR_SYSTEM) || err->errnum != EACCES)
        return err;
    error_free(err);
    return error_new(ERROR_UNSUPPORTED,
                     "the program can be executed, but not read, which only root can record");
}

/* What is in the files that change and that the process has mapped, as it is now. */
static struct error *add_changing(struct recorder *recorder, const struct maps *maps) {
    struct error *err = NULL;
    for (size_t i = 0; !err && i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        struct stat info;
        int fd = mapping->inode && !is_nameless(mapping) && !mapping_is_kernel_data(mapping)
                     ? mapping_open(record_tid(recorder), mapping)
                     : -1;
        if (fd < 0)
            continue;
        const struct mapped_file *mapped = fstat(fd, &info) == 0 ? find_mapped(recorder, &info) : NULL;
        if (mapped && mapped->changing)
            err =
                add_file_contents(recorder, mapped->file, fd, mapping->offset, mapping->end - mapping->start);
        close(fd);
    }
    return err;
}

static struct error *take_snapshot(struct recorder *recorder, struct snapshot *snapshot, const char *name) {
    struct maps maps;
    TRY(read_maps(recorder, &maps));
    struct error *err = is_patched(recorder) ? NULL : record_patch_vdso(recorder, &maps);
    if (!err)
        err = snapshot_mappings(recorder, snapshot, &maps);
    effects_clear(&recorder->effects); /* patches are in the pages of the snapshot */
    if (!err && recorder->process_count > 1)
        err = add_changing(recorder, &maps);
    if (!err && recorder->process_count > 1)
        err = add_segments(recorder, &maps);
    maps_deinit(&maps);
    if (err)
        return err;
    TRY(snapshot_take_task(snapshot, recorder->thread->task));
    recorder->thread->last = snapshot->registers;
    recorder->thread->last_is_call = true;
    recorder->thread->last_time = recorder->thread->call_time = clock_now();
    snapshot->brk_end = recorder->thread->process->brk_end;
    TRY(recording_process_copy(recorder->thread->process->info, &snapshot->process));
    return snapshot_write(snapshot, recorder->thread->task, recorder->domainfd, name,
                          &recorder->session->recording.budget);
}

static struct error *open_segment(struct recorder *recorder, uint32_t number) {
    char name[32];
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot)
        return &error_no_memory;
    struct error *err = check_program(recorder);
    recording_segment_name(number, "snapshot", name);
    if (!err)
        err = take_snapshot(recorder, snapshot, name);
    snapshot_deinit(snapshot);
    free(snapshot);
    if (err)
        return err;
    TRY(record_signal_reset(recorder));
    recording_segment_name(number, "log", name);
    TRY(chunk_writer_create(recorder->domainfd, name, CHUNK_FILE_LOG, &recorder->session->recording.budget,
                            &recorder->log));
    chunk_writer_use_queue(recorder->log, recorder->session->log_queue);
    return NULL;
}

struct error *record_late_snapshot(struct recorder *recorder) {
    char name[32];
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot)
        return &error_no_memory;
    recording_member_name(recorder->segment, recorder->thread->process->info->domain, "snapshot", name);
    struct error *err = take_snapshot(recorder, snapshot, name);
    snapshot_deinit(snapshot);
    free(snapshot);
    return err;
}

/* Programs that interpret the code of others would meet the traps in it. */
static struct error *check_interpreter(const struct recorder *recorder) {
    char link[64], path[4096];
    snprintf(link, sizeof(link), "/proc/%d/exe", record_tid(recorder));
    ssize_t size = readlink(link, path, sizeof(path) - 1);
    path[size > 0 ? size : 0] = 0;
    const char *slash = strrchr(path, '/');
    if (!strncmp(slash ? slash + 1 : path, "valgrind", 8) || strstr(path, "/libexec/valgrind/"))
        return error_new(ERROR_UNSUPPORTED,
                         "valgrind: interprets the code of programs, and cannot be recorded");
    return NULL;
}

void record_forget_changing(struct recorder *recorder) {
    for (size_t i = 0; i < recorder->mapped_count; i++)
        if (recorder->mapped[i].changing)
            file_store_forget(&recorder->session->store, recorder->mapped[i].file);
}

struct error *record_segment(struct recorder *recorder, uint32_t number) {
    char name[32];
    if (!recorder->forked) {
        TRY(check_interpreter(recorder));
        insn_sites_deinit(&recorder->thread->process->sites);
        record_forget_changing(recorder);
        recorder->mapped_count = 0;
        recorder->thread->process->brk_end = 0;
        memset(recorder->thread->process->known_calls, 0, sizeof(recorder->thread->process->known_calls));
    }
    recorder->thread->process->check_cursor = 0;
    record_tree_describe(recorder->thread->process);
    struct error *err = open_segment(recorder, number);
    if (err) {
        recording_segment_name(number, "snapshot", name);
        unlinkat(recorder->domainfd, name, 0);
    }
    return err;
}

/* ---- checks ---- */

/* The next piece of writable memory after the cursor. */
static bool next_piece(struct recorder *recorder, const struct maps *maps, struct memory_range *ret) {
    for (int round = 0; round < 2; round++, recorder->thread->process->check_cursor = 0) {
        for (size_t i = 0; i < maps->count; i++) {
            const struct mapping *mapping = &maps->mappings[i];
            if (!(mapping->protection & PROT_WRITE) ||
                mapping->end <= recorder->thread->process->check_cursor)
                continue;
            if (mapping->shared && recorder->process_count > 1) /* others may be about to be written to */
                continue;
            uint64_t start = mapping->start > recorder->thread->process->check_cursor
                                 ? mapping->start
                                 : recorder->thread->process->check_cursor;
            uint64_t size = mapping->end - start < CHECK_BYTES ? mapping->end - start : CHECK_BYTES;
            *ret = (struct memory_range){.address = start, .size = size};
            recorder->thread->process->check_cursor = start + size;
            return true;
        }
    }
    return false;
}

static struct error *append_check(struct recorder *recorder, uint64_t address, uint64_t size) {
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return &error_no_memory;
    struct event event = {.kind = EVENT_CHECK};
    event.check.address = address;
    event.check.size = task_read(recorder->thread->task, address, bytes, size);
    event.check.hash = XXH3_64bits(bytes, event.check.size);
    free(bytes);
    return event.check.size ? recorder_append(recorder, &event) : NULL;
}

struct error *record_check(struct recorder *recorder) {
    struct maps maps;
    struct memory_range piece;
    struct user_regs_struct regs;
    TRY(trace_get_registers(recorder->thread->task->tid, &regs));
    TRY(record_sysbuf_maps(recorder, &maps));
    const struct mapping *stack = maps_find(&maps, regs.rsp);
    struct error *err = NULL;
    if (stack && stack->protection & PROT_WRITE)
        err = append_check(recorder, regs.rsp, stack->end - regs.rsp < PAGE ? stack->end - regs.rsp : PAGE);
    if (!err && next_piece(recorder, &maps, &piece))
        err = append_check(recorder, piece.address, piece.size);
    maps_deinit(&maps);
    return err;
}

static struct error *keep_image(struct recorder *recorder, const struct image *image) {
    const struct recording_process *info = recorder->thread->process->info;
    char name[32];
    recording_member_name(recorder->segment, info == &recorder->info ? 0 : info->domain, "memory", name);
    return stop_on_error(recorder,
                         image_write(image, recorder->domainfd, name, &recorder->session->recording.budget));
}

struct error *record_end_memory(struct recorder *recorder) {
    struct image image;
    if (!recorder->session->options->check_memory || recorder->mode != RECORDER_RECORDING)
        return NULL;
    TRY(record_sysbuf_image(recorder, &image));
    struct error *err = keep_image(recorder, &image);
    image_deinit(&image);
    return err;
}

struct error *record_exec_memory(struct recorder *recorder) {
    if (!recorder->thread->before || recorder->mode != RECORDER_RECORDING)
        return NULL;
    return keep_image(recorder, recorder->thread->before);
}
