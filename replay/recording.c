#include "replay/recording.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INFO_NAME    "recording.json"
#define INFO_TEMP    "recording.json.new"
#define RESERVE_NAME "reserve"
#define RESERVE_SIZE (64u << 10)

/* ---- the directory ---- */

/* Make (if wanted) and open folder `name` of the recording. */
static struct error *open_folder(const struct recording *recording, const char *name, bool make, int *ret) {
    if (make && mkdirat(recording->dirfd, name, 0700))
        return error_system(errno, "%s/%s: cannot create", recording->path, name);
    *ret = openat(recording->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*ret >= 0)
        return NULL;
    if (errno == ENOENT || errno == ENOTDIR)
        return error_new(ERROR_BAD_DATA, "%s: damaged: the folder %s is missing", recording->path, name);
    return error_system(errno, "%s/%s: cannot open", recording->path, name);
}

static struct error *open_folders(struct recording *recording, bool make) {
    TRY(open_folder(recording, "d1", make, &recording->domainfd));
    return open_folder(recording, "files", make, &recording->filesfd);
}

static bool is_empty(int dirfd) {
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool empty = true;
    for (struct dirent *entry; empty && (entry = readdir(folder));)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(folder);
    return empty;
}

/* Make and open the directory itself; *ret_made says whether it was not there before. */
static struct error *make_directory(struct recording *recording, bool *ret_made) {
    *ret_made = !mkdir(recording->path, 0700);
    if (!*ret_made && errno != EEXIST)
        return error_system(errno, "%s: cannot create the recording", recording->path);
    recording->dirfd = open(recording->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool taken = recording->dirfd < 0 ? errno == ENOTDIR || errno == ENOENT
                                      : !*ret_made && !is_empty(recording->dirfd);
    if (taken)
        return error_hint(error_new(ERROR_USAGE, "%s: already exists", recording->path),
                          "choose another with -o");
    /* An empty folder of the user's may be open to others; the recording holds what the program saw. */
    if (recording->dirfd < 0 || fchmod(recording->dirfd, 0700))
        return error_system(errno, "%s: cannot create the recording", recording->path);
    return NULL;
}

struct error *recording_create(const char *path, uint64_t max_size, struct recording *ret) {
    struct recording recording = {.dirfd = -1, .domainfd = -1, .filesfd = -1, .budget = {.limit = max_size}};
    recording.path = strdup(path);
    if (!recording.path)
        return &error_no_memory;
    bool made;
    struct error *err = make_directory(&recording, &made);
    if (!err && (err = open_folders(&recording, true))) {
        unlinkat(recording.dirfd, "d1", AT_REMOVEDIR);
        unlinkat(recording.dirfd, "files", AT_REMOVEDIR);
    }
    if (err && made)
        rmdir(path);
    if (err)
        recording_deinit(&recording);
    else
        *ret = recording;
    return err;
}

static struct error *not_a_recording(const char *path) {
    return error_new(ERROR_NOT_FOUND, "%s: not a recording (no %s)", path, INFO_NAME);
}

/* Read as much as fits in buffer's limits from fd. */
static struct error *read_file(int fd, const char *what, struct buffer *ret) {
    struct stat status;
    if (fstat(fd, &status))
        return error_system(errno, "%s: cannot read", what);
    if (!S_ISREG(status.st_mode))
        return error_new(ERROR_BAD_DATA, "%s: not a regular file", what);
    if (status.st_size > RECORDING_INFO_MAX)
        return error_new(ERROR_BAD_DATA, "%s: too large", what);
    size_t room = (size_t)status.st_size;
    uint8_t *data = buffer_reserve(ret, room + 1);
    TRY(buffer_check(ret));
    while (ret->size < room) {
        ssize_t count = read(fd, data + ret->size, room - ret->size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_system(errno, "%s: cannot read", what);
        if (!count)
            break;
        ret->size += (size_t)count;
    }
    return NULL;
}

static struct error *read_info(const struct recording *recording, struct recording_info *ret) {
    /* O_NONBLOCK: a FIFO of this name shall not hang us. */
    int fd = openat(recording->dirfd, INFO_NAME, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return not_a_recording(recording->path);
    char *what;
    if (fd < 0)
        return error_system(errno, "%s/%s: cannot open", recording->path, INFO_NAME);
    if (asprintf(&what, "%s/%s", recording->path, INFO_NAME) < 0) {
        close(fd);
        return &error_no_memory;
    }
    struct buffer text = {0};
    struct error *err = read_file(fd, what, &text);
    if (!err)
        err = recording_info_parse(text.data, text.size, what, ret);
    buffer_deinit(&text);
    free(what);
    close(fd);
    return err;
}

static struct error *open_directory(struct recording *recording) {
    recording->dirfd = open(recording->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (recording->dirfd >= 0)
        return NULL;
    if (errno == ENOTDIR)
        return not_a_recording(recording->path);
    if (errno == ENOENT)
        return error_new(ERROR_NOT_FOUND, "%s: no such recording", recording->path);
    return error_system(errno, "%s: cannot open", recording->path);
}

struct error *recording_open(const char *path, struct recording *ret, struct recording_info *ret_info) {
    struct recording recording = {.dirfd = -1, .domainfd = -1, .filesfd = -1};
    struct recording_info info = {0};
    recording.path = strdup(path);
    if (!recording.path)
        return &error_no_memory;
    struct error *err = open_directory(&recording);
    if (!err)
        err = read_info(&recording, &info);
    if (!err)
        err = open_folders(&recording, false);
    if (err) {
        recording_info_deinit(&info);
        recording_deinit(&recording);
        return err;
    }
    *ret = recording;
    *ret_info = info;
    return NULL;
}

struct error *recording_open_folders(const char *path, struct recording *ret) {
    struct recording recording = {.dirfd = -1, .domainfd = -1, .filesfd = -1};
    recording.path = strdup(path);
    if (!recording.path)
        return &error_no_memory;
    struct error *err = open_directory(&recording);
    if (!err)
        err = open_folders(&recording, false);
    if (err)
        recording_deinit(&recording);
    else
        *ret = recording;
    return err;
}

void recording_deinit(struct recording *recording) {
    /* A zeroed struct holds no descriptors, whatever 0 means elsewhere. */
    int fds[] = {recording->dirfd, recording->domainfd, recording->filesfd};
    for (size_t i = 0; recording->path && i < 3; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    free(recording->path);
    *recording = (struct recording){.dirfd = -1, .domainfd = -1, .filesfd = -1};
}

/* ---- domains ---- */

struct error *recording_enter(struct recording *recording, uint32_t number) {
    char name[16];
    int fd;
    snprintf(name, sizeof(name), "d%" PRIu32, number);
    if (faccessat(recording->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) && errno == ENOENT)
        return error_new(ERROR_NOT_FOUND, "%s: the folder %s is missing", recording->path, name);
    TRY(open_folder(recording, name, false, &fd));
    close(recording->domainfd);
    recording->domainfd = fd;
    return NULL;
}

struct error *recording_make_domain(const struct recording *recording, uint32_t number, int *ret) {
    char name[16];
    snprintf(name, sizeof(name), "d%" PRIu32, number);
    return open_folder(recording, name, true, ret);
}

/* ---- writing recording.json ---- */

/* Create (or replace) a file of the recording with these bytes; it is removed again when that fails. */
static struct error *write_file(const struct recording *recording, const char *name, int flags,
                                const void *data, size_t size) {
    int fd = openat(recording->dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (fd < 0)
        return error_system(errno, "%s/%s: cannot create", recording->path, name);
    int errnum = 0;
    for (size_t done = 0; done < size && !errnum;) {
        ssize_t count = write(fd, (const char *)data + done, size - done);
        if (count > 0)
            done += (size_t)count;
        else if (count == 0 || errno != EINTR)
            errnum = count == 0 ? EIO : errno;
    }
    if (close(fd) && !errnum)
        errnum = errno;
    if (!errnum)
        return NULL;
    unlinkat(recording->dirfd, name, 0);
    return error_system(errnum, "%s/%s: cannot write", recording->path, name);
}

/* Hold back enough of the disk for the last recording.json, which is about as large as this one. Written, not
 * only allocated: that is what every file system answers with real blocks. */
static struct error *make_reserve(const struct recording *recording, size_t info_size) {
    struct stat status;
    if (!fstatat(recording->dirfd, RESERVE_NAME, &status, AT_SYMLINK_NOFOLLOW))
        return NULL;
    size_t size = info_size * 2 > RESERVE_SIZE ? info_size * 2 : RESERVE_SIZE;
    void *zeros = calloc(1, size);
    if (!zeros)
        return &error_no_memory;
    struct error *err = write_file(recording, RESERVE_NAME, O_EXCL, zeros, size);
    free(zeros);
    return err;
}

static struct error *write_text_file(const struct recording *recording, const struct recording_info *info,
                                     const struct buffer *text) {
    if (info->state == RECORDING_RUNNING)
        TRY(make_reserve(recording, text->size));
    else
        unlinkat(recording->dirfd, RESERVE_NAME, 0);
    TRY(write_file(recording, INFO_TEMP, O_TRUNC, text->data, text->size));
    if (!renameat(recording->dirfd, INFO_TEMP, recording->dirfd, INFO_NAME))
        return NULL;
    struct error *err = error_system(errno, "%s/%s: cannot replace", recording->path, INFO_NAME);
    unlinkat(recording->dirfd, INFO_TEMP, 0);
    return err;
}

struct error *recording_write_info(struct recording *recording, const struct recording_info *info) {
    struct buffer text = {0};
    struct error *err = recording_info_format(info, &text);
    if (!err)
        err = write_text_file(recording, info, &text);
    buffer_deinit(&text);
    return err;
}

/* ---- names ---- */

static bool is_newer(const struct stat *a, const struct stat *b) {
    if (a->st_mtim.tv_sec != b->st_mtim.tv_sec)
        return a->st_mtim.tv_sec > b->st_mtim.tv_sec;
    return a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

/* Name of the newest recording in an open folder: fresh, or NULL when there is none or memory is out. */
static char *newest_name(DIR *folder) {
    struct stat newest = {0};
    char *ret = NULL;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[sizeof(entry->d_name) + sizeof(INFO_NAME) + 1];
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", entry->d_name, INFO_NAME);
        if (fstatat(dirfd(folder), path, &status, 0) || !S_ISREG(status.st_mode))
            continue;
        if (ret && !is_newer(&status, &newest))
            continue;
        newest = status;
        free(ret);
        ret = strdup(entry->d_name);
    }
    return ret;
}

struct error *recording_find_newest(const char *directory, char **ret) {
    DIR *folder = opendir(directory);
    if (!folder)
        return error_system(errno, "%s: cannot open", directory);
    char *name = newest_name(folder), *path;
    closedir(folder);
    if (!name)
        return error_hint(error_new(ERROR_NOT_FOUND, "%s: no recording in this folder", directory),
                          "name one, or make one with: reel record PROGRAM");
    if (strcmp(directory, ".") == 0) {
        *ret = name;
        return NULL;
    }
    int size = asprintf(&path, "%s/%s", directory, name);
    free(name);
    if (size < 0)
        return &error_no_memory;
    *ret = path;
    return NULL;
}

void recording_member_name(uint32_t segment, uint32_t joined, const char *suffix, char ret[32]) {
    if (joined)
        snprintf(ret, 32, "%u.%u.%s", segment, joined, suffix);
    else
        recording_segment_name(segment, suffix, ret);
}

void recording_segment_name(uint32_t segment, const char *suffix, char ret[32]) {
    snprintf(ret, 32, "%" PRIu32 ".%s", segment, suffix);
}

/* Do something with each entry of a folder. */
static void visit_folder(int dirfd, void (*visit)(int dirfd, const char *name)) {
    int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = copy >= 0 ? fdopendir(copy) : NULL;
    if (!folder) {
        if (copy >= 0)
            close(copy);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder));)
        visit(dirfd, entry->d_name);
    closedir(folder);
}

static void remove_file(int dirfd, const char *name) {
    unlinkat(dirfd, name, 0); /* refuses folders */
}

static bool is_own_folder(const char *name) {
    return !strcmp(name, "files") || (name[0] == 'd' && name[1] && !name[1 + strspn(name + 1, "0123456789")]);
}

static void remove_folder(int dirfd, const char *name) {
    int fd = is_own_folder(name) ? openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd < 0)
        return;
    visit_folder(fd, remove_file);
    close(fd);
    unlinkat(dirfd, name, AT_REMOVEDIR);
}

void recording_discard(struct recording *recording) {
    if (!recording->path)
        return;
    visit_folder(recording->dirfd, remove_folder);
    visit_folder(recording->dirfd, remove_file);
    rmdir(recording->path);
}
