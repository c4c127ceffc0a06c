#include "replay/gdb_files.h"

#include "replay/puppet.h"
#include "replay/tape.h"
#include "tracer/maps.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void gdb_files_init(struct gdb_files *files, struct travel *travel) {
    memset(files, 0, sizeof(*files));
    files->travel = travel;
}

static void close_file(struct gdb_file *file) {
    if (file->open && file->fd >= 0)
        close(file->fd);
    buffer_deinit(&file->text);
    memset(file, 0, sizeof(*file));
}

void gdb_files_deinit(struct gdb_files *files) {
    for (size_t i = 0; i < GDB_FILES_MOST; i++)
        close_file(&files->files[i]);
}

/* ---- what the recording knows ---- */

static const struct tape_file *file_by_id(struct travel *travel, uint32_t id) {
    const struct tape *tape = travel_tape(travel);
    for (size_t i = 0; id && i < tape->file_count; i++)
        if (tape->files[i].id == id)
            return &tape->files[i];
    return NULL;
}

/* The file that is mapped at an address. */
static const struct tape_file *file_at(struct travel *travel, uint64_t address) {
    struct maps maps;
    struct puppet *puppet = travel_puppet(travel);
    const struct tape_file *file = NULL;
    struct error *err = maps_read(puppet->task->tid, &maps);
    if (err) {
        error_free(err);
        return NULL;
    }
    const struct mapping *mapping = maps_find(&maps, address);
    if (mapping)
        file = file_by_id(travel, puppet_file_of(puppet, mapping));
    maps_deinit(&maps);
    return file;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* How well a name fits: the loader may have known the file by a link (/lib64/...), so that only the last part
 * of the name is the same; a file that is mapped now is better than one that was. 0: not at all. */
static int fitness(const struct tape_file *file, const char *path, bool mapped) {
    if (!strcmp(file->path, path))
        return mapped ? 4 : 3;
    return strcmp(base_name(file->path), base_name(path)) != 0 ? 0 : mapped ? 2 : 1;
}

static bool is_mapped(const struct maps *maps, const struct puppet *puppet, uint32_t id) {
    for (size_t i = 0; i < maps->count; i++)
        if (puppet_file_of(puppet, &maps->mappings[i]) == id)
            return true;
    return false;
}

static const struct tape_file *file_by_path(struct travel *travel, const char *path) {
    const struct tape *tape = travel_tape(travel);
    const struct tape_file *found = NULL;
    const struct puppet *puppet = travel_puppet(travel);
    struct maps maps;
    int best = 0;
    struct error *err = maps_read(puppet->task->tid, &maps);
    if (err) {
        error_free(err);
        return NULL;
    }
    for (size_t i = 0; i < tape->file_count; i++) {
        const struct tape_file *file = &tape->files[i];
        int fits = fitness(file, path, false);
        if (fits)
            fits = fitness(file, path, is_mapped(&maps, puppet, file->id));
        if (fits > best) {
            best = fits;
            found = file;
        }
    }
    maps_deinit(&maps);
    return found;
}

void gdb_files_program(struct travel *travel, char *ret, size_t size) {
    const struct tape_file *file = file_at(travel, travel_puppet(travel)->entry);
    snprintf(ret, size, "%s", file ? file->path : "");
}

/* The kernel puts it above the environment: a list of pairs that ends with AT_NULL, and begins behind the
 * NULL of the environment. AT_ENTRY is in it, whose value is known. */
void gdb_files_auxv(struct travel *travel, struct buffer *ret) {
    enum { MOST = 1 << 21 };
    struct puppet *puppet = travel_puppet(travel);
    uint64_t size =
        puppet->stack_end - puppet->stack_start < MOST ? puppet->stack_end - puppet->stack_start : MOST;
    uint64_t *words = malloc(size + 16);
    size_t count = words ? travel_read(travel, puppet->stack_end - size, words, size) / 8 : 0;
    for (size_t i = count; i-- > 0 && puppet->entry;) {
        if (i + 1 >= count || words[i] != AT_ENTRY || words[i + 1] != puppet->entry)
            continue;
        size_t first = i, last = i;
        while (first >= 2 && words[first - 2] && words[first - 2] < 256)
            first -= 2;
        while (last + 3 < count && words[last])
            last += 2;
        if (!words[last]) {
            buffer_put(ret, words + first, (last + 2 - first) * 8);
            break;
        }
    }
    free(words);
}

static void put_mapping(struct travel *travel, const struct mapping *mapping, struct buffer *ret) {
    struct puppet *puppet = travel_puppet(travel);
    const struct tape_file *file = file_by_id(travel, puppet_file_of(puppet, mapping));
    char text[256];
    const char *name = file ? file->path : "";
    if (!file && mapping->start >= puppet->brk_start && mapping->end <= puppet->brk_end)
        name = "[heap]";
    else if (!file && mapping->start >= puppet->stack_start && mapping->end <= puppet->stack_end)
        name = "[stack]";
    int length = snprintf(
        text, sizeof(text), "%llx-%llx %c%c%c%c %08llx 00:00 %u ", (unsigned long long)mapping->start,
        (unsigned long long)mapping->end, mapping->protection & PROT_READ ? 'r' : '-',
        mapping->protection & PROT_WRITE ? 'w' : '-', mapping->protection & PROT_EXEC ? 'x' : '-',
        mapping->shared ? 's' : 'p', (unsigned long long)mapping->offset, file ? file->id : 0);
    buffer_put(ret, text, (size_t)length);
    buffer_put(ret, name, strlen(name));
    buffer_put_u8(ret, '\n');
}

struct error *gdb_files_maps(struct travel *travel, struct buffer *ret) {
    struct maps maps;
    TRY(maps_read(travel_puppet(travel)->task->tid, &maps));
    for (size_t i = 0; i < maps.count; i++)
        if (maps.mappings[i].start != PUPPET_STUB)
            put_mapping(travel, &maps.mappings[i], ret);
    maps_deinit(&maps);
    return NULL;
}

static void put_arguments(struct travel *travel, struct buffer *ret) {
    const struct tape *tape = travel_tape(travel);
    char **argv = tape->process.argv ? tape->process.argv : tape->info.argv;
    for (size_t i = 0; argv && argv[i]; i++)
        buffer_put(ret, argv[i], strlen(argv[i]) + 1);
}

/* /proc/N/what: true when it is one that is known; what it holds is in *ret. */
static bool read_proc(struct travel *travel, const char *path, struct buffer *ret) {
    const char *rest = strncmp(path, "/proc/", 6) ? NULL : path + 6;
    if (!rest || strspn(rest, "0123456789") == 0)
        return false;
    rest += strspn(rest, "0123456789");
    if (!strcmp(rest, "/maps") || !strcmp(rest, "/smaps"))
        error_free(gdb_files_maps(travel, ret));
    else if (!strcmp(rest, "/cmdline"))
        put_arguments(travel, ret);
    else if (!strcmp(rest, "/auxv"))
        gdb_files_auxv(travel, ret);
    else
        return false;
    return true;
}

/* ---- as a debugger asks ---- */

/* Debug information that has come with the recording (pack.h), wherever the debugger looks for such. */
static int open_debug(struct travel *travel, const char *path) {
    static const char *const folders[] = {"/.build-id/", "/.dwz/"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        const char *below = strstr(path, folders[i]);
        char name[512];
        if (!below || strstr(below, "/../") || strlen(below) + 8 > sizeof(name))
            continue;
        snprintf(name, sizeof(name), "debug%s", below);
        return openat(travel_tape(travel)->recording.dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    return -1;
}

static int open_stored(struct travel *travel, const char *path, struct gdb_file *ret) {
    char name[16];
    struct stat info;
    const struct tape_file *file = file_by_path(travel, path);
    snprintf(name, sizeof(name), "%u", file ? file->id : 0);
    int fd = file ? openat(travel_tape(travel)->recording.filesfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
                  : open_debug(travel, path);
    if (fd < 0)
        return file ? -errno : -ENOENT;
    if (fstat(fd, &info) < 0) {
        close(fd);
        return -EIO;
    }
    *ret = (struct gdb_file){.open = true, .fd = fd, .size = (uint64_t)info.st_size};
    return 0;
}

int gdb_files_open(struct gdb_files *files, const char *path) {
    size_t at = 0;
    while (at < GDB_FILES_MOST && files->files[at].open)
        at++;
    if (at == GDB_FILES_MOST)
        return -EMFILE;
    struct gdb_file *file = &files->files[at];
    *file = (struct gdb_file){.fd = -1};
    if (read_proc(files->travel, path, &file->text)) {
        file->open = true;
        file->size = file->text.size;
        return (int)at;
    }
    int result = open_stored(files->travel, path, file);
    return result < 0 ? result : (int)at;
}

static struct gdb_file *find(const struct gdb_files *files, uint64_t number) {
    const struct gdb_file *file = number < GDB_FILES_MOST ? &files->files[number] : NULL;
    return file && file->open ? (struct gdb_file *)(uintptr_t)file : NULL;
}

int gdb_files_close(struct gdb_files *files, uint64_t number) {
    struct gdb_file *file = find(files, number);
    if (!file)
        return -EBADF;
    close_file(file);
    return 0;
}

int64_t gdb_files_read(struct gdb_files *files, uint64_t number, uint64_t offset, void *ret, size_t size) {
    const struct gdb_file *file = find(files, number);
    if (!file)
        return -EBADF;
    if (file->fd >= 0) {
        ssize_t got = offset <= INT64_MAX ? pread(file->fd, ret, size, (off_t)offset) : 0;
        return got < 0 ? -errno : got;
    }
    if (offset >= file->text.size)
        return 0;
    if (size > file->text.size - offset)
        size = (size_t)(file->text.size - offset);
    memcpy(ret, file->text.data + offset, size);
    return (int64_t)size;
}

int gdb_files_size(const struct gdb_files *files, uint64_t number, uint64_t *ret) {
    const struct gdb_file *file = find(files, number);
    if (!file)
        return -EBADF;
    *ret = file->size;
    return 0;
}
