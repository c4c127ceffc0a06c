#include "replay/pack.h"

#include "dwarf/module.h"
#include "replay/processes.h"
#include "replay/tape.h"
#include "replay/tar.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEBUG_FOLDER "debug"
#define BLOCK        (1u << 16)
#define NAME_MOST    TAR_NAME_MOST

bool pack_is_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool pack_has_magic(const char *path) {
    uint8_t bytes[4];
    int fd = pack_is_file(path) ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    bool has = fd >= 0 && pread(fd, bytes, sizeof(bytes), 0) == sizeof(bytes) &&
               tar_is_compressed(bytes, sizeof(bytes));
    if (fd >= 0)
        close(fd);
    return has;
}

char *pack_debug_folder(const char *path) {
    char *folder;
    struct stat info;
    if (asprintf(&folder, "%s/" DEBUG_FOLDER, path) < 0)
        return NULL;
    if (stat(folder, &info) == 0 && S_ISDIR(info.st_mode))
        return folder;
    free(folder);
    return NULL;
}

/* ---- writing ---- */

struct packer {
    struct tar_writer *tar;
    const char *to;
    char **names; /* in it already */
    size_t count, room;
    struct pack_totals totals;
};

static bool is_in(const struct packer *packer, const char *name) {
    for (size_t i = 0; i < packer->count; i++)
        if (!strcmp(packer->names[i], name))
            return true;
    return false;
}

static struct error *note_name(struct packer *packer, const char *name) {
    if (packer->count == packer->room) {
        size_t room = packer->room ? 2 * packer->room : 64;
        char **names = reallocarray(packer->names, room, sizeof(char *));
        if (!names)
            return &error_no_memory;
        packer->names = names;
        packer->room = room;
    }
    packer->names[packer->count] = strdup(name);
    return packer->names[packer->count] ? (packer->count++, NULL) : &error_no_memory;
}

/* The file open at fd, under this name, once. */
static struct error *put_file(struct packer *packer, int fd, const char *name, uint64_t *ret_size) {
    *ret_size = 0;
    if (is_in(packer, name))
        return NULL;
    TRY(note_name(packer, name));
    return tar_writer_file(packer->tar, fd, name, 0600, ret_size);
}

static struct error *put_named(struct packer *packer, int folder, const char *file, const char *name) {
    uint64_t size;
    int fd = openat(folder, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return error_system(errno, "%s", name);
    struct error *err = put_file(packer, fd, name, &size);
    close(fd);
    packer->totals.files += !err;
    packer->totals.bytes += size;
    return err;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct dirent *const *)a)[0]->d_name, ((const struct dirent *const *)b)[0]->d_name);
}

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* What is directly in the folder, in order. */
static struct error *put_folder(struct packer *packer, int dirfd, const char *folder) {
    struct dirent **entries = NULL;
    char name[NAME_MOST];
    int fd = openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return error_system(errno, "%s", folder);
    int count = scandirat(dirfd, folder, &entries, is_visible, NULL);
    struct error *err = count < 0 ? error_system(errno, "%s", folder) : NULL;
    if (count > 0)
        qsort(entries, (size_t)count, sizeof(struct dirent *), compare_names);
    for (int i = 0; i < count; i++) {
        int length = snprintf(name, sizeof(name), "%s/%s", folder, entries[i]->d_name);
        if (!err && length >= (int)sizeof(name))
            err = error_new(ERROR_BAD_DATA, "%s: it is no recording: it holds %.60s...", folder, name);
        if (!err)
            err = put_named(packer, fd, entries[i]->d_name, name);
        free(entries[i]);
    }
    free(entries);
    close(fd);
    return err;
}

/* ---- debug information ---- */

static struct error *put_debug_file(struct packer *packer, const char *path, const char *name) {
    uint64_t size;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL; /* it does without */
    bool is_new = !is_in(packer, name);
    struct error *err = put_file(packer, fd, name, &size);
    close(fd);
    packer->totals.debug_files += is_new && !err;
    packer->totals.bytes += size;
    return err;
}

/* What dwz has moved out of a debug file into one that several share. */
static struct error *put_alternate(struct packer *packer, const struct elf_image *image, const char *path) {
    struct elf_section section;
    char name[NAME_MOST], whole[2 * NAME_MOST];
    const char *slash = strrchr(path, '/');
    if (!elf_find_section(image, ".gnu_debugaltlink", &section) || !slash)
        return NULL;
    const char *link = elf_bytes(image, section.offset, section.size);
    const char *below = link && strnlen(link, section.size) < section.size ? strstr(link, "/.dwz/") : NULL;
    if (!below || strlen(below) + sizeof(DEBUG_FOLDER) > sizeof(name) || strstr(below, "/../") ||
        strlen(link) + (size_t)(slash - path) + 2 > sizeof(whole))
        return NULL;
    snprintf(name, sizeof(name), DEBUG_FOLDER "%s", below);
    snprintf(whole, sizeof(whole), "%.*s/%s", *link == '/' ? 0 : (int)(slash - path), path, link);
    return put_debug_file(packer, whole, name);
}

static struct error *put_debug_of(struct packer *packer, struct module *module) {
    char name[NAME_MOST] = DEBUG_FOLDER "/.build-id/";
    size_t size, at = strlen(name);
    const uint8_t *id = module_build_id(module, &size);
    const struct elf_image *image = module_debug_image(module);
    const char *path = module_debug_path(module);
    TRY(put_alternate(packer, image ? image : module_image(module), path ? path : module_name(module)));
    if (!image || !path || !id || size < 2 || 2 * size + at + 16 > sizeof(name))
        return NULL;
    for (size_t i = 0; i < size; i++)
        at += (size_t)snprintf(name + at, sizeof(name) - at, i == 0 ? "%02x/" : "%02x", id[i]);
    snprintf(name + at, sizeof(name) - at, ".debug");
    return put_debug_file(packer, path, name);
}

/* Of a file of the recording; nothing if it is no program, or a part of one. */
static struct error *put_debug_for(struct packer *packer, int filesfd, const struct tape_file *file) {
    const struct module_search search = {.debuginfod = getenv("DEBUGINFOD_URLS") != NULL};
    char number[16];
    struct module *module;
    snprintf(number, sizeof(number), "%u", file->id);
    int fd = openat(filesfd, number, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return error_system(errno, "files/%s", number);
    struct error *err = module_open(fd, file->path, &search, &module);
    close(fd);
    if (error_is(err, ERROR_NO_MEMORY))
        return err;
    if (err) {
        error_free(err);
        return NULL;
    }
    err = put_debug_of(packer, module);
    module_close(module);
    return err;
}

static struct error *put_debug(struct packer *packer, const struct tape *tape) {
    for (size_t i = 0; i < tape->file_count; i++)
        TRY(put_debug_for(packer, tape->recording.filesfd, &tape->files[i]));
    return NULL;
}

/* ---- all of it ---- */

static struct error *put_process(struct packer *packer, const char *path,
                                 const struct recording_process *process) {
    struct tape tape;
    char folder[24];
    if (!process->segments)
        return NULL;
    TRY(tape_open(path, NULL, process->domain, &tape));
    snprintf(folder, sizeof(folder), "d%u", process->domain);
    struct error *err = put_folder(packer, tape.recording.dirfd, folder);
    if (!err)
        err = put_debug(packer, &tape);
    tape_close(&tape);
    return err;
}

static struct error *put_all(struct packer *packer, const char *path) {
    struct recording_processes processes;
    struct recording recording;
    bool complete;
    TRY(processes_read(path, &processes, &complete));
    struct error *err = recording_open_folders(path, &recording);
    if (!err) {
        err = put_named(packer, recording.dirfd, "recording.json", "recording.json");
        if (!err)
            err = put_folder(packer, recording.dirfd, "files");
        recording_deinit(&recording);
    }
    for (size_t i = 0; !err && i < processes.count; i++)
        err = put_process(packer, path, &processes.list[i]);
    recording_processes_deinit(&processes);
    return err;
}

static struct error *write_all(struct packer *packer, const char *path, int fd) {
    struct stat info;
    TRY(tar_writer_create(fd, packer->to, TAR_ZSTD, &packer->tar));
    TRY(put_all(packer, path));
    TRY(tar_writer_finish(packer->tar));
    if (fsync(fd) || fstat(fd, &info))
        return error_system(errno, "%s", packer->to);
    packer->totals.packed = (uint64_t)info.st_size;
    return NULL;
}

struct error *pack_write(const char *path, const char *to, struct pack_totals *ret) {
    struct packer packer = {.to = to};
    char *temporary;
    if (access(to, F_OK) == 0)
        return error_hint(error_new(ERROR_USAGE, "%s: it is there already", to), "name another file with -o");
    if (asprintf(&temporary, "%s.%d", to, (int)getpid()) < 0)
        return &error_no_memory;
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    struct error *err = fd < 0 ? error_system(errno, "%s", temporary) : write_all(&packer, path, fd);
    tar_writer_destroy(packer.tar);
    if (fd >= 0 && close(fd) && !err)
        err = error_system(errno, "%s", to);
    if (!err && rename(temporary, to))
        err = error_system(errno, "%s", to);
    if (err && fd >= 0)
        unlink(temporary);
    for (size_t i = 0; i < packer.count; i++)
        free(packer.names[i]);
    free(packer.names);
    free(temporary);
    *ret = packer.totals;
    return err;
}

/* ---- reading ---- */

static bool is_number(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (!isdigit((unsigned char)text[i]))
            return false;
    return size > 0 && size < 10;
}

/* Letters, digits and a few others in each part; a part may begin with a dot, but not be made of them. */
static bool is_plain(const char *name) {
    for (const char *at = name; *at; at++) {
        if (!isalnum((unsigned char)*at) && !strchr("./_-+", *at))
            return false;
        bool begins = at == name || at[-1] == '/';
        if (begins && (*at == '/' || (at[0] == '.' && (at[1] == '.' || at[1] == '/' || !at[1]))))
            return false;
    }
    return *name && name[strlen(name) - 1] != '/' && strlen(name) < NAME_MOST;
}

static bool is_ours(const char *name) {
    const char *slash = strchr(name, '/');
    if (!is_plain(name))
        return false;
    if (!slash)
        return !strcmp(name, "recording.json");
    if (!strncmp(name, DEBUG_FOLDER "/", sizeof(DEBUG_FOLDER)))
        return true;
    bool is_file = !strncmp(name, "files/", 6),
         is_domain = name[0] == 'd' && is_number(name + 1, (size_t)(slash - name - 1));
    return (is_file && is_number(slash + 1, strlen(slash + 1))) || (is_domain && !strchr(slash + 1, '/'));
}

static struct error *make_folders(int dirfd, char *name, const char *path) {
    for (char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int result = mkdirat(dirfd, name, 0700);
        *slash = '/';
        if (result && errno != EEXIST)
            return error_system(errno, "%s: unpacking %s", path, name);
    }
    return NULL;
}

static bool is_zero(const uint8_t *bytes, size_t size) {
    return size && !bytes[0] && !memcmp(bytes, bytes + 1, size - 1);
}

/* Holes stay holes. */
static struct error *take_bytes(struct tar_reader *tar, int fd, const char *path, uint64_t size) {
    uint8_t block[BLOCK];
    uint64_t at = 0;
    for (size_t got; at < size; at += got) {
        TRY(tar_reader_get(tar, block, sizeof(block), &got));
        if (!is_zero(block, got) && pwrite(fd, block, got, (off_t)at) != (ssize_t)got)
            return error_system(errno ? errno : ENOSPC, "%s: unpacking", path);
    }
    return ftruncate(fd, (off_t)size) ? error_system(errno, "%s: unpacking", path) : NULL;
}

static struct error *take_entry(struct tar_reader *tar, const struct tar_entry *entry, int dirfd,
                                const char *path) {
    char name[NAME_MOST];
    snprintf(name, sizeof(name), "%s", strncmp(entry->name, "./", 2) ? entry->name : entry->name + 2);
    if (entry->kind == '5')
        return NULL; /* of an archive that tar has made */
    if (entry->kind != '0' || !is_ours(name))
        return error_new(ERROR_BAD_DATA, "%s: it is no pack of a recording", path);
    TRY(make_folders(dirfd, name, path));
    int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno == EEXIST ? error_new(ERROR_BAD_DATA, "%s: %s is in it twice", path, name)
                               : error_system(errno, "%s: unpacking %s", path, name);
    struct error *err = take_bytes(tar, fd, path, entry->size);
    if (close(fd) && !err)
        err = error_system(errno, "%s: unpacking %s", path, name);
    return err;
}

static struct error *take_all(struct tar_reader *tar, int dirfd, const char *path) {
    struct tar_entry entry;
    for (bool more = true; more;) {
        TRY(tar_reader_next(tar, &entry, &more));
        if (more)
            TRY(take_entry(tar, &entry, dirfd, path));
    }
    if (faccessat(dirfd, "recording.json", F_OK, 0))
        return error_new(ERROR_BAD_DATA, "%s: it is no pack of a recording", path);
    return NULL;
}

struct error *pack_read(const char *path, const char *to) {
    struct tar_reader *tar = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_system(errno, "%s", path);
    int dirfd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct error *err = dirfd < 0 ? error_system(errno, "%s", to) : tar_reader_create(fd, path, &tar);
    if (!err)
        err = take_all(tar, dirfd, path);
    tar_reader_destroy(tar);
    if (dirfd >= 0)
        close(dirfd);
    close(fd);
    return err;
}
