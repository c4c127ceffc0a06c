#include "replay/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define PAGE     4096u
#define USER_END 0x7ffffffff000ull
/* A run of pages in one record is at most this long. */
#define RUN_PAGES 32u

void snapshot_deinit(struct snapshot *snapshot) {
    for (size_t i = 0; i < snapshot->file_count; i++)
        free(snapshot->files[i].path);
    free(snapshot->files);
    free(snapshot->mappings);
    free(snapshot->xstate);
    recording_process_deinit(&snapshot->process);
    memset(snapshot, 0, sizeof(*snapshot));
}

struct error *snapshot_add_mapping(struct snapshot *snapshot, const struct snapshot_mapping *mapping) {
    struct snapshot_mapping *mappings =
        realloc(snapshot->mappings, (snapshot->mapping_count + 1) * sizeof(*mappings));
    if (!mappings)
        return &error_no_memory;
    snapshot->mappings = mappings;
    mappings[snapshot->mapping_count++] = *mapping;
    return NULL;
}

struct error *snapshot_add_file(struct snapshot *snapshot, uint32_t id, uint64_t size, uint64_t hash,
                                const char *path) {
    for (size_t i = 0; i < snapshot->file_count; i++) {
        if (snapshot->files[i].id != id)
            continue;
        snapshot->files[i].size = size;
        snapshot->files[i].hash = hash;
        return NULL;
    }
    struct snapshot_file *files = realloc(snapshot->files, (snapshot->file_count + 1) * sizeof(*files));
    if (!files)
        return &error_no_memory;
    snapshot->files = files;
    char *copy = strdup(path);
    if (!copy)
        return &error_no_memory;
    files[snapshot->file_count++] =
        (struct snapshot_file){.id = id, .size = size, .hash = hash, .path = copy};
    return NULL;
}

/* Field 47 of /proc/PID/stat, start_brk (proc(5)); the command name in field 2 may hold anything, so count
 * from its last ')'. */
static struct error *read_brk_start(pid_t pid, uint64_t *ret) {
    char path[64], text[2048];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return error_system(errno, "%s", path);
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = 0;
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 47; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return error_new(ERROR_BAD_DATA, "%s: fewer fields than expected", path);
    *ret = strtoull(at, NULL, 10);
    return NULL;
}

/* AT_ENTRY of /proc/PID/auxv, by which tracing tells the program from its libraries. */
static uint64_t read_entry(pid_t pid) {
    enum { AUXV_ENTRY = 9, AUXV_MOST = 128 };
    char path[64];
    uint64_t words[AUXV_MOST][2];
    snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
    FILE *file = fopen(path, "re");
    size_t count = file ? fread(words, sizeof(words[0]), AUXV_MOST, file) : 0;
    if (file)
        fclose(file);
    for (size_t i = 0; i < count && words[i][0]; i++)
        if (words[i][0] == AUXV_ENTRY)
            return words[i][1];
    return 0;
}

/* From /proc, which everybody may read: prlimit(2) of a program that has become another user wants
 * CAP_SYS_RESOURCE, which root in a container often lacks. */
static struct error *read_stack_limit(pid_t pid, uint64_t *ret) {
    char path[64], line[256], value[32];
    snprintf(path, sizeof(path), "/proc/%d/limits", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return error_system(errno, "%s", path);
    bool found = false;
    while (!found && fgets(line, sizeof(line), file))
        found = sscanf(line, "Max stack size %31s", value) == 1;
    fclose(file);
    if (!found)
        return error_new(ERROR_BAD_DATA, "%s: no stack limit", path);
    *ret = strcmp(value, "unlimited") == 0 ? RLIM_INFINITY : strtoull(value, NULL, 10);
    return NULL;
}

struct error *snapshot_take_task(struct snapshot *snapshot, struct task *task) {
    snapshot->tid = task->tid;
    TRY(trace_get_registers(task->tid, &snapshot->registers));
    snapshot->xstate = malloc(XSTATE_MAX);
    if (!snapshot->xstate)
        return &error_no_memory;
    TRY(trace_get_xstate(task->tid, snapshot->xstate, &snapshot->xstate_size));
    snapshot->entry = read_entry(task->tid);
    TRY(read_brk_start(task->tid, &snapshot->brk_start));
    return read_stack_limit(task->tid, &snapshot->stack_limit);
}

/* ---- writing ---- */

enum snapshot_record {
    SNAPSHOT_TASK = 1,
    SNAPSHOT_FILE,
    SNAPSHOT_MAPPING,
    SNAPSHOT_PAGES,
    SNAPSHOT_END,
    SNAPSHOT_PROCESS, /* right behind the task */
};

/* Their order in the file; 0: no such kind. */
static unsigned record_rank(unsigned kind) {
    static const uint8_t ranks[] = {
        [SNAPSHOT_TASK] = 1,    [SNAPSHOT_PROCESS] = 2, [SNAPSHOT_FILE] = 3,
        [SNAPSHOT_MAPPING] = 4, [SNAPSHOT_PAGES] = 5,   [SNAPSHOT_END] = 6,
    };
    return kind < sizeof(ranks) ? ranks[kind] : 0;
}

static struct error *append(struct chunk_writer *writer, struct buffer *record) {
    TRY(buffer_check(record));
    struct error *err = chunk_writer_append(writer, record->data, record->size);
    buffer_clear(record);
    return err;
}

static struct error *write_task(const struct snapshot *snapshot, struct chunk_writer *writer,
                                struct buffer *record) {
    buffer_put_u8(record, SNAPSHOT_TASK);
    buffer_put_varint(record, (uint32_t)snapshot->tid);
    buffer_put_varint(record, snapshot->brk_start);
    buffer_put_varint(record, snapshot->stack_limit);
    buffer_put_blob(record, &snapshot->registers, sizeof(snapshot->registers));
    buffer_put_blob(record, snapshot->xstate, snapshot->xstate_size);
    return append(writer, record);
}

static struct error *write_process(const struct snapshot *snapshot, struct chunk_writer *writer,
                                   struct buffer *record) {
    const struct recording_process *process = &snapshot->process;
    size_t count = 0;
    if (!process->domain)
        return NULL;
    while (process->argv && process->argv[count])
        count++;
    buffer_put_u8(record, SNAPSHOT_PROCESS);
    buffer_put_varint(record, snapshot->brk_end);
    buffer_put_varint(record, snapshot->entry);
    buffer_put_varint(record, process->domain);
    buffer_put_varint(record, (uint32_t)process->pid);
    buffer_put_varint(record, (uint32_t)process->ppid);
    buffer_put_u8(record, (uint8_t)process->start);
    buffer_put_varint(record, process->origin_domain);
    buffer_put_varint(record, process->origin_event);
    buffer_put_u64(record, (uint64_t)process->started.tv_sec);
    buffer_put_u32(record, (uint32_t)process->started.tv_nsec);
    buffer_put_string(record, process->program ? process->program : "");
    buffer_put_varint(record, count);
    for (size_t i = 0; i < count; i++)
        buffer_put_string(record, process->argv[i]);
    return append(writer, record);
}

static struct error *write_file(const struct snapshot_file *file, struct chunk_writer *writer,
                                struct buffer *record) {
    buffer_put_u8(record, SNAPSHOT_FILE);
    buffer_put_varint(record, file->id);
    buffer_put_varint(record, file->size);
    buffer_put_u64(record, file->hash);
    buffer_put_string(record, file->path);
    return append(writer, record);
}

static struct error *write_mapping(const struct snapshot_mapping *mapping, struct chunk_writer *writer,
                                   struct buffer *record) {
    buffer_put_u8(record, SNAPSHOT_MAPPING);
    buffer_put_varint(record, mapping->start);
    buffer_put_varint(record, mapping->end);
    buffer_put_u8(record, (uint8_t)mapping->protection);
    buffer_put_u8(record, mapping->shared);
    buffer_put_u8(record, mapping->stack);
    buffer_put_varint(record, mapping->file);
    buffer_put_varint(record, mapping->offset);
    return append(writer, record);
}

static struct error *write_run(struct task *task, uint64_t address, size_t size, struct chunk_writer *writer,
                               struct buffer *record) {
    buffer_put_u8(record, SNAPSHOT_PAGES);
    buffer_put_varint(record, address);
    buffer_put_varint(record, size); /* a blob, read into its place */
    void *bytes = buffer_reserve(record, size);
    TRY(buffer_check(record));
    TRY(task_read_exact(task, address, bytes, size));
    record->size += size;
    return append(writer, record);
}

static struct error *write_pages(const struct snapshot_mapping *mapping, struct task *task,
                                 struct chunk_writer *writer, struct buffer *record) {
    if (mapping->shared && mapping->file)
        return NULL; /* the file is in the store */
    for (uint64_t address = mapping->start; address < mapping->end;) {
        bool own[RUN_PAGES];
        size_t count = (mapping->end - address) / PAGE, run = 1;
        if (count > RUN_PAGES)
            count = RUN_PAGES;
        memset(own, true, sizeof(own));
        if (!mapping->shared)
            TRY(maps_own_pages(task->tid, address, count, own));
        while (run < count && own[run] == own[0])
            run++;
        if (own[0])
            TRY(write_run(task, address, run * PAGE, writer, record));
        address += run * PAGE;
    }
    return NULL;
}

static struct error *write_all(const struct snapshot *snapshot, struct task *task,
                               struct chunk_writer *writer, struct buffer *record) {
    TRY(write_task(snapshot, writer, record));
    TRY(write_process(snapshot, writer, record));
    for (size_t i = 0; i < snapshot->file_count; i++)
        TRY(write_file(&snapshot->files[i], writer, record));
    for (size_t i = 0; i < snapshot->mapping_count; i++)
        TRY(write_mapping(&snapshot->mappings[i], writer, record));
    for (size_t i = 0; i < snapshot->mapping_count; i++)
        TRY(write_pages(&snapshot->mappings[i], task, writer, record));
    buffer_put_u8(record, SNAPSHOT_END);
    return append(writer, record);
}

struct error *snapshot_write(const struct snapshot *snapshot, struct task *task, int dirfd, const char *name,
                             struct size_budget *budget) {
    struct chunk_writer *writer;
    TRY(chunk_writer_create(dirfd, name, CHUNK_FILE_SNAPSHOT, budget, &writer));
    struct buffer record = {0};
    struct error *err = write_all(snapshot, task, writer, &record);
    buffer_deinit(&record);
    struct error *close_err = chunk_writer_close(writer);
    if (!err)
        return close_err;
    error_free(close_err);
    return err;
}

/* ---- reading ---- */

static void read_exact_blob(struct cursor *cursor, void *ret, size_t size) {
    size_t got;
    const void *bytes = cursor_blob(cursor, &got);
    if (bytes && got == size)
        memcpy(ret, bytes, size);
    else
        cursor_fail(cursor);
}

static void read_task(struct cursor *cursor, struct snapshot *ret) {
    ret->tid = (int32_t)cursor_varint(cursor);
    ret->brk_start = cursor_varint(cursor);
    ret->stack_limit = cursor_varint(cursor);
    read_exact_blob(cursor, &ret->registers, sizeof(ret->registers));
    size_t size;
    const void *xstate = cursor_blob(cursor, &size);
    if (!xstate || size > XSTATE_MAX || ret->brk_start >= USER_END || !(ret->xstate = malloc(size + 1))) {
        cursor_fail(cursor);
        return;
    }
    memcpy(ret->xstate, xstate, size);
    ret->xstate_size = size;
}

static int32_t read_pid(struct cursor *cursor) {
    uint64_t pid = cursor_varint(cursor);
    if (pid > INT32_MAX)
        cursor_fail(cursor);
    return (int32_t)pid;
}

/* What a file id may be; 0 stands for no file where there may be none. */
static uint32_t read_id(struct cursor *cursor) {
    uint64_t id = cursor_varint(cursor);
    if (id > UINT32_MAX)
        cursor_fail(cursor);
    return (uint32_t)id;
}

#define ARGUMENTS_MOST 65536u

static void read_arguments(struct cursor *cursor, struct recording_process *ret) {
    uint64_t count = cursor_varint(cursor);
    if (count > ARGUMENTS_MOST || count > cursor_left(cursor)) {
        cursor_fail(cursor);
        return;
    }
    ret->argv = calloc(count + 1, sizeof(*ret->argv));
    for (size_t i = 0; ret->argv && i < count; i++)
        if (!(ret->argv[i] = cursor_string(cursor)))
            return;
}

static struct error *read_process(struct cursor *cursor, struct snapshot *ret) {
    struct recording_process *process = &ret->process;
    ret->brk_end = cursor_varint(cursor);
    ret->entry = cursor_varint(cursor);
    process->domain = read_id(cursor);
    process->pid = read_pid(cursor);
    process->ppid = read_pid(cursor);
    process->start = (enum process_start)cursor_u8(cursor);
    process->origin_domain = read_id(cursor);
    process->origin_event = cursor_varint(cursor);
    process->started.tv_sec = (time_t)cursor_u64(cursor);
    process->started.tv_nsec = cursor_u32(cursor);
    process->program = cursor_string(cursor);
    read_arguments(cursor, process);
    bool heap = !ret->brk_end || (ret->brk_end >= ret->brk_start && ret->brk_end < USER_END);
    if (!heap || !process->domain || (unsigned)process->start > START_EXEC || !process->argv ||
        process->started.tv_nsec >= 1000000000)
        cursor_fail(cursor);
    return cursor_check(cursor);
}

static struct error *read_file(struct cursor *cursor, struct snapshot *ret) {
    uint32_t id = read_id(cursor);
    uint64_t size = cursor_varint(cursor), hash = cursor_u64(cursor);
    char *path = cursor_string(cursor);
    if (!id)
        cursor_fail(cursor);
    struct error *err = cursor_check(cursor);
    if (!err)
        err = snapshot_add_file(ret, id, size, hash, path);
    free(path);
    return err;
}

static struct error *read_mapping(struct cursor *cursor, struct snapshot *ret) {
    struct snapshot_mapping mapping = {0};
    mapping.start = cursor_varint(cursor);
    mapping.end = cursor_varint(cursor);
    mapping.protection = cursor_u8(cursor);
    mapping.shared = cursor_u8(cursor);
    mapping.stack = cursor_u8(cursor);
    mapping.file = read_id(cursor);
    mapping.offset = cursor_varint(cursor);
    uint64_t before = ret->mapping_count ? ret->mappings[ret->mapping_count - 1].end : PAGE;
    bool known_file = mapping.file == 0;
    for (size_t i = 0; i < ret->file_count; i++)
        known_file = known_file || ret->files[i].id == mapping.file;
    if (mapping.start < before || mapping.end <= mapping.start || mapping.end > USER_END ||
        (mapping.start | mapping.end | mapping.offset) % PAGE || !known_file ||
        mapping.protection & ~(PROT_READ | PROT_WRITE | PROT_EXEC))
        cursor_fail(cursor);
    TRY(cursor_check(cursor));
    return snapshot_add_mapping(ret, &mapping);
}

/* Does the snapshot map all of [start, end)? */
static bool is_mapped(const struct snapshot *snapshot, uint64_t start, uint64_t end) {
    for (size_t i = 0; i < snapshot->mapping_count && start < end; i++)
        if (snapshot->mappings[i].start <= start && start < snapshot->mappings[i].end)
            start = snapshot->mappings[i].end;
    return start >= end;
}

static struct error *read_pages(struct cursor *cursor, struct snapshot *ret, snapshot_pages *pages,
                                void *context) {
    uint64_t address = cursor_varint(cursor);
    size_t size;
    const void *bytes = cursor_blob(cursor, &size);
    if (!bytes || !size || size % PAGE || address % PAGE || size > RUN_PAGES * PAGE || address > USER_END ||
        !is_mapped(ret, address, address + size))
        cursor_fail(cursor);
    TRY(cursor_check(cursor));
    return pages ? pages(context, ret, address, bytes, size) : NULL;
}

/* Records come in the order of their kinds; *ret_last is the kind read last. */
static struct error *read_record(struct cursor *cursor, struct snapshot *ret, enum snapshot_record *ret_last,
                                 snapshot_pages *pages, void *context) {
    enum snapshot_record kind = cursor_u8(cursor);
    bool single = kind == SNAPSHOT_TASK || kind == SNAPSHOT_PROCESS || kind == SNAPSHOT_END;
    unsigned rank = record_rank(kind), last = record_rank(*ret_last);
    if (rank < last || !rank || (single && rank == last) || (kind != SNAPSHOT_TASK && last == 0))
        cursor_fail(cursor);
    TRY(cursor_check(cursor));
    *ret_last = kind;
    switch (kind) {
    case SNAPSHOT_TASK:
        read_task(cursor, ret);
        return cursor_check(cursor);
    case SNAPSHOT_PROCESS:
        return read_process(cursor, ret);
    case SNAPSHOT_FILE:
        return read_file(cursor, ret);
    case SNAPSHOT_MAPPING:
        return read_mapping(cursor, ret);
    case SNAPSHOT_PAGES:
        return read_pages(cursor, ret, pages, context);
    case SNAPSHOT_END:
        return NULL;
    }
    cursor_fail(cursor);
    return cursor_check(cursor);
}

static struct error *read_all(struct chunk_reader *reader, const char *name, snapshot_pages *pages,
                              void *context, struct snapshot *ret) {
    enum snapshot_record last = 0;
    for (;;) {
        const uint8_t *record;
        size_t size;
        TRY(chunk_reader_next(reader, &record, &size));
        if (!record)
            break;
        struct cursor cursor;
        cursor_init(&cursor, record, size, name);
        TRY(read_record(&cursor, ret, &last, pages, context));
        if (cursor_left(&cursor))
            cursor_fail(&cursor);
        TRY(cursor_check(&cursor));
    }
    if (last != SNAPSHOT_END)
        return error_new(ERROR_BAD_DATA, "%s: the snapshot is cut short", name);
    return NULL;
}

struct error *snapshot_read(int dirfd, const char *name, snapshot_pages *pages, void *context,
                            struct snapshot *ret) {
    memset(ret, 0, sizeof(*ret));
    struct chunk_reader *reader;
    TRY(chunk_reader_open(dirfd, name, CHUNK_FILE_SNAPSHOT, &reader));
    struct error *err = read_all(reader, name, pages, context, ret);
    chunk_reader_close(reader);
    if (err)
        snapshot_deinit(ret);
    return err;
}

struct error *snapshot_read_process(int dirfd, const char *name, struct recording_process *ret) {
    struct snapshot snapshot = {0};
    struct chunk_reader *reader;
    enum snapshot_record last = 0;
    TRY(chunk_reader_open(dirfd, name, CHUNK_FILE_SNAPSHOT, &reader));
    struct error *err = NULL;
    for (size_t i = 0; !err && i < 2; i++) {
        const uint8_t *record = NULL;
        size_t size = 0;
        struct cursor cursor;
        err = chunk_reader_next(reader, &record, &size);
        if (err || !record)
            break;
        cursor_init(&cursor, record, size, name);
        err = read_record(&cursor, &snapshot, &last, NULL, NULL);
    }
    chunk_reader_close(reader);
    *ret = (struct recording_process){0};
    if (!err && snapshot.process.domain) {
        *ret = snapshot.process;
        memset(&snapshot.process, 0, sizeof(snapshot.process));
    }
    snapshot_deinit(&snapshot);
    return err;
}
