/* crash_folder: where reports are. The folder may be one that others write to (/tmp): what is followed there
 * is no link, and belongs to this user. Several reels may use one folder at once: it is locked (flock) while
 * reports are made, counted and removed. */
#include "tracer/crash_state.h"

#include "base/clock.h"
#include "trace/event.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX     "crash-"
#define REPORT     "report.json"
#define TEXT       "report.txt"
#define CORE       "core"
#define TEMPORARY  ".new"
#define HEAD_BYTES 1024 /* the lines that are written anew are in these */

/* The longest that a folder's lock is waited for: the process stands still meanwhile. */
#define LOCK_NS (2 * CLOCK_SECOND)

struct error *crash_folder_open(const struct crash_options *options, struct crash_folder *ret) {
    const char *path = options->folder ? options->folder : ".";
    *ret = (struct crash_folder){.report = -1};
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return error_system(errno, "%s", path);
    ret->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ret->fd < 0)
        return error_system(errno, "%s", path);
    if (faccessat(ret->fd, ".", W_OK | X_OK, 0) < 0) {
        struct error *err = error_system(errno, "%s: no reports can be put there", path);
        close(ret->fd);
        return err;
    }
    return NULL;
}

void crash_folder_close(struct crash_folder *folder) {
    if (folder->report >= 0)
        close(folder->report);
    if (folder->fd >= 0)
        close(folder->fd); /* and the lock with it */
    folder->fd = folder->report = -1;
}

/* Without it two reels at worst miss a count of each other's. */
static void lock(struct crash_folder *folder) {
    uint64_t end = clock_now() + LOCK_NS;
    while (flock(folder->fd, LOCK_EX | LOCK_NB) < 0 && (errno == EWOULDBLOCK || errno == EINTR) &&
           clock_now() < end)
        nanosleep(&(struct timespec){.tv_nsec = 5 * CLOCK_MILLISECOND}, NULL);
}

static void unlock(struct crash_folder *folder) {
    flock(folder->fd, LOCK_UN);
}

/* A report of this user's: its descriptor, or -1. */
static int open_report(const struct crash_folder *folder, const char *name) {
    struct stat info;
    int fd = openat(folder->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &info) < 0 || info.st_uid != geteuid() || info.st_mode & 022)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int open_file(int report, const char *name, int flags) {
    struct stat info;
    int fd = openat(report, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid())) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool write_all(int fd, const void *bytes, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t put = write(fd, (const char *)bytes + done, size - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        done += (size_t)put;
    }
    return true;
}

/* A file is never seen half written: it appears by its new name when it is whole. */
static struct error *replace(const struct crash_folder *folder, const char *name, const struct buffer *text) {
    char temporary[64];
    snprintf(temporary, sizeof(temporary), "%s" TEMPORARY, name);
    int fd = openat(folder->report, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write_all(fd, text->data, text->size);
    good = good && renameat(folder->report, temporary, folder->report, name) == 0;
    struct error *err = good ? NULL : error_system(errno, "%s/%s", folder->name, name);
    if (fd >= 0)
        close(fd);
    if (err)
        unlinkat(folder->report, temporary, 0);
    return err;
}

static const char *const files[] = {REPORT, TEXT, CORE, REPORT TEMPORARY, TEXT TEMPORARY};

/* Nothing but what reel itself puts there; a folder with more in it stays. */
static void remove_report(const struct crash_folder *folder, const char *name) {
    int report = open_report(folder, name);
    for (size_t i = 0; report >= 0 && i < sizeof(files) / sizeof(files[0]); i++)
        unlinkat(report, files[i], 0);
    if (report < 0)
        return;
    close(report);
    unlinkat(folder->fd, name, AT_REMOVEDIR);
}

/* ---- the lines that change ---- */

/* What stands behind `key` in the head of a report, width bytes at most; NULL when it is not there. */
static char *value_in(char *head, const char *key) {
    char *at = strstr(head, key);
    return at ? at + strlen(key) : NULL;
}

static bool read_head(int report, char head[HEAD_BYTES + 1]) {
    int fd = open_file(report, REPORT, O_RDONLY);
    ssize_t size = fd >= 0 ? pread(fd, head, HEAD_BYTES, 0) : -1;
    if (fd >= 0)
        close(fd);
    head[size > 0 ? size : 0] = 0;
    return size > 0 && strncmp(head, "{\n  \"format\": \"reel-crash 1\",\n", 30) == 0;
}

static bool parse_head(char *head, uint64_t *ret_hash, struct crash_counts *ret) {
    char *hash = value_in(head, "\n  \"hash\": \""), *count = value_in(head, "\n  \"count\": ");
    char *first = value_in(head, "\n  \"first_seen\": \""), *last = value_in(head, "\n  \"last_seen\": \"");
    if (!hash || !count || !first || !last || strlen(last) < TRACE_TIME_SIZE)
        return false;
    *ret_hash = strtoull(hash, NULL, 16);
    ret->count = strtoull(count, NULL, 10);
    return trace_time_parse(first, TRACE_TIME_SIZE, &ret->first_ns) &&
           trace_time_parse(last, TRACE_TIME_SIZE, &ret->last_ns);
}

/* Both values have a fixed width, so one write changes them where they stand. */
static void patch(int report, const char *file, const char *count_key, const char *time_key,
                  const struct crash_counts *counts) {
    char head[HEAD_BYTES + 1], number[32], time[TRACE_TIME_SIZE];
    int fd = open_file(report, file, O_RDWR);
    ssize_t size = fd >= 0 ? pread(fd, head, HEAD_BYTES, 0) : -1;
    head[size > 0 ? size : 0] = 0;
    char *count = value_in(head, count_key), *last = value_in(head, time_key);
    snprintf(number, sizeof(number), "%20" PRIu64, counts->count);
    trace_time_put(counts->last_ns, time);
    if (count && last && strlen(count) >= 20 && strlen(last) >= TRACE_TIME_SIZE) {
        memcpy(count, number, 20);
        memcpy(last, time, TRACE_TIME_SIZE);
        if (pwrite(fd, head, (size_t)size, 0) != size)
            errno = 0; /* nothing can be done about it, and the report is as good as before */
    }
    if (fd >= 0)
        close(fd);
}

/* ---- the same crash again ---- */

static bool is_report_name(const char *name) {
    return strncmp(name, PREFIX, strlen(PREFIX)) == 0;
}

static bool count_again(struct crash_folder *folder, const char *name, const struct crash *crash,
                        struct crash_counts *ret) {
    char head[HEAD_BYTES + 1];
    uint64_t hash;
    int report = open_report(folder, name);
    bool same = report >= 0 && read_head(report, head) && parse_head(head, &hash, ret) && hash == crash->hash;
    if (same) {
        ret->count++;
        ret->last_ns = crash->time_ns;
        patch(report, REPORT, "\n  \"count\": ", "\n  \"last_seen\": \"", ret);
        patch(report, TEXT, "\nSeen        ", " times, last at ", ret);
        snprintf(folder->name, sizeof(folder->name), "%s", name);
    }
    if (report >= 0)
        close(report);
    return same;
}

static bool find_same(struct crash_folder *folder, const struct crash *crash, struct crash_counts *ret) {
    int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    bool found = false;
    if (!directory && fd >= 0)
        close(fd);
    for (struct dirent *entry; directory && !found && (entry = readdir(directory));)
        found = is_report_name(entry->d_name) && count_again(folder, entry->d_name, crash, ret);
    if (directory)
        closedir(directory);
    return found;
}

/* ---- a new report ---- */

/* crash-NAME-PID-TIME, with nothing in it that a shell would stumble over. */
static void name_report(struct crash_folder *folder, const struct crash *crash, unsigned attempt) {
    char name[64], time[32], number[16] = "";
    struct tm parts;
    time_t seconds = (time_t)(crash->time_ns / CLOCK_SECOND);
    size_t i = 0;
    for (; i < 40 && crash->facts.name[i]; i++) {
        unsigned char byte = (unsigned char)crash->facts.name[i];
        name[i] = isalnum(byte) || byte == '.' || byte == '_' || byte == '+' ? (char)byte : '_';
    }
    name[i] = 0;
    gmtime_r(&seconds, &parts);
    strftime(time, sizeof(time), "%Y%m%dT%H%M%S", &parts);
    if (attempt)
        snprintf(number, sizeof(number), ".%u", attempt);
    snprintf(folder->name, sizeof(folder->name), PREFIX "%s-%d-%s%s", *name ? name : "process",
             crash->event->pid, time, number);
}

static struct error *make_report(struct crash_folder *folder, const struct crash *crash) {
    enum { ATTEMPTS = 100 };
    for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
        name_report(folder, crash, attempt);
        if (mkdirat(folder->fd, folder->name, 0700) == 0) {
            folder->report = open_report(folder, folder->name);
            return folder->report >= 0 ? NULL : error_system(errno, "%s", folder->name);
        }
        if (errno != EEXIST)
            break;
    }
    return error_system(errno, "%s", folder->name);
}

static struct error *write_both(struct crash_folder *folder, const struct crash *crash,
                                const struct crash_counts *counts) {
    struct buffer json = {0}, text = {0};
    struct error *err = crash_json(crash, counts, &json);
    if (!err)
        err = crash_text(crash, counts, &text);
    if (!err)
        err = replace(folder, REPORT, &json);
    if (!err)
        err = replace(folder, TEXT, &text);
    buffer_deinit(&json);
    buffer_deinit(&text);
    return err;
}

struct error *crash_folder_report(struct crash_folder *folder, const struct crash *crash,
                                  struct crash_counts *ret_counts) {
    struct error *err = NULL;
    lock(folder);
    if (!find_same(folder, crash, ret_counts)) {
        *ret_counts =
            (struct crash_counts){.count = 1, .first_ns = crash->time_ns, .last_ns = crash->time_ns};
        err = make_report(folder, crash);
        if (!err) { /* so that another reel finds it */
            err = write_both(folder, crash, ret_counts);
            if (err)
                remove_report(folder, folder->name);
        }
    }
    unlock(folder);
    return err;
}

struct error *crash_folder_write(struct crash_folder *folder, const struct crash *crash) {
    char head[HEAD_BYTES + 1];
    uint64_t hash;
    struct crash_counts counts;
    lock(folder);
    if (!read_head(folder->report, head) || !parse_head(head, &hash, &counts))
        counts = (struct crash_counts){.count = 1, .first_ns = crash->time_ns, .last_ns = crash->time_ns};
    struct error *err = write_both(folder, crash, &counts);
    unlock(folder);
    return err;
}

/* ---- the quota ---- */

struct kept {
    char name[256];
    uint64_t last_ns, size;
};

struct kept_list {
    struct kept *items;
    size_t count, room;
};

static uint64_t size_of(int report) {
    uint64_t size = 0;
    struct stat info;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (fstatat(report, files[i], &info, AT_SYMLINK_NOFOLLOW) == 0)
            size += (uint64_t)info.st_blocks * 512;
    return size;
}

static bool add_kept(struct kept_list *list, const struct crash_folder *folder, const char *name) {
    char head[HEAD_BYTES + 1];
    uint64_t hash;
    struct crash_counts counts;
    struct stat info;
    int report = open_report(folder, name);
    if (report < 0)
        return true;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 32;
        struct kept *grown = realloc(list->items, room * sizeof(*grown));
        if (!grown) {
            close(report);
            return false;
        }
        list->items = grown;
        list->room = room;
    }
    struct kept *kept = &list->items[list->count++];
    *kept = (struct kept){.size = size_of(report)};
    snprintf(kept->name, sizeof(kept->name), "%s", name);
    if (read_head(report, head) && parse_head(head, &hash, &counts))
        kept->last_ns = counts.last_ns;
    else if (fstat(report, &info) == 0) /* one that was never finished */
        kept->last_ns = (uint64_t)info.st_mtim.tv_sec * CLOCK_SECOND;
    close(report);
    return true;
}

static int compare_kept(const void *a, const void *b) {
    uint64_t x = ((const struct kept *)a)->last_ns, y = ((const struct kept *)b)->last_ns;
    return x < y ? -1 : x > y;
}

void crash_folder_quota(struct crash_folder *folder, uint64_t quota) {
    struct kept_list list = {0};
    uint64_t total = 0;
    lock(folder);
    int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (!directory && fd >= 0)
        close(fd);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (is_report_name(entry->d_name) && !add_kept(&list, folder, entry->d_name))
            break;
    if (directory)
        closedir(directory);
    if (list.count)
        qsort(list.items, list.count, sizeof(*list.items), compare_kept);
    for (size_t i = 0; i < list.count; i++)
        total += list.items[i].size;
    for (size_t i = 0; i < list.count && total > quota; i++) {
        if (strcmp(list.items[i].name, folder->name) == 0)
            continue;
        remove_report(folder, list.items[i].name);
        total -= list.items[i].size;
    }
    free(list.items);
    unlock(folder);
}
